//! `cargo xtask deploy`: the commands for Azure, and the secrets that they must not contain.
//!
//! Owns a fake `az`, which records its arguments. Must not know Azure.

use std::path::Path;
use std::process::Command;

use scorebox_tests::{place, run};
use tempfile::TempDir;

const IMAGE: &str = "contoso.azurecr.io/scoring/risk@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Triggers of every kind, and a store.
pub const TRIGGERS: &str = r#"
[[trigger]]
kind = "http"

[[trigger]]
kind = "blob"
path = "incoming/{name}.json"
source = "event-grid"

[[trigger]]
kind = "service-bus"
queue = "applications"
connection = "Bus"

[stores.default]

[package]
base = "functions"
"#;

const SECRETS: [(&str, &str); 6] = [
    ("TriggerConnectionString", "AccountKey=s3cret-storage=="),
    ("Bus", "SharedAccessKey=s3cret-bus="),
    ("SCOREBOX_REDIS_URL", "rediss://:s3cret-redis@cache:10000"),
    ("EVENT_STORAGE_ID", "/subscriptions/s/storage"),
    ("SCOREBOX_REGISTRY_USERNAME", "puller"),
    ("SCOREBOX_REGISTRY_PASSWORD", "s3cret-registry"),
];

/// Creates a project whose manifest has these lines after `[scorer]`.
pub fn project(rest: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let text = format!("[scorer]\nname = \"risk\"\ncomponent = \"risk.wasm\"\n{rest}");
    std::fs::write(dir.path().join("scorebox.toml"), text).expect("a file can be written");
    dir
}

/// Returns a command that runs `cargo xtask deploy` on the image, with an empty environment.
pub fn deploy(project: &Path, target: &str, more: &[&str]) -> Command {
    let mut deploy = Command::new(place::xtask());
    deploy
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .arg("deploy")
        .arg(IMAGE)
        .arg("--manifest");
    deploy
        .arg(project.join("scorebox.toml"))
        .args(["--target", target, "--group", "scoring"]);
    deploy
        .args(["--location", "westeurope", "--name", "contoso-risk"])
        .args(more);
    deploy
}

/// Creates a fake `az` that records its arguments, one call per line, and fails for the command
/// `failing`. Returns a `PATH` with its folder.
///
/// Like the real one, it joins the host of a registry and the name of an image in `az webapp create`,
/// and lists the names of apps. The app is there already.
pub fn az(project: &Path, failing: &str) -> String {
    let bin = project.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder can be made");
    let script = format!(
        "#!/bin/sh\nprintf '%s|' \"$@\" >> \"{0}/calls\"; echo >> \"{0}/calls\"\n\
         case \"$*\" in \"{failing}\"*) echo 'no such plan' >&2; exit 3;; *roleAssignmentMode*) echo AcrPull;;\n\
         *\"--query properties.provisioningState\"*) echo Succeeded;; \"webapp list \"* | \"containerapp list \"*) echo other; echo Contoso-Risk;;\n\
         \"webapp create \"*--container-registry-url*) echo 'the host of the registry is in the image twice' >&2; exit 3;;\n\
         *--query*) echo answer;; esac\n",
        project.display()
    );
    // Another process writes the script. If this process wrote it, a child that another test forks
    // meanwhile would keep the file open for writing.
    let write = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let mut sh = Command::new("sh");
    sh.args(["-c", write, "sh"]).arg(bin.join("az")).arg(script);
    assert!(sh.status().expect("sh runs").success());
    format!("{}:/usr/bin:/bin", bin.display())
}

/// Returns the calls that the fake `az` recorded, each with its arguments.
pub fn calls(project: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(project.join("calls")).unwrap_or_default();
    text.lines()
        .map(|line| line.split('|').map(str::to_owned).collect())
        .collect()
}

/// Returns the value of a flag, which is the next word or follows a `=`.
pub fn flag<'a>(call: &'a [String], name: &str) -> Option<&'a str> {
    let joined = |word: &'a String| word.strip_prefix(name)?.strip_prefix('=');
    if let Some(value) = call.iter().find_map(joined) {
        return Some(value);
    }
    let at = call.iter().position(|word| word == name)?;
    call.get(at + 1).map(String::as_str)
}

#[test]
fn nothing_is_run_unless_it_is_said() {
    let project = project(TRIGGERS);
    let path = az(project.path(), "-");
    for more in [&[][..], &["--dry-run"]] {
        let said = run::finish(
            deploy(project.path(), "premium", more).env("PATH", &path),
            b"",
        )
        .ended(0);
        assert!(said.stdout.starts_with("#!/bin/sh\n"), "{}", said.stdout);
        assert!(
            said.stdout.contains(&format!("--image {IMAGE}")),
            "{}",
            said.stdout
        );
        assert!(said.stderr.contains("nothing was run"), "{}", said.stderr);
    }
    assert!(calls(project.path()).is_empty());
}

