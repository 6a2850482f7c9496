//! The pure-Python packages of a script: found by pip, unpacked into one folder, and kept.
//!
//! Owns the run of `resolve.py`, which calls pip, and the folder that keeps the packages of the
//! same requirements. Must not know the lines of a file of requirements, nor images.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::requirements::{self, Requirement};
use super::wheel;

/// Python program that finds wheels with pip.
const RESOLVE: &str = include_str!("resolve.py");
/// Packages of Azure ML whose names a script may ask for, and whose modules the engine's world has.
const PROVIDED: [&str; 6] = [
    "azureml-contrib-services",
    "azureml-core",
    "azureml-defaults",
    "azureml-inference-server-http",
    "azureml-model-management-sdk",
    "azureml-sdk",
];
/// Name of the folder with the unpacked files, below the folder that is kept.
const FILES: &str = "files";
/// Name of the list of the packages, in the folder that is kept.
const LIST: &str = "packages.json";

/// The interpreter for which packages are chosen, and the libraries that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Version of Python, such as `3.15.0`.
    pub python: String,
    /// Versions of the libraries in the engine pack, by the names of their packages.
    pub libraries: BTreeMap<String, String>,
}

/// The packages of a script, unpacked into one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packages {
    /// The packages, sorted by name.
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
    /// Licence of the package as its metadata states it. Empty if it states none.
    pub license: String,
    /// SHA-256 digest of the wheel, in hex.
    pub sha256: String,
    /// True if the requirements name one version.
    is_pinned: bool,
}

/// What is kept for a file of requirements.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    packages: Vec<Package>,
    satisfied: BTreeMap<String, Satisfied>,
}

/// A requirement that a library of the engine pack meets.
#[derive(Debug, Serialize, Deserialize)]
struct Satisfied {
    version: String,
    is_asked: bool,
    asked: String,
    place: String,
}

/// Answer of `resolve.py`.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    wheels: Vec<Wheel>,
    #[serde(default)]
    satisfied: BTreeMap<String, Satisfied>,
    refused: Option<Refused>,
}

#[derive(Debug, Deserialize)]
struct Wheel {
    file: PathBuf,
    #[serde(flatten)]
    package: Package,
}

/// A requirement that cannot be met, as `resolve.py` describes it.
#[derive(Debug, Deserialize)]
struct Refused {
    text: String,
    place: String,
    kind: String,
    detail: String,
}

/// Returns the packages that the file of requirements `file` asks for and that the interpreter does
/// not have. They are fetched with pip at the first time. Says which versions were taken. Fails if
/// pip cannot be run, or if a package is missing or has native code.
pub fn locate(file: &Path, interpreter: &Interpreter) -> Result<Packages, Failure> {
    let requirements = requirements::read(file)?;
    let job = json!({
        "packages": requirements.packages,
        "constraints": requirements.constraints,
        "options": requirements.options,
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

/// Returns the marks of the sandbox's interpreter that a requirement can depend on, as PEP 508
/// names them.
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

/// Returns the name of the folder that keeps the packages of a job. Wheels on this machine count
/// with their bytes.
fn key(job: &Value, packages: &[Requirement]) -> Result<String, Failure> {
    let mut text = format!("{}\n{RESOLVE}\n", without_places(job));
    let paths = packages.iter().map(|one| Path::new(&one.text));
    for path in paths.filter(|path| path.is_absolute()) {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, "be read", error))?;
        text.push_str(Digest::of(&bytes).hex());
    }
    let digest = Digest::of(text.as_bytes());
    Ok(digest.hex().get(..24).unwrap_or_default().to_owned())
}

/// Returns the job without the places of its requirements, which do not change what is found.
fn without_places(job: &Value) -> Value {
    let mut job = job.clone();
    for list in ["packages", "constraints"] {
        let entries = job.get_mut(list).and_then(Value::as_array_mut);
        for entry in entries
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            entry.remove("place");
        }
    }
    job
}

