//! Messages about the progress of a benchmark.
//!
//! Owns the one line that changes on a terminal, and the plain lines elsewhere. Must not know what
//! is measured.

use std::io::{IsTerminal as _, Write as _, stderr};

/// Progress of a benchmark, which is shown on standard error.
pub struct Progress {
    terminal: bool,
    done: u32,
    steps: u32,
}

impl Progress {
    /// Creates the progress of a benchmark with the given number of steps, none of which is done.
    pub fn new(steps: u32) -> Self {
        Self {
            terminal: stderr().is_terminal(),
            done: 0,
            steps,
        }
    }

    /// Shows that the next step of the benchmark starts. `text` describes the step.
    pub fn step(&mut self, text: &str) {
        self.done += 1;
        let line = format!("measuring {}/{}: {text}", self.done, self.steps);
        if self.terminal {
            // The escape sequence goes back to the start of the line and clears it. An error is
            // ignored, because a terminal that is gone needs no progress.
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
