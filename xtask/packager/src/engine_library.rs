//! The shared library of ONNX Runtime, which runs ONNX graphs. One version is fetched once,
//! verified by its digest, and kept with its licence.
//!
//! Owns the version and the source of the library: a Python wheel, of which only the shared library
//! and the licence files are kept. Must not know which program loads the library, nor images.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::graph::LIBRARY;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

/// Requirement of pip for ONNX Runtime, with the pinned version.
const REQUIREMENT: &str = "onnxruntime==1.31.1";
/// File name of the wheel of ONNX Runtime for the target of this build. The library in the wheel
/// does not depend on the version of the Python interpreter.
const WHEEL: &str = "onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_x86_64.whl";
const WHEEL_DIGEST: &str =
    "sha256:5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f";
const LIBRARY_DIGEST: &str =
    "sha256:fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3";

/// Name of the folder that holds the ONNX Runtime library, in an installed tool and in the cache
/// folder of this program.
pub const FOLDER: &str = "engine";

/// Names of the files with the licence of ONNX Runtime and the licences of its dependencies. Both
/// files are always copied with the library.
const TEXTS: [&str; 2] = ["LICENSE", "ThirdPartyNotices.txt"];

/// The shared library of ONNX Runtime, which runs graphs, with a verified digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineLibrary {
    /// Path of the shared library.
    pub file: PathBuf,
    /// Paths of the licence and the third-party notices, which are in the folder of the library.
    pub texts: Vec<PathBuf>,
}

/// Returns the folder of the ONNX Runtime library that commands use if the user names none. If an
/// installed tool has the library, this is a folder of the tool. Otherwise it is a folder in the
/// cache folder of this program, in which the library may be missing.
pub fn folder() -> PathBuf {
    let shipped = installation::parts().map(|parts| parts.join(FOLDER));
    shipped
        .filter(|folder| folder.join(LIBRARY).is_file())
        .unwrap_or_else(|| installation::cache().join(FOLDER))
}

/// Returns the ONNX Runtime library at the path `given`. If `given` is `None`, returns the library
/// in [`folder`], which is fetched if it is missing. Fails if there is no file at `given`,
/// if the library cannot be fetched or is not the pinned version, or if one of its licence files is
/// missing.
pub fn locate(given: Option<&Path>) -> Result<EngineLibrary, Failure> {
    if let Some(file) = given {
        return kept(file)?.ok_or_else(|| {
            Failure::project(
                format!(
                    "{}: --engine-library: there is no such file",
                    file.display()
                ),
                format!(
                    "name {LIBRARY}, with {} next to it; without the flag, the library is fetched",
                    TEXTS.join(" and ")
                ),
            )
        });
    }
    let dir = folder();
    let file = dir.join(LIBRARY);
    match kept(&file)? {
        Some(library) => Ok(library),
        None => {
            fetch(&dir)?;
            kept(&file)?.ok_or_else(|| {
                Failure::other(
                    format!("{}: was removed while the command ran", shown(&file)),
                    "run the command again",
                )
            })
        }
    }
}

/// Checks the ONNX Runtime library at the path `file`, and returns it with its licences. Returns
/// `None` if there is no such file. Fails if the file cannot be read or is not the pinned version,
/// or if one of its licence files is missing.
fn kept(file: &Path) -> Result<Option<EngineLibrary>, Failure> {
    if !file.is_file() {
        return Ok(None);
    }
    check(file, LIBRARY_DIGEST)?;
    let dir = file.parent().unwrap_or(Path::new("."));
    let texts: Vec<_> = TEXTS.iter().map(|name| dir.join(name)).collect();
    match texts.iter().find(|text| !text.is_file()) {
        None => Ok(Some(EngineLibrary {
            file: file.to_path_buf(),
            texts,
        })),
        Some(missing) => Err(Failure::toolchain(
            format!(
                "{}: is missing, and the library must not be handed on without it",
                shown(missing)
            ),
            format!(
                "put it there, or remove {} to have all of them fetched",
                shown(file)
            ),
        )),
    }
}

fn check(file: &Path, expected: &str) -> Result<(), Failure> {
    let unreadable = |error| Failure::file(file, "be read", error);
    let (found, _) =
        Digest::of_reader(File::open(file).map_err(unreadable)?).map_err(unreadable)?;
    if found.to_string() == expected {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Verification,
        format!(
            "{}: has the digest {found}, and this version of Scorebox takes {expected}",
            shown(file)
        ),
        "remove it, and run the command again; do not trust a package index or a proxy that sends \
         other bytes",
    ))
}

fn fetch(dir: &Path) -> Result<(), Failure> {
    let target = installation::cache();
    let taken = std::fs::create_dir_all(&target).and_then(|()| {
        tempfile::Builder::new()
            .prefix(".engine-")
            .tempdir_in(&target)
    });
    let folder =
        taken.map_err(|error| Failure::file(&target, "create a temporary folder", error))?;
    eprintln!("fetching {REQUIREMENT} with pip");
    let mut pip = python(&[
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    pip.args([
        "--only-binary=:all:",
        "--python-version",
        "3.11",
        "--platform",
        "manylinux_2_28_x86_64",
        "--dest",
    ]);
    run(pip.arg(folder.path()).arg(REQUIREMENT), Kind::Network)?;
    let wheel = folder.path().join(WHEEL);
    check(&wheel, WHEEL_DIGEST)?;
    let unpacked = folder.path().join("wheel");
    run(
        python(&["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked),
        Kind::Toolchain,
    )?;
    std::fs::create_dir_all(dir).map_err(|error| Failure::file(dir, "be made", error))?;
    // The library is moved last: if it exists, the licence files exist too.
    for text in TEXTS {
        place(&unpacked.join("onnxruntime").join(text), &dir.join(text))?;
    }
    place(
        &unpacked.join("onnxruntime/capi").join(LIBRARY),
        &dir.join(LIBRARY),
    )
}

fn place(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|error| Failure::file(to, "be written", error))
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command, kind: Kind) -> Result<(), Failure> {
    let fix = "install Python with pip (apt-get install python3-pip); or fetch the wheel where \
               there is a network, unpack it, and name its library with --engine-library";
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let shown = format!("`python3 {}`", words.join(" "));
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::new(
                kind,
                format!("{shown} ended with {}: {said}", output.status),
                fix,
            ))
        }
        Err(error) => Err(Failure::toolchain(
            format!("{shown} cannot be run: {error}"),
            fix,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_is_refused_and_so_is_one_without_its_licence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(LIBRARY);
        assert!(
            locate(Some(&file))
                .unwrap_err()
                .problem
                .contains("no such file")
        );
        std::fs::write(&file, "another").unwrap();
        let refused = locate(Some(&file)).unwrap_err();
        assert_eq!(refused.exit_code(), 7);
        assert!(refused.problem.contains(LIBRARY_DIGEST), "{refused}");
        assert_eq!(check(&file, &Digest::of(b"another").to_string()), Ok(()));
    }
}
