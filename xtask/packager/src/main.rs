//! The program behind `cargo xtask package` and the other commands that build, publish and deploy
//! scorers.
//!
//! Must not know any command: the library crate has all of them.

use std::process::ExitCode;

fn main() -> ExitCode {
    scorebox_packager::command_line::run()
}
