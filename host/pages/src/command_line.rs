//! The reference of a command line, written from the definition by which it is parsed.
//!
//! Owns the layout of commands and arguments on a page. Must not know any command.

use clap::{Arg, Command};

/// Names of the command and the arguments that clap itself adds to a program.
const OF_CLAP: [&str; 2] = ["help", "version"];

/// Returns the reference of all commands of a program in Markdown, as the generated part of a page.
///
/// For each command, the reference has a heading of the third level, the help, the usage, a table
/// of the arguments, and the text with which the help ends. Hidden commands and arguments are left
/// out.
pub fn commands(mut program: Command) -> String {
    program.build();
    let mut blocks = Vec::new();
    add_commands(&mut blocks, &mut program);
    blocks.join("\n\n") + "\n"
}

/// Adds the Markdown blocks of each subcommand of a command, and of its own subcommands, to
/// `blocks`. Leaves out hidden commands and clap's command `help`.
fn add_commands(blocks: &mut Vec<String>, parent: &mut Command) {
    for command in parent.get_subcommands_mut() {
        if command.is_hide_set() || OF_CLAP.contains(&command.get_name()) {
            continue;
        }
        let usage = command.render_usage().to_string();
        let name = command.get_bin_name().unwrap_or(command.get_name());
        blocks.push(format!("### `{name}`"));
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        blocks.extend(about.split("\n\n").map(sentence));
        let usage = usage.trim_start_matches("Usage:").lines().map(str::trim);
        blocks.push(code(&usage.collect::<Vec<_>>().join("\n")));
        blocks.extend(table(command));
        let end = command.get_after_long_help().or(command.get_after_help());
        blocks.extend(end.map(|end| code(end.to_string().trim_end())));
        add_commands(blocks, command);
    }
}

fn code(text: &str) -> String {
    format!("```text\n{text}\n```")
}

/// Returns the Markdown table of a command's arguments: first the positional arguments, as in the
/// command's help. Leaves out hidden arguments and clap's own. Returns `None` if no argument
/// remains.
fn table(command: &Command) -> Option<String> {
    let shown =
        |argument: &&Arg| !argument.is_hide_set() && !OF_CLAP.contains(&argument.get_id().as_str());
    let (places, flags): (Vec<_>, Vec<_>) = command
        .get_arguments()
        .filter(shown)
        .partition(|argument| argument.is_positional());
    let rows: Vec<_> = places.into_iter().chain(flags).map(row).collect();
    (!rows.is_empty()).then(|| format!("| argument | meaning |\n|---|---|\n{}", rows.join("\n")))
}

fn row(argument: &Arg) -> String {
    let cells = [format!("`{argument}`"), meaning(argument)];
    format!(
        "| {} |",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}

/// Returns the help of an argument, with its possible values, its default and its environment
/// variable.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut sentences = match default_in(&help) {
        Some((help, default)) => vec![sentence(help), format!("Default: {default}.")],
        None => vec![sentence(&help)],
    };
    let takes_values = argument.get_action().takes_values();
    let values: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let name = value.get_name();
            match value.get_help() {
                Some(help) => format!("`{name}` ({help})"),
                None => format!("`{name}`"),
            }
        })
        .collect();
    if takes_values && !values.is_empty() && !argument.is_hide_possible_values_set() {
        sentences.push(format!("Values: {}.", values.join(", ")));
    }
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if takes_values && !defaults.is_empty() && !argument.is_hide_default_value_set() {
        sentences.push(format!("Default: `{}`.", defaults.join(" ")));
    }
    if let Some(variable) = argument.get_env() {
        let variable = variable.to_string_lossy();
        sentences.push(format!("Environment variable: `{variable}`."));
    }
    sentences.join(" ")
}

/// Splits a help text that ends with `[default: …]` into the text before it and the default. In
/// this way an argument states a default that clap does not know. Returns `None` if the text does
/// not end with a default.
fn default_in(help: &str) -> Option<(&str, &str)> {
    help.strip_suffix(']')?.rsplit_once(" [default: ")
}

/// Returns a help text with the full stop at its end that clap removed. Adds nothing to an empty
/// text or to a text that ends with `.`, `:`, `?` or `.)`.
fn sentence(text: &str) -> String {
    let is_whole = text.is_empty() || text.ends_with(['.', ':', '?']) || text.ends_with(".)");
    let stop = if is_whole { "" } else { "." };
    format!("{text}{stop}")
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn program() -> Command {
        let serve = Command::new("serve")
            .about("Serve the app")
            .after_help("Example:\n  box serve app")
            .arg(
                Arg::new("port")
                    .long("port")
                    .value_name("N")
                    .help("Port to listen on")
                    .default_value("8080"),
            )
            .arg(
                Arg::new("quiet")
                    .long("quiet")
                    .action(ArgAction::SetTrue)
                    .help("Log nothing"),
            )
            .arg(
                Arg::new("format")
                    .long("format")
                    .value_name("FORM")
                    .value_parser(["json", "text"])
                    .help("Form of the log [default: text on a terminal]"),
            )
            .arg(
                Arg::new("app")
                    .value_name("DIR")
                    .required(true)
                    .help("Folder, a|b"),
            )
            .arg(Arg::new("secret").long("secret").hide(true));
        Command::new("box")
            .subcommand(serve)
            .subcommand(Command::new("part").hide(true))
    }

    #[test]
    fn a_command_has_its_help_usage_arguments_and_examples() {
        let expected = "### `box serve`\n\nServe the app.\n\n```text\n\
                        box serve [OPTIONS] <DIR>\n```\n\n\
                        | argument | meaning |\n|---|---|\n\
                        | `<DIR>` | Folder, a\\|b. |\n\
                        | `--port <N>` | Port to listen on. Default: `8080`. |\n\
                        | `--quiet` | Log nothing. |\n\
                        | `--format <FORM>` | Form of the log. Default: text on a terminal. \
                        Values: `json`, `text`. |\n\n\
                        ```text\nExample:\n  box serve app\n```\n";
        assert_eq!(commands(program()), expected);
    }

    #[test]
    fn a_text_ends_with_one_full_stop() {
        let check = |text: &str, expected: &str| assert_eq!(sentence(text), expected);
        check("Serve the app", "Serve the app.");
        check("Serve the app.", "Serve the app.");
        check("Trust it. (Others too.)", "Trust it. (Others too.)");
        check(
            "Attach the statement (SLSA)",
            "Attach the statement (SLSA).",
        );
    }
}
