//! Names and connections in deployments: what Azure would refuse is refused before any command
//! runs, and what it accepts arrives unchanged.
//!
//! Owns the wrong names of each kind of resource. Must not know hostile texts.

use std::process::Command;

use scorebox_tests::{place, run};

use crate::deploy::{TRIGGERS, az, calls, deploy, flag, project};

/// Returns a call of `deploy` whose flag `flag` has the value `value`, on a target.
fn with(project: &std::path::Path, target: &str, flag: &str, value: &str) -> Command {
    let usual = deploy(project, target, &[]);
    let mut command = Command::new(usual.get_program());
    command.env_clear().env("PATH", "/usr/bin:/bin");
    let mut words = usual.get_args();
    while let Some(word) = words.next() {
        if word == flag {
            words.next();
        } else {
            command.arg(word);
        }
    }
    command.arg(format!("{flag}={value}"));
    command
}

#[test]
fn a_name_that_azure_refuses_is_refused_with_its_rule_before_any_command() {
    let project = project(TRIGGERS);
    let path = az(project.path(), "-");
    let bicep = project.path().join("app.bicep");
    let long = |count: usize| "x".repeat(count);
    for (target, flag, value, fault, rule) in [
        (
            "premium",
            "--name",
            "contoso_risk",
            "the character `_`",
            "2 to 60",
        ),
        (
            "premium",
            "--name",
            "contoso.risk",
            "the character `.`",
            "2 to 60",
        ),
        (
            "premium",
            "--name",
            "risk-",
            "ends with `-`",
            "at both ends",
        ),
        (
            "dedicated",
            "--name",
            "-risk",
            "begins with `-`",
            "at both ends",
        ),
        (
            "dedicated",
            "--name",
            &long(61),
            "has 61 characters",
            "2 to 60",
        ),
        (
            "container-apps",
            "--name",
            "Risk",
            "the character `R`",
            "lower-case letters",
        ),
        (
            "container-apps",
            "--name",
            "1risk",
            "begins with `1`",
            "a letter first",
        ),
        (
            "container-apps",
            "--name",
            "a--b",
            "two hyphens in a row",
            "two hyphens",
        ),
        (
            "container-apps",
            "--name",
            &long(33),
            "has 33 characters",
            "2 to 32",
        ),
        (
            "premium",
            "--group",
            "scoring.",
            "ends with `.`",
            "without a dot",
        ),
        ("premium", "--group", "a/b", "the character `/`", "1 to 90"),
        (
            "premium",
            "--group",
            &long(91),
            "has 91 characters",
            "1 to 90",
        ),
        (
            "premium",
            "--location",
            "west europe",
            "the character ` `",
            "letters",
        ),
        (
            "premium",
            "--storage-account",
            "ab",
            "has 2 characters",
            "3 to 24",
        ),
        (
            "premium",
            "--storage-account",
            "con-toso",
            "the character `-`",
            "3 to 24",
        ),
        ("premium", "--plan", "a_b", "the character `_`", "1 to 60"),
        (
            "premium",
            "--plan",
            &long(61),
            "has 61 characters",
            "1 to 60",
        ),
        ("premium", "--sku", "EP 1", "is not the size", "EP1"),
        (
            "container-apps",
            "--environment",
            "Env",
            "the character `E`",
            "2 to 60",
        ),
        (
            "container-apps",
            "--environment",
            "env-",
            "ends with `-`",
            "2 to 60",
        ),
    ] {
        let mut command = with(project.path(), target, flag, value);
        command
            .env("PATH", &path)
            .arg("--run")
            .arg("--bicep")
            .arg(&bicep);
        let said = run::finish(&mut command, b"").ended(3);
        assert_eq!(said.stdout, "", "{flag}={value}");
        said.said(&[&format!("`{flag}`"), fault, "fix: use ", rule]);
    }
    assert!(calls(project.path()).is_empty());
    assert!(!bicep.exists());
}

#[test]
fn every_name_that_azure_accepts_arrives_unchanged() {
    let project = project("[package]\nbase = \"functions\"\n");
    let path = az(project.path(), "-");
    for group in ["rg_1.(test)", "größe", "-x", "A"] {
        let mut command = with(project.path(), "premium", "--group", group);
        let script = run::finish(&mut command, b"").ended(0).stdout;
        let mut sh = Command::new("sh");
        sh.env_clear().env("PATH", &path).arg("-s");
        run::finish(&mut sh, script.as_bytes()).ended(0);
        let calls = calls(project.path());
        let made = calls
            .iter()
            .rev()
            .find(|call| call.starts_with(&["group".into()]));
        let made = made.expect("a group is made");
        let joined = format!("--name={group}");
        assert!(
            flag(made, "--name") == Some(group) || made.contains(&joined),
            "{made:?}"
        );
    }
    // The plan is named after an app whose name is as long as names can be.
    let name = "x".repeat(60);
    let mut command = with(project.path(), "premium", "--name", &name);
    let script = run::finish(&mut command, b"").ended(0).stdout;
    let plan = format!("{}-plan", "x".repeat(55));
    assert!(script.contains(&format!("--plan {plan} ")), "{script}");
}

