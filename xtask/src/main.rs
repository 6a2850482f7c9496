//! `cargo xtask`: builds, packages, tries, tests and measures Scorebox.
//!
//! Owns the dispatch: to one file for each command that this program runs itself, and to the
//! programs that run all other commands. Must not know how any command works. Must not depend on
//! Wasmtime, and must not need a C compiler, because a fresh clone compiles this program first.

// The macros of this crate print without a panic, and replace those of the standard library.
#[macro_use]
extern crate scorebox_workspace;

mod command_line;
mod fuzz;
mod known_name;
mod programs;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use scorebox_workspace::output;

use crate::command_line::{Command, Request};
use crate::programs::Stop;

fn main() -> ExitCode {
    let outcome = match command_line::parse() {
        Request::Forwarded(program, arguments) => {
            Err(Stop::from(programs::run_instead(program, &arguments)))
        }
        Request::Own(Command::Setup(args)) => setup::run(&args),
        Request::Own(Command::Fuzz(args)) => fuzz::run(&args).map_err(Stop::from),
        Request::Own(Command::Tidy(args)) => tidy::run(&args).map_err(Stop::from),
        // The last line of `test` is the sum of its results, so it prints its failures itself.
        Request::Own(Command::Test(args)) => return output::ended(test::run(&args)),
    };
    match outcome {
        Ok(()) => output::ended(ExitCode::SUCCESS),
        Err(stop) => stop.report(),
    }
}
