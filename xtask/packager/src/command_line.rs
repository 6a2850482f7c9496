//! The command line of the tool `scorebox`, which is also the part of `cargo xtask` that builds,
//! publishes and deploys scorers.
//!
//! Owns the names of the commands, their help and the exit code. Must not know what the commands
//! do, nor their flags.

use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use scorebox_workspace::failure::{EXIT_CODES, Failure};
use scorebox_workspace::output::as_installed;
use scorebox_workspace::{installation, output};

use crate::build::{self, BuildArgs};
use crate::completions::{self, CompletionsArgs};
use crate::convert::{self, ConvertArgs};
use crate::deploy::{self, DeployArgs};
use crate::dist::{self, DistArgs};
use crate::doctor::{self, DoctorArgs};
use crate::inspect::{self, InspectArgs};
use crate::login::{self, LoginArgs};
use crate::new::{self, NewArgs};
use crate::package::{self, PackageArgs};
use crate::part::{self, PartArgs};
use crate::push::{self, PushArgs};
use crate::sample::{self, SampleArgs};
use crate::{forward, installed, registry, version};

/// Write, build, serve, package and deploy Scorebox scorers.
///
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXIT_CODES)]
struct Cli {
    /// The command to run.
    #[command(subcommand)]
    command: Command,
}

/// The commands of the packager, in the order of `cargo xtask --help`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Create the folder of a scorer from a template.
    ///
    /// The folder has a manifest with the common settings explained, a small scorer or model, a
    /// sample with its answer, and a page that says what to do next.
    New(NewArgs),
    /// Convert a saved model or NumPy arrays into files that a scorer can ship.
    ///
    /// A saved model becomes an ONNX graph. Estimators and pipelines of scikit-learn, XGBoost and
    /// LightGBM are loaded, converted and compared by pinned Python libraries in a separate
    /// process. A model that cannot be converted is refused with its name and the reason. NumPy
    /// arrays become tensors in a safetensors file: a .npz file gives one tensor for each of its
    /// arrays, a .npy file gives one tensor with the file's name.
    Convert(Box<ConvertArgs>),
    /// Call a scorer once, and keep the request with its answer as a sample.
    ///
    /// `package.sample` names such a file. `build`, `package` and `check` then refuse a scorer that
    /// answers differently. With --python, a script runs in the Python environment of its author,
    /// and its native answers are kept.
    Sample(SampleArgs),
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
    /// Make a release of the tool: an archive and a Python wheel.
    ///
    /// Both hold the program, the hosts for images and for developers, ONNX Runtime, the contract
    /// and the sources of the SDKs. The tree must not differ from its commit. Next to them are
    /// checksums, the list of parts (an SBOM in CycloneDX) and, with --sign-key, a signature of the
    /// checksums.
    Dist(DistArgs),
    /// Build or fetch one part that other commands need, and print its path.
    ///
    /// `cargo xtask setup` and `cargo xtask test` run this command.
    #[command(hide = true)]
    Part(PartArgs),
    /// Print the script by which a shell completes commands and flags.
    #[command(hide = true)]
    Completions(CompletionsArgs),
}

/// Names of the commands that run only in a clone of the Scorebox repository. The help of an
/// installed tool does not list them.
const OF_REPOSITORY: [&str; 2] = ["dist", "part"];

/// Names of the commands of an installed tool, in the order in which a newcomer needs them.
const ORDER: [&str; 16] = [
    "new",
    "convert",
    "build",
    "check",
    "invoke",
    "serve",
    "graph",
    "sample",
    "package",
    "push",
    "inspect",
    "login",
    "deploy",
    "doctor",
    "completions",
    "help",
];

/// Returns the definition of the command line of an installed tool. It includes the commands of the
/// host program, so that the help lists them and shells complete them.
fn installed_command() -> clap::Command {
    let host = forward::COMMANDS.iter().map(|command| {
        let flags = command.flags.iter();
        let flags = flags.map(|flag| Arg::new(*flag).long(*flag));
        clap::Command::new(command.name)
            .about(command.about)
            .args(flags)
    });
    let all = renamed(Cli::command().subcommands(host));
    let all = all
        .mut_subcommand("completions", |command| command.hide(false))
        .name("scorebox")
        .bin_name("scorebox");
    let all = OF_REPOSITORY.iter().fold(all, |all, name| {
        all.mut_subcommand(name, |command| command.hide(true))
    });
    let known = |all: &clap::Command, name: &str| all.find_subcommand(name).is_some();
    ORDER.iter().enumerate().fold(all, |all, (place, name)| {
        if !known(&all, name) {
            return all;
        }
        all.mut_subcommand(name, |command| command.display_order(place))
    })
}

