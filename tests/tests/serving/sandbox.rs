//! Secrets that a scorer must not see: the machine, the environment, the secrets of the host and
//! its callers.
//!
//! Owns the attempts. Must not know how the sandbox works.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::redis::{Kind, PASSWORD, Redis};
use scorebox_tests::{place, programs, require, run};
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-of-the-host";

#[track_caller]
fn all_refused(attempts: &Value) {
    let attempts = attempts.as_object().expect("attempts by name");
    assert!(!attempts.is_empty());
    for (name, got) in attempts {
        assert!(
            got["error"].is_string() && got.get("ok").is_none(),
            "{name}: {got}"
        );
    }
}

#[test]
fn a_scorer_has_no_environment_no_arguments_no_files_and_no_sockets() {
    let variables = [
        ("SECRET", SECRET),
        ("HOME", "/root"),
        ("SCOREBOX_LOG", "trace"),
        ("WEBSITE_AUTH_KEY", SECRET),
    ];
    let host = Host::start_with(&App::of(programs::WAYWARD), &variables);

    let environment = host.score(&json!({"do": "environment"})).expect(200).json();
    assert_eq!(environment["variables"], json!([]));
    assert_eq!(environment["arguments"], json!([]));

    let files = host.score(&json!({"do": "files"})).expect(200).json();
    all_refused(&files);
    assert!(
        !std::path::Path::new("/tmp/x").exists()
            || std::fs::read("/tmp/x").is_ok_and(|bytes| bytes != b"x")
    );

    // The host itself listens on this port, so a connection would succeed outside of the sandbox.
    let port: u16 = host
        .address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    all_refused(
        &host
            .score(&json!({"do": "sockets", "port": port}))
            .expect(200)
            .json(),
    );

    // A scorer cannot read variables of the host's environment by name.
    let config = host
        .score(&json!({"do": "config", "name": "SECRET"}))
        .expect(200)
        .json();
    assert_eq!(config, json!({"value": null, "all": []}));
    assert!(!host.log.text().contains(SECRET), "{}", host.log.text());
}

