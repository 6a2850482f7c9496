//! The command line of the packager: the part of `cargo xtask` that builds, publishes and deploys
//! scorers.
//!
//! Owns the names of the commands, their help and the exit code. Must not know what the commands
//! do, nor their flags.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scorebox_workspace::failure::EXIT_CODES;
use scorebox_workspace::output;

use crate::build::{self, BuildArgs};
use crate::convert::{self, ConvertArgs};
use crate::deploy::{self, DeployArgs};
use crate::doctor::{self, DoctorArgs};
use crate::inspect::{self, InspectArgs};
use crate::login::{self, LoginArgs};
use crate::package::{self, PackageArgs};
use crate::part::{self, PartArgs};
use crate::push::{self, PushArgs};
use crate::registry;

/// Build, package, push, inspect and deploy Scorebox scorers.
///
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES)]
struct Cli {
    /// The command to run.
    #[command(subcommand)]
    command: Command,
}

/// The commands of the packager, in the order of `cargo xtask --help`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Convert a saved model or NumPy arrays into files that a scorer can ship.
    ///
    /// A saved model becomes an ONNX graph. Estimators and pipelines of scikit-learn, XGBoost and
    /// LightGBM are loaded, converted and compared by pinned Python libraries in a separate
    /// process. A model that cannot be converted is refused with its name and the reason. NumPy
    /// arrays become tensors in a safetensors file: a .npz file gives one tensor for each of its
    /// arrays, a .npy file gives one tensor with the file's name.
    Convert(Box<ConvertArgs>),
    /// Build a scorer into an app folder for `scorebox serve --app`.
    Build(BuildArgs),
    /// Build a scorer into an OCI image, and push the image if --push is given.
    Package(PackageArgs),
    /// Push a packaged image to a registry.
    ///
    /// Takes any OCI layout of one image, as `package` and other tools write it. Build once,
    /// inspect the layout, then push it to as many registries as you like. The digest stays the
    /// same everywhere.
    Push(PushArgs),
    /// Show what an image holds, and verify its contents.
    ///
    /// Reads every blob and checks every digest. Compares the labels, the list of parts (an SBOM in
    /// CycloneDX) and the provenance statement (SLSA) with the files. With --key, signatures are
    /// required and checked as well. The exit code is 0 only if nothing is wrong.
    Inspect(InspectArgs),
    /// Try the credentials for a registry, and show what they allow.
    ///
    /// Begins an upload and cancels it at once, and stores nothing. To store credentials where this
    /// command finds them, use `docker login` or `az acr login --name NAME`. Exit code 0 means that
    /// everything that was asked for is granted.
    Login(LoginArgs),
    /// Print, or run, the `az` commands that create a function app from an image.
    ///
    /// Without --run nothing is executed: the script goes to standard output, to be read, saved or
    /// piped to `sh`. Secrets are variables of the environment. The script asks for the ones that
    /// it needs in its first lines.
    Deploy(DeployArgs),
    /// Check everything that a deployment needs, before and after it.
    ///
    /// Looks at each thing that is named and prints one line for each check: `ok`, `warning`,
    /// `problem` or `skipped`, with the fix. Nothing is changed anywhere: an upload to the registry
    /// is begun and canceled, stores are pinged, and values of settings are never shown. The exit
    /// code is 0 if no line is a problem, and 1 otherwise.
    Doctor(Box<DoctorArgs>),
    /// Build or fetch one part that other commands need, and print its path.
    ///
    /// `cargo xtask setup` and `cargo xtask test` run this command.
    #[command(hide = true)]
    Part(PartArgs),
}

/// Parses the arguments of this process and runs the command that they name. Prints the failure of
/// the command, and returns the exit code.
pub fn run() -> ExitCode {
    registry::install_cryptography();
    let outcome = match Cli::parse().command {
        Command::Convert(args) => convert::run(&args),
        Command::Build(args) => build::run(args),
        Command::Package(args) => package::run(args),
        Command::Push(args) => push::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Part(args) => part::run(&args),
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

    /// Name of the command whose arguments are documented on a page of their own, because the page
    /// for all other commands would become too long.
    const ON_ITS_OWN_PAGE: &str = "doctor";

    /// Returns the reference of the commands whose names `is_shown` accepts.
    fn reference(is_shown: impl Fn(&str) -> bool) -> String {
        let mut program = Cli::command();
        for command in program.get_subcommands_mut() {
            let is_hidden = command.is_hide_set() || !is_shown(command.get_name());
            *command = std::mem::take(command).hide(is_hidden);
        }
        scorebox_pages::commands(program)
    }

    #[test]
    fn the_page_has_the_commands_of_the_packager() {
        let page = "xtask/docs/commands.md";
        let commands = reference(|name| name != ON_ITS_OWN_PAGE);
        scorebox_pages::check_part(page, "commands of the packager", &commands);
    }

    #[test]
    fn the_page_of_doctor_has_its_arguments() {
        let command = reference(|name| name == ON_ITS_OWN_PAGE);
        scorebox_pages::check_part("xtask/docs/doctor.md", "command doctor", &command);
    }

    #[test]
    fn help_of_xtask_lists_these_commands() {
        assert_eq!(Program::Packager.differences(&Cli::command()), [""; 0]);
    }
}
