//! Snapshots of the texts that users see, in `tests/tests/snapshots`.
//!
//! Owns the files, the placeholders for what varies, and the one way to write the files again: the
//! variable `SCOREBOX_BLESS`. Must not know any text.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::place;
use crate::run::{self, Finished};

/// Environment variable that makes a test write its snapshots instead of comparing them, if its
/// value is `1`.
const BLESS_VARIABLE: &str = "SCOREBOX_BLESS";

/// Snapshots of one test, in a folder of their own.
#[must_use]
pub struct Snapshots {
    folder: PathBuf,
    placeholders: Vec<(Regex, String)>,
    names: BTreeSet<String>,
    differing: Vec<String>,
}

impl Snapshots {
    /// Opens the snapshots of a test. `folder` is relative to `tests/tests/snapshots`.
    ///
    /// A digest becomes `[DIGEST]`, because it changes with every version of a compiler.
    ///
    /// # Panics
    /// Panics in continuous integration, if snapshots would be written.
    pub fn of(folder: &str) -> Self {
        assert!(
            !(is_blessing() && std::env::var_os("CI").is_some_and(|value| value == "true")),
            "{BLESS_VARIABLE} is set in continuous integration, which must not write snapshots"
        );
        let folder = place::workspace()
            .join("tests/tests/snapshots")
            .join(folder);
        let snapshots = Self {
            folder,
            placeholders: Vec::new(),
            names: BTreeSet::new(),
            differing: Vec::new(),
        };
        snapshots.filter("[0-9a-f]{64}", "[DIGEST]")
    }

    /// Replaces `text`, which differs from run to run, by `placeholder` in every text that is
    /// compared. An example is the path of a temporary folder.
    pub fn replace(self, text: &str, placeholder: &str) -> Self {
        self.filter(&regex::escape(text), placeholder)
    }

    /// Replaces each match of a regular expression by `placeholder` in every text that is compared.
    /// In the placeholder, `$1` is the first group.
    ///
    /// # Panics
    /// Panics if the expression is invalid.
    pub fn filter(mut self, expression: &str, placeholder: &str) -> Self {
        let expression = Regex::new(expression).expect("a regular expression");
        self.placeholders.push((expression, placeholder.to_owned()));
        self
    }

    /// Compares a text with the snapshot `name`, or writes the snapshot. A difference is reported
    /// by [`Snapshots::finish`].
    ///
    /// # Panics
    /// Panics if a snapshot with this name was checked before, or if the snapshot cannot be
    /// written.
    pub fn check(&mut self, name: &str, text: &str) {
        assert!(self.names.insert(name.to_owned()), "{name} exists twice");
        let mut text = text.to_owned();
        for (expression, placeholder) in &self.placeholders {
            text = expression
                .replace_all(&text, placeholder.as_str())
                .into_owned();
        }
        if is_blessing() {
            // This is the form that insta reads.
            let file = format!("---\nsource: {}\n---\n{}\n", file!(), text.trim_end());
            std::fs::create_dir_all(&self.folder).expect("the folder can be made");
            std::fs::write(self.file(name), file).expect("the snapshot can be written");
            return;
        }
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(&self.folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        // The other snapshots are compared, too, so that one run shows every difference.
        let compared = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name, text));
        }));
        if compared.is_err() {
            self.differing.push(name.to_owned());
        }
    }

    /// Checks that no snapshot differs, and that the folder has no other snapshot.
    ///
    /// # Panics
    /// Panics if a snapshot differs or does not belong to this test.
    pub fn finish(self) {
        for name in self.others() {
            if is_blessing() {
                std::fs::remove_file(self.file(&name)).expect("the snapshot can be removed");
            } else {
                panic!(
                    "{} belongs to no text: remove it, or run the test with {BLESS_VARIABLE}=1",
                    self.file(&name).display()
                );
            }
        }
        assert!(
            self.differing.is_empty(),
            "these texts differ from {}: {}\nIf they should, run the test with {BLESS_VARIABLE}=1 \
             and review what `git diff` shows",
            self.folder.display(),
            self.differing.join(", ")
        );
    }

    /// Returns the names of the snapshots in the folder that the test did not check.
    fn others(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).expect("the folder can be listed");
        let files = entries.map(|entry| entry.expect("the folder can be listed to its end").path());
        files
            .filter(|file| file.extension() == Some("snap".as_ref()))
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .filter(|name| !self.names.contains(name))
            .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.snap"))
    }
}

