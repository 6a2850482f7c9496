//! Python libraries that tests run: other people's clients, at exact versions.
//!
//! Owns their installation with pip, where it is kept, and how a script runs with them. Must not
//! know any library. Each topic has a folder in `tests/data` with a `requirements.txt`, which pins
//! every library with its digests, and with the scripts that use them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::place;
use crate::run::{self, Finished};

/// Versions of Python for which the files `requirements.txt` have the digests of the wheels.
const VERSIONS: [&str; 3] = ["3.11", "3.12", "3.13"];

/// Timeout for the installation, which is slow on a slow network.
const LIMIT: Duration = Duration::from_secs(600);

/// Installed libraries of a topic.
pub struct Libraries {
    folder: PathBuf,
    scripts: PathBuf,
}

impl Libraries {
    /// Finds the libraries that `tests/data/TOPIC/requirements.txt` pins. If they are not kept from
    /// before, they are installed.
    ///
    /// # Errors
    /// If they cannot be installed, usually because there is no network. The text is the reason.
    ///
    /// # Panics
    /// If the package index sends files with other digests.
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

    /// Runs a script of the topic to its end, with the libraries.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[String]) -> Finished {
        let mut python = self.python();
        python.arg(self.scripts.join(script)).args(arguments);
        run::finish(&mut python, b"")
    }

    /// Returns a command of Python with the libraries and with the scripts of the topic as modules,
    /// and without the libraries of this machine.
    ///
    /// # Panics
    /// If the path of the workspace has a colon in it.
    #[must_use]
    pub fn python(&self) -> Command {
        let path = std::env::join_paths([&self.folder, &self.scripts]).expect("no colon is in it");
        let mut python = run::tool("python3");
        // Warnings of the libraries about each other are not the subject of a test.
        python
            .args(["-W", "ignore", "-S", "-s", "-P"])
            .env("PYTHONPATH", path)
            // Compiled modules are kept, which halves the time to start, but not next to the scripts.
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env("PYTHONPYCACHEPREFIX", self.folder.join("compiled"))
            .env("OPENBLAS_NUM_THREADS", "1");
        python
    }
}

/// Expands to the libraries of a topic, from a `LazyLock`. If they cannot be installed, the test is
/// reported as skipped, and the macro returns from it.
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

/// Returns the version of `python3`, such as `3.11`.
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
