//! Tests of the quoting of words, comments and error texts in shell scripts.

use std::process::Command as Process;

use super::*;

const HOSTILE: [&str; 18] = [
    "",
    " ",
    "plain",
    "$(touch x)",
    "`touch x`",
    "a;touch x",
    "a'b",
    "'''",
    "\"$HOME\"",
    "a\nb",
    "a\r\nb",
    "${IFS}x",
    "-rf",
    "--x=$(id)",
    "*?[a]~",
    "\\",
    "a\u{2028}b",
    "#!&|<>(){}",
];

/// Runs a script with `sh` and returns its output, which shows the arguments that a program gets.
/// In the script, `A_VALUE` is a variable with a hostile value. Panics if the script fails.
fn read_back(script: &str) -> String {
    let output = Process::new("sh")
        .args(["-euc", script])
        .env("A_VALUE", "$(id) '")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_shell_reads_every_word_back() {
    let value = Word::value_of(&Variable::fixed("A_VALUE"));
    for text in HOSTILE {
        let script = format!(
            "printf '[%s]' {} {}",
            literal(text),
            Word::text(text).and(&value).script
        );
        assert_eq!(
            read_back(&script),
            format!("[{text}][{text}$(id) ']"),
            "{script}"
        );
    }
}

#[test]
fn values_are_not_taken_for_flags() {
    let command = Command::new("printf '[%s]'").flag("--name", &Word::text("-x $(id)"));
    assert_eq!(read_back(&command.0), "[--name=-x $(id)]");
    let value = Word::value_of(&Variable::fixed("A_VALUE"));
    let command = Command::new("printf '[%s]'").flag("--name", &value);
    assert_eq!(read_back(&command.0), "[--name=$(id) ']");
}

#[test]
fn comments_and_demands_hold_nothing_that_runs() {
    for text in HOSTILE {
        let mut script = Script::default();
        script.comment(text);
        script.demand(
            &Variable::fixed("A_VALUE"),
            "a `reason` with \"quotes\", $(id) and }",
        );
        script.run(Command::new("printf '%s' done"));
        assert_eq!(read_back(&script.into_text()), "done");
    }
    let mut script = Script::default();
    script.demand(
        &Variable::fixed("MISSING"),
        "a `reason` with \"quotes\", $(id) and }",
    );
    let output = Process::new("sh")
        .arg("-c")
        .arg(script.into_text())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("a `reason` with \"quotes\", $(id) and }"),
        "{said}"
    );
}

#[test]
fn a_variable_is_kept_or_set_and_a_command_is_shown() {
    let (a, b) = (Variable::fixed("A_VALUE"), Variable::fixed("B"));
    let given = || Command::new("printf '%s' given");
    let result = |build: &dyn Fn(&mut Script)| {
        let mut script = Script::default();
        build(&mut script);
        script.run(Command::new("printf '%s|%s' \"$A_VALUE\" \"${B:-}\""));
        read_back(&script.into_text())
    };
    let kept = result(&|script| {
        script.keep_if_missing(&a, None, given());
        script.keep_if_missing(&b, None, given());
    });
    assert_eq!(kept, "$(id) '|given");
    let empty = Variable::fixed("EMPTY");
    let unless = result(&|script| {
        script.set(&empty, &Word::text(""));
        script.keep_if_missing(&b, Some(&empty), given());
        script.keep_if_missing(&b, Some(&a), given());
    });
    assert_eq!(unless, "$(id) '|given");
    for text in HOSTILE {
        let set = result(&|script| script.set(&b, &Word::text(text)));
        assert_eq!(set, format!("$(id) '|{text}"));
        let mut script = Script::default();
        script.line("exec 2>&1");
        script.tell(
            "see: ",
            &Command::new("az").flag("--name", &Word::text(text)),
        );
        let shown = read_back(&script.into_text());
        assert!(shown.starts_with("see: az --name"), "{shown}");
    }
    let run = |value: &'static str| {
        result(&|script| {
            script.set(&b, &Word::text("on"));
            script.run_unless(&b, value, Command::new("printf 'ran '"));
        })
    };
    assert_eq!(
        (run("on").as_str(), run("off").as_str()),
        ("$(id) '|on", "ran $(id) '|on")
    );
}

#[test]
fn variables_are_checked() {
    for name in HOSTILE.into_iter().filter(|name| *name != "plain") {
        assert!(Variable::new(name).is_err(), "{name:?}");
    }
}