fn is_blessing() -> bool {
    std::env::var_os(BLESS_VARIABLE).is_some_and(|value| value == "1")
}

/// Transcript of commands with their output and exit codes, one after the other, as a user sees
/// them.
#[derive(Default)]
pub struct Transcript(String);

impl Transcript {
    /// Runs a command to its end, and adds the command, its output and its exit code to the
    /// transcript. `subject` is the heading of the entry.
    ///
    /// # Panics
    /// Panics if the command does not end.
    #[track_caller]
    pub fn run(&mut self, subject: &str, command: &mut Command, input: &[u8]) {
        let finished = run::finish(command, input);
        self.add(subject, command, &finished);
    }

    /// Adds a command that has ended, its output and its exit code to the transcript. `subject` is
    /// the heading of the entry.
    pub fn add(&mut self, subject: &str, command: &Command, finished: &Finished) {
        let text = &mut self.0;
        if !text.is_empty() {
            text.push('\n');
        }
        let code = finished.status.code();
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let parts = [
            format!("# {subject}\n"),
            format!("$ {}\n", shown(command)),
            ended_line(&finished.stdout),
            ended_line(&finished.stderr),
            format!("exit code: {code}\n"),
        ];
        text.extend(parts);
    }

    /// Returns the text of the transcript.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

fn ended_line(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    }
}

/// Returns a command as a user would write it.
fn shown(command: &Command) -> String {
    let file = Path::new(command.get_program());
    let program = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // The host in an image has the same file name as the packager, so paths are compared.
    let is_ours = [place::xtask(), place::trials(), place::chores()]
        .iter()
        .any(|ours| ours.as_path() == file);
    let shown = match program {
        _ if is_ours => "cargo xtask",
        "scorebox-host" => "scorebox",
        other => other,
    };
    let mut shown = shown.to_owned();
    for argument in command.get_args() {
        write!(shown, " {}", argument.display()).expect("a string takes any text");
    }
    shown
}

/// Compares the help of a command, and of each of its subcommands, with the snapshots.
///
/// # Panics
/// Panics if a help cannot be printed.
pub fn check_help(snapshots: &mut Snapshots, program: &Path, name: &str, words: &[&str]) {
    let mut command = Command::new(program);
    let help = run::finish(command.env_clear().args(words).arg("--help"), b"").ended(0);
    assert_eq!(help.stderr, "", "help goes to standard output");
    snapshots.check(name, &help.stdout);
    check_help_of(snapshots, program, name, words, commands(&help.stdout));
}

/// Compares the help of each command that a program's help lists with the snapshots, but not the
/// program's own help.
///
/// # Panics
/// Panics if a help cannot be printed.
pub fn check_help_of_commands(snapshots: &mut Snapshots, program: &Path, name: &str) {
    let mut command = Command::new(program);
    let help = run::finish(command.env_clear().arg("--help"), b"").ended(0);
    check_help_of(snapshots, program, name, &[], commands(&help.stdout));
}

/// Compares the help of the given commands, and of each of their subcommands, with the snapshots.
///
/// # Panics
/// Panics if a help cannot be printed.
pub fn check_help_of<'a>(
    snapshots: &mut Snapshots,
    program: &Path,
    name: &str,
    words: &[&str],
    commands: impl IntoIterator<Item = &'a str>,
) {
    for command in commands {
        let words = [words, &[command]].concat();
        check_help(snapshots, program, &format!("{name}-{command}"), &words);
    }
}

/// Returns the names of the commands that a help lists, except `help`.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            // The text of a command that needs a second line is indented further.
            let rest = line.strip_prefix("  ")?;
            rest.split(' ').next()
        })
        .filter(|name| !name.is_empty() && *name != "help")
}
