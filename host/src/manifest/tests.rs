//! What the manifest accepts and what it says to the rest.

use super::*;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(Path::new("app/scorebox.toml"), text).map_err(|error| error.to_string())
}

fn minimal(rest: &str) -> String {
    format!("[scorer]\nname = \"digits\"\ncomponent = \"digits.wasm\"\n{rest}")
}

#[test]
fn defaults_hold_when_nothing_is_written() {
    let manifest = parse(&minimal("")).unwrap();
    assert_eq!(manifest.scorer.component, ComponentSource::File("app/digits.wasm".into()));
    assert_eq!(manifest.triggers, [Trigger::Http { route: "score".into(), auth_level: AuthLevel::Function }]);
    assert_eq!(
        manifest.limits,
        Limits {
            deadline: Duration::from_secs(5),
            memory_bytes: 256 << 20,
            instances: None,
            queue: 64,
            body_bytes: 8 << 20,
            init_deadline: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    );
    assert_eq!(manifest.package.repository, "digits");
    assert_eq!(manifest.package.tag, "latest");
}

#[test]
fn every_key_of_the_table_is_read() {
    let text = r#"
        [scorer]
        name = "digits"
        version = "1.2.0"
        component = { cargo = "." }
        model = "model"
        labels = { run = "7" }
        [[trigger]]
        kind = "http"
        route = "v1/score"
        auth_level = "anonymous"
        [stores.cache]
        url = "env:CACHE_URL"
        prefix = "d"
        default_ttl = "1h"
        timeout = "250ms"
        [instances]
        isolation = "call"
        max_invocations = 9
        max_age = "1h"
        at_start = 2
        [batching]
        max_rows = 8
        max_wait = "1ms"
        [precompiled]
        file = "x.cwasm"
        digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        engine = "e"
        cpu = "x86-64"
        component = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        model = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        snapshot = true
        [limits]
        deadline = "2s"
        memory = "64MiB"
        instances = 3
        queue = 0
        body = "1MiB"
        init_deadline = "1s"
        drain = "1s"
        [config]
        threshold = "0.5"
        [package]
        registry = "127.0.0.1:5000"
        repository = "scoring/digits"
        tag = "blue"
        base = "r.io/functions:4"
        license = "MIT"
        model_license = "BSD-3-Clause"
    "#;
    let manifest = parse(text).unwrap();
    assert_eq!(manifest.scorer.component, ComponentSource::Cargo("app/.".into()));
    assert_eq!(manifest.limits.instances, Some(3));
    assert_eq!(manifest.limits.queue, 0);
    assert_eq!(manifest.stores["cache"].default_ttl, Some(Duration::from_secs(3600)));
    assert_eq!(manifest.stores["cache"].url_variable, "CACHE_URL");
    assert_eq!(manifest.config["threshold"], "0.5");
    assert_eq!(manifest.package.tag, "blue");
    assert_eq!(manifest.package.base, "r.io/functions:4");
    let licenses = (manifest.package.license.as_deref(), manifest.package.model_license.as_deref());
    assert_eq!(licenses, (Some("MIT"), Some("BSD-3-Clause")));
    assert_eq!(manifest.instances.isolation, Isolation::Call);
    assert_eq!((manifest.instances.max_invocations, manifest.instances.at_start), (Some(9), 2));
    assert_eq!(manifest.batching, Some(Batching { max_rows: 8, max_wait: Duration::from_millis(1) }));
    assert_eq!(manifest.precompiled.unwrap().file, Path::new("app/x.cwasm"));
    for setting in settings::SETTINGS {
        let leaf = setting.key.rsplit('.').find(|part| *part != "<name>").unwrap();
        assert!(text.contains(leaf), "{} is in the table and not in this test", setting.key);
    }
}

#[test]
fn a_bad_value_is_answered_with_its_key_and_a_fix() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let message = parse(text).unwrap_err();
        for part in expected.iter().chain(&["app/scorebox.toml", "fix: "]) {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
    check("[scorer", &["not TOML", "line 1"]);
    check("", &["scorer"]);
    check(&minimal("modle = \"m\""), &["`scorer.modle` is not a setting", "nearest is `scorer.model`"]);
    check(&minimal("[limit]\ndeadline = \"5s\""), &["`limit.deadline`", "`limits.deadline`"]);
    check(&minimal("[limits]\ndeadline = \"fast\""), &["`limits.deadline`", "`fast`", "250ms"]);
    check(&minimal("[limits]\ndeadline = \"0s\""), &["`limits.deadline`", "at least `1ms`"]);
    check(&minimal("[limits]\ninit_deadline = \"18000000000000000000s\""), &["`limits.init_deadline`", "1day"]);
    check(&minimal("[limits]\nbody = \"16GiB\""), &["`limits.body`", "1GiB"]);
    check(&minimal("[prediction_cache]"), &["`prediction_cache` is not a setting"]);
    check(&minimal("[limits]\nmemory = \"1KiB\""), &["`limits.memory`", "1MiB"]);
    check(&minimal("[limits]\ninstances = 0"), &["`limits.instances`", "1 to 1024"]);
    check(&minimal("[[trigger]]\nkind = \"smoke\""), &["smoke", "http"]);
    check(&minimal("[[trigger]]\nkind = \"http\"\nroute = \"/score\""), &["`trigger.route`", "leading slash"]);
    let twice = "[[trigger]]\nkind = \"http\"\n[[trigger]]\nkind = \"http\"\nauth_level = \"admin\"";
    check(&minimal(twice), &["`[[trigger]]`", "one route"]);
    check(&minimal("[package]\nbase = \"debian\""), &["`package.base`", "scratch", "functions", "HOST"]);
    check(&minimal("[package]\nbase = \"library/debian\""), &["`package.base`", "HOST"]);
    check(&minimal("[package]\nbase = \"https://r.io/debian\""), &["`package.base`", "HOST"]);
    check(&minimal("[stores.default]\nprefix = \"*\""), &["`stores.default.prefix`"]);
    check("[scorer]\nname = \"Digits\"\ncomponent = \"a\"", &["`scorer.name`", "lower-case"]);
    check("[scorer]\nname = \"digits\"\ncomponent = 3", &["`scorer.component`", "cargo"]);
}

#[test]
fn an_address_in_the_manifest_is_refused_and_not_repeated() {
    let message = parse(&minimal("[stores.default]\nurl = \"redis://:hunter2@cache:6379\"")).unwrap_err();
    assert!(message.contains("env:NAME"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
