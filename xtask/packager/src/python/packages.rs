//! The pure-Python packages of a script: found by pip, unpacked into one folder, and kept.
//!
//! Owns the folders that keep packages, one for each set of requirements. Must not know the lines
//! of a file of requirements, how packages are looked for, nor images.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::requirements::{self, Requirement};
use super::resolution::{PROGRAM, Satisfied, resolve};
use super::secret::redacted;
use super::wheel;

/// Packages of Azure ML that a script may ask for, but that are not fetched, because the sandbox
/// has modules of its own for them.
const PROVIDED: [&str; 6] = [
    "azureml-contrib-services",
    "azureml-core",
    "azureml-defaults",
    "azureml-inference-server-http",
    "azureml-model-management-sdk",
    "azureml-sdk",
];
/// Name of the folder with the unpacked files of packages, in the folder that is kept for the
/// requirements of a script.
const FILES: &str = "files";
/// Name of the file that lists the packages, in the folder that is kept for the requirements of a
/// script.
const LIST: &str = "packages.json";

/// The Python interpreter for which a script's packages are chosen, and the libraries that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Version of Python, such as `3.15.0`.
    pub python: String,
    /// Versions of the libraries in the engine pack. The keys are the names of their packages.
    pub libraries: BTreeMap<String, String>,
}

/// The packages of a script, unpacked into one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packages {
    /// Packages of the script, sorted by name.
    pub list: Vec<Package>,
    /// Files of the packages. The keys are the paths in the folder of the packages, and the values
    /// are the paths on this machine.
    pub files: BTreeMap<String, PathBuf>,
}

/// A package of a script, from a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Name of the package on PyPI, in its normal form.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Licence of the package as its metadata states it. Empty if the metadata states none.
    pub license: String,
    /// SHA-256 digest of the package's wheel, in hex.
    pub sha256: String,
    /// True if a requirement of the script names exactly one version of the package.
    is_pinned: bool,
}

/// Record that is kept for the requirements of a script: the packages that were fetched, and the
/// requirements for which the engine pack has a library.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    packages: Vec<Package>,
    satisfied: BTreeMap<String, Satisfied>,
}

/// Returns the packages that the file of requirements `file` asks for and that the interpreter does
/// not have. They are fetched with pip unless an earlier command fetched packages for equal
/// requirements. Prints to standard error which versions were taken. Fails if pip cannot be run, or
/// if a package is missing or has native code.
pub fn locate(file: &Path, interpreter: &Interpreter) -> Result<Packages, Failure> {
    let requirements = requirements::read(file)?;
    let job = json!({
        "packages": requirements.packages,
        "constraints": requirements.constraints,
        "options": requirements.options,
        "are_hashed": requirements.are_hashed,
        "engine": interpreter.libraries,
        "provided": PROVIDED,
        "environment": environment(&interpreter.python),
    });
    let key = key(&job, &requirements.packages)?;
    let root = installation::cache().join("python-packages");
    let place = root.join(key);
    if !place.join(LIST).is_file() {
        fetch(file, &job, &root, &place)?;
    }
    let list = place.join(LIST);
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::other(
            format!("{}: cannot be read: {error}", shown(&list)),
            format!("remove {}, and run the command again", shown(&place)),
        )
    };
    let text = std::fs::read(&list).map_err(|error| unreadable(&error))?;
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    say(&kept);
    let mut files = BTreeMap::new();
    walk(&place.join(FILES), "", &mut files)?;
    Ok(Packages {
        list: kept.packages,
        files,
    })
}

/// Returns the environment markers of PEP 508 for the sandbox's interpreter. A requirement can
/// depend on them. `python` is the version of the interpreter.
fn environment(python: &str) -> Value {
    let short: Vec<_> = python.split('.').take(2).collect();
    json!({
        "python_version": short.join("."),
        "python_full_version": python,
        "implementation_name": "cpython",
        "implementation_version": python,
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "wasi",
        "platform_system": "wasi",
        "platform_machine": "wasm32",
        "platform_release": "",
        "platform_version": "",
    })
}

/// Returns the name of the folder that keeps the packages for `job`, the input of `resolve.py`. The
/// name depends on the requirements, and on the bytes of wheels on this machine. Secrets and the
/// places of the requirements do not change the name, because they do not change what is found.
fn key(job: &Value, packages: &[Requirement]) -> Result<String, Failure> {
    let mut text = format!(
        "{}\n{PROGRAM}\n",
        redacted(&without_places(job).to_string())
    );
    for wheel in packages.iter().filter_map(|one| one.wheel.as_ref()) {
        let path = Path::new(wheel);
        let digest = File::open(path).and_then(Digest::of_reader);
        let (digest, _) = digest.map_err(|error| Failure::file(path, "be read", error))?;
        text.push_str(digest.hex());
    }
    let digest = Digest::of(text.as_bytes());
    Ok(digest.hex().get(..24).unwrap_or_default().to_owned())
}

