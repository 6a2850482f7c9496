//! Logins that a registry refuses, and registries that need none.
//!
//! Owns each refusal and its message.

use scorebox_tests::double::{Double, Rules};
use scorebox_tests::run;

use super::{LAYOUT, PASSWORD, docker, is_pushed, login, push, registry, xtask};

#[test]
fn what_is_public_is_read_by_nobody_in_particular() {
    let double = registry();
    double.rule(|rules| rules.is_public = true);
    let shown = login(&double, &[], &[], "")
        .ended(5)
        .said(&["wants a login", "none found"]);
    assert!(
        shown.stdout.contains("pull granted, push denied"),
        "{}",
        shown.stdout
    );
    let open = Double::start(Rules::default());
    login(&open, &[], &[], "").ended(0);
    push(&open, &[], &[], "").ended(0);
    is_pushed(&open);
}

#[test]
fn refusals_are_clear() {
    let double = registry();
    let flags = ["--username", "ci", "--password-stdin"];
    push(&double, &flags, &[], "wr0ng-s3cret").ended(5).said(&[
        "wrong user name or password",
        "`ci`",
        "--password-stdin",
        "fix:",
        "cargo xtask login",
    ]);
    let refused = push(
        &double,
        &["--username", "reader", "--password-stdin"],
        &[],
        PASSWORD,
    )
    .ended(5);
    refused.said(&[
        "repository:scoring/digits:pull,push",
        "is denied",
        "AcrPush",
    ]);
    push(&double, &[], &[], "")
        .ended(5)
        .said(&["wants a login", "docker login"]);
    // This token is from a login that has ended since.
    let config = docker(&format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"old-s3cret"}}}}}}"#,
        double.name
    ));
    let config = config.path().display().to_string();
    push(&double, &[], &[("DOCKER_CONFIG", &config)], "")
        .ended(5)
        .said(&["may have expired", "docker login"]);
    assert!(double.tag("scoring/digits", "1.0.0").is_none());
    push(&double, &flags, &[], "")
        .ended(1)
        .said(&["standard input is empty"]);
    let lone = push(&double, &[], &[("SCOREBOX_REGISTRY_USERNAME", "ci")], "");
    lone.ended(1).said(&["SCOREBOX_REGISTRY_PASSWORD is not"]);

    let layout = LAYOUT.path().join("layout").display().to_string();
    let nowhere = |registry: &str, parts: &[&str], plain: &[&str]| {
        let words = ["push", &layout, "--repository", "a", "--registry", registry];
        run::finish(xtask(&words, &[]).args(plain), b"")
            .ended(6)
            .said(parts);
    };
    nowhere("127.0.0.1:9", &["127.0.0.1:9", "fix:"], &["--plain-http"]);
    nowhere(
        "registry.invalid",
        &["unknown host `registry.invalid`", "--registry"],
        &[],
    );
    nowhere(&double.name, &["does not speak TLS", "--plain-http"], &[]);
}
