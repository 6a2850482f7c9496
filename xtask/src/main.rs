//! `cargo xtask`: builds, packages, tries and tests Scorebox.
//!
//! Owns the dispatch to one file per command and the exit code. Must not know how any command works.

mod app;
mod args;
mod component;
mod digest;
mod failure;
mod folder;
mod functions_app;
mod host_program;
mod image;
mod model;
mod package;
mod registry;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(args) => app::run(args),
        Command::Package(args) => package::run(args),
        _ => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