/// Finds the wheels of a job, and unpacks them into the folder `place` below `root`.
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
    let answer = resolve(&job, &wheels)?;
    if let Some(refused) = answer.refused {
        return Err(refused.failure());
    }
    let mut packages = Vec::new();
    for found in answer.wheels {
        wheel::unpack(&found.file, &kept.join(FILES))?;
        packages.push(found.package);
    }
    let list = Kept {
        packages,
        satisfied: answer.satisfied,
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

/// Runs `resolve.py` with a job. `folder` is the current folder of the process.
fn resolve(job: &Value, folder: &Path) -> Result<Answer, Failure> {
    let fix = "install Python 3.9 or later with pip 22.2 or later, e.g. `apt-get install python3 python3-pip`";
    let failed = |error: std::io::Error| {
        Failure::toolchain(format!("`python3` cannot be run: {error}"), fix)
    };
    let mut child = Command::new("python3")
        // Modules of the current folder must not take the place of modules of pip.
        .env("PYTHONSAFEPATH", "1")
        .args(["-B", "-c", RESOLVE])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends before it has read the job says why on its standard error.
        let _ = stdin.write_all(job.to_string().as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it printed nothing");
        Failure::toolchain(
            format!(
                "`python3` did not find the packages: {}",
                quoted(last, REASON_BYTES)
            ),
            fix,
        )
    })
}

impl Refused {
    fn failure(&self) -> Failure {
        let Self {
            text,
            place,
            kind,
            detail,
        } = self;
        let name = quoted(text, NAME_BYTES);
        let detail = quoted(detail, REASON_BYTES);
        let problem = |what: String| format!("{place}: `{name}` {what}");
        match kind.as_str() {
            "native" => Failure::project(
                problem(format!(
                    "has native code ({detail}), which cannot run in the sandbox"
                )),
                "remove it if the script does not import it. A model of XGBoost or LightGBM runs as a \
                 graph: convert it with `cargo xtask convert MODEL --output model`, and write `accelerate = \
                 true` under [scorer]",
            ),
            "invalid" => Failure::project(
                problem(format!("is not a requirement: {detail}")),
                "write the name of a package, with a version if it matters, e.g. `redis==5.0.8`",
            ),
            "conflict" => Failure::project(
                problem(format!("does not fit the version that was taken: {detail}")),
                "name a version of this package that fits all that ask for it",
            ),
            "missing" => Failure::project(
                problem(format!("has no pure-Python wheel: {detail}")),
                "correct the name or the version; if the package exists only as source code, build a wheel of \
                 it (`pip wheel --no-deps`), and name the wheel's path; remove it if the script does not \
                 import it",
            ),
            "hash" => Failure::new(
                Kind::Verification,
                problem(format!(
                    "has another digest than the requirements name: {detail}"
                )),
                "do not trust a package index or a proxy that sends other bytes; use another index",
            ),
            _ => Failure::new(
                Kind::Network,
                problem(format!("was not found, because pip failed: {detail}")),
                "check that pip can reach its package index (`pip config list` shows which one it uses), and \
                 run the command again",
            ),
        }
    }
}

/// Prints the versions of the packages, and a warning for each library of the engine pack that has
/// another version than the requirements ask for.
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

/// Collects the files below the folder `dir`. `prefix` is the path of this folder in the folder of
/// the packages.
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
    fn a_refused_package_says_what_to_do() {
        #[track_caller]
        fn check(kind: &str, exit: u8, parts: [&str; 2]) {
            let refused = Refused {
                text: "xgboost==2".into(),
                place: "requirements.txt:4".into(),
                kind: kind.into(),
                detail: "xgboost-2-manylinux.whl".into(),
            };
            let failure = refused.failure();
            assert_eq!(failure.exit_code(), exit, "{failure}");
            let text = failure.to_string();
            for part in parts
                .iter()
                .chain(&["requirements.txt:4: `xgboost==2`", "fix: "])
            {
                assert!(text.contains(part), "{text}");
            }
        }
        check("native", 3, ["has native code", "cargo xtask convert"]);
        check("missing", 3, ["no pure-Python wheel", "pip wheel"]);
        check("conflict", 3, ["does not fit", "name a version"]);
        check("hash", 7, ["another digest", "do not trust"]);
        check("pip", 6, ["pip failed", "package index"]);
    }

    #[test]
    fn the_same_requirements_share_a_folder() {
        let job = |place: &str, text: &str| json!({ "packages": [{ "text": text, "hashes": [], "place": place }], "constraints": [] });
        let key = |job: &Value| key(job, &[]).unwrap();
        assert_eq!(key(&job("a:1", "redis")), key(&job("b:2", "redis")));
        assert_ne!(key(&job("a:1", "redis")), key(&job("a:1", "redis<5")));
        assert_eq!(environment("3.15.0")["python_version"], "3.15");
    }
}
