//! Planted mistakes of the registry: the login, the rights and the clock.
//!
//! Owns the users and the wrong clock. The rights of users need the fake registry, because
//! docker-registry has no users with few rights, and the wrong clock needs a server whose clock can
//! be wrong. Must not know apps.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use scorebox_tests::double::{Double, Rules, User};
use scorebox_tests::redis::free_port;
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require};

use super::{finds, verdicts};

const PASSWORD: &str = "s3cret";

/// Runs `doctor` for a registry alone.
fn doctor(registry: &str, repository: &str, user: Option<(&str, &str)>) -> Finished {
    let mut command = Command::new(place::xtask());
    command.env_clear().args([
        "doctor",
        "--output",
        "json",
        "--plain-http",
        "--registry",
        registry,
        "--repository",
        repository,
    ]);
    if let Some((name, password)) = user {
        command.env("SCOREBOX_REGISTRY_USERNAME", name);
        command.env("SCOREBOX_REGISTRY_PASSWORD", password);
    }
    let outcome = run::finish(&mut command, b"");
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    outcome
}

fn double() -> Double {
    let user = |name, rights| User {
        name,
        password: PASSWORD,
        rights,
    };
    Double::start(Rules {
        users: vec![
            user("ci", vec![("scoring/digits", "pull,push")]),
            user("reader", vec![("*", "pull")]),
        ],
        ..Rules::default()
    })
}

#[test]
fn mistakes_of_login_and_rights() {
    let double = double();
    let ask = |repository, user, password| doctor(&double.name, repository, Some((user, password)));
    let wrong = ask("scoring/digits", "ci", "other");
    finds(&wrong, ("registry login", "problem"), &double.name, "");
    assert_eq!(verdicts(&wrong.json(), "push right"), ["skipped"]);
    let anonymous = doctor(&double.name, "scoring/digits", None);
    let report = anonymous.json();
    assert!(report["counts"]["problem"] != 0, "{report:#}");

    let reader = ask("scoring/digits", "reader", PASSWORD);
    finds(&reader, ("push right", "problem"), "scoring/digits", "");
    let report = reader.json();
    assert_eq!(verdicts(&report, "registry login"), ["ok"], "{report:#}");
    assert_eq!(verdicts(&report, "pull right"), ["ok"], "{report:#}");

    let elsewhere = ask("other/thing", "ci", PASSWORD);
    finds(&elsewhere, ("pull right", "problem"), "other/thing", "");

    let right = ask("scoring/digits", "ci", PASSWORD).ended(0).json();
    let mut texts = super::lines(&right).filter_map(|line| line["text"].as_str());
    let scope = "by a token for `repository:scoring/digits:pull,push`";
    assert!(texts.any(|text| text.contains(scope)), "{right:#}");
    assert_eq!(double.violations(), Vec::<String>::new());
}

#[test]
fn a_registry_that_does_not_answer_or_speaks_tls() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let silent = doctor(&nobody, "scoring/digits", None);
    finds(
        &silent,
        ("registry login", "problem"),
        &nobody,
        "--offline leaves the registry out",
    );
    assert_eq!(verdicts(&silent.json(), "clock"), ["skipped"]);
    let wrong = doctor("https://contoso.azurecr.io", "scoring/digits", None);
    finds(
        &wrong,
        ("registry login", "problem"),
        "begins with `https://`",
        "write the host alone: `contoso.azurecr.io`",
    );
}

#[test]
fn a_real_registry_is_asked_and_its_clock_is_right() {
    require!("docker-registry");
    let registry = Registry::start();
    let report = doctor(&registry.name, "scoring/digits", None)
        .ended(0)
        .json();
    for noun in ["registry login", "pull right", "push right", "clock"] {
        assert_eq!(verdicts(&report, noun), ["ok"], "{noun}: {report:#}");
    }
    assert_eq!(registry.uploads(), 1);
}

#[test]
fn a_wrong_clock_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let name = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().expect("a socket"));
                let mut stream = stream;
                let mut line = String::new();
                while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                    if line == "\r\n" {
                        let answer = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
                                      content-length: 2\r\n\r\n{}";
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    let wrong = doctor(&name, "scoring/digits", None);
    finds(&wrong, ("clock", "problem"), &name, "NTP");
}
