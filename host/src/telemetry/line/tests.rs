//! Tests of the form of log lines.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

const TEXT: Form = Form::Text { colours: false };

/// Returns the log lines that the function `log` writes.
fn lines(form: Form, log: impl FnOnce()) -> Vec<String> {
    lines_for(form, false, log)
}

/// Returns the log lines that the function `log` writes, in the form for the Functions host if
/// `is_for_functions_host` is true.
fn lines_for(form: Form, is_for_functions_host: bool, log: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    let write = move |line: &str, _| into.lock().unwrap().push(line.to_owned());
    tracing::subscriber::with_default(
        tracing_subscriber::registry().with(Lines {
            form,
            is_for_functions_host,
            write,
        }),
        log,
    );
    lines.lock().unwrap().clone()
}

#[test]
fn an_event_is_an_object_with_its_fields() {
    let nothing: Option<&str> = None;
    let found = lines(Form::Json, || {
        tracing::warn!(text = "a\"b", count = 3, share = 0.25, none = f64::NAN, yes = true, nothing, shown = %"x", list = ?[1, 2], "said {}", 1);
    });
    let [line] = found.as_slice() else {
        panic!("{found:?}")
    };
    let json: Json = serde_json::from_str(line).unwrap();
    for (name, expected) in [
        ("level", Json::from("WARN")),
        ("message", "said 1".into()),
        ("text", "a\"b".into()),
        ("count", 3.into()),
        ("share", 0.25.into()),
        ("none", Json::Null),
        ("yes", true.into()),
        ("shown", "x".into()),
        ("list", "[1, 2]".into()),
        ("target", module_path!().into()),
    ] {
        assert_eq!(json[name], expected, "{name}");
    }
    assert!(json.get("nothing").is_none() && line.ends_with("}\n"));
    assert!(humantime::parse_rfc3339(json["timestamp"].as_str().unwrap()).is_ok());
}

#[test]
fn nothing_that_is_logged_forges_a_line_or_moves_a_cursor() {
    let evil = "a\nb\r\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\u{85}\0";
    for form in [Form::Json, TEXT] {
        let found = lines(form, || {
            tracing::info!(text = evil, shown = %evil, debug = ?evil, some = Some(evil), "{evil}");
        });
        let [line] = found.as_slice() else {
            panic!("{found:?}")
        };
        let inner = line.strip_suffix('\n').unwrap();
        assert!(!inner.chars().any(is_deceptive), "{inner:?}");
        if form == Form::Json {
            let json: Json = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&json["message"], &json["text"], &json["shown"]),
                (&evil.into(), &evil.into(), &evil.into())
            );
        }
    }
}

#[test]
fn a_line_has_a_greatest_length_whatever_is_logged() {
    for long in [
        "x".repeat(5 << 20),
        "\u{1b}".repeat(5 << 20),
        "\u{e0001}ü\"".repeat(1 << 20),
    ] {
        for form in [Form::Json, TEXT, Form::Text { colours: true }] {
            let found = lines(form, || {
                tracing::info!(a = long, b = %long, c = ?long, d = long, e = long, f = long, "{long}");
            });
            let [line] = found.as_slice() else {
                panic!("{}", found.len())
            };
            assert!(
                line.len() <= LINE_BYTES + 1024 && line.contains(MARK),
                "{}",
                line.len()
            );
            if form == Form::Json {
                let json: Json = serde_json::from_str(line).unwrap();
                assert!(
                    json["a"]
                        .as_str()
                        .is_some_and(|text| text.len() <= VALUE_BYTES && text.ends_with(MARK))
                );
            }
        }
    }
}

#[test]
fn lines_below_info_show_their_own_level_and_target() {
    let lines = lines(Form::Json, || {
        crate::text::debug!(count = 1, "said {}", 1);
        crate::text::debug!(target: "scorer", "said");
        crate::text::trace!(target: "scorer", "said");
        tracing::info!("said");
    });
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let line: Json = serde_json::from_str(line).unwrap();
            [line["level"].clone(), line["target"].clone()]
        })
        .collect();
    assert_eq!(
        shown,
        [
            ["DEBUG", module_path!()],
            ["DEBUG", "scorer"],
            ["TRACE", "scorer"],
            ["INFO", module_path!()]
        ]
    );
    assert!(
        lines[0].contains(r#""message":"said 1","count":1"#),
        "{}",
        lines[0]
    );
}

#[test]
fn text_is_for_reading() {
    let [line] = lines(TEXT, || {
        tracing::error!(id = "a b", count = 1, "it \"fails\"")
    })
    .try_into()
    .unwrap();
    let (_, rest) = line.split_once(' ').unwrap();
    assert_eq!(
        rest,
        format!(
            "ERROR {}: it \"fails\" id=\"a b\" count=1\n",
            module_path!()
        )
    );
    let warning = |form| notice(form, &Level::WARN, "t", &"m");
    assert!(warning(TEXT).ends_with("  WARN t: m\n"));
    assert!(warning(Form::Json).contains(r#""message":"m""#));
}

#[test]
fn an_error_for_the_functions_host_never_says_warn() {
    let texts = [
        "warn",
        "WARNING: wArN",
        "a warned, forewarning warnwarn",
        "war\nn",
        "war \"warn\" \\warn",
        "warn\u{202e}warn",
    ];
    for form in [Form::Json, TEXT] {
        for text in texts {
            let log = || tracing::error!(text, shown = %text, debug = ?text, "war{}", text);
            let [line] = lines_for(form, true, log).try_into().unwrap();
            let lower = line.to_lowercase();
            assert!(!lower.contains("warn") && lower.contains("error"), "{line}");
            if form == Form::Json {
                let json: Json = serde_json::from_str(&line).unwrap();
                let message = format!("war{text}");
                assert_eq!(
                    (&json["text"], &json["shown"], &json["message"]),
                    (&text.into(), &text.into(), &message.into())
                );
            }
            // Other lines, and lines that somebody else reads, keep their words.
            let [own] = lines(form, log).try_into().unwrap();
            assert!(own.to_lowercase().contains("war"), "{own}");
            let log = || tracing::warn!("error: it is war and a warning");
            let [warning] = lines_for(form, true, log).try_into().unwrap();
            assert!(warning.contains("a warning"), "{warning}");
        }
    }
    let error = notice(TEXT, &Level::ERROR, "t", &"warn:\n  fix: it");
    assert!(
        error.ends_with("ERROR t: war\\u{6e}:\\n  fix: it\n"),
        "{error}"
    );
    let log = || tracing::error!("{}", "warn".repeat(1 << 20));
    let [line] = lines_for(Form::Json, true, log).try_into().unwrap();
    assert!(line.len() <= LINE_BYTES && !line.contains("warn"));
    serde_json::from_str::<Json>(&line).unwrap();
}
