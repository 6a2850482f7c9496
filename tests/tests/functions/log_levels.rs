//! The levels that the Functions host gives to the lines of its handler.
//!
//! Owns the situations in which lines are written: levels and words in all combinations, in both
//! formats, and starts that fail. Must not know how the lines are written.

use scorebox_tests::app::App;
use scorebox_tests::functions::app::{function_app, requests};
use scorebox_tests::functions::levels::{self, Level};
use scorebox_tests::functions::values::{envelope, request};
use scorebox_tests::functions::{FunctionsHost, documented_environment};
use scorebox_tests::host::scorebox_alone;
use scorebox_tests::redis::free_port;
use scorebox_tests::{programs, run, wait};
use serde_json::{Value, json};

/// Returns calls of the scorer, each with the level that the lines about it must have. A line about
/// a call holds the call's mark.
fn situations() -> Vec<(Value, Level)> {
    use Level::{Error, Information, Warning};
    let logged = |level: &str, message: &str| json!({"do": "log", "level": level, "message": format!("{message} MARK")});
    let printed =
        |stream: &str, line: &str| json!({"do": "print", stream: [format!("{line} MARK")]});
    let failed = |deed: &str, words: &str| json!({"do": deed, "code": "code", "message": words, "detail": format!("{words} MARK")});
    vec![
        (logged("debug", "warn: error"), Information),
        (logged("info", "all is well"), Information),
        (
            logged("info", "an error, a failure, a severe warning"),
            Information,
        ),
        (logged("info", "one\nERROR two\r\nWARN three"), Information),
        (logged("warn", "plain"), Warning),
        (logged("warn", "error: it failed"), Warning),
        (logged("warn", "severe: unhandled exception"), Warning),
        (logged("warn", "one\nERROR two"), Warning),
        (logged("error", "plain"), Error),
        (logged("error", "a warning came before"), Error),
        (logged("error", "WARN: wArNing, forewarned"), Error),
        (logged("error", "one\nwarn two\r\nWARN three"), Error),
        (logged("critical", "warn"), Error),
        (printed("stdout", "warn: error"), Information),
        (printed("stderr", "error: warn"), Information),
        (failed("reject", "error: a warning"), Information),
        (failed("unavailable", "error: it failed"), Warning),
        (failed("fail", "warned"), Error),
        (failed("unavailable", "one\nERROR two"), Warning),
        (failed("fail", "one\nwarn two"), Error),
    ]
}

fn app() -> App {
    let functions = [("call", requests("res", &[]))];
    function_app(programs::WAYWARD, "", json!({}), &functions)
}

#[test]
fn every_line_has_its_level_in_twenty_situations() {
    let app = app();
    for format in ["json", "text"] {
        let variables = [("SCOREBOX_LOG_FORMAT", format), ("SCOREBOX_LOG", "debug")];
        let host = FunctionsHost::start_with(&app, &variables);
        let situations = situations();
        assert_eq!(situations.len(), 20);
        for (number, (deed, level)) in situations.into_iter().enumerate() {
            let mark = format!("mark-{number:02}");
            let deed = deed.to_string().replace("MARK", &mark);
            let headers = [("content-type", "application/json")];
            let body = request(&headers, Some(deed.as_bytes()));
            let _ = host.invoke("call", &envelope("req", body, json!({})));
            let lines = || {
                let log = host.leveled_log().into_iter();
                let lines: Vec<_> = log.filter(|(_, line)| line.contains(&mark)).collect();
                (!lines.is_empty()).then_some(lines)
            };
            let found = wait::within(wait::LIMIT, lines);
            let lines = found.unwrap_or_else(|| panic!("no line of {deed} in {}", host.log()));
            let levels: Vec<_> = lines.iter().map(|(found, _)| *found).collect();
            assert!(levels.contains(&level), "{format} {deed}: {lines:?}");
            let is_other = |found: &&Level| **found != level && **found != Level::Information;
            assert_eq!(levels.iter().find(is_other), None, "{format}: {lines:?}");
        }
        if format == "json" {
            host.check_levels();
        }
    }
}

#[test]
fn failures_that_are_not_calls_have_their_levels() {
    let app = app();
    let host = FunctionsHost::start(&app);
    let lost = request(
        &[
            ("content-type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ],
        None,
    );
    let headers = [("content-type", "application/json")];
    let panic = br#"{"do": "panic", "message": "one\nwarn two"}"#;
    let panic = envelope("req", request(&headers, Some(panic)), json!({}));
    let cases = [
        (b"{}".to_vec(), "malformed-invocation", Level::Error),
        (panic, "\"code\":\"trapped\"", Level::Error),
        (
            envelope("req", lost, json!({})),
            "length-required",
            Level::Information,
        ),
    ];
    for (body, code, level) in cases {
        let _ = host.invoke("call", &body);
        host.wait_for_log(code);
        let log = host.leveled_log();
        let found = log.iter().find(|(_, line)| line.contains(code));
        assert_eq!(found.map(|(level, _)| *level), Some(level), "{log:?}");
    }
    host.check_levels();
}

#[test]
fn a_start_that_fails_is_one_error_in_one_line() {
    #[track_caller]
    fn check(app: &App, variables: &[(&str, &str)], flags: &[&str], code: i32, part: &str) {
        let mut serve = scorebox_alone("serve");
        serve
            .args(flags)
            .envs(documented_environment(app.path(), free_port()))
            .envs(variables.iter().copied());
        let ended = run::finish_within(wait::LIMIT, &mut serve, b"").ended(code);
        let lines: Vec<_> = ended.stderr.lines().collect();
        let [line] = lines.as_slice() else {
            panic!("{}", ended.stderr)
        };
        assert_eq!(levels::of_stderr(line), Level::Error, "{line}");
        assert!(line.contains(part), "no {part} in {line}");
        // The exit code is the same if nobody reads standard error.
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let status = serve.stderr(writer).status();
        assert_eq!(status.expect("it can be started").code(), Some(code));
    }
    // The fix of this error names the level `warn`.
    check(&app(), &[("SCOREBOX_LOG", "loud")], &[], 8, "SCOREBOX_LOG");
    check(
        &app(),
        &[("SCOREBOX_LOG", "off")],
        &["--address", "192.0.2.1"],
        7,
        "192.0.2.1",
    );
    check(&app(), &[], &["--no-such-flag"], 2, "--no-such-flag");
    for variables in [vec![], vec![("SCOREBOX_LOG_FORMAT", "text")]] {
        let app = app();
        app.write("scorebox.toml", b"[scorer]\nname = warn\n");
        check(&app, &variables, &[], 3, "scorebox.toml");
        app.write("scorebox.toml", b"[warning]\n");
        check(&app, &variables, &[], 3, "ing");
    }
}

#[test]
fn without_the_functions_host_standard_error_stays_empty() {
    let app = app();
    let host = scorebox_tests::host::Host::start(&app);
    let deed = json!({"do": "log", "level": "error", "message": "warn: it stays"});
    host.score(&deed).expect(200);
    let line = host.log.wait_for_message("warn: it stays");
    assert_eq!(line["level"], "ERROR");
}
