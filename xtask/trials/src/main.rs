//! The program behind `cargo xtask demo`, `bench` and `soak`: runs scorers and measures hosts.
//!
//! Owns the list of its modules. Must not know any command.

// The macros of this crate print without a panic, and replace those of the standard library.
#[macro_use]
extern crate scorebox_workspace;

mod bench;
mod command_line;
mod demo;
mod length;
mod soak;

use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run()
}
