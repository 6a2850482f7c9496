//! The command line of `cargo xtask`.
//!
//! Owns the list of all commands with their help, and the choice of the program that runs one. Must
//! not know what the commands do, nor the flags of commands that another program runs.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use scorebox_workspace::commands::{FORWARDED, Program};
use scorebox_workspace::failure::EXIT_CODES;

use crate::fuzz::FuzzArgs;
use crate::setup::SetupArgs;
use crate::test::TestArgs;
use crate::tidy::TidyArgs;

/// Build, package, try and test Scorebox scorers.
///
/// Results go to standard output, everything else to standard error. Start with `cargo xtask demo`:
/// it builds an example scorer, packages it as an OCI image without Docker, runs that image's own
/// files and scores 200 digits.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES)]
struct Cli {
    /// The command to run.
    #[command(subcommand)]
    command: Command,
}

/// Commands of `cargo xtask` that the program `xtask` runs. Other programs run all other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the toolchain, and add the wasm32-wasip2 target if it is missing.
    Setup(SetupArgs),
    /// Run every check and test. The last line is `N passed, N failed, N skipped`.
    Test(TestArgs),
    /// Fuzz the parsers of data from outside.
    ///
    /// libFuzzer starts from the corpus of each target and is guided by code coverage. The inputs
    /// that it finds are kept in target/fuzz. Prints one line for each target. Needs a C++
    /// compiler.
    Fuzz(FuzzArgs),
    /// Check the rules of this repository: dependency direction, module docs, the hash of the WIT
    /// contract.
    Tidy(TidyArgs),
}

/// Names of all commands of `cargo xtask`, in the order in which a newcomer needs them.
const ORDER: [&str; 18] = [
    "setup", "demo", "new", "convert", "sample", "build", "package", "push", "inspect", "login",
    "deploy", "doctor", "dist", "test", "fuzz", "bench", "soak", "tidy",
];

/// A parsed command line of `cargo xtask`.
#[derive(Debug)]
pub enum Request {
    /// A command that the program `xtask` runs, without another program.
    Own(Command),
    /// A command that another program runs. The arguments are passed to that program unchanged.
    Forwarded(Program, Vec<OsString>),
}

/// Parses the arguments of this process. If the arguments are invalid or ask for help, this
/// function ends the process.
pub fn parse() -> Request {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(program) = program(&arguments) {
        return Request::Forwarded(program, arguments);
    }
    let matches = command().get_matches();
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => Request::Own(cli.command),
        Err(error) => error.exit(),
    }
}

/// Returns the program that has to be started for the command in `arguments`, to run the command or
/// to print its help. Returns `None` if the program `xtask` does this without another program.
fn program(arguments: &[OsString]) -> Option<Program> {
    let name = arguments.iter().find(|word| *word != "help")?;
    let command = FORWARDED.iter().find(|command| *name == *command.name)?;
    Some(command.program)
}

/// Returns the definition of the command line. It includes the commands that other programs run,
/// for the help and for suggestions.
pub fn command() -> clap::Command {
    let others = FORWARDED
        .iter()
        .map(|command| clap::Command::new(command.name).about(command.about));
    let all = Cli::command().subcommands(others);
    ORDER.iter().enumerate().fold(all, |all, (place, name)| {
        all.mut_subcommand(name, |command| command.display_order(place))
    })
}

#[cfg(test)]
mod tests;