/// Returns the command with changed help texts, which name the installed tool `scorebox` instead of
/// `cargo xtask`. The texts of its flags and of its subcommands are changed, too.
fn renamed(command: clap::Command) -> clap::Command {
    let text = |text: Option<&StyledStr>| text.map(|text| as_installed(&text.to_string()));
    let (about, long) = (text(command.get_about()), text(command.get_long_about()));
    let after = text(command.get_after_help());
    let mut command = command;
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(long) = long {
        command = command.long_about(long);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    let command = command.mut_args(|arg| {
        let (help, long) = (text(arg.get_help()), text(arg.get_long_help()));
        let arg = match help {
            Some(help) => arg.help(help),
            None => arg,
        };
        match long {
            Some(long) => arg.long_help(long),
            None => arg,
        }
    });
    command.mut_subcommands(renamed)
}

/// Parses the arguments of this process and runs the command that they name. Prints the failure of
/// the command, and returns the exit code. If the arguments are invalid or ask for help, prints a
/// text and ends the process. A command of the host program replaces the process.
pub fn run() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(command) = forward::named(&words) {
        return forward::run(command, &words).report();
    }
    // In a clone, the version includes the commit, which git has to be asked for. So the version is
    // computed only if the user wants to see it.
    if matches!(words.as_slice(), [word] if word == "--version" || word == "-V") {
        println!("scorebox {}", version::text());
        return output::ended(ExitCode::SUCCESS);
    }
    registry::install_cryptography();
    let command = match installation::parts() {
        Some(_) => installed_command(),
        None => Cli::command(),
    };
    let matches = command.get_matches();
    let parsed = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // Parts of another release are refused before a command does anything.
    let outcome = installed::list().and_then(|_| started(parsed.command));
    match outcome {
        Ok(()) => output::ended(ExitCode::SUCCESS),
        Err(failure) => failure.report(),
    }
}

fn started(command: Command) -> Result<(), Failure> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Build(args) => build::run(args),
        Command::Package(args) => package::run(args),
        Command::Push(args) => push::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Part(args) => part::run(&args),
        Command::Completions(args) => {
            completions::run(&args, installed_command());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use scorebox_workspace::commands::Program;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
        installed_command().debug_assert();
    }

    #[test]
    fn an_installed_tool_has_its_own_commands_and_those_of_the_host() {
        let mut command = installed_command();
        let shown: Vec<_> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(|command| command.get_name().to_owned())
            .collect();
        let expected: Vec<_> = ORDER.iter().filter(|name| **name != "help").collect();
        assert_eq!(shown.len(), expected.len(), "{shown:?}");
        assert!(
            expected
                .iter()
                .all(|name| shown.iter().any(|one| one == **name))
        );
        let names: Vec<_> = shown.iter().map(String::as_str).chain([""]).collect();
        for name in names {
            let command = match name {
                "" => &mut command,
                name => command.find_subcommand_mut(name).unwrap(),
            };
            let help = command.render_long_help().to_string();
            assert!(!help.contains("cargo xtask"), "{help}");
        }
    }

    /// Commands whose arguments are documented on pages of their own, because
    /// `xtask/docs/commands.md` would become too long: the name of the command, and the path of the
    /// page.
    const ON_OTHER_PAGES: [(&str, &str); 3] = [
        ("convert", "xtask/docs/convert.md"),
        ("dist", "xtask/docs/install.md"),
        ("doctor", "xtask/docs/doctor.md"),
    ];

    /// Returns the reference documentation, in Markdown, of the commands whose names `is_shown`
    /// accepts. Hidden commands are left out.
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
        let commands = reference(|name| ON_OTHER_PAGES.iter().all(|(other, _)| name != *other));
        scorebox_pages::check_part(page, "commands of the packager", &commands);
    }

    #[test]
    fn each_other_page_has_the_arguments_of_its_command() {
        for (name, page) in ON_OTHER_PAGES {
            let command = reference(|other| other == name);
            scorebox_pages::check_part(page, &format!("command {name}"), &command);
        }
    }

    #[test]
    fn help_of_xtask_lists_these_commands() {
        assert_eq!(Program::Packager.differences(&Cli::command()), [""; 0]);
    }
}