#[test]
fn invoke_is_as_closed_as_serve() {
    let app = App::of(programs::WAYWARD);
    let mut command = scorebox_tests::host::scorebox("invoke", &app);
    let answer = run::finish(command.env("SECRET", SECRET), br#"{"do": "environment"}"#).ended(0);
    assert_eq!(answer.json()["variables"], json!([]));
    assert!(!answer.stderr.contains(SECRET), "{}", answer.stderr);
}

#[test]
fn a_scorer_reads_its_settings_and_no_others() {
    let host = Host::start(&App::with(
        programs::WAYWARD,
        "[config]\nthreshold = \"0.5\"\nempty = \"\"\n",
    ));
    let answer = host
        .score(&json!({"do": "config", "name": "threshold"}))
        .expect(200)
        .json();
    assert_eq!(
        answer,
        json!({"value": "0.5", "all": [["empty", ""], ["threshold", "0.5"]]})
    );
    let answer = host
        .score(&json!({"do": "config", "name": "none"}))
        .expect(200)
        .json();
    assert_eq!(answer["value"], Value::Null);
}

#[test]
fn attributes_come_without_credentials() {
    let host = Host::start_with(&App::of(programs::WAYWARD), &[("SCOREBOX_LOG", "trace")]);
    let removed = [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-functions-key",
        "x-api-key",
    ];
    let mut headers: Vec<(&str, &str)> = removed.iter().map(|name| (*name, SECRET)).collect();
    headers.extend([
        ("Content-Type", "application/json"),
        ("X-Tenant", "blue"),
        ("x-tenant", "green"),
    ]);
    let answer = host
        .send("POST", "/score", &headers, r#"{"do": "attributes"}"#)
        .expect(200);
    let call = answer.json();
    assert_eq!(call["source"], "http");
    assert_eq!(call["attempt"], 1);
    assert_eq!(call["id"].as_str(), answer.header("x-request-id"));
    let left = call["deadline_ms"].as_u64().expect("a deadline");
    assert!((1..=5000).contains(&left), "{left}");
    let attributes: Vec<(String, String)> =
        serde_json::from_value(call["attributes"].clone()).unwrap();
    assert!(
        attributes
            .iter()
            .all(|(name, _)| !removed.contains(&name.as_str())),
        "{attributes:?}"
    );
    assert!(
        attributes
            .iter()
            .all(|(name, _)| *name == name.to_lowercase()),
        "{attributes:?}"
    );
    let tenants: Vec<_> = attributes
        .iter()
        .filter(|(name, _)| name == "x-tenant")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(tenants, ["blue", "green"]);
    assert!(!answer.text().contains(SECRET));
    assert!(!host.log.text().contains(SECRET), "{}", host.log.text());
}

#[test]
fn a_key_in_the_query_is_neither_handed_on_nor_logged() {
    let host = Host::start_with(&App::of(programs::WAYWARD), &[("SCOREBOX_LOG", "trace")]);
    let headers = [("content-type", "application/json")];
    let answer = host
        .send(
            "POST",
            &format!("/score?code={SECRET}"),
            &headers,
            r#"{"do": "attributes"}"#,
        )
        .expect(200);
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    assert!(!host.log.text().contains(SECRET), "{}", host.log.text());
}

#[test]
fn what_a_scorer_writes_becomes_lines_of_the_call() {
    let host = Host::start_with(&App::of(programs::WAYWARD), &[("SCOREBOX_LOG", "trace")]);
    let print = json!({"do": "print", "stdout": ["one", "two"], "stderr": ["three"]});
    let answer = host.score(&print).expect(200);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    for (message, context) in [("one", "stdout"), ("two", "stdout"), ("three", "stderr")] {
        host.log.wait_for(message, |line| {
            line["target"] == "scorer"
                && line["message"] == message
                && line["context"] == context
                && line["invocation"] == id.as_str()
        });
    }
    for (level, shown) in [
        ("trace", "TRACE"),
        ("info", "INFO"),
        ("warn", "WARN"),
        ("critical", "ERROR"),
    ] {
        // A message with line ends and escapes stays one line, so that a scorer cannot forge
        // another line.
        let message = format!("{level}: first\n{{\"level\":\"ERROR\"}}\u{1b}[31m");
        let answer = host
            .score(&json!({"do": "log", "level": level, "context": "check", "message": message}));
        let id = answer
            .expect(200)
            .header("x-request-id")
            .expect("an id")
            .to_owned();
        host.log.wait_for(level, |line| {
            line["invocation"] == id.as_str()
                && line["target"] == "scorer"
                && line["level"] == shown
                && line["context"] == "check"
                && line["message"] == message.as_str()
        });
    }
    host.score(&json!({"do": "metrics", "name": "predictions", "count": 1, "attributes": [["class", "7"]]}))
        .expect(200);
    host.score(&json!({"do": "metrics", "name": "score", "value": 0.5}))
        .expect(200);
    assert_eq!(host.stderr.text(), "");
}

#[test]
fn the_log_has_a_threshold_and_a_form() {
    let host = Host::start(&App::of(programs::WAYWARD));
    let write = |level: &str| {
        host.score(
            &json!({"do": "log", "level": level, "message": format!("a line of level {level}")}),
        )
        .expect(200);
    };
    write("debug");
    write("warn");
    host.log.wait_for_message("a line of level warn");
    assert!(
        !host.log.text().contains("a line of level debug"),
        "{}",
        host.log.text()
    );
    assert_eq!(
        host.log.text().lines().count(),
        host.log.entries().len(),
        "every line is JSON"
    );
}

#[test]
fn the_password_of_a_store_is_in_no_line() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    let url = redis.url();
    let app = App::with(programs::KEYS, "[stores.default]\n");
    let host = Host::start_with(
        &app,
        &[("SCOREBOX_REDIS_URL", &url), ("SCOREBOX_LOG", "trace")],
    );
    let ops = json!({"ops": [{"op": "set", "key": "a", "value": "1"}, {"op": "get", "key": "a"}]});
    assert_eq!(host.score(&ops).expect(200).json()[1], json!({"ok": "1"}));
    assert!(!host.log.text().contains(PASSWORD), "{}", host.log.text());
    drop(host);

    let wrong = url.replace(PASSWORD, "wrong-password");
    let host = Host::start_with(
        &app,
        &[("SCOREBOX_REDIS_URL", &wrong), ("SCOREBOX_LOG", "trace")],
    );
    let answer = host.score(&ops).expect(200);
    assert!(
        answer.json()[0]["error"]["other"].is_string(),
        "{}",
        answer.text()
    );
    for text in [answer.text(), host.log.text()] {
        assert!(!text.contains("wrong-password"), "{text}");
    }
    let mut check = scorebox_tests::host::scorebox("check", &app);
    let explained = run::finish(check.arg("--explain").env("SCOREBOX_REDIS_URL", &url), b"");
    assert!(
        !format!("{}{}", explained.stdout, explained.stderr).contains(PASSWORD),
        "{}",
        explained.stdout
    );
    assert!(place::host().is_file());
}
