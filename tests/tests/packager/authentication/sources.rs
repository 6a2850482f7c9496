//! The places of credentials: flags, variables, Docker's configuration, credential helpers and
//! Entra ID.
//!
//! Owns each way to log in, with the program that it asks.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{ENTRA, PASSWORD, docker, is_pushed, login, push, registry};

fn script(dir: &Path, name: &str, text: &str) {
    // Another process writes the script. If this process wrote it, a child that another test forks
    // meanwhile would keep the file open for writing.
    let mut write = Command::new("sh");
    write
        .args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"",
            "sh",
        ])
        .arg(dir.join(name))
        .arg(text);
    assert!(write.status().expect("sh runs").success());
}

/// Returns a `PATH` with the folder of a fake program, and the folders of the tools that scripts
/// need.
fn path_with(dir: &Path) -> String {
    format!("{}:/usr/bin:/bin", dir.display())
}

#[test]
fn user_name_and_password_are_taken_from_flags_and_variables() {
    for is_basic in [false, true] {
        let double = registry();
        double.rule(|rules| rules.is_basic = is_basic);
        push(
            &double,
            &["--username", "ci", "--password-stdin"],
            &[],
            PASSWORD,
        )
        .ended(0);
        is_pushed(&double);
        let double = registry();
        double.rule(|rules| rules.is_basic = is_basic);
        let variables = [
            ("SCOREBOX_REGISTRY_USERNAME", "ci"),
            ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
        ];
        push(&double, &[], &variables, "").ended(0);
        is_pushed(&double);
        let shown = login(&double, &[], &variables, "")
            .ended(0)
            .said(&["SCOREBOX_REGISTRY_USERNAME"]);
        assert!(
            shown.stdout.contains("pull granted, push granted"),
            "{}",
            shown.stdout
        );
    }
}

#[test]
fn dockers_configuration_is_read() {
    let auth = BASE64_STANDARD.encode(format!("ci:{PASSWORD}"));
    let double = registry();
    let refresh = double.refresh_token("ci");
    let name = &double.name;
    for entry in [
        format!(r#"{{"auth":"{auth}"}}"#),
        format!(r#"{{"username":"ci","password":"{PASSWORD}"}}"#),
        // `az acr login` writes its entries like this.
        format!(
            r#"{{"auth":"{}","identitytoken":"{refresh}"}}"#,
            BASE64_STANDARD.encode("00000000-0000-0000-0000-000000000000:")
        ),
    ] {
        let config = docker(&format!(r#"{{"auths":{{"{name}":{entry}}}}}"#));
        let config = config.path().display().to_string();
        login(&double, &[], &[("DOCKER_CONFIG", &config)], "")
            .ended(0)
            .said(&["config.json"]);
        push(&double, &[], &[("DOCKER_CONFIG", &config)], "").ended(0);
        is_pushed(&double);
    }
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join(".docker")).expect("a folder");
    let config = format!(r#"{{"auths":{{"{name}":{{"auth":"{auth}"}}}}}}"#);
    std::fs::write(home.path().join(".docker/config.json"), config).expect("a file");
    login(
        &double,
        &[],
        &[("HOME", &home.path().display().to_string())],
        "",
    )
    .ended(0);
}

#[test]
fn credential_helpers_are_asked() {
    let double = registry();
    let refresh = double.refresh_token("ci");
    let programs = tempfile::tempdir().expect("a folder");
    let answer = |user: &str, secret: &str| {
        format!(
            r#"read name; echo "{{\"ServerURL\":\"$name\",\"Username\":\"{user}\",\"Secret\":\"{secret}\"}}""#
        )
    };
    // Any process of the machine can read arguments, so the helper records its own and its
    // parent's.
    let arguments = programs.path().join("arguments");
    let record = format!(
        "tr '\\0' ' ' < /proc/$PPID/cmdline >> {0}; echo \"$@\" >> {0}; ",
        arguments.display()
    );
    script(
        programs.path(),
        "docker-credential-plain",
        &(record + &answer("ci", PASSWORD)),
    );
    script(
        programs.path(),
        "docker-credential-token",
        &answer("<token>", &refresh),
    );
    script(
        programs.path(),
        "docker-credential-broken",
        "echo 'the key chain is locked' >&2; exit 1",
    );
    let path = path_with(programs.path());
    for config in [
        r#"{"credsStore":"plain"}"#.to_owned(),
        format!(
            r#"{{"credHelpers":{{"{}":"token"}},"credsStore":"broken"}}"#,
            double.name
        ),
    ] {
        let config = docker(&config);
        let config = config.path().display().to_string();
        push(
            &double,
            &[],
            &[("DOCKER_CONFIG", &config), ("PATH", &path)],
            "",
        )
        .ended(0);
        is_pushed(&double);
    }
    let arguments = std::fs::read_to_string(arguments).expect("the helper was started");
    assert!(
        arguments.contains("push") && arguments.contains("get") && !arguments.contains("s3cret"),
        "{arguments}"
    );
    let config = docker(r#"{"credsStore":"broken"}"#);
    let config = config.path().display().to_string();
    let refused = login(
        &double,
        &[],
        &[("DOCKER_CONFIG", &config), ("PATH", &path)],
        "",
    );
    assert_ne!(refused.status.code(), Some(0));
    refused.said(&[
        "docker-credential-broken",
        "the key chain is locked",
        "fix:",
    ]);
}

#[test]
fn entra_token_is_exchanged() {
    let double = registry();
    push(&double, &[], &[("SCOREBOX_ENTRA_TOKEN", ENTRA)], "").ended(0);
    is_pushed(&double);
    let asked = |part: &str| {
        double
            .seen()
            .iter()
            .filter(|seen| seen.line.contains(part))
            .count()
    };
    assert_eq!(asked("POST /oauth2/exchange"), 1, "once for all");
    let programs = tempfile::tempdir().expect("a folder");
    script(
        programs.path(),
        "az",
        &format!("test \"$1 $2\" = 'account get-access-token' && echo {ENTRA}"),
    );
    let path = path_with(programs.path());
    login(&double, &[], &[("PATH", &path)], "")
        .ended(0)
        .said(&["az account get-access-token"]);

    let refused = push(&double, &[], &[("SCOREBOX_ENTRA_TOKEN", "old-s3cret")], "").ended(5);
    refused.said(&[
        "Entra token",
        "SCOREBOX_ENTRA_TOKEN",
        "may have expired",
        "az login",
    ]);
    script(
        programs.path(),
        "az",
        "echo \"ERROR: Please run 'az login'\" >&2; exit 1",
    );
    let refused = login(&double, &[], &[("PATH", &path)], "").ended(5);
    refused.said(&["wants a login", "Please run 'az login'", "--password-stdin"]);
}
