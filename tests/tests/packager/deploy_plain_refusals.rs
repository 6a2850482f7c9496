//! `cargo xtask deploy` to targets without the Functions host: what is refused.
//!
//! Owns the refused manifests and flags. Must not know the commands of what is accepted.

use scorebox_tests::run;

use crate::deploy::{TRIGGERS, deploy, project};
use crate::deploy_plain::{PLAIN, TARGETS};

#[test]
fn what_needs_the_functions_host_or_has_no_guard_is_refused() {
    let check = |manifest: &str, more: &[&str], parts: &[&str]| {
        let project = project(manifest);
        for target in TARGETS {
            let said = run::finish(&mut deploy(project.path(), target, more), b"").ended(3);
            assert_eq!(said.stdout, "");
            said.said(parts).said(&["fix: "]);
        }
    };
    check(
        TRIGGERS,
        &[],
        &["has the Functions host", "base = \"scratch\""],
    );
    let keys = "[server]\nkeys = [\"env:SCOREBOX_KEY_1\"]\n";
    for (kind, line) in [
        ("blob", "path = \"incoming/{name}\""),
        ("service-bus", "queue = \"q\""),
    ] {
        let manifest = format!("[[trigger]]\nkind = \"{kind}\"\n{line}\n{keys}");
        check(
            &manifest,
            &[],
            &["only the Functions host", "--target premium"],
        );
    }
    check(
        "",
        &[],
        &[
            "nothing guards this app",
            "[server]",
            "--guarded-by platform",
        ],
    );
    check(keys, &["--base", "functions"], &["has the Functions host"]);
    let app = project(keys);
    let more = ["--min-replicas", "3", "--max-replicas", "2"];
    run::finish(&mut deploy(app.path(), "plain-container-app", &more), b"")
        .ended(3)
        .said(&["--min-replicas 3 is more than --max-replicas 2", "fix: "]);
    // The fix works.
    let open = project("");
    for target in TARGETS {
        let more = ["--guarded-by", "platform"];
        run::finish(&mut deploy(open.path(), target, &more), b"").ended(0);
    }
    for cpu in ["0", "0.3", "5", "x"] {
        let project = project(keys);
        let mut deploy = deploy(project.path(), TARGETS[0], &["--cpu", cpu]);
        run::finish(&mut deploy, b"")
            .ended(2)
            .said(&["multiple of 0.25"]);
    }
}

#[test]
fn a_flag_without_an_effect_is_refused() {
    let app = project("[package]\nbase = \"functions\"\n");
    let plain = project(PLAIN);
    let functions = ["premium", "dedicated", "container-apps"].map(|target| (target, &app));
    for (target, project, flag, value) in [
        ("container-apps", &app, "--plan", "contoso-plan"),
        ("plain-container-app", &plain, "--sku", "B1"),
        ("dedicated", &app, "--environment", "contoso-env"),
        ("plain-web-app", &plain, "--environment", "contoso-env"),
        ("plain-web-app", &plain, "--storage-account", "contoso"),
    ] {
        run::finish(&mut deploy(project.path(), target, &[flag, value]), b"")
            .ended(3)
            .said(&[
                &format!("{flag} has no effect on"),
                &format!("leave out {flag}, or choose `--target "),
            ]);
    }
    for (flag, value) in [
        ("--guarded-by", "platform"),
        ("--guarded-by", "keys"),
        ("--cpu", "1"),
        ("--min-replicas", "1"),
        ("--max-replicas", "10"),
        ("--concurrency", "4"),
    ] {
        let web = (flag != "--guarded-by").then_some(("plain-web-app", &plain));
        for (target, project) in functions.into_iter().chain(web) {
            let mut deploy = deploy(project.path(), target, &[flag, value]);
            run::finish(&mut deploy, b"").ended(3).said(&[
                &format!("{flag} has no effect on"),
                &format!("leave out {flag}"),
                "plain-container-app",
            ]);
        }
    }
}

#[test]
fn a_function_app_has_no_keys_of_the_server() {
    let project =
        project("[server]\nkeys = [\"env:SCOREBOX_KEY_1\"]\n[package]\nbase = \"functions\"\n");
    for target in ["premium", "dedicated", "container-apps"] {
        run::finish(&mut deploy(project.path(), target, &[]), b"")
            .ended(3)
            .said(&["server.keys", "trigger.auth_level", "fix: "]);
    }
}

#[test]
fn an_identity_pulls_from_azure_only() {
    let project = project("[package]\nbase = \"functions\"\n");
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let pulled = |registry: &str, pull: &str| {
        let mut deploy = std::process::Command::new(scorebox_tests::place::xtask());
        deploy
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .arg("deploy");
        deploy
            .arg(format!("{registry}/scoring/risk@{digest}"))
            .arg("--manifest")
            .arg(project.path().join("scorebox.toml"))
            .args([
                "--target",
                "premium",
                "--group",
                "g",
                "--location",
                "l",
                "--name",
                "risk-app",
            ])
            .args(["--pull", pull]);
        run::finish(&mut deploy, b"")
    };
    for registry in [
        "ghcr.io",
        "127.0.0.1:5000",
        "localhost:5000",
        "azurecr.io",
        "contoso.azurecr.io.example.com",
        "contosoazurecr.io",
    ] {
        let said = pulled(registry, "identity").ended(3);
        said.said(&["Azure Container Registry", "--pull credentials", "fix: "]);
        // The fix works.
        pulled(registry, "credentials").ended(0);
    }
    for (registry, name) in [
        ("contoso.azurecr.io", "contoso"),
        ("contoso.azurecr.cn", "contoso"),
        ("contoso.azurecr.us", "contoso"),
        // Azure adds a hash to the address of some registries.
        ("contoso-a1b2c3d4.azurecr.io", "contoso"),
    ] {
        let said = pulled(registry, "identity").ended(0);
        let part = format!("az acr show --name {name} ");
        assert!(said.stdout.contains(&part), "{part}: {}", said.stdout);
    }
}
