//! Processors that do not sleep while something is measured.
//!
//! Owns a spinning process of the idle class (SCHED_IDLE) for each core. The process gets a core
//! only while no other process wants it. The reason: a core without work sleeps, and in a virtual
//! machine the process that wakes it loses microseconds. The load generator sleeps more often while
//! it waits for a slow server. Without spinning, such a server would also be charged for waking the
//! load generator. Spinning costs latency, because the kernel first has to take the core from the
//! spinning process. It is therefore used only when CPU time is measured. Must not know what is
//! measured.

use std::process::{Child, Command, Stdio};

use scorebox_workspace::failure::Failure;
use scorebox_workspace::tools;

/// Shell script that spins until another process has ended, for any reason. The argument of the
/// script is the id of that process, which must be the parent of the shell.
///
/// If that process ended before the shell looked up its own parent, the shell has another parent,
/// which may live for ever. In this case the script ends at once.
const SPIN: &str = r#"[ "$PPID" = "$1" ] && while kill -0 "$1"; do :; done 2>/dev/null"#;

/// Spinning processes that keep every core awake until this value is dropped.
pub struct Awake(Vec<Child>);

impl Awake {
    /// Starts one spinning process for each core. Such a process gets a core only while no other
    /// process wants it. Fails if a process cannot be started.
    pub fn keep() -> Result<Self, Failure> {
        let mut spinners = Self(Vec::new());
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            let child = Command::new("chrt")
                .args([
                    "--idle",
                    "0",
                    "sh",
                    "-c",
                    SPIN,
                    "sh",
                    &std::process::id().to_string(),
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn();
            let child = child.map_err(|error| {
                Failure::toolchain(
                    format!("chrt, which keeps processors awake, cannot be started: {error}"),
                    tools::apt_line(&["util-linux"]),
                )
            })?;
            spinners.0.push(child);
        }
        Ok(spinners)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // A process that ended by itself does not spin any more, so the error can be ignored.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spinner_that_was_inherited_ends_at_once() {
        // Process 1 lives for ever, and did not start this shell.
        let mut spinner = Command::new("sh")
            .args(["-c", SPIN, "sh", "1"])
            .spawn()
            .unwrap();
        assert!(!spinner.wait().unwrap().success());
    }

    #[test]
    fn spinners_run_when_nobody_else_does_and_end() {
        let awake = Awake::keep().unwrap();
        let ids: Vec<u32> = awake.0.iter().map(Child::id).collect();
        let late = std::time::Instant::now() + std::time::Duration::from_secs(60);
        for id in &ids {
            // Field 41 is the scheduling policy; 5 is SCHED_IDLE. It is set before the shell
            // starts.
            let spins = || {
                let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
                let (name, fields) = stat.rsplit_once(')').unwrap();
                name.ends_with("(sh") && fields.split_whitespace().nth(38) == Some("5")
            };
            while !spins() {
                assert!(std::time::Instant::now() < late, "{id} does not spin");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        drop(awake);
        assert!(
            ids.iter()
                .all(|id| !std::path::Path::new(&format!("/proc/{id}")).exists())
        );
    }
}
