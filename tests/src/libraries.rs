//! Python libraries that tests run, such as clients of the Open Inference Protocol, at exact
//! versions.
//!
//! Owns their installation with pip, the folder in which it is kept, and the environment in which a
//! script runs with them. Must not know any library. Each topic has a folder in `tests/data` with a
//! `requirements.txt`, which pins every library with its digests, and with the scripts that use
//! them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::place;
use crate::run::{self, Finished};

/// Versions of Python for which the files `requirements.txt` have the digests of the wheels.
const VERSIONS: [&str; 3] = ["3.11", "3.12", "3.13"];

/// Timeout for the installation of the libraries with pip, which depends on the network.
const LIMIT: Duration = Duration::from_secs(600);

/// Installed Python libraries of one topic, which is a folder in `tests/data` with scripts and a
/// `requirements.txt`.
pub struct Libraries {
    folder: PathBuf,
    scripts: PathBuf,
}

impl Libraries {
    /// Returns the libraries that `tests/data/TOPIC/requirements.txt` pins. They are installed
    /// unless an earlier run has installed them.
    ///
    /// # Errors
    /// Fails with the reason as text if the libraries cannot be installed, usually because there is
    /// no network.
    ///
    /// # Panics
    /// Panics if the package index sends files with other digests.
    pub fn of(topic: &str) -> Result<Self, String> {
        let scripts = place::workspace().join("tests/data").join(topic);
        let requirements = scripts.join("requirements.txt");
        let text = std::fs::read(&requirements).expect("the topic has requirements");
        let version = version()?;
        let digest = hex::encode(Sha256::digest(&text));
        let root = place::workspace().join("target/test-libraries");
        let folder = root.join(format!("{topic}-{}-py{version}", &digest[..16]));
        if folder.is_dir() {
            return Ok(Self { folder, scripts });
        }
        std::fs::create_dir_all(&root).expect("a folder can be made");
        let made = tempfile::tempdir_in(&root).expect("a folder can be made");
        let libraries = made.path().join("libraries");
        let mut pip = run::tool("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            // Some of the libraries have dependencies that nothing here imports, and bounds on the
            // version of Python that their types do not need.
            .args(["--require-hashes", "--no-deps", "--ignore-requires-python"])
            .args(["--only-binary=:all:", "--no-compile", "--target"])
            .arg(&libraries)
            .arg("--requirement")
            .arg(&requirements);
        let installed = run::finish_within(LIMIT, &mut pip, b"");
        if !installed.status.success() {
            let said = installed.stderr.trim();
            assert!(!said.contains("DO NOT MATCH THE HASHES"), "{said}");
            return Err(format!(
                "pip cannot install the libraries of {topic}: {said}"
            ));
        }
        // Another process may have been faster. Both folders have the same content.
        let moved = std::fs::rename(&libraries, &folder);
        assert!(moved.is_ok() || folder.is_dir(), "{moved:?}");
        Ok(Self { folder, scripts })
    }

    /// Returns the folder of the programs that the libraries bring along.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// Runs the script `script` of the topic's folder to its end, with the given arguments and the
    /// libraries.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[String]) -> Finished {
        let mut python = self.python();
        python.arg(self.scripts.join(script)).args(arguments);
        run::finish(&mut python, b"")
    }

    /// Returns a command that runs Python. It can import the libraries and the scripts in the
    /// topic's folder, but no other libraries of this machine.
    ///
    /// # Panics
    /// Panics if the path of the workspace has a colon in it.
    #[must_use]
    pub fn python(&self) -> Command {
        let path = std::env::join_paths([&self.folder, &self.scripts]).expect("no colon is in it");
        let mut python = run::tool("python3");
        // Warnings of the libraries about each other are not the subject of a test.
        python
            .args(["-W", "ignore", "-S", "-s", "-P"])
            .env("PYTHONPATH", path)
            // Compiled modules are kept, which halves the time to start, but not next to the
            // scripts.
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env("PYTHONPYCACHEPREFIX", self.folder.join("compiled"))
            .env("OPENBLAS_NUM_THREADS", "1");
        python
    }
}

/// Expands to a reference to the [`Libraries`](crate::libraries::Libraries) in a `LazyLock` of the
/// result of `Libraries::of`. If they cannot be installed, the test is reported as skipped, and the
/// macro returns from it.
#[macro_export]
macro_rules! libraries {
    ($place:expr) => {{
        $crate::require!("python3");
        match $place.as_ref() {
            Ok(libraries) => libraries,
            Err(reason) => return $crate::skip::skip(reason),
        }
    }};
}

/// Returns the version of `python3`, such as `3.11`. Fails with the reason as text if the libraries
/// are not pinned for this version.
fn version() -> Result<String, String> {
    let code = "import sys; print('%d.%d' % sys.version_info[:2])";
    let asked = run::finish(run::tool("python3").args(["-c", code]), b"").ended(0);
    let version = asked.stdout.trim().to_owned();
    if VERSIONS.contains(&version.as_str()) {
        return Ok(version);
    }
    let versions = VERSIONS.join(", ");
    Err(format!(
        "python3 is Python {version}, and the libraries are pinned for {versions}"
    ))
}
