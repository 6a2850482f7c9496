//! A release of the tool, made by `cargo xtask dist`, and installations of it.
//!
//! Owns the making of one release for each test program, its unpacking, and the environment of an
//! installed tool. Must not know any test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::extent;
use crate::place;
use crate::run::{self, Finished};

/// Timeout for making a release: it builds the hosts if they are not up to date, and compresses 150
/// MB twice.
const LIMIT: Duration = Duration::from_secs(1800);

/// A private key for signatures of the tests, made by openssl once.
const KEY: &str = "scorebox.key";

/// The files of a release, in a folder of their own.
pub struct Release {
    folder: PathBuf,
}

impl Release {
    /// Makes a release of the sources as they are, signed with a key of the tests. A test program
    /// makes it once.
    ///
    /// # Panics
    /// Panics if the release cannot be made.
    pub fn of_the_tests() -> &'static Self {
        static MADE: OnceLock<Release> = OnceLock::new();
        MADE.get_or_init(|| {
            let root = place::workspace().join("target/test-release");
            std::fs::create_dir_all(&root).expect("a folder can be made");
            let key = root.join(KEY);
            let mut openssl = run::tool("openssl");
            openssl.args(["genpkey", "-algorithm", "EC", "-pkeyopt"]);
            openssl.args(["ec_paramgen_curve:P-256", "-out"]).arg(&key);
            run::finish(&mut openssl, b"").ended(0);
            let folder = root.join("dist");
            let mut dist = Command::new(place::xtask());
            // Cargo and the compiler need their homes.
            dist.args(["dist", "--allow-changes", "--output"])
                .arg(&folder)
                .arg("--sign-key")
                .arg(&key);
            // Each host takes minutes, and no test installs the tool for a script.
            if !extent::is_whole() {
                dist.arg("--without-python");
            }
            run::finish_within(LIMIT, &mut dist, b"").ended(0);
            Self { folder }
        })
    }

    /// Returns the path of the key that signed the checksums.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.with_file_name(KEY)
    }

    /// Returns the folder of the release.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the only file of the release whose name ends with `end`.
    ///
    /// # Panics
    /// Panics if there is not exactly one such file.
    #[must_use]
    pub fn file(&self, end: &str) -> PathBuf {
        let entries = std::fs::read_dir(&self.folder).expect("the release is there");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut found: Vec<_> = paths
            .filter(|path| path.to_string_lossy().ends_with(end))
            .collect();
        assert_eq!(found.len(), 1, "{end}: {found:?}");
        found.remove(0)
    }

    /// Unpacks the archive of the release into a temporary folder.
    ///
    /// # Panics
    /// Panics if the archive cannot be unpacked.
    #[must_use]
    pub fn unpacked(&self) -> Tool {
        let dir = tempfile::tempdir().expect("a folder can be made");
        // A program that this process writes may still be open in a child of another test.
        let mut tar = run::tool("tar");
        tar.arg("-xzf").arg(self.file(".tar.gz"));
        run::finish(tar.arg("-C").arg(dir.path()), b"").ended(0);
        let mut entries = std::fs::read_dir(dir.path()).expect("a folder");
        let prefix = entries
            .next()
            .expect("one folder")
            .expect("an entry")
            .path();
        Tool::new(dir, prefix.join("bin/scorebox"), prefix)
    }

    /// Installs the wheel of the release with pip, into an environment of its own.
    ///
    /// # Panics
    /// Panics if pip refuses the wheel.
    #[must_use]
    pub fn installed(&self) -> Tool {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let environment = dir.path().join("env");
        let mut venv = run::tool("python3");
        // Debian keeps the pip of environments in a package of its own, so the system's pip is used.
        venv.args(["-m", "venv", "--without-pip"]).arg(&environment);
        run::finish(&mut venv, b"").ended(0);
        let mut pip = run::tool("python3");
        pip.args(["-m", "pip", "--python"])
            .arg(environment.join("bin/python"))
            .args(["install", "--quiet", "--no-index"])
            .args(["--disable-pip-version-check"])
            .arg(self.file(".whl"));
        run::finish(&mut pip, b"").ended(0);
        let mut place = Command::new(environment.join("bin/python"));
        place.args([
            "-c",
            "import scorebox, os; print(os.path.dirname(scorebox.__file__))",
        ]);
        let prefix = run::finish(&mut place, b"").ended(0).stdout;
        let program = environment.join("bin/scorebox");
        Tool::new(dir, program, PathBuf::from(prefix.trim_end()))
    }
}

/// An installed tool with an empty home and a folder to work in.
pub struct Tool {
    dir: TempDir,
    program: PathBuf,
    prefix: PathBuf,
}

impl Tool {
    fn new(dir: TempDir, program: PathBuf, prefix: PathBuf) -> Self {
        for name in ["home", "work"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder can be made");
        }
        Self {
            dir,
            program,
            prefix,
        }
    }

    /// Returns the folder of the tool's program.
    ///
    /// # Panics
    /// Panics if the program has no folder.
    #[must_use]
    pub fn programs(&self) -> &Path {
        self.program.parent().expect("a program is in a folder")
    }

    /// Returns the path of a part of the tool. `name` is relative to the folder of the parts.
    #[must_use]
    pub fn part(&self, name: &str) -> PathBuf {
        self.prefix.join("lib/scorebox").join(name)
    }

    /// Returns the folder in which the tool's commands run.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Returns a command of the tool that runs in the folder `folder` of [`Self::work`], without
    /// any program on `PATH`.
    #[must_use]
    pub fn command(&self, folder: &str, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(self.work().join(folder))
            .env_clear()
            .env("PATH", self.dir.path().join("home"))
            .env("HOME", self.dir.path().join("home"));
        command
    }

    /// Runs a command of the tool to its end.
    #[track_caller]
    pub fn run(&self, folder: &str, words: &[&str]) -> Finished {
        run::finish(&mut self.command(folder, words), b"")
    }
}
