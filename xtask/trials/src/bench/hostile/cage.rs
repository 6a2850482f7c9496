//! A control group with a memory limit, and the kernel's counters of it.
//!
//! Owns the group's folder, for cgroup version 1 and 2. A process in the group sees the limit where
//! a process in a container sees it: at the root of its own view of `/sys/fs/cgroup`. It must not
//! know what runs in the group.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Shell script that joins a control group, hides all other groups, and then runs the given program
/// in place of the shell.
const ENTER: &str = r#"echo $$ > "$1/cgroup.procs" && exec unshare --mount --cgroup sh -c '
mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$@""#;

/// Properties of a version of Linux control groups: the folder of the groups of the memory
/// controller, and the names of the files in each group.
struct Version {
    root: &'static str,
    limit: &'static str,
    peak: &'static str,
    events: &'static str,
}

const V1: Version = Version {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
    events: "memory.oom_control",
};
const V2: Version = Version {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    peak: "memory.peak",
    events: "memory.events",
};

/// A control group with a memory limit. The group is removed when this value is dropped.
pub struct Cage {
    folder: PathBuf,
    version: &'static Version,
}

/// Reason why a control group with a memory limit cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// The folder of the control group cannot be created.
    #[error("{}: cannot be made: {source}", folder.display())]
    Folder {
        /// Path of the control group's folder.
        folder: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The memory limit of the control group cannot be set.
    #[error("{}: cannot be written: {source}", file.display())]
    Limit {
        /// Path of the file that contains the limit.
        file: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The shell that joins the control group cannot be started.
    #[error("sh cannot be started: {0}")]
    Shell(#[source] io::Error),
    /// A process cannot join the control group. The text is what the shell wrote to standard error.
    #[error("no process can enter a group: {0}")]
    Entry(String),
}

impl Cage {
    /// Creates a control group with a memory limit of `limit_bytes` bytes. Fails if the group or
    /// its limit cannot be created, or if a process cannot join the group, e.g. because this
    /// process is not root.
    pub fn make(limit_bytes: u64) -> Result<Self, CageError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let version = if Path::new(V2.root).join("cgroup.controllers").exists() {
            &V2
        } else {
            &V1
        };
        let root = Path::new(version.root);
        if version.limit == V2.limit {
            // The write also fails if the controller is already enabled, so its error is ignored.
            // If the controller cannot be enabled, the limit of the group cannot be set.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("scorebox-bench-{}-{number}", std::process::id()));
        if let Err(source) = fs::create_dir(&folder) {
            return Err(CageError::Folder { folder, source });
        }
        let cage = Self { folder, version };
        let file = cage.folder.join(version.limit);
        if let Err(source) = fs::write(&file, limit_bytes.to_string()) {
            return Err(CageError::Limit { file, source });
        }
        cage.try_to_enter()?;
        Ok(cage)
    }

    fn try_to_enter(&self) -> Result<(), CageError> {
        let output = self.command("true").stdin(Stdio::null()).output();
        let output = output.map_err(CageError::Shell)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(())
        } else {
            Err(CageError::Entry(said.trim().to_owned()))
        }
    }

    /// Returns a command that runs a program in this control group. The caller adds the arguments
    /// of the program.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", ENTER, "sh"])
            .arg(&self.folder)
            .arg(self.version.root)
            .arg(program);
        command
    }

    /// Returns the peak memory of the control group in bytes: its processes, their sockets and the
    /// files that they read. Returns `None` if the kernel does not report it.
    pub fn peak_bytes(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join(self.version.peak))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Returns the number of processes that the kernel killed because the control group had reached
    /// its limit. Returns `None` if the kernel does not report the number.
    pub fn killed(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(self.version.events)).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // The kernel takes a moment to clear a group whose last process has ended.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_more_than_its_group_has_is_killed_and_counted() {
        let Ok(cage) = Cage::make(32 << 20) else {
            return;
        };
        let script = "x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo survived";
        let output = cage.command("sh").args(["-c", script]).output().unwrap();
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("survived")
                || cage.killed() > Some(0)
        );
        assert!(cage.killed().is_some_and(|killed| killed > 0), "{output:?}");
        assert!(cage.peak_bytes().is_some_and(|bytes| bytes > 16 << 20));
    }

    #[test]
    fn a_process_sees_its_own_limit_as_in_a_container() {
        let Ok(cage) = Cage::make(64 << 20) else {
            return;
        };
        let file = Path::new(cage.version.root).join(cage.version.limit);
        let output = cage.command("cat").arg(file).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            (64 << 20).to_string()
        );
    }
}
