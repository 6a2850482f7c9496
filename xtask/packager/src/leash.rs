//! Child processes, such as servers, that are killed when this program ends, even if it crashes.
//!
//! Owns the watcher of each child process: a shell at the other end of a pipe that the operating
//! system closes when this program ends. Must not know what the child process does.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// Shell script that kills a process if the script's standard input closes before a line of text
/// arrives there. The argument of the script is the id of the process.
///
/// An interrupt reaches the whole process group of this program, so the script ignores interrupts
/// to outlive the program.
const WATCH: &str = "trap '' HUP INT TERM; read -r word || kill -KILL \"$1\" 2>/dev/null";

/// A watcher process that kills a child process if this program ends first. It watches until this
/// value is dropped. `None` if the watcher could not be started.
#[derive(Debug)]
pub struct Leash(Option<Child>);

impl Leash {
    /// Starts a shell that watches a child process. If the shell cannot be started, the child is
    /// not watched, and may continue to run after this program has ended.
    pub fn on(child: &Child) -> Self {
        let mut watcher = Command::new("sh");
        watcher
            .args(["-c", WATCH, "sh"])
            .arg(child.id().to_string());
        // The watcher must not keep the parent's own pipes open.
        watcher
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(watcher.spawn().ok())
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(watcher) = &mut self.0 {
            // A watcher that has already ended needs no line.
            let _ = watcher
                .stdin
                .take()
                .map(|mut pipe| pipe.write_all(b"done\n"));
            let _ = watcher.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn a_child_ends_with_its_parent_and_not_with_its_leash() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        drop(Leash::on(&child));
        assert!(child.try_wait().unwrap().is_none());
        let mut leash = Leash::on(&child);
        // The system closes the pipe in the same way when this program ends.
        drop(leash.0.as_mut().unwrap().stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
