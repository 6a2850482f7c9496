//! `cargo xtask deploy` to targets without the Functions host: their commands and their Bicep
//! files.
//!
//! Owns the manifests of such apps. Must not know how the server compares keys.

use std::path::Path;

use scorebox_tests::run;
use scorebox_tests::run::Finished;

use crate::deploy::{az, calls, deploy, flag, project};

/// HTTP triggers, a store, and keys of the server.
pub const PLAIN: &str = r#"
[[trigger]]
kind = "http"

[stores.default]

[server]
keys = ["env:SCOREBOX_KEY_1", "env:SCOREBOX_KEY_2"]
"#;

pub const TARGETS: [&str; 2] = ["plain-container-app", "plain-web-app"];

const SECRETS: [(&str, &str); 5] = [
    ("SCOREBOX_REDIS_URL", "rediss://:s3cret-redis@cache:10000"),
    ("SCOREBOX_KEY_1", "s3cret-key-0123456789abcdef0123456789"),
    ("SCOREBOX_KEY_2", "s3cret-key-fedcba9876543210fedcba9876"),
    ("SCOREBOX_REGISTRY_USERNAME", "puller"),
    ("SCOREBOX_REGISTRY_PASSWORD", "s3cret-registry"),
];

/// Returns the words before the flags of each call that the fake `az` recorded.
pub fn commands(project: &Path) -> Vec<String> {
    let words = |call: Vec<String>| {
        call.into_iter()
            .take_while(|word| !word.starts_with("--"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    calls(project).into_iter().map(words).collect()
}

/// Returns the first call of a command that the fake `az` recorded.
pub fn call(project: &Path, command: &str) -> Vec<String> {
    let words: Vec<_> = command.split(' ').collect();
    calls(project)
        .into_iter()
        .find(|call| call.len() > words.len() && call.iter().zip(&words).all(|(a, b)| a == b))
        .unwrap_or_else(|| panic!("{command} was not called"))
}

/// Runs the script of a deployment with a fake `az`.
pub fn made(project: &Path, target: &str, more: &[&str]) -> Finished {
    let path = az(project, "-");
    let mut deploy = deploy(project, target, &["--run"]);
    run::finish(deploy.args(more).env("PATH", path).envs(SECRETS), b"").ended(0)
}

#[test]
fn a_container_app_is_made_step_by_step() {
    let project = project(PLAIN);
    let more = ["--min-replicas", "0", "--max-replicas", "7", "--cpu", "0.5"];
    let said = made(project.path(), "plain-container-app", &more);
    assert_eq!(said.stdout.trim(), "https://answer");
    let expected = [
        "group create",
        "identity create",
        "identity show",
        "identity show",
        "acr show",
        "acr show",
        "role assignment create",
        "containerapp env create",
        "containerapp list",
        "containerapp create",
        "containerapp show",
        "rest",
        "resource wait",
        "containerapp show",
        "containerapp show",
    ];
    assert_eq!(commands(project.path()), expected);
    let create = call(project.path(), "containerapp create");
    for (name, value) in [
        ("--target-port", "8080"),
        ("--ingress", "external"),
        ("--registry-identity", "answer"),
        ("--user-assigned", "answer"),
        ("--min-replicas", "0"),
        ("--max-replicas", "7"),
        ("--cpu", "0.5"),
        ("--memory", "1Gi"),
        ("--scale-rule-type", "http"),
        ("--scale-rule-http-concurrency", "4"),
        ("--termination-grace-period", "30"),
        ("--container-name", "scorer"),
    ] {
        assert_eq!(flag(&create, name), Some(value), "{name}: {create:?}");
    }
    for pair in [
        "scorebox-redis-url=rediss://:s3cret-redis@cache:10000",
        "scorebox-key-1=s3cret-key-0123456789abcdef0123456789",
        "SCOREBOX_KEY_1=secretref:scorebox-key-1",
        "SCOREBOX_KEY_2=secretref:scorebox-key-2",
    ] {
        assert!(create.iter().any(|word| word == pair), "{pair}: {create:?}");
    }
    assert!(
        !create
            .iter()
            .any(|word| word.contains("FUNCTIONS_") || word == "--kind")
    );
    let patch = call(project.path(), "rest");
    assert_eq!(flag(&patch, "--method"), Some("patch"));
    let body: serde_json::Value =
        serde_json::from_str(flag(&patch, "--body").expect("a body")).expect("JSON");
    let container = &body["properties"]["template"]["containers"][0];
    let probes: Vec<_> = container["probes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|probe| {
            let get = &probe["httpGet"];
            (
                probe["type"].as_str(),
                get["path"].as_str(),
                get["port"].as_u64(),
            )
        })
        .collect();
    let expected = [
        (Some("Liveness"), Some("/livez"), Some(8080)),
        (Some("Readiness"), Some("/readyz"), Some(8080)),
    ];
    assert_eq!(probes, expected);
    // The secrets are named in the body, and their values are not.
    assert_eq!(container["env"][1]["secretRef"], "scorebox-key-1");
    assert!(!body.to_string().contains("s3cret"), "{body}");
}

#[test]
fn a_web_app_is_made_step_by_step() {
    let project = project(&format!("{PLAIN}[limits]\nlame_duck = \"20s\"\n"));
    let said = made(project.path(), "plain-web-app", &[]);
    assert_eq!(said.stdout.trim(), "https://answer");
    let expected = [
        "group create",
        "appservice plan create",
        "webapp list",
        "webapp create",
        "webapp identity show",
        "acr show",
        "acr show",
        "role assignment create",
        "webapp config set",
        "webapp config appsettings set",
        "webapp restart",
        "webapp show",
    ];
    assert_eq!(commands(project.path()), expected);
    let config = call(project.path(), "webapp config set");
    let general: serde_json::Value =
        serde_json::from_str(flag(&config, "--generic-configurations").expect("a value"))
            .expect("JSON");
    assert_eq!(general["healthCheckPath"], "/readyz");
    assert_eq!(general["acrUseManagedIdentityCreds"], true);
    let settings = call(project.path(), "webapp config appsettings set");
    for setting in [
        "WEBSITES_PORT=8080",
        "WEBSITES_ENABLE_APP_SERVICE_STORAGE=false",
        "WEBSITES_CONTAINER_STOP_TIME_LIMIT=32",
        "SCOREBOX_KEY_2=s3cret-key-fedcba9876543210fedcba9876",
        "SCOREBOX_REDIS_URL=rediss://:s3cret-redis@cache:10000",
    ] {
        assert!(
            settings.iter().any(|word| word == setting),
            "{setting}: {settings:?}"
        );
    }
    assert!(!settings.iter().any(|word| word.starts_with("FUNCTIONS_")));
}

#[test]
fn the_image_of_a_web_app_has_its_registry_once() {
    let project = project(PLAIN);
    made(project.path(), "plain-web-app", &["--pull", "credentials"]);
    let create = call(project.path(), "webapp create");
    let image = flag(&create, "--container-image-name").expect("an image");
    assert!(image.starts_with("contoso.azurecr.io/scoring/risk@sha256:"));
    assert_eq!(flag(&create, "--container-registry-url"), None);
    let set = call(project.path(), "webapp config container set");
    for (name, value) in [
        ("--container-image-name", image),
        ("--container-registry-url", "https://contoso.azurecr.io"),
        ("--container-registry-user", "puller"),
        ("--container-registry-password", "s3cret-registry"),
    ] {
        assert_eq!(flag(&set, name), Some(value), "{name}");
    }
}

#[test]
fn a_key_that_cannot_be_read_ends_the_script() {
    for target in TARGETS {
        let project = project(PLAIN);
        let path = az(project.path(), "-");
        let script = run::finish(&mut deploy(project.path(), target, &[]), b"").ended(0);
        // The entry of the key is there, and its value is empty.
        let silent = script
            .stdout
            .replace("        SCOREBOX_KEY_1=$(", "        SCOREBOX_KEY_1=$(: ");
        assert_ne!(silent, script.stdout);
        let mut sh = std::process::Command::new("sh");
        sh.arg("-s")
            .env_clear()
            .env("PATH", path)
            .envs([SECRETS[0]]);
        let said = run::finish(&mut sh, silent.as_bytes());
        assert!(!said.status.success());
        said.said(&["SCOREBOX_KEY_1", "cannot be read", "export the key"]);
        let order = commands(project.path());
        assert!(
            !order
                .iter()
                .any(|call| call == "webapp create" || call == "containerapp create")
        );
    }
}

#[test]
fn keys_that_are_missing_are_kept_or_made_and_never_printed() {
    for target in TARGETS {
        let project = project(PLAIN);
        // The fake answers each query, so the app is there already, and has a key.
        let path = az(project.path(), "-");
        let mut again = deploy(project.path(), target, &["--run"]);
        let redis = SECRETS[0];
        let said = run::finish(again.env("PATH", &path).envs([redis]), b"").ended(0);
        let given = |name: &str| {
            let calls = calls(project.path());
            let start = format!("{name}=");
            let words = calls.iter().flatten();
            let values = words.filter_map(|word| word.strip_prefix(&start));
            values
                .filter(|value| !value.starts_with("secretref:"))
                .map(str::to_owned)
                .next_back()
                .expect("the key is set")
        };
        let name = if target == "plain-web-app" {
            "SCOREBOX_KEY_1"
        } else {
            "scorebox-key-1"
        };
        assert_eq!(given(name), "answer");
        assert!(
            said.stderr
                .contains("a key of the server is printed by: az "),
            "{}",
            said.stderr
        );
        // Without an app, the keys are made: 32 random bytes each.
        let script = run::finish(&mut deploy(project.path(), target, &[]), b"").ended(0);
        let mut sh = std::process::Command::new("sh");
        let quiet = script
            .stdout
            .replace("deploy_existing=$(az", "deploy_existing=$(: az");
        sh.args(["-s"]).env_clear().env("PATH", &path).envs([redis]);
        let said = run::finish(&mut sh, quiet.as_bytes()).ended(0);
        let (first, second) = (given(name), given(&name.replace('1', "2")));
        for key in [&first, &second] {
            let is_hex = key.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(key.len() == 64 && is_hex, "{key}");
            for text in [&said.stdout, &said.stderr, &script.stdout] {
                assert!(!text.contains(key.as_str()), "{text}");
            }
        }
        assert_ne!(first, second);
    }
}

#[test]
fn secrets_stand_in_no_script_and_no_file() {
    let project = project(PLAIN);
    let file = project.path().join("app.bicep");
    for target in TARGETS {
        for (pull, guard) in [("identity", "keys"), ("credentials", "platform")] {
            let more = ["--pull", pull, "--guarded-by", guard, "--bicep"];
            let mut deploy = deploy(project.path(), target, &more);
            let said = run::finish(deploy.arg(&file).envs(SECRETS), b"").ended(0);
            let bicep = std::fs::read_to_string(&file).expect("it was written");
            for text in [&said.stdout, &said.stderr, &bicep] {
                assert!(!text.contains("s3cret"), "{text}");
            }
            let secure = if pull == "identity" { 3 } else { 4 };
            assert_eq!(bicep.matches("@secure()").count(), secure, "{bicep}");
            let parameters = bicep
                .lines()
                .filter_map(|line| line.strip_prefix("param ")?.split(' ').next());
            for parameter in parameters {
                assert!(bicep.matches(parameter).count() > 1, "{parameter}: {bicep}");
            }
            for part in ["/readyz", "8080"] {
                assert!(bicep.contains(part), "{part}: {bicep}");
            }
            assert_eq!(bicep.contains("Return401"), guard == "platform", "{bicep}");
            assert_eq!(said.stdout.contains("Return401"), guard == "platform");
            for text in [&bicep, &said.stdout] {
                assert!(
                    !text.contains("torageAccounts") && !text.contains("FUNCTIONS_"),
                    "{text}"
                );
            }
        }
    }
}