#[test]
fn two_services_under_one_setting_are_refused_at_build_and_deploy() {
    let blob = "[[trigger]]\nkind = \"blob\"\npath = \"incoming/{name}\"\n";
    let bus = "[[trigger]]\nkind = \"service-bus\"\nqueue = \"applications\"\n";
    let base = "[package]\nbase = \"functions\"\n";
    let both = project(&format!("{blob}{bus}{base}"));
    let parts = [
        "`TriggerConnectionString`",
        "`incoming`",
        "`applications`",
        "fix: write `connection = \"ServiceBusConnection\"`",
    ];
    run::finish(&mut deploy(both.path(), "premium", &[]), b"")
        .ended(3)
        .said(&parts);
    let mut build = Command::new(place::xtask());
    build.args(["build", "--manifest"]);
    let build = run::finish(build.arg(both.path().join("scorebox.toml")), b"");
    build.ended(3).said(&parts);
    // The fix works.
    let fixed = project(&format!(
        "{blob}{bus}connection = \"ServiceBusConnection\"\n{base}"
    ));
    let script = run::finish(&mut deploy(fixed.path(), "premium", &[]), b"");
    let script = script.ended(0).stdout;
    for setting in ["TriggerConnectionString", "ServiceBusConnection"] {
        let pair = format!("{setting}=\"${setting}\"");
        assert_eq!(script.matches(&pair).count(), 1, "{script}");
    }
    // The manifest says so, which works for an identity only.
    let named = "connection = \"Both\"\n";
    let said_so = project(&format!("{blob}{named}{bus}{named}{base}"));
    run::finish(&mut deploy(said_so.path(), "premium", &[]), b"")
        .ended(3)
        .said(&[
            "`Both`",
            "`incoming`",
            "`applications`",
            "--connections identity",
        ]);
    let more = ["--connections", "identity"];
    let script = run::finish(&mut deploy(said_so.path(), "premium", &more), b"");
    let script = script.ended(0).stdout;
    for setting in [
        "Both__blobServiceUri",
        "Both__queueServiceUri",
        "Both__fullyQualifiedNamespace",
    ] {
        let pair = format!("{setting}=\"${setting}\"");
        assert_eq!(script.matches(&pair).count(), 1, "{script}");
    }
}

#[test]
fn wrong_names_in_the_manifest_are_refused_before_any_command() {
    for (trigger, parts) in [
        (
            "kind = \"queue\"\nqueue = \"Orders\"",
            ["`trigger.queue`", "a storage queue", "lower-case letters"],
        ),
        (
            "kind = \"blob\"\npath = \"In_coming/{name}\"",
            ["`trigger.path`", "a blob container", "3 to 63"],
        ),
        (
            "kind = \"service-bus\"\ntopic = \"t\"\nsubscription = \"a/b\"",
            ["`trigger.subscription`", "the character `/`", "1 to 50"],
        ),
        (
            "kind = \"http\"\nroute = \"risk/{a}{b}\"",
            ["`trigger.route`", "`{b}`", "a text between"],
        ),
        (
            "kind = \"timer\"\nschedule = \"0 * * * * *\"",
            [
                "`timer` is not a kind of trigger",
                "Azure Functions",
                "at fixed times",
            ],
        ),
    ] {
        let project = project(&format!(
            "[[trigger]]\n{trigger}\n[package]\nbase = \"functions\"\n"
        ));
        let path = az(project.path(), "-");
        let bicep = project.path().join("app.bicep");
        let mut deploy = deploy(project.path(), "premium", &["--run"]);
        deploy.env("PATH", path).arg("--bicep").arg(&bicep);
        let said = run::finish(&mut deploy, b"").ended(3);
        said.said(&parts);
        assert!(calls(project.path()).is_empty() && !bicep.exists());
    }
    let registry = project("[package]\nbase = \"functions\"\nregistry = \"abc.azurecr.io\"\n");
    run::finish(&mut deploy(registry.path(), "premium", &[]), b"")
        .ended(3)
        .said(&["`package.registry`", "a container registry", "5 to 50"]);
}

#[test]
fn a_storage_queue_brings_its_settings() {
    let project = project(
        "[[trigger]]\nkind = \"queue\"\nqueue = \"requests\"\n\
         [[trigger]]\nkind = \"blob\"\npath = \"incoming/{name}\"\n\
         [package]\nbase = \"functions\"\n",
    );
    let bicep = project.path().join("app.bicep");
    for (target, connections, settings) in [
        ("premium", "strings", &["TriggerConnectionString"][..]),
        (
            "container-apps",
            "identity",
            &[
                "TriggerConnectionString__blobServiceUri",
                "TriggerConnectionString__queueServiceUri",
            ],
        ),
    ] {
        let more = ["--connections", connections, "--bicep"];
        let mut deploy = deploy(project.path(), target, &more);
        let script = run::finish(deploy.arg(&bicep), b"").ended(0).stdout;
        let bicep = std::fs::read_to_string(&bicep).expect("it was written");
        for setting in settings {
            let demand = format!("${{{setting}:?");
            assert_eq!(script.matches(&demand).count(), 1, "{setting}: {script}");
            let name = format!("name: '{setting}'");
            assert_eq!(bicep.matches(&name).count(), 1, "{setting}: {bicep}");
        }
    }
}
