//! The Python interpreter that converts models. It uses a pinned set of libraries, which is
//! installed once, or the libraries of an environment that the user names.
//!
//! Owns the folder of the libraries, their installation by pip, and the digest of the file that
//! pins them. Must not know what is converted.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation::{self, Sources};
use scorebox_workspace::workspace::shown;

/// Versions of Python for which `requirements.txt` has the digests of the libraries' wheels.
const VERSIONS: [&str; 3] = ["3.11", "3.12", "3.13"];

/// File name of the list of the pinned Python libraries.
const REQUIREMENTS: &str = "requirements.txt";

/// Python code that prints the version and the path of the interpreter that runs it.
///
/// The interpreter prints its own path because the program on PATH may be a shim, which does not
/// work without the shim's environment.
const WHO: &str = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)";

/// A Python interpreter that converts models, and its libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Path of the Python interpreter.
    pub python: PathBuf,
    /// Folder with the pinned Python libraries. `None` if the interpreter's own libraries are used.
    pub libraries: Option<PathBuf>,
    /// Digest of the file that pins the Python libraries. `None` if the caller chose the
    /// interpreter.
    pub requirements: Option<Digest>,
}

/// Returns the folder of the Python files that convert models.
pub fn sources() -> PathBuf {
    Sources::Convert.folder()
}

/// Returns the environment that converts models. If `python` names an interpreter, this is the
/// interpreter with its own libraries. If `python` is `None`, it is `python3` with the pinned
/// libraries in `folder`, which are installed if they are missing. If `folder` is `None`, it is
/// `convert-env` in the cache folder of this program. Fails if the interpreter cannot be run, if
/// the libraries are not pinned for its version, or if they cannot be installed.
pub fn locate(python: Option<&Path>, folder: Option<&Path>) -> Result<Environment, Failure> {
    if let Some(python) = python {
        // The interpreter prints its own path, so a name that PATH finds is enough.
        let (_, python) = identity(python)?;
        return Ok(Environment {
            python,
            libraries: None,
            requirements: None,
        });
    }
    let (version, python) = identity(Path::new("python3"))?;
    if !VERSIONS.contains(&version.as_str()) {
        return Err(Failure::toolchain(
            format!(
                "python3 is Python {version}, and the pinned libraries are for {}",
                VERSIONS.join(", ")
            ),
            "put one of these on PATH as python3, or name an environment of your own with --python",
        ));
    }
    let file = sources().join(REQUIREMENTS);
    let text = std::fs::read(&file).map_err(|error| Failure::file(&file, "be read", error))?;
    let requirements = Digest::of(&text);
    let root = folder.map_or_else(
        || installation::cache().join("convert-env"),
        Path::to_path_buf,
    );
    let root =
        std::path::absolute(&root).map_err(|error| Failure::file(&root, "be resolved", error))?;
    let short = requirements.hex().get(..16).unwrap_or_default().to_owned();
    let libraries = root.join(format!("{short}-py{version}"));
    if !libraries.is_dir() {
        install(&python, &file, &root, &libraries)?;
    }
    Ok(Environment {
        python,
        libraries: Some(libraries),
        requirements: Some(requirements),
    })
}

/// Runs the Python interpreter `python`, and returns the interpreter's version, such as `3.12`, and
/// its path. Fails if the interpreter cannot be run.
fn identity(python: &Path) -> Result<(String, PathBuf), Failure> {
    let fix = "install Python (apt-get install python3 python3-pip), or name one with --python";
    let output = Command::new(python)
        .args(["-c", WHO])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::toolchain(format!("{} cannot be run: {error}", python.display()), fix)
        })?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (
        output.status.success(),
        said.lines().collect::<Vec<_>>().as_slice(),
    ) {
        (true, [version, path]) => Ok(((*version).to_owned(), PathBuf::from(path))),
        _ => Err(Failure::toolchain(
            format!("{} ended with {}", python.display(), output.status),
            fix,
        )),
    }
}

/// Installs the Python libraries that the file `requirements` pins in a temporary folder below
/// `root`, and renames the folder to `goal` when it is complete. Fails if pip fails, e.g. because
/// the digest of a library is not the pinned one.
fn install(python: &Path, requirements: &Path, root: &Path, goal: &Path) -> Result<(), Failure> {
    let taken = std::fs::create_dir_all(root).and_then(|()| {
        tempfile::Builder::new()
            .prefix(".install-")
            .tempdir_in(root)
    });
    let folder = taken.map_err(|error| Failure::file(root, "create a temporary folder", error))?;
    let libraries = folder.path().join("libraries");
    eprintln!(
        "installing the libraries that convert, with pip, into {}: more than 100 MB to fetch, once",
        shown(goal)
    );
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
    ]);
    // A pip before 22.1 refuses the flag of this name, and ignores the variable.
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.args(["--only-binary=:all:", "--no-input", "--target"])
        .arg(&libraries);
    pip.arg("--requirement").arg(requirements);
    let output = pip.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Failure::file(python, "be run", error))?;
    if !output.status.success() {
        return Err(refused(&output));
    }
    match std::fs::rename(&libraries, goal) {
        Err(error) if !goal.is_dir() => Err(Failure::file(goal, "be put in place", error)),
        // Another process may have been faster. Both folders have the same content.
        _ => Ok(()),
    }
}

fn refused(output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let problem = format!(
        "pip cannot install the libraries: it ended with {}: {said}",
        output.status
    );
    if said.contains("DO NOT MATCH THE HASHES") {
        let fix =
            "do not trust a package index or a proxy that sends other bytes; use another index";
        return Failure::new(Kind::Verification, problem, fix);
    }
    if said.contains("No module named pip") {
        return Failure::toolchain(problem, "install pip (apt-get install python3-pip)");
    }
    let fix = format!(
        "check that pip can reach its package index (`pip config list` shows which one it uses); \
         or install {} elsewhere, into a Python that you name with --python",
        shown(&sources().join(REQUIREMENTS))
    );
    Failure::new(Kind::Network, problem, fix)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_output_of_pip_decides_the_kind_of_the_failure() {
        let check = |said: &str, kind: Kind| {
            let status = std::process::ExitStatus::from_raw(256);
            let output = Output {
                status,
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            };
            assert_eq!(refused(&output).kind, kind, "{said}");
        };
        check(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            Kind::Verification,
        );
        check("/usr/bin/python3: No module named pip", Kind::Toolchain);
        check(
            "ERROR: No matching distribution found for numpy",
            Kind::Network,
        );
    }

    #[test]
    fn every_requirement_has_a_version_and_digests() {
        let text = std::fs::read_to_string(sources().join("requirements.txt")).unwrap();
        let engine = "onnxruntime==1.31.1 \\";
        assert!(
            text.lines().any(|line| line == engine),
            "the engine of the host: {engine}"
        );
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let pinned = line.contains("==") || line.trim_start().starts_with("--hash=sha256:");
            assert!(pinned, "{line}");
        }
    }
}