#[test]
fn the_commands_are_those_of_today() {
    // These are flags that the Azure CLI removed or calls deprecated, and a plan that cannot run
    // images.
    let gone = [
        "--docker-",
        "--deployment-container-image-name",
        "--consumption-plan-location",
        "--acr-use-identity",
    ];
    let project = project(TRIGGERS);
    for target in ["premium", "dedicated", "container-apps"] {
        for pull in ["identity", "credentials"] {
            let script = run::finish(&mut deploy(project.path(), target, &["--pull", pull]), b"")
                .ended(0)
                .stdout;
            assert!(
                !gone.iter().any(|flag| script.contains(flag)),
                "{target} {pull}: {script}"
            );
            // A shell parses the script without an error.
            run::finish(Command::new("sh").arg("-n"), script.as_bytes()).ended(0);
        }
    }
}

#[test]
fn a_premium_app_is_made_step_by_step() {
    let project = project(TRIGGERS);
    let path = az(project.path(), "-");
    let mut deploy = deploy(project.path(), "premium", &["--run"]);
    let said = run::finish(deploy.env("PATH", path).envs(SECRETS), b"").ended(0);
    assert_eq!(said.stdout.trim(), "https://answer");
    let calls = calls(project.path());
    let commands: Vec<String> = calls
        .iter()
        .map(|call| {
            call.iter()
                .take_while(|word| !word.starts_with("--"))
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let expected = [
        "group create",
        "storage account create",
        "functionapp plan create",
        "functionapp create",
        "functionapp show",
        "functionapp identity show",
        "acr show",
        "acr show",
        "role assignment create",
        "resource update",
        "functionapp config appsettings set",
        "functionapp restart",
        "functionapp keys list",
        "functionapp show",
        "eventgrid event-subscription create",
        "functionapp show",
    ];
    assert_eq!(commands, expected);
    let call = |command: &str| {
        &calls[commands
            .iter()
            .position(|other| other == command)
            .expect("it was called")]
    };
    assert_eq!(flag(call("functionapp plan create"), "--sku"), Some("EP1"));
    let create = call("functionapp create");
    assert_eq!(
        (flag(create, "--image"), flag(create, "--assign-identity")),
        (Some(IMAGE), Some("[system]"))
    );
    assert_eq!(flag(create, "--storage-account"), Some("contosoriskdata"));
    assert_eq!(
        flag(call("role assignment create"), "--role"),
        Some("AcrPull")
    );
    assert_eq!(flag(call("acr show"), "--name"), Some("contoso"));
    assert_eq!(
        flag(call("resource update"), "--set"),
        Some("properties.acrUseManagedIdentityCreds=true")
    );
    let settings = call("functionapp config appsettings set");
    for setting in [
        "FUNCTIONS_WORKER_RUNTIME=custom",
        "WEBSITES_ENABLE_APP_SERVICE_STORAGE=false",
        "Bus=SharedAccessKey=s3cret-bus=",
        "TriggerConnectionString=AccountKey=s3cret-storage==",
        "SCOREBOX_REDIS_URL=rediss://:s3cret-redis@cache:10000",
    ] {
        assert!(
            settings.iter().any(|word| word == setting),
            "{setting}: {settings:?}"
        );
    }
    let endpoint =
        flag(call("eventgrid event-subscription create"), "--endpoint").expect("there is one");
    let expected =
        "https://answer/runtime/webhooks/blobs?functionName=Host.Functions.incoming&code=answer";
    assert_eq!(endpoint, expected);
}

#[test]
fn a_dedicated_app_is_always_on_and_a_container_app_is_a_function_app() {
    let project = project(TRIGGERS);
    let script = |target: &str| {
        run::finish(&mut deploy(project.path(), target, &[]), b"")
            .ended(0)
            .stdout
    };
    let dedicated = script("dedicated");
    assert!(
        dedicated.contains("--sku B1") && dedicated.contains("--always-on true"),
        "{dedicated}"
    );
    let container = script("container-apps");
    for part in [
        "--kind functionapp",
        "--target-port 80",
        "--registry-identity=\"$deploy_app\"",
        "--system-assigned",
        "Container Registry Repository Reader",
        "Bus=secretref:bus-",
    ] {
        assert!(container.contains(part), "{part}: {container}");
    }
    assert!(!container.contains("WEBSITES_"), "{container}");
}

#[test]
fn secrets_stand_in_no_script_and_no_file() {
    let project = project(TRIGGERS);
    let file = project.path().join("app.bicep");
    for target in ["premium", "dedicated", "container-apps"] {
        for pull in ["identity", "credentials"] {
            let more = [
                "--pull",
                pull,
                "--bicep",
                file.to_str().expect("a plain path"),
            ];
            let said =
                run::finish(deploy(project.path(), target, &more).envs(SECRETS), b"").ended(0);
            let bicep = std::fs::read_to_string(&file).expect("it was written");
            for text in [&said.stdout, &said.stderr, &bicep] {
                assert!(!text.contains("s3cret"), "{text}");
            }
            let count = |what: char| bicep.chars().filter(|c| *c == what).count();
            assert_eq!(
                (count('{'), count('[')),
                (count('}'), count(']')),
                "{bicep}"
            );
            // Each parameter is used, and each secret is a secure parameter.
            let parameters = bicep
                .lines()
                .filter_map(|line| line.strip_prefix("param ")?.split(' ').next());
            for parameter in parameters {
                assert!(bicep.matches(parameter).count() > 1, "{parameter}: {bicep}");
            }
            let secure = if pull == "identity" { 3 } else { 4 };
            assert_eq!(bicep.matches("@secure()").count(), secure, "{bicep}");
        }
    }
}

#[test]
fn identities_take_the_place_of_connection_strings() {
    let project = project(TRIGGERS);
    let more = ["--connections", "identity"];
    let script = run::finish(&mut deploy(project.path(), "premium", &more), b"")
        .ended(0)
        .stdout;
    for setting in [
        "TriggerConnectionString__blobServiceUri",
        "TriggerConnectionString__queueServiceUri",
        "Bus__fullyQualifiedNamespace",
    ] {
        assert!(
            script.contains(&format!("{setting}=\"${setting}\"")),
            "{setting}: {script}"
        );
    }
}

#[test]
fn what_is_missing_is_said_before_anything_is_done() {
    let project = project(TRIGGERS);
    let path = az(project.path(), "-");
    let mut without = deploy(project.path(), "premium", &["--run"]);
    let said = run::finish(
        without
            .env("PATH", &path)
            .env("Bus", "b")
            .env("EVENT_STORAGE_ID", "/s"),
        b"",
    )
    .ended(1);
    said.said(&["TriggerConnectionString, SCOREBOX_REDIS_URL", "fix:"]);
    assert!(calls(project.path()).is_empty());
    let mut nothing = deploy(project.path(), "premium", &["--run"]);
    run::finish(nothing.env("PATH", "/nonexistent").envs(SECRETS), b"")
        .ended(4)
        .said(&["`az`", "az login"]);
}

#[test]
fn a_command_that_fails_ends_the_run() {
    let project = project(TRIGGERS);
    let path = az(project.path(), "functionapp plan create");
    let mut deploy = deploy(project.path(), "premium", &["--run"]);
    let said = run::finish(deploy.env("PATH", path).envs(SECRETS), b"").ended(1);
    said.said(&["no such plan", "the commands before it succeeded", "fix:"]);
    assert_eq!(calls(project.path()).len(), 3);
}

#[test]
fn what_cannot_be_deployed_is_refused() {
    let scratch = project("");
    run::finish(&mut deploy(scratch.path(), "premium", &[]), b"")
        .ended(3)
        .said(&["scratch", "base = \"functions\""]);
    // The base can be given by a flag, like in `package`.
    run::finish(
        &mut deploy(scratch.path(), "premium", &["--base", "functions"]),
        b"",
    )
    .ended(0);
    let project = project(TRIGGERS);
    let mut tagged = Command::new(place::xtask());
    tagged.env_clear().args([
        "deploy",
        "contoso.azurecr.io/risk:1",
        "--target",
        "premium",
        "--group",
        "g",
    ]);
    tagged
        .args(["--location", "l", "--name", "nn", "--manifest"])
        .arg(project.path().join("scorebox.toml"));
    run::finish(&mut tagged, b"")
        .ended(3)
        .said(&["no digest", "@sha256:HEX"]);
    for (target, flag, value) in [
        ("premium", "--plan", "a;b"),
        ("premium", "--storage-account", "Contoso"),
        ("container-apps", "--environment", "$(id)"),
    ] {
        run::finish(&mut deploy(project.path(), target, &[flag, value]), b"")
            .ended(3)
            .said(&[&format!("`{flag}`"), "fix:"]);
    }
}
