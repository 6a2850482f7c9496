//! A root file system with nothing but Debian's base, Python and pip.
//!
//! Owns its making by debootstrap, the folder in which it is kept, and how a script runs in it.
//! Must not know what a script does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::place;
use crate::run::{self, Finished};

/// Release of Debian. Its Python is one of those that the libraries of `convert` are pinned for.
const SUITE: &str = "bookworm";

/// Packages in addition to Debian's base. The compiler, which pip recommends, is not installed with
/// them.
const PACKAGES: &str = "ca-certificates,python3,python3-pip";

/// Mirror of Debian if apt on this machine has none for the release.
const MIRROR: &str = "http://deb.debian.org/debian";

/// Folders of programs, here and in the root file system.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Timeout for making the root file system, and for a script in it. Both may fetch files.
const LIMIT: Duration = Duration::from_secs(1200);

/// Files of this machine that scripts need to reach a package index as this machine does.
const OF_THIS_MACHINE: [&str; 4] = [
    "etc/hosts",
    "etc/pip.conf",
    "etc/resolv.conf",
    "etc/ssl/certs/ca-certificates.crt",
];

/// A root file system of its own. It is removed when this value is dropped.
pub struct Debian {
    dir: TempDir,
}

impl Debian {
    /// Returns a new root file system. Debian's packages are fetched unless an earlier run has
    /// fetched them. This takes the rights of root, and the programs `debootstrap` and `unshare`.
    ///
    /// # Errors
    /// Fails with the reason as text if debootstrap fails, usually because there is no network.
    ///
    /// # Panics
    /// Panics if the root file system that was kept cannot be copied.
    pub fn start() -> Result<Self, String> {
        let kept = kept()?;
        let dir = tempfile::tempdir_in(folder()).expect("a folder can be made");
        let debian = Self { dir };
        let mut copy = run::tool("cp");
        copy.args(["--archive", "--reflink=auto"])
            .arg(kept)
            .arg(debian.root());
        run::finish_within(LIMIT, &mut copy, b"").ended(0);
        for file in OF_THIS_MACHINE {
            let from = Path::new("/").join(file);
            if from.is_file() {
                std::fs::copy(from, debian.root().join(file)).expect("a file can be copied");
            }
        }
        std::fs::create_dir(debian.work()).expect("a folder can be made");
        Ok(debian)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Returns the folder in which scripts begin, which is `/work` for them.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    /// Runs a script of `sh` as root in the root file system, and returns its outcome. The script
    /// ends with the first command that fails. Processes that it leaves behind are killed.
    #[track_caller]
    #[must_use]
    pub fn run(&self, script: &str) -> Finished {
        let mut unshare = run::tool("unshare");
        // Without /proc a program does not know its own path.
        unshare
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg("--root")
            .arg(self.root())
            .args(["/bin/sh", "-ec", &format!("cd /work\n{script}")])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8");
        // The way to a package index is this machine's.
        for (name, value) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_lowercase();
            if text.starts_with("pip_") || text.ends_with("_proxy") {
                unshare.env(name, value);
            }
        }
        run::finish_within(LIMIT, &mut unshare, b"")
    }
}

/// Returns the folder of everything that is kept about Debian.
fn folder() -> PathBuf {
    place::workspace().join("target/debian")
}

/// Returns the root file system that is kept. It is made if it is missing.
fn kept() -> Result<PathBuf, String> {
    let kept = folder().join(format!("{SUITE}-{}", PACKAGES.replace(',', "-")));
    if kept.is_dir() {
        return Ok(kept);
    }
    std::fs::create_dir_all(folder()).expect("a folder can be made");
    let made = tempfile::tempdir_in(folder()).expect("a folder can be made");
    let root = made.path().join("root");
    let mut debootstrap = run::tool("debootstrap");
    debootstrap
        .arg("--variant=minbase")
        .arg(format!("--include={PACKAGES}"))
        .arg(SUITE)
        .arg(&root)
        .arg(mirror())
        .env("PATH", PATH);
    let finished = run::finish_within(LIMIT, &mut debootstrap, b"");
    if !finished.status.success() {
        let said = format!("{}\n{}", finished.stdout, finished.stderr);
        let reason = said.lines().find(|line| line.starts_with("E: "));
        let reason = reason.unwrap_or("it did not say why");
        return Err(format!("debootstrap cannot make Debian {SUITE}: {reason}"));
    }
    // The packages are not needed any more.
    drop(std::fs::remove_dir_all(root.join("var/cache/apt/archives")));
    // Another process may have been faster. Both folders have the same content.
    let moved = std::fs::rename(&root, &kept);
    assert!(moved.is_ok() || kept.is_dir(), "{moved:?}");
    Ok(kept)
}

/// Returns the mirror from which apt on this machine gets the release, or else Debian's own.
fn mirror() -> String {
    if place::tool("apt-get").is_none() {
        return MIRROR.to_owned();
    }
    let mut apt = run::tool("apt-get");
    apt.args(["indextargets", "--format", "$(RELEASE) $(REPO_URI)"]);
    let targets = run::finish(&mut apt, b"").stdout;
    let mut lines = targets.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(release, _)| *release == SUITE);
    found.map_or(MIRROR, |(_, address)| address).to_owned()
}
