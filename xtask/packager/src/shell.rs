//! A script for `sh`, built of parts that the shell can interpret only as intended.
//!
//! Owns quoting: text reaches a script as fixed text of this program (`&'static str`), as a
//! [`Word`], as a comment, or not at all. Must not know which commands there are.

use std::fmt::Write as _;
use std::path::Path;

use scorebox_host::manifest::names::is_variable;
use scorebox_host::text::{NAME_BYTES, printable, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

/// A valid name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable(String);

impl Variable {
    /// Checks the name of an environment variable that comes from outside of this program. Fails if
    /// the name is invalid.
    pub fn new(name: &str) -> Result<Self, Failure> {
        if is_variable(name) {
            return Ok(Self(name.to_owned()));
        }
        Err(Failure::project(
            format!(
                "`{}` is not the name of an environment variable",
                quoted(name, NAME_BYTES)
            ),
            "use letters, digits and `_`, not a digit first, e.g. `SCOREBOX_REDIS_URL`",
        ))
    }

    /// Wraps the name of an environment variable that this program itself chose.
    pub fn fixed(name: &'static str) -> Self {
        debug_assert!(is_variable(name), "{name}");
        Self(name.to_owned())
    }

    /// Returns the name of the environment variable.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// One word of a shell command, quoted if that is necessary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    script: String,
    /// True if a program could mistake the word for a flag.
    looks_like_a_flag: bool,
}

impl Word {
    /// Creates a word that the shell expands to exactly this text.
    pub fn text(text: &str) -> Self {
        Self {
            script: literal(text),
            looks_like_a_flag: text.starts_with('-'),
        }
    }

    /// Creates a word that the shell expands to the value of a variable.
    pub fn value_of(variable: &Variable) -> Self {
        Self {
            script: format!("\"${}\"", variable.name()),
            // The value is known only when the script runs, and may begin with a dash.
            looks_like_a_flag: true,
        }
    }

    /// Joins this word and another word into a single word.
    pub fn and(mut self, other: &Self) -> Self {
        self.script.push_str(&other.script);
        self
    }
}

/// A shell command that is being built.
#[derive(Debug, Clone)]
pub struct Command(String);

impl Command {
    /// Starts a command with fixed text, e.g. `az group create`.
    pub fn new(words: &'static str) -> Self {
        Self(words.to_owned())
    }

    /// Adds fixed text to the command, e.g. `--output none`.
    pub fn fixed(mut self, words: &'static str) -> Self {
        let _ = write!(self.0, " {words}");
        self
    }

    /// Adds fixed text to the command, on a line of its own.
    pub fn line(mut self, words: &'static str) -> Self {
        let _ = write!(self.0, " \\\n    {words}");
        self
    }

    /// Adds a flag and its value to the command, as `NAME VALUE`. If the value could be mistaken
    /// for a flag, they are joined as `NAME=VALUE`.
    pub fn flag(mut self, name: &'static str, value: &Word) -> Self {
        // A value with a dash in front would be read as the next flag.
        let between = if value.looks_like_a_flag { '=' } else { ' ' };
        let _ = write!(self.0, " {name}{between}{}", value.script);
        self
    }

    /// Adds a flag and its value to the command, on a line of their own.
    pub fn flag_line(mut self, name: &'static str, value: &Word) -> Self {
        self.0.push_str(" \\\n   ");
        self.flag(name, value)
    }

    /// Adds the argument `NAME=VALUE` to the command, on a line of its own.
    pub fn pair_line(mut self, name: &Word, value: &Word) -> Self {
        let _ = write!(self.0, " \\\n      {}={}", name.script, value.script);
        self
    }
}

/// A shell script that is being built.
#[derive(Debug, Default)]
pub struct Script(String);

impl Script {
    /// Adds a line of fixed text to the script. An empty text adds an empty line.
    pub fn line(&mut self, text: &'static str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Adds a comment of one line to the script. Characters of the text that could end the line are
    /// escaped.
    pub fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {}", printable(text));
    }

    /// Adds a command that the script runs.
    pub fn run(&mut self, command: Command) {
        self.0.push_str(&command.0);
        self.0.push('\n');
    }

    /// Adds a command whose output the script stores in a variable.
    pub fn keep(&mut self, variable: &Variable, command: Command) {
        let _ = writeln!(self.0, "{}=$({})", variable.name(), command.0);
    }

    /// Adds a line that sets a variable to a word.
    pub fn set(&mut self, variable: &Variable, value: &Word) {
        let _ = writeln!(self.0, "{}={}", variable.name(), value.script);
    }

    /// Adds a command whose output the script stores in a variable, if the variable is unset or
    /// empty. If `and_only_if` names a variable, that variable must not be empty, or else the
    /// command does not run.
    pub fn keep_if_missing(
        &mut self,
        variable: &Variable,
        and_only_if: Option<&Variable>,
        command: Command,
    ) {
        let name = variable.name();
        let condition = and_only_if.map_or_else(String::new, |other| {
            format!(" && [ -n \"${{{}}}\" ]", other.name())
        });
        let _ = writeln!(
            self.0,
            "if [ -z \"${{{name}:-}}\" ]{condition}; then\n    {name}=$({})\nfi",
            command.0
        );
    }

    /// Adds a command that the script runs unless a variable has the value `value`.
    pub fn run_unless(&mut self, variable: &Variable, value: &'static str, command: Command) {
        let (name, value) = (variable.name(), literal(value));
        let _ = writeln!(
            self.0,
            "if [ \"${{{name}}}\" != {value} ]; then\n    {}\nfi",
            command.0
        );
    }

    /// Adds two commands that the script runs unless a variable has the value `value`. The script
    /// stores the output of the first command in the variable `kept`.
    pub fn keep_and_run_unless(
        &mut self,
        variable: &Variable,
        value: &'static str,
        kept: &Variable,
        first: Command,
        second: Command,
    ) {
        let (name, value, kept) = (variable.name(), literal(value), kept.name());
        let _ = writeln!(
            self.0,
            "if [ \"${{{name}}}\" != {value} ]; then\n    {kept}=$({})\n    {}\nfi",
            first.0, second.0
        );
    }

    /// Adds commands that set `variable` to a value that exists elsewhere, if `variable` is unset
    /// or empty.
    ///
    /// The commands run only if the variable `only_if` is not empty. The output of `find` says
    /// where the value is, and is stored in the variable `found`. If this output is not empty, the
    /// output of `read` becomes the value of `variable`. If the value is empty, the script ends
    /// with the error `why`.
    pub fn keep_known(
        &mut self,
        variable: &Variable,
        only_if: &Variable,
        (found, find): (&Variable, Command),
        read: Command,
        why: &'static str,
    ) {
        let (name, found) = (variable.name(), found.name());
        let _ = writeln!(
            self.0,
            "if [ -z \"${{{name}:-}}\" ] && [ -n \"${{{only_if}}}\" ]; then\n    {found}=$({})\n    \
             if [ -n \"${{{found}}}\" ]; then\n        {name}=$({})\n        \
             : \"${{{name}:?{why}}}\"\n    fi\nfi",
            find.0,
            read.0,
            only_if = only_if.name(),
            why = escaped(why),
        );
    }

    /// Adds a line that ends the script with the error `why` unless a variable has the value
    /// `value`.
    pub fn demand_value(&mut self, variable: &Variable, value: &'static str, why: &'static str) {
        let (value, why) = (literal(value), literal(why));
        let _ = writeln!(
            self.0,
            "[ \"${{{}}}\" = {value} ] || {{ printf '%s\\n' {why} >&2; exit 1; }}",
            variable.name()
        );
    }

    /// Adds commands that end the script with an error if a variable has one of the values in
    /// `values`. The error is `why`, followed by the text of the command `next`, which is not run.
    pub fn refuse_values(
        &mut self,
        variable: &Variable,
        values: &[&'static str],
        why: &'static str,
        next: &Command,
    ) {
        let values: Vec<_> = values.iter().map(|value| literal(value)).collect();
        let text = literal(&format!("{why}{}", next.0));
        let _ = writeln!(
            self.0,
            "case \"${{{}}}\" in\n{})\n    printf '%s\\n' {text} >&2\n    exit 1\n    ;;\nesac",
            variable.name(),
            values.join(" | ")
        );
    }

    /// Adds a line that prints `what`, followed by the text of a command, to standard error. The
    /// command is not run.
    pub fn tell(&mut self, what: &'static str, command: &Command) {
        let text = literal(&format!("{what}{}", command.0));
        let _ = writeln!(self.0, "printf '%s\\n' {text} >&2");
    }

    /// Adds a line that prints `https://`, followed by the output of a command.
    pub fn print_address(&mut self, command: Command) {
        let _ = writeln!(self.0, "echo \"https://$({})\"", command.0);
    }

    /// Adds a line that ends the script with an error if a variable is unset or empty. `why` is the
    /// purpose of the variable.
    pub fn demand(&mut self, variable: &Variable, why: &'static str) {
        // The shell expands the text inside the braces, so the text is escaped.
        let _ = writeln!(self.0, ": \"${{{}:?{}}}\"", variable.name(), escaped(why));
    }

    /// Returns the whole text of the script.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Quotes a text so that the shell reads it as a word with exactly this text. Plain words are not
/// quoted, so that the script is easy to read.
pub fn literal(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@=+,%".contains(&b);
    // Some shells would read a leading `=` as a path. A leading `-` needs no quotes, because quotes
    // do not keep a program from reading a flag.
    if !text.is_empty() && text.bytes().all(plain) && !text.starts_with('=') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Quotes a name in a command that is shown to a person, e.g. after `next:`.
pub fn argument(text: &str) -> String {
    // A control character would reach the terminal. A name with one cannot be copied from there in
    // any case.
    literal(&printable(text))
}

/// Quotes a path in a command that is shown to a person. A path that a program could mistake for a
/// flag begins with `./`.
pub fn path(path: &Path) -> String {
    match shown(path) {
        path if path.starts_with('-') => argument(&format!("./{path}")),
        path => argument(&path),
    }
}

/// Escapes a text for a script, for use within double quotes and `${…}`.
fn escaped(text: &'static str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '$' | '`' | '\\' | '}') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests;
