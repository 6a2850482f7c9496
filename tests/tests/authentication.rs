//! Logins to registries: every way to log in, against a fake registry that enforces the rules, and
//! every refusal.
//!
//! Owns the users, the ways and the refusals. Must not know how credentials are found or shown.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_tests::double::{Double, Fault, Rules, User};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use tempfile::TempDir;

const PASSWORD: &str = "pa:ss-s3cret";
const ENTRA: &str = "entra-s3cret";

/// OCI layout of a small image, which is packaged once.
static LAYOUT: LazyLock<TempDir> = LazyLock::new(|| {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    packaged(&mut package(project.path(), &dir.path().join("layout")));
    dir
});

fn users() -> Vec<User> {
    vec![
        User {
            name: "ci",
            password: PASSWORD,
            rights: vec![("scoring/digits", "pull,push"), ("base/it", "pull")],
        },
        User {
            name: "reader",
            password: PASSWORD,
            rights: vec![("*", "pull")],
        },
    ]
}

fn registry() -> Double {
    let entra = Some((ENTRA, "ci"));
    Double::start(Rules {
        users: users(),
        entra,
        ..Rules::default()
    })
}

/// Returns a command with only these variables in its environment.
fn xtask(words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(words)
        .envs(variables.iter().copied());
    command
}

fn push(double: &Double, words: &[&str], variables: &[(&str, &str)], input: &str) -> Finished {
    let layout = LAYOUT.path().join("layout").display().to_string();
    let mut command = xtask(
        &["push", &layout, "--plain-http", "--registry", &double.name],
        variables,
    );
    let outcome = run::finish(
        command.args(["--repository", "scoring/digits"]).args(words),
        input.as_bytes(),
    );
    no_secrets(&outcome);
    outcome
}

fn login(double: &Double, words: &[&str], variables: &[(&str, &str)], input: &str) -> Finished {
    let mut command = xtask(
        &["login", "--plain-http", "--registry", &double.name],
        variables,
    );
    let outcome = run::finish(
        command.args(["--repository", "scoring/digits"]).args(words),
        input.as_bytes(),
    );
    no_secrets(&outcome);
    outcome
}

#[track_caller]
fn no_secrets(outcome: &Finished) {
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(
            !text.contains(&BASE64_STANDARD.encode(format!("ci:{PASSWORD}"))),
            "{text}"
        );
    }
}

#[track_caller]
fn is_pushed(double: &Double) {
    let digest = double
        .tag("scoring/digits", "1.0.0")
        .expect("the tag is there");
    assert!(double.is_whole("scoring/digits", &digest));
    assert_eq!(double.violations(), Vec::<String>::new());
}

/// Returns a folder with Docker's configuration.
fn docker(config: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.json"), config).expect("a file");
    dir
}

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

#[test]
fn tokens_are_renewed_before_they_end_and_after_they_were_ended() {
    let flags = ["--username", "ci", "--password-stdin"];
    // The tokens live so briefly that the push outlives them. Each must be given up early enough
    // that it is never refused.
    let double = registry();
    double.token_life(Duration::from_secs(2));
    double.plan(|request| {
        std::thread::sleep(Duration::from_millis(if request.path.starts_with("/v2/") {
            100
        } else {
            0
        }));
        None
    });
    push(&double, &flags, &[], PASSWORD).ended(0);
    is_pushed(&double);
    let tokens = double
        .seen()
        .iter()
        .filter(|seen| seen.line.contains("/oauth2/token"))
        .count();
    assert!(tokens > 2, "{tokens}");
    // Here the registry invalidates the tokens during the push, also between chunks.
    let double = registry();
    let mut pieces = 0;
    double.plan(move |request| {
        let is_piece = request.method == "PATCH" || request.method == "PUT";
        pieces += u32::from(is_piece);
        (is_piece && [2, 5, 9, 14].contains(&pieces)).then_some(Fault::Expire)
    });
    push(&double, &flags, &[], PASSWORD).ended(0);
    is_pushed(&double);
    assert!(
        double
            .seen()
            .iter()
            .any(|seen| seen.line.starts_with("PATCH") && seen.status == 401)
    );
    // Here the login itself is revoked during the push.
    let double = registry();
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"{}"}}}}}}"#,
        double.name,
        double.refresh_token("ci")
    );
    let config = docker(&config);
    let mut pieces = 0;
    double.plan(move |request| {
        pieces += usize::from(request.method == "PATCH");
        (pieces >= 2).then_some(Fault::Revoke)
    });
    let config = config.path().display().to_string();
    push(&double, &[], &[("DOCKER_CONFIG", &config)], "")
        .ended(5)
        .said(&["may have expired", "docker login"]);
    assert!(double.tag("scoring/digits", "1.0.0").is_none());
}

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

