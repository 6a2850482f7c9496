//! The command line of the trials: the part of `cargo xtask` that runs and measures hosts.
//!
//! Owns the names of the commands, their help and the exit code. Must not know what the commands
//! do, nor their flags.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scorebox_workspace::failure::EXIT_CODES;
use scorebox_workspace::output;

use crate::bench::{self, BenchArgs};
use crate::demo::{self, DemoArgs};
use crate::soak::{self, SoakArgs};

/// Try and measure Scorebox hosts.
///
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES)]
struct Cli {
    /// The command to run.
    #[command(subcommand)]
    command: Command,
}

/// The commands of the trials, in the order of `cargo xtask --help`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Build an example image and score 200 handwritten digits with it.
    Demo(DemoArgs),
    /// Compare the speed of the packaged host with native code that does the same work.
    ///
    /// All servers score the same handwritten digit over HTTP. They are the example `digits` from
    /// its image (once with warm instances, once with a new instance per request) and the native
    /// ceiling: a program that does the same arithmetic behind the same HTTP stack, without the
    /// host and its sandbox. The servers take turns within one run, and each ratio is of one round,
    /// so a machine that is slow for a while slows all of them.
    Bench(BenchArgs),
    /// Send requests of every kind to running hosts for minutes or hours, and compare every answer.
    ///
    /// The kinds are: HTTP with Azure ML's JSON, and with JSON or binary tensors of the Open
    /// Inference Protocol; Azure Functions invocations with batches, and with messages that
    /// cannot be scored and go to another queue; reused instances and an instance per request; a
    /// prediction cache whose Redis is killed now and then; and a graph. Memory, file descriptors
    /// and threads of each host are sampled. Exit code 1 means a wrong answer, a lost request or
    /// drift.
    Soak(SoakArgs),
}

/// Parses the arguments of this process and runs the command that they name. Prints the failure of
/// the command, and returns the exit code.
pub fn run() -> ExitCode {
    scorebox_packager::install_cryptography();
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Soak(args) => soak::run(&args),
    };
    match outcome {
        Ok(()) => output::ended(ExitCode::SUCCESS),
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use scorebox_workspace::commands::Program;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_page_has_the_commands_of_the_trials() {
        let commands = scorebox_pages::commands(Cli::command());
        scorebox_pages::check_part("xtask/docs/trials.md", "commands of the trials", &commands);
    }

    #[test]
    fn help_of_xtask_lists_these_commands() {
        assert_eq!(Program::Trials.differences(&Cli::command()), [""; 0]);
    }
}
