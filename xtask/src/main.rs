//! `cargo xtask`: builds, packages, tries, tests and measures Scorebox.
//!
//! Owns the dispatch to one file per command and the exit code. Must not know how any command
//! works.

mod app;
mod args;
mod bench;
mod component;
mod convert;
mod demo;
mod deploy;
mod digest;
mod engine_library;
mod failure;
mod folder;
mod functions_app;
mod fuzz;
mod graph_trial;
mod host_program;
mod image;
mod inspect;
mod leash;
mod libraries;
mod login;
mod materials;
mod model;
mod outcome;
mod package;
mod push;
mod registry;
mod setup;
mod shell;
mod signing;
mod soak;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    // HTTP clients need a provider. Installing it fails only if another one is installed already,
    // and that one works too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match Cli::parse().command {
        Command::Setup(args) => setup::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Build(args) => app::run(args),
        Command::Package(args) => package::run(args),
        Command::Push(args) => push::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        // The last line of `test` is the sum of its results, so it prints its failures itself.
        Command::Test(args) => return test::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
