//! `cargo xtask deploy --guarded-by platform`: nobody gets in before the login of the platform is on.
//!
//! Owns the order of the commands, and the login that an app has already. Must not know identity
//! providers.

use scorebox_tests::run;

use crate::deploy::{az, calls, deploy, flag, project};
use crate::deploy_plain::{PLAIN, call, commands, made};

#[test]
fn nobody_gets_in_before_the_login_of_the_platform() {
    let container = project("");
    let more = ["--guarded-by", "platform"];
    made(container.path(), "plain-container-app", &more);
    let create = call(container.path(), "containerapp create");
    assert_eq!(flag(&create, "--ingress"), Some("internal"));
    let auth = call(container.path(), "containerapp auth update");
    assert_eq!(flag(&auth, "--action"), Some("Return401"));
    let order = commands(container.path());
    let place = |command: &str| order.iter().position(|other| other == command);
    assert!(place("containerapp auth update") < place("containerapp ingress enable"));
    // The change before must have been applied.
    assert!(place("resource wait") < place("containerapp auth update"));
    let web = project("");
    made(web.path(), "plain-web-app", &more);
    let create = call(web.path(), "webapp create");
    assert_eq!(flag(&create, "--public-network-access"), Some("Disabled"));
    let calls = calls(web.path());
    let method = |method: &str| {
        let is_it = |call: &Vec<String>| flag(call, "--method") == Some(method);
        calls.iter().position(is_it).expect("it is called")
    };
    // The settings of the login are those that the app has, changed by the query.
    let (put, open) = (&calls[method("put")], &calls[method("patch")]);
    assert_eq!(flag(put, "--body"), Some("answer"));
    // The fake `az` separates words by the same character as the query.
    let query = calls[method("put") - 1].join("|");
    for part in [
        "merge(properties",
        "\"requireAuthentication\": true",
        "\"unauthenticatedClientAction\": \"Return401\"",
    ] {
        assert!(query.contains(part), "{query}");
    }
    let body: serde_json::Value =
        serde_json::from_str(flag(open, "--body").expect("a body")).expect("JSON");
    assert_eq!(body["properties"]["publicNetworkAccess"], "Enabled");
    assert!(method("put") < method("patch"));
    // Nothing but the question for the address follows.
    assert_eq!(method("patch"), calls.len() - 2);
}

#[test]
fn a_login_counts_only_if_it_lets_nobody_through() {
    for (target, known, changed) in [
        ("plain-web-app", "guarded", false),
        ("plain-web-app", "open", true),
        ("plain-container-app", "guarded", false),
        ("plain-container-app", "open", true),
    ] {
        let project = project("");
        let path = az(project.path(), "-");
        let more = ["--guarded-by", "platform"];
        let script = run::finish(&mut deploy(project.path(), target, &more), b"").ended(0);
        let asked = script
            .stdout
            .lines()
            .find(|line| line.starts_with("deploy_login=$("))
            .expect("it asks for the login");
        assert!(asked.contains(" auth") || asked.contains("az rest --method get"));
        // The real `az` answers with one of two words.
        let answered = script.stdout.replacen(
            "deploy_login=$(",
            &format!("deploy_login=$(printf {known}; : "),
            1,
        );
        let mut sh = std::process::Command::new("sh");
        sh.arg("-s").env_clear().env("PATH", path);
        run::finish(&mut sh, answered.as_bytes()).ended(0);
        let is_change = |call: &Vec<String>| {
            flag(call, "--method") == Some("put")
                || call.starts_with(&["containerapp", "auth", "update"].map(str::to_owned))
        };
        assert_eq!(
            calls(project.path()).iter().any(is_change),
            changed,
            "{target} {known}"
        );
    }
}

#[test]
fn a_bicep_file_with_the_login_of_the_platform_keeps_the_app_closed_at_first() {
    let file = |target: &str, manifest: &str, guard: &str| {
        let project = project(manifest);
        let path = project.path().join("app.bicep");
        let mut deploy = deploy(project.path(), target, &["--guarded-by", guard, "--bicep"]);
        run::finish(deploy.arg(&path), b"").ended(0);
        std::fs::read_to_string(path).expect("it was written")
    };
    for (target, closed, reachable) in [
        (
            "plain-container-app",
            "external: open\n",
            "external: true\n",
        ),
        (
            "plain-web-app",
            "publicNetworkAccess: open ? 'Enabled' : 'Disabled'\n",
            "",
        ),
    ] {
        let guarded = file(target, "", "platform");
        assert!(guarded.contains("param open bool = false\n"), "{guarded}");
        assert!(guarded.contains(closed), "{guarded}");
        let keyed = file(target, PLAIN, "keys");
        assert!(!keyed.contains("param open") && keyed.contains(reachable));
    }
}
