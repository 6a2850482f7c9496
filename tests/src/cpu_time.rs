//! CPU time of programs that end by themselves.
//!
//! Owns the measurement, which a shell makes. Must not know any program.

use std::process::Command;

use crate::run::{self, Finished};

/// Script that runs a command and ends as it does. The last lines of its standard error are those
/// of `times`: the time of the shell itself, and the time of its children.
const SCRIPT: &str = "\"$0\" \"$@\"; code=$?; times >&2; exit $code";

/// Runs a command to its end, with `input` on its standard input. Returns the outcome with the CPU
/// time that the program took, in seconds. The program has the environment variables that are set
/// by the command, and no others.
///
/// # Panics
/// Panics if the program cannot be started, or does not end in time.
#[track_caller]
#[must_use]
pub fn measured(command: &Command, input: &[u8]) -> (Finished, f64) {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", SCRIPT])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let finished = run::finish(&mut shell, input);
    let seconds = of_children(&finished.stderr);
    (finished, seconds)
}

/// Returns the CPU time of a shell's children, in seconds. `text` ends with the two lines that the
/// command `times` of the shell prints.
///
/// # Panics
/// Panics if the text ends with anything else.
#[track_caller]
#[must_use]
pub fn of_children(text: &str) -> f64 {
    let line = text.lines().next_back().expect("two lines");
    // The time in programs, and the time in the kernel for them.
    let times: Vec<f64> = line.split_whitespace().map(seconds).collect();
    assert_eq!(times.len(), 2, "{text}");
    times.iter().sum()
}

/// Returns a time of the shell, e.g. `0m13.250s`, in seconds.
#[track_caller]
fn seconds(text: &str) -> f64 {
    let (minutes, rest) = text.split_once('m').expect("minutes");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    60.0 * number(minutes) + number(rest.trim_end_matches('s'))
}
