//! Texts that try to forge a line of the log or to control a terminal.
//!
//! Owns the escaping of such texts in the log, and in what the host prints to people.

use scorebox_tests::app::App;
use scorebox_tests::host::{invoke, scorebox};
use scorebox_tests::programs;
use scorebox_tests::run;
use serde_json::{Value, json};

use super::{logged, talk};

/// Characters that control a terminal, end a line, or hide other characters.
const EVIL: &str = "a\nWARN forged: b\r\u{1b}[2J\u{9b}31m\u{85}\u{2028}\u{202e}\u{feff}c";

/// Returns true for characters that must not reach a terminal.
fn is_evil(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{202e}' | '\u{feff}')
}

#[test]
fn a_text_of_a_scorer_forges_no_line_and_moves_no_cursor() {
    for format in ["json", "text"] {
        let ways = ["log", "errors", "context", "metrics", "metric-names"];
        let log = logged(format, &ways.map(|way| talk(way, 1, EVIL, 0)));
        let lines: Vec<&str> = log.split_terminator('\n').collect();
        // Each request has one line, and the last line says that the host stops.
        assert_eq!(lines.len(), ways.len() + 1, "{format}: {log:?}");
        assert!(
            !lines.iter().any(|line| line.chars().any(is_evil)),
            "{format}: {log:?}"
        );
        if format == "json" {
            let line: Value = serde_json::from_str(lines[0]).expect("a line is JSON");
            assert_eq!(line["message"], EVIL, "nothing is lost");
        }
    }
}

#[test]
fn what_the_host_prints_to_people_holds_no_control_characters() {
    let app = App::of(programs::WAYWARD);
    let deed = json!({"do": "reject", "code": "no", "message": EVIL, "detail": EVIL});
    let refused = invoke(&app, "application/json", deed.to_string().as_bytes()).ended(20);
    is_plain(&refused.stderr);
    // The scorer's own log line is on standard error.
    let deed = json!({"do": "log", "level": "warn", "context": EVIL, "message": EVIL});
    let said = invoke(&app, "application/json", deed.to_string().as_bytes()).ended(0);
    is_plain(&said.stderr);
    // This manifest comes from an attacker.
    let key = App::of(programs::WAYWARD);
    key.write(
        "scorebox.toml",
        b"[scorer]\nname = \"a\"\n\"a\\n  fix: run this\\u001b[2J\" = 1\n",
    );
    let refused = run::finish(&mut scorebox("check", &key), b"").ended(3);
    is_plain(&refused.stderr);
    assert_eq!(
        refused.stderr.matches("\n  fix: ").count(),
        1,
        "{}",
        refused.stderr
    );
    // A version is one line.
    let version = App::with(
        programs::WAYWARD,
        "version = \"1\\u001b[2J\\nscorer ok\\u202e\"\n",
    );
    is_plain(
        &run::finish(&mut scorebox("check", &version), b"")
            .ended(3)
            .stderr,
    );
    // A scorer's configuration may be any text.
    let version = App::with(
        programs::WAYWARD,
        "[config]\nevil = \"1\\u001b[2J\\nscorer ok\\u202e\"\n",
    );
    for output in ["text", "json"] {
        let checked = run::finish(
            scorebox("check", &version).args(["--explain", "--output", output]),
            b"",
        )
        .ended(0);
        is_plain(&checked.stdout);
    }
}

#[track_caller]
fn is_plain(text: &str) {
    assert!(!text.is_empty());
    assert!(
        !text
            .chars()
            .any(|character| is_evil(character) && character != '\n'),
        "{text:?}"
    );
    assert!(!text.contains("\nWARN forged"), "{text:?}");
}
