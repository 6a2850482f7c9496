//! The commands of `cargo xtask` that other programs run, and how these programs are built.
//!
//! Owns the names of commands and programs, and the packages that are selected in a build. Must not
//! know what any command does.

use std::path::PathBuf;

use clap::Command;

use crate::failure::Failure;
use crate::workspace;

/// Arguments of Cargo for every build for developers: the profile, and the selected packages.
///
/// Cargo chooses the features of a dependency by the selected packages. Because all programs are
/// built with the same selection, no large crate is compiled twice. The SDK is selected because its
/// macro asks for more features of `anyhow` and `indexmap`, which the macros of Wasmtime use, too:
/// without it, `cargo test` would compile Wasmtime and everything above it once more.
pub const SELECTION: [&str; 9] = [
    "--release",
    "-p",
    "scorebox-packager",
    "-p",
    "scorebox-trials",
    "-p",
    "scorebox-host",
    "-p",
    "scorebox-guest",
];

/// A program that runs some commands of `cargo xtask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The packager `scorebox`, which builds, packages and deploys scorers.
    Packager,
    /// The program `scorebox-trials`, which runs the demo, the benchmarks and the soak.
    Trials,
}

/// A command of `cargo xtask` that is forwarded to another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// Name of the command.
    pub name: &'static str,
    /// Description of the command in one line, which `cargo xtask --help` prints.
    pub about: &'static str,
    /// Program that runs the command.
    pub program: Program,
}

/// The commands of `cargo xtask` that other programs run, in the order of `cargo xtask --help`.
///
/// The programs parse the flags of these commands themselves. A unit test of each program compares
/// its own commands with this table.
pub const FORWARDED: &[Forwarded] = &[
    forwarded(
        "demo",
        "Build an example image and score 200 handwritten digits with it",
        Program::Trials,
    ),
    forwarded(
        "new",
        "Create the folder of a scorer from a template",
        Program::Packager,
    ),
    forwarded(
        "convert",
        "Convert a saved model or NumPy arrays into files that a scorer can ship",
        Program::Packager,
    ),
    forwarded(
        "sample",
        "Call a scorer once, and keep the request with its answer as a sample",
        Program::Packager,
    ),
    forwarded(
        "build",
        "Build a scorer into an app folder for `scorebox serve --app`",
        Program::Packager,
    ),
    forwarded(
        "package",
        "Build a scorer into an OCI image, and push the image if --push is given",
        Program::Packager,
    ),
    forwarded(
        "push",
        "Push a packaged image to a registry",
        Program::Packager,
    ),
    forwarded(
        "inspect",
        "Show what an image holds, and verify its contents",
        Program::Packager,
    ),
    forwarded(
        "login",
        "Try the credentials for a registry, and show what they allow",
        Program::Packager,
    ),
    forwarded(
        "deploy",
        "Print, or run, the `az` commands that create a function app from an image",
        Program::Packager,
    ),
    forwarded(
        "doctor",
        "Check everything that a deployment needs, before and after it",
        Program::Packager,
    ),
    forwarded(
        "dist",
        "Make a release of the tool: an archive and a Python wheel",
        Program::Packager,
    ),
    forwarded(
        "bench",
        "Compare the speed of the packaged host with native code that does the same work",
        Program::Trials,
    ),
    forwarded(
        "soak",
        "Send requests of every kind to running hosts for minutes or hours, and compare every answer",
        Program::Trials,
    ),
];

const fn forwarded(name: &'static str, about: &'static str, program: Program) -> Forwarded {
    Forwarded {
        name,
        about,
        program,
    }
}

impl Program {
    /// Returns the name of the program, which is the name of its target in Cargo.
    pub fn name(self) -> &'static str {
        match self {
            Self::Packager => "scorebox",
            Self::Trials => "scorebox-trials",
        }
    }

    /// Builds the program with Cargo and returns its path. Fails if the program does not compile.
    pub fn build(self) -> Result<PathBuf, Failure> {
        let arguments = [&SELECTION[..], &["--bin", self.name()]].concat();
        let built = workspace::build(&workspace::root(), &arguments)?;
        let mut programs = built
            .into_iter()
            .filter(|artifact| artifact.name == self.name())
            .filter_map(|artifact| artifact.executable);
        programs.next_back().ok_or_else(|| {
            Failure::toolchain(
                format!("cargo built no program `{}`", self.name()),
                "see that a Cargo.toml below xtask/ has this name",
            )
        })
    }

    /// Compares the commands of this program in the table [`FORWARDED`] with `own`, the command
    /// line that the program defines. Returns one line for each command, with its description, that
    /// only one of them has. Hidden commands of `own` are left out.
    pub fn differences(self, own: &Command) -> Vec<String> {
        let listed = FORWARDED.iter().filter(|command| command.program == self);
        let listed: Vec<_> = listed
            .map(|command| format!("{}: {}", command.name, command.about))
            .collect();
        let defined: Vec<_> = own
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(|command| {
                let about = command.get_about().map(ToString::to_string);
                format!("{}: {}", command.get_name(), about.unwrap_or_default())
            })
            .collect();
        let only = |these: &[String], others: &[String], place: &str| -> Vec<String> {
            let missing = these.iter().filter(|line| !others.contains(line));
            missing
                .map(|line| format!("only in the {place}: {line}"))
                .collect()
        };
        [
            only(&listed, &defined, "table"),
            only(&defined, &listed, "program"),
        ]
        .concat()
    }
}