/// Returns the input of `resolve.py` without the places of the requirements and the paths of
/// wheels.
fn without_places(job: &Value) -> Value {
    let mut job = job.clone();
    for list in ["packages", "constraints"] {
        let entries = job.get_mut(list).and_then(Value::as_array_mut);
        let entries = entries.into_iter().flatten();
        for entry in entries.filter_map(Value::as_object_mut) {
            entry.remove("place");
            if entry.get("wheel").is_some_and(Value::is_string) {
                entry.remove("wheel");
            }
        }
    }
    job
}

/// Finds the wheels for `job`, the input of `resolve.py`, and unpacks them into the folder `place`
/// below `root`. `file` is the file of requirements. Fails if a wheel cannot be found or unpacked,
/// or if a file cannot be written.
fn fetch(file: &Path, job: &Value, root: &Path, place: &Path) -> Result<(), Failure> {
    let taken = std::fs::create_dir_all(root)
        .and_then(|()| tempfile::Builder::new().prefix(".fetch-").tempdir_in(root));
    let folder = taken.map_err(|error| Failure::file(root, "create a temporary folder", error))?;
    let wheels = folder.path().join("wheels");
    let kept = folder.path().join("kept");
    for dir in [&wheels, &kept.join(FILES)] {
        std::fs::create_dir_all(dir).map_err(|error| Failure::file(dir, "be made", error))?;
    }
    eprintln!("looking for the packages of {} with pip", shown(file));
    let mut job = job.clone();
    if let Some(job) = job.as_object_mut() {
        job.insert("wheels".to_owned(), wheels.display().to_string().into());
    }
    let found = resolve(&job, &wheels)?;
    let (mut packages, mut left_bytes) = (Vec::new(), wheel::MOST_BYTES);
    for wheel in found.wheels {
        wheel::unpack(&wheel.file, &kept.join(FILES), &mut left_bytes)?;
        packages.push(wheel.package);
    }
    let list = Kept {
        packages,
        satisfied: found.satisfied,
    };
    let path = kept.join(LIST);
    serde_json::to_vec_pretty(&list)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(&path, text))
        .map_err(|error| Failure::file(&path, "be written", error))?;
    match std::fs::rename(&kept, place) {
        Err(error) if !place.is_dir() => Err(Failure::file(place, "be put in place", error)),
        // Another process may have been faster. Both folders have packages for these requirements.
        _ => Ok(()),
    }
}

/// Prints the versions of a script's packages, a note on versions that the requirements leave open,
/// and a warning for each library of the engine pack that has another version than the requirements
/// ask for.
fn say(kept: &Kept) {
    if !kept.packages.is_empty() {
        let names = kept.packages.iter();
        let names: Vec<_> = names
            .map(|one| format!("{} {}", one.name, one.version))
            .collect();
        eprintln!("packages: {}", names.join(", "));
    }
    let unpinned = kept.packages.iter().filter(|one| !one.is_pinned);
    let unpinned: Vec<_> = unpinned
        .map(|one| format!("{}=={}", one.name, one.version))
        .collect();
    if !unpinned.is_empty() {
        eprintln!(
            "note: the requirements leave versions open; to keep these on every machine, name {}",
            unpinned.join(", ")
        );
    }
    for (name, found) in kept.satisfied.iter().filter(|(_, found)| !found.is_asked) {
        eprintln!(
            "warning: {}: asks for {name}{}, and the script gets {name} {} of the engine",
            found.place, found.asked, found.version
        );
    }
}

/// Collects the files of a script's packages below the folder `dir`. `prefix` is the path of this
/// folder in the folder of the packages, with a slash at its end. Fails if a folder cannot be
/// listed.
fn walk(dir: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().map_err(unreadable)?.is_dir() {
            true => walk(&entry.path(), &format!("{name}/"), files)?,
            false => drop(files.insert(name, entry.path())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_requirements_share_a_folder() {
        let job = |place: &str, text: &str, index: &str| json!({ "packages": [{ "text": text, "hashes": [], "place": place }], "constraints": [], "options": [index] });
        let key = |job: &Value| key(job, &[]).unwrap();
        let first = key(&job("a:1", "redis", "--index-url https://me:old@h.example"));
        let other = |place: &str, text: &str, index: &str| key(&job(place, text, index)) != first;
        assert!(!other(
            "b:2",
            "redis",
            "--index-url https://me:new@h.example"
        ));
        assert!(other(
            "a:1",
            "redis<5",
            "--index-url https://me:old@h.example"
        ));
        assert!(other(
            "a:1",
            "redis",
            "--index-url https://me:old@i.example"
        ));
        assert_eq!(environment("3.15.0")["python_version"], "3.15");
    }

    #[test]
    fn a_wheel_counts_with_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("x-1-py3-none-any.whl");
        let of = |bytes: &str| {
            std::fs::write(&wheel, bytes).unwrap();
            let one = Requirement {
                text: "./x-1-py3-none-any.whl".into(),
                wheel: Some(wheel.display().to_string()),
                hashes: Vec::new(),
                place: "r:1".into(),
            };
            key(&json!({ "packages": [one] }), std::slice::from_ref(&one)).unwrap()
        };
        assert_ne!(of("1"), of("2"));
        assert_eq!(of("1"), of("1"));
    }
}
