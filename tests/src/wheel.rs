//! Python packages that tests download themselves.
//!
//! Owns the download of one version of one package with pip, its digest, and where it is kept. Must
//! not know its contents.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{place, run};

/// A pinned Python package.
pub struct Wheel {
    /// Requirement in pip's notation, e.g. `magika==1.0.3`.
    pub requirement: &'static str,
    /// File name of the wheel.
    pub name: &'static str,
    /// SHA-256 digest of the wheel, in hexadecimal digits.
    pub digest: &'static str,
}

impl Wheel {
    /// Unpacks the package into a folder. It is downloaded unless an earlier run has downloaded it.
    ///
    /// # Errors
    /// Fails with the message of pip if the package cannot be downloaded, usually because there is
    /// no network.
    ///
    /// # Panics
    /// Panics if the wheel has another digest.
    pub fn unpack(&self, folder: &Path) -> Result<(), String> {
        let kept = place::workspace().join("target/wheels").join(self.name);
        if !kept.is_file() {
            let mut pip = run::tool("python3");
            pip.args([
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
            ]);
            pip.arg("--dest")
                .arg(kept.parent().expect("it lies in a folder"))
                .arg(self.requirement);
            let fetched = run::finish(&mut pip, b"");
            if !fetched.status.success() {
                return Err(format!(
                    "pip cannot fetch {}: {}",
                    self.requirement,
                    fetched.stderr.trim()
                ));
            }
        }
        let bytes = std::fs::read(&kept).expect("pip gives the file that the requirement names");
        assert_eq!(
            hex::encode(Sha256::digest(&bytes)),
            self.digest,
            "{} is another file",
            kept.display()
        );
        let mut unzip = run::tool("python3");
        run::finish(
            unzip.args(["-m", "zipfile", "-e"]).arg(&kept).arg(folder),
            b"",
        )
        .ended(0);
        Ok(())
    }
}
