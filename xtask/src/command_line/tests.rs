//! Tests of the command line of `cargo xtask`: its help, and the choice of the program for a
//! command.

use super::*;

#[test]
fn command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn the_page_has_the_commands_of_xtask() {
    let commands = scorebox_pages::commands(Cli::command());
    scorebox_pages::check_part("xtask/docs/commands.md", "commands of xtask", &commands);
}

#[test]
fn help_lists_every_command_in_order() {
    let help = command().render_help().to_string();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let names = list.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?;
        line.split(' ').next().filter(|word| !word.is_empty())
    });
    let names: Vec<_> = names.take_while(|name| *name != "help").collect();
    assert_eq!(names, ORDER);
}

#[test]
fn commands_of_other_programs_are_forwarded() {
    let check = |line: &str, expected: Option<Program>| {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        assert_eq!(program(&words), expected, "{line}");
    };
    check("package --help", Some(Program::Packager));
    check("help package", Some(Program::Packager));
    check("bench redis --quick", Some(Program::Trials));
    check("tidy", None);
    check("help", None);
    check("help test", None);
    check("--help package", None);
    check("test package", None);
}
