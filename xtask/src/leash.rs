//! Servers and trials that end with this program, however it ends.
//!
//! Owns the watcher of each: a shell at the other end of a pipe, which the system closes with this program. Must not know what
//! the watched process does, nor how it ends otherwise.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// Ends the process when the pipe closes without a word. Interrupts reach the whole group of this program; the watcher must
/// outlive it.
const WATCH: &str = "trap '' HUP INT TERM; read -r word || kill -KILL \"$1\" 2>/dev/null";

/// Watches one child process until it is dropped.
#[derive(Debug)]
pub struct Leash(Option<Child>);

impl Leash {
    /// Watches a child process. Without a shell it is not watched, and ends only where this program ends it.
    pub fn on(child: &Child) -> Self {
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCH, "sh"]).arg(child.id().to_string());
        // Of the parent's own pipes nothing may stay open in it.
        watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(watcher.spawn().ok())
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(watcher) = &mut self.0 {
            // A watcher that is gone needs no word.
            let _ = watcher.stdin.take().map(|mut pipe| pipe.write_all(b"done\n"));
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
        // What the system does when this program ends.
        drop(leash.0.as_mut().unwrap().stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