#[test]
fn nobody_else_hears_of_the_credentials() {
    // The base's blobs are at a storage host of their own, and the image's registry is not the
    // base's registry.
    let storage = Double::start(Rules::default());
    let theirs = Double::start(Rules {
        storage: Some(storage.name.clone()),
        ..Rules::default()
    });
    let layer = b"not a tar, which nobody looks into here";
    let digest = |bytes: &[u8]| theirs.put_blob("base/it", bytes);
    let layer_digest = digest(layer);
    let rootfs = serde_json::json!({ "type": "layers", "diff_ids": [layer_digest] });
    let config =
        serde_json::json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let entry = |media_type: &str, digest: String, size: usize| serde_json::json!({ "mediaType": media_type, "digest": digest, "size": size });
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": entry("application/vnd.oci.image.config.v1+json", digest(config.as_bytes()), config.len()),
        "layers": [entry("application/vnd.oci.image.layer.v1.tar", layer_digest.clone(), layer.len())],
    });
    let _ = theirs.put_manifest("base/it", "1", media_type, manifest.to_string().as_bytes());
    for bytes in [layer.as_slice(), config.as_bytes()] {
        let _ = storage.put_blob("base/it", bytes);
    }
    let ours = registry();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let mut command = package(project.path(), &dir.path().join("layout"));
    command.args([
        "--base",
        &format!("{}/base/it:1", theirs.name),
        "--base-plain-http",
        "--plain-http",
        "--push",
    ]);
    command.args(["--registry", &ours.name, "--repository", "scoring/digits"]);
    command.envs([
        ("SCOREBOX_REGISTRY_USERNAME", "ci"),
        ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
    ]);
    run::finish(&mut command, b"").ended(0);
    is_pushed(&ours);
    let seen = storage.seen();
    assert!(
        seen.iter()
            .any(|seen| seen.line.contains(&layer_digest) && seen.line.contains("sig=right")),
        "{seen:?}"
    );
    // Both would have recorded any credentials that they received.
    assert_eq!(
        (storage.violations(), theirs.violations()),
        (Vec::new(), Vec::new())
    );

    // In the same registry the base is mounted, and one token has the rights for both repositories.
    for bytes in [layer.as_slice(), config.as_bytes()] {
        let _ = ours.put_blob("base/it", bytes);
    }
    let _ = ours.put_manifest("base/it", "1", media_type, manifest.to_string().as_bytes());
    ours.rule(|rules| {
        let rights = vec![("scoring/other", "pull,push"), ("base/it", "pull")];
        rules.users.push(User {
            name: "both",
            password: PASSWORD,
            rights,
        });
    });
    let mut command = package(project.path(), &dir.path().join("layout"));
    command.args([
        "--base",
        &format!("{}/base/it:1", ours.name),
        "--plain-http",
        "--push",
    ]);
    command.args(["--registry", &ours.name, "--repository", "scoring/other"]);
    command.envs([
        ("SCOREBOX_REGISTRY_USERNAME", "both"),
        ("SCOREBOX_REGISTRY_PASSWORD", PASSWORD),
    ]);
    let outcome = run::finish(&mut command, b"").ended(0);
    assert!(outcome.stderr.contains("mounted"), "{}", outcome.stderr);
}
