//! Standard output and standard error of `cargo xtask` and of the programs that it starts.
//!
//! Owns the macros that print, and what happens if nobody reads what is printed. Must not know what
//! is printed.
//!
//! The macros of the standard library panic if the reader has gone, e.g. in `cargo xtask deploy … |
//! head`. The macros here have the same names, and take their place in every crate whose root has
//! `#[macro_use] extern crate scorebox_workspace`.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::failure::Failure;
use crate::installation;

/// First error of a write to standard output. A broken pipe, whose reader has gone, is not kept.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints to standard output, like the macro of the standard library, but never panics.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::output::out(::std::format_args!($($text)*)) };
}

/// Prints a line to standard output, like the macro of the standard library, but never panics.
#[macro_export]
macro_rules! println {
    () => { $crate::output::out(::std::format_args!("\n")) };
    ($($text:tt)*) => {
        $crate::output::out(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}

/// Prints to standard error, like the macro of the standard library, but never panics.
#[macro_export]
macro_rules! eprint {
    ($($text:tt)*) => { $crate::output::err(::std::format_args!($($text)*)) };
}

/// Prints a line to standard error, like the macro of the standard library, but never panics.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::output::err(::std::format_args!("\n")) };
    ($($text:tt)*) => {
        $crate::output::err(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}

/// Writes a text to standard output.
///
/// If the reader has gone, the text is dropped and the command continues, because a reader that
/// stops early, such as `head`, is not an error. Any other error is kept for [`ended`].
pub fn out(text: Arguments<'_>) {
    let mut output = io::stdout().lock();
    let written = match renamed(text) {
        Some(text) => output.write_all(text.as_bytes()),
        None => output.write_fmt(text),
    };
    if let Err(error) = written.and_then(|()| output.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Only the first error is of interest.
        let _ = LOST.set(error.to_string());
    }
}

/// Writes a text to standard error. Errors are ignored, because there is no other place to report
/// them.
pub fn err(text: Arguments<'_>) {
    let mut output = io::stderr().lock();
    let _ = match renamed(text) {
        Some(text) => output.write_all(text.as_bytes()),
        None => output.write_fmt(text),
    };
}

/// Start of a command line in messages, as users type it in a clone of the repository. An installed
/// tool prints `scorebox ` instead.
const IN_REPOSITORY: &str = "cargo xtask ";

/// Returns the text as an installed tool prints it, with `scorebox` in place of each `cargo xtask`.
/// Returns `None` if this program runs from a clone of the repository, where texts are printed
/// unchanged.
fn renamed(text: Arguments<'_>) -> Option<String> {
    installation::parts()?;
    Some(as_installed(&text.to_string()))
}

/// Replaces each `cargo xtask` in a text with `scorebox`, the name of the installed tool. Both
/// names stand for the same program.
pub fn as_installed(text: &str) -> String {
    text.replace("`cargo xtask`", "`scorebox`")
        .replace(IN_REPOSITORY, "scorebox ")
}

/// Returns the exit code of a command that ends with `code`. If the command succeeded, but a part
/// of its output could not be written, e.g. because the disk is full, this function prints the
/// error and returns the exit code of a failure.
pub fn ended(code: ExitCode) -> ExitCode {
    match LOST.get() {
        Some(error) if code == ExitCode::SUCCESS => Failure::other(
            format!("standard output cannot be written: {error}"),
            "free disk space, or send the output to another place, and run the command again",
        )
        .report(),
        _ => code,
    }
}
