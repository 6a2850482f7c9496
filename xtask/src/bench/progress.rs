//! What a run says while it measures.
//!
//! Owns the one line that changes on a terminal, and the plain lines elsewhere. Must not know what is measured.

use std::io::{IsTerminal as _, Write as _, stderr};

/// Standard error, for people.
pub struct Progress {
    terminal: bool,
    done: u32,
    steps: u32,
}

impl Progress {
    /// Of a run with so many steps.
    pub fn new(steps: u32) -> Self {
        Self { terminal: stderr().is_terminal(), done: 0, steps }
    }

    /// Says which step begins.
    pub fn step(&mut self, text: &str) {
        self.done += 1;
        let line = format!("measuring {}/{}: {text}", self.done, self.steps);
        if self.terminal {
            // Back to the line's start, and clear it. A terminal that is gone needs no progress.
            let _ = write!(stderr(), "\r\x1b[2K{line}");
        } else {
            eprintln!("{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.done > 0 {
            eprintln!("\r\x1b[2Kmeasured {} of {} steps", self.done, self.steps);
        }
    }
}
