//! Recipients of credentials: the registry's own token service, and no other host unless a user
//! allows it.
//!
//! Owns registries that name other hosts, and the requests that reached those. Must not know how
//! credentials are sent.

use std::process::Command;
use std::sync::LazyLock;

use scorebox_tests::double::{Double, Rules, User};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use tempfile::TempDir;

const PASSWORD: &str = "pa:ss-s3cret";
const ENTRA: &str = "entra-s3cret";
const VARIABLES: [(&str, &str); 2] = [
    ("SCOREBOX_REGISTRY_USERNAME", "ci"),
    ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
];

/// OCI layout of a small image, which is packaged once.
static LAYOUT: LazyLock<TempDir> = LazyLock::new(|| {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    packaged(&mut package(project.path(), &dir.path().join("layout")));
    dir
});

fn registry() -> Double {
    let users = vec![User {
        name: "ci",
        password: PASSWORD,
        rights: vec![("*", "pull,push")],
    }];
    Double::start(Rules {
        users,
        entra: Some((ENTRA, "ci")),
        is_public: true,
        ..Rules::default()
    })
}

fn xtask(words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(words)
        .envs(variables.iter().copied());
    command
}

fn push(double: &Double, words: &[&str], variables: &[(&str, &str)]) -> Finished {
    let layout = LAYOUT.path().join("layout").display().to_string();
    let mut command = xtask(
        &["push", &layout, "--plain-http", "--registry", &double.name],
        variables,
    );
    let outcome = run::finish(
        command.args(["--repository", "digits"]).args(words),
        PASSWORD.as_bytes(),
    );
    assert!(
        !format!("{}{}", outcome.stdout, outcome.stderr).contains("s3cret"),
        "{outcome:?}"
    );
    outcome
}

/// Returns the address of a registry with another host name.
fn other_name(double: &Double) -> String {
    double.name.replace("127.0.0.1", "localhost")
}

#[track_caller]
fn nothing_came(double: &Double) {
    let lines: Vec<_> = double.seen().into_iter().map(|seen| seen.line).collect();
    assert!(
        !lines.iter().any(|line| line.contains("/oauth2/")),
        "{lines:?}"
    );
    assert_eq!(double.violations(), Vec::<String>::new());
}

#[test]
fn a_password_goes_to_no_host_that_only_the_registry_names() {
    let docker = tempfile::tempdir().expect("a folder");
    for port in [false, true] {
        let (double, thief) = (registry(), registry());
        // The address is another name for the registry's own, or that of another program on the
        // same host.
        let place = if port {
            thief.name.clone()
        } else {
            other_name(&double)
        };
        double.rule(|rules| rules.realm = Some(format!("http://{place}/oauth2/token")));
        let config = format!(
            r#"{{"auths":{{"{}":{{"username":"ci","password":"{PASSWORD}"}}}}}}"#,
            double.name
        );
        std::fs::write(docker.path().join("config.json"), config).expect("a file");
        let folder = docker.path().display().to_string();
        /// Arguments and variables of a command.
        type Way<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
        let ways: [Way<'_>; 4] = [
            (&["--username", "ci", "--password-stdin"], &[]),
            (&[], &VARIABLES),
            (&[], &[("DOCKER_CONFIG", &folder)]),
            (&[], &[("SCOREBOX_ENTRA_TOKEN", ENTRA)]),
        ];
        for (words, variables) in ways {
            let refused = push(&double, words, variables).ended(5);
            refused.said(&[
                &format!("`{place}`"),
                "nothing was sent",
                &format!("--trust-realm {place}"),
            ]);
        }
        let login = ["login", "--plain-http", "--registry", double.name.as_str()];
        run::finish(&mut xtask(&login, &VARIABLES), b"")
            .ended(5)
            .said(&["--trust-realm"]);
        let reference = format!("{}/digits:1", double.name);
        let inspect = ["inspect", reference.as_str(), "--plain-http"];
        run::finish(&mut xtask(&inspect, &VARIABLES), b"")
            .ended(5)
            .said(&["--trust-realm"]);
        // The base is in another registry, for which Docker's configuration has a password.
        let project = project();
        let mut based = package(project.path(), &docker.path().join("layout"));
        based
            .args([
                "--base",
                &format!("{}/base:1", double.name),
                "--base-plain-http",
            ])
            .env("DOCKER_CONFIG", &folder);
        run::finish(&mut based, b"")
            .ended(5)
            .said(&["--trust-realm"]);
        nothing_came(&double);
        nothing_came(&thief);
    }
}

#[test]
fn a_host_that_a_person_names_is_asked() {
    for is_exact in [true, false] {
        let double = registry();
        let place = other_name(&double);
        double.rule(|rules| rules.realm = Some(format!("http://{place}/oauth2/token")));
        let trusted = if is_exact {
            place.as_str()
        } else {
            "localhost"
        };
        push(
            &double,
            &["--trust-realm", "auth.example", "--trust-realm", trusted],
            &VARIABLES,
        )
        .ended(0);
        assert!(double.tag("digits", "1.0.0").is_some());
        assert_eq!(double.violations(), Vec::<String>::new());
    }
    let double = registry();
    for wrong in ["", "a b", "user@host", "host/path"] {
        push(&double, &["--trust-realm", wrong], &VARIABLES)
            .ended(2)
            .said(&["HOST[:PORT]"]);
    }
}

#[test]
fn without_a_credential_any_token_service_is_asked() {
    let double = registry();
    let place = other_name(&double);
    double.rule(|rules| rules.realm = Some(format!("http://{place}/oauth2/token")));
    let reference = format!("{}/digits:1", double.name);
    let said = run::finish(
        &mut xtask(&["inspect", &reference, "--plain-http"], &[]),
        b"",
    )
    .ended(5);
    said.said(&["MANIFEST_UNKNOWN"]);
    assert!(
        double
            .seen()
            .iter()
            .any(|seen| seen.line.starts_with("GET /oauth2/token")),
        "{:?}",
        double.seen()
    );
}

#[test]
fn a_token_service_cannot_send_a_password_on() {
    let (double, thief) = (registry(), registry());
    double.rule(|rules| rules.token_redirect = Some(format!("http://{}/oauth2/token", thief.name)));
    push(&double, &[], &VARIABLES).ended(5).said(&["307"]);
    push(&double, &[], &[("SCOREBOX_ENTRA_TOKEN", ENTRA)])
        .ended(5)
        .said(&["307"]);
    assert!(thief.seen().is_empty(), "{:?}", thief.seen());
}

#[test]
fn an_address_that_hides_its_host_is_refused() {
    let (double, thief) = (registry(), registry());
    for start in [double.name.as_str(), "ci:password"] {
        double.rule(|rules| {
            rules.realm = Some(format!("http://{start}@{}/oauth2/token", thief.name))
        });
        for words in [&[][..], &["--trust-realm", thief.name.as_str()][..]] {
            push(&double, words, &VARIABLES)
                .ended(5)
                .said(&["user name"]);
        }
    }
    nothing_came(&thief);
}
