//! Tests of what the manifest accepts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{minimal, parse};
use crate::{
    AuthLevel, Batching, ComponentSource, InputSection, Isolation, LIMIT_MOST, Limits, Manifest,
    PredictionCacheSection, Requests, Start, Trigger, duration, settings, triggers,
};

#[test]
fn defaults_hold_when_nothing_is_written() {
    let manifest = parse(&minimal("")).unwrap();
    assert_eq!(
        manifest.scorer.component,
        Some(ComponentSource::File("app/digits.wasm".into()))
    );
    let [
        Trigger {
            function,
            start: Start::Http(http),
        },
    ] = manifest.triggers.as_slice()
    else {
        panic!()
    };
    assert_eq!(
        (function.as_str(), http.route.as_str(), http.auth_level),
        ("score", "score", AuthLevel::Function)
    );
    assert_eq!(
        (http.methods.as_slice(), http.forwarding),
        (["POST".to_owned()].as_slice(), true)
    );
    assert_eq!(
        manifest.limits,
        Limits {
            deadline: Duration::from_secs(5),
            memory_bytes: 256 << 20,
            instances_bytes: None,
            instances: None,
            queue: 64,
            body_bytes: 8 << 20,
            bodies_bytes: None,
            init_deadline: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            lame_duck: None,
            keep_alive: Duration::from_secs(150),
            connections: 1024,
            connections_per_peer: None,
        }
    );
    let lame_duck =
        [true, false].map(|is_custom_handler| manifest.limits.lame_duck(is_custom_handler));
    assert_eq!(
        lame_duck,
        [
            Duration::ZERO,
            duration("", settings::default_of("limits.lame_duck"), LIMIT_MOST).unwrap()
        ]
    );
    assert_eq!(manifest.inputs, BTreeMap::new());
    assert_eq!(manifest.requests, Requests::default());
    assert!(!manifest.answers.cookies);
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
        [inputs.age]
        missing = true
        [inputs."X 1.2"]
        missing = false
        boolean = true
        columns = ["width", "Einkommen (k€)"]
        [requests]
        nan_literals = true
        unknown_columns = "ignore"
        [contract]
        unstable = []
        [answers]
        cookies = false
        [[trigger]]
        kind = "http"
        route = "v1/score"
        auth_level = "anonymous"
        methods = ["post", "put"]
        forwarding = false
        [[trigger]]
        kind = "blob"
        function = "watch"
        path = "incoming/{name}.json"
        source = "scan"
        connection = "Storage"
        output = { blob = "scored/{name}_out.json" }
        park = { blob = "parked/{name}.json" }
        [[trigger]]
        kind = "service-bus"
        topic = "applications"
        subscription = "scoring"
        sessions = true
        cardinality = "many"
        max_delivery_count = 5
        output = { topic = "scores" }
        park = { queue = "parked" }
        [[trigger]]
        kind = "queue"
        queue = "requests"
        connection = "Storage"
        message_encoding = "none"
        visibility_timeout = "30s"
        [stores.cache]
        url = "env:CACHE_URL"
        prefix = "d"
        default_ttl = "1h"
        timeout = "250ms"
        keepalive = "30s"
        commands = ["@hash", "zadd"]
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
        [packaged]
        model = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        answers_sample = true
        [[packaged.file]]
        name = "model/w.bin"
        size = 3
        digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        modified_ns = 1
        changed_ns = 2
        [limits]
        deadline = "2s"
        memory = "64MiB"
        total_memory = "128MiB"
        instances = 3
        queue = 0
        body = "1MiB"
        bodies = "4MiB"
        init_deadline = "1s"
        drain = "1s"
        lame_duck = "0"
        keep_alive = "90s"
        connections = 64
        connections_per_peer = 16
        [server]
        keys = ["env:KEY_1", "env:KEY_2"]
        [prediction_cache]
        store = "cache"
        ttl = "5m"
        timeout = "20ms"
        claim = "2s"
        memory = "0"
        [config]
        threshold = "0.5"
        [package]
        registry = "127.0.0.1:5000"
        repository = "scoring/digits"
        tag = "blue"
        base = "r.io/functions:4"
        license = "MIT"
        model_license = "BSD-3-Clause"
        sample = "sample.json"
    "#;
    let manifest = parse(text).unwrap();
    assert_eq!(
        manifest.scorer.component,
        Some(ComponentSource::Cargo("app/.".into()))
    );
    assert_inputs(&manifest);
    assert_eq!(manifest.limits.instances, Some(3));
    assert_eq!(manifest.limits.queue, 0);
    assert_eq!(
        (manifest.limits.lame_duck(false), manifest.limits.keep_alive),
        (Duration::ZERO, Duration::from_secs(90))
    );
    assert_eq!(
        (
            manifest.limits.connections,
            manifest.limits.connections_per_peer
        ),
        (64, Some(16))
    );
    assert_eq!(
        manifest.stores["cache"].default_ttl,
        Some(Duration::from_secs(3600))
    );
    assert_eq!(manifest.stores["cache"].keepalive, Duration::from_secs(30));
    assert_eq!(manifest.stores["cache"].url_variable, "CACHE_URL");
    assert_eq!(manifest.server.key_variables, ["KEY_1", "KEY_2"]);
    assert!(!manifest.stores["cache"].commands.is_empty());
    let cache = PredictionCacheSection {
        store: "cache".to_owned(),
        ttl: Duration::from_secs(300),
        timeout: Duration::from_millis(20),
        claim: Some(Duration::from_secs(2)),
        memory_bytes: 0,
    };
    assert_eq!(manifest.prediction_cache, Some(cache));
    assert_eq!(manifest.config["threshold"], "0.5");
    assert_eq!(manifest.triggers[0].function, "v1-score");
    assert_eq!(
        manifest.triggers[1],
        Trigger {
            function: "watch".into(),
            start: Start::Blob(triggers::BlobTrigger {
                path: "incoming/{name}.json".into(),
                connection: "Storage".into(),
                source: triggers::BlobSource::Scan,
                output: Some("scored/{name}_out.json".into()),
                park: Some("parked/{name}.json".into()),
            }),
        }
    );
    assert_eq!(
        manifest.triggers[2],
        Trigger {
            function: "applications-scoring".into(),
            start: Start::ServiceBus(triggers::ServiceBusTrigger {
                entity: triggers::Entity::Subscription {
                    topic: "applications".into(),
                    subscription: "scoring".into()
                },
                connection: "TriggerConnectionString".into(),
                sessions: true,
                many: true,
                output: Some(triggers::Target::Topic("scores".into())),
                park: Some(triggers::Target::Queue("parked".into())),
                max_delivery_count: 5,
            }),
        }
    );
    assert_eq!(manifest.package.tag, "blue");
    assert_eq!(manifest.package.base, "r.io/functions:4");
    let licenses = (
        manifest.package.license.as_deref(),
        manifest.package.model_license.as_deref(),
    );
    assert_eq!(licenses, (Some("MIT"), Some("BSD-3-Clause")));
    assert_eq!(
        manifest.package.sample.as_deref(),
        Some(Path::new("app/sample.json"))
    );
    assert_eq!(manifest.instances.isolation, Isolation::Call);
    assert_eq!(
        (
            manifest.instances.max_invocations,
            manifest.instances.at_start
        ),
        (Some(9), 2)
    );
    assert_eq!(
        manifest.batching,
        Some(Batching {
            max_rows: 8,
            max_wait: Duration::from_millis(1)
        })
    );
    assert_eq!(manifest.precompiled.unwrap().file, Path::new("app/x.cwasm"));
    let packaged = manifest.packaged.unwrap();
    assert!(packaged.answers_sample);
    let file = &packaged.files[Path::new("app/model/w.bin")];
    assert_eq!(
        (file.size, file.modified_ns, file.changed_ns),
        (3, Some(1), Some(2))
    );
    // The keys `scorer.graph` and `scorer.script` exclude a component, so they have tests of their
    // own. The file `scripts.rs` tests the keys that belong to a script.
    let of_others = [
        "scorer.graph",
        "scorer.script",
        "scorer.requirements",
        "scorer.accelerate",
        "scorer.tracebacks",
        "scorer.deterministic",
    ];
    for setting in settings::SETTINGS.iter().filter(|setting| {
        !of_others.contains(&setting.key) && !setting.key.starts_with("packaged.script.")
    }) {
        let leaf = setting
            .key
            .rsplit('.')
            .find(|part| *part != "<name>")
            .unwrap();
        assert!(
            text.contains(leaf),
            "{} is in the table and not in this test",
            setting.key
        );
    }
}

fn assert_inputs(manifest: &Manifest) {
    let age = InputSection {
        missing: Some(true),
        ..InputSection::default()
    };
    let matrix = InputSection {
        missing: Some(false),
        boolean: Some(true),
        columns: vec!["width".to_owned(), "Einkommen (k€)".to_owned()],
    };
    let inputs = [("X 1.2".to_owned(), matrix), ("age".to_owned(), age)];
    assert_eq!(manifest.inputs, BTreeMap::from(inputs));
    let requests = Requests {
        nan_literals: true,
        ignores_unknown_columns: true,
    };
    assert_eq!(manifest.requests, requests);
    assert!(!manifest.answers.cookies);
}

#[test]
fn blobs_are_announced_by_events_unless_a_scan_is_asked_for() {
    let source = |line: &str| {
        let text = format!("[[trigger]]\nkind = \"blob\"\npath = \"inbox/{{name}}\"\n{line}\n");
        match parse(&minimal(&text)).unwrap().triggers.remove(0).start {
            triggers::Start::Blob(blob) => blob.source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(source(""), triggers::BlobSource::EventGrid);
    assert_eq!(
        source("source = \"event-grid\""),
        triggers::BlobSource::EventGrid
    );
    assert_eq!(source("source = \"scan\""), triggers::BlobSource::Scan);
    let default = crate::settings::default_of("trigger.source");
    assert_eq!(default, "event-grid");
}

#[test]
fn functions_that_nobody_named_have_names_of_their_own() {
    let trigger = |keys: &str| format!("[[trigger]]\n{keys}\n");
    let keys = [
        "kind = \"http\"\nroute = \"v1/score\"",
        "kind = \"http\"\nroute = \"v1-score\"",
        "kind = \"blob\"\npath = \"v1-score/{name}\"\nconnection = \"Storage\"",
        "kind = \"service-bus\"\ntopic = \"a\"\nsubscription = \"b\"",
    ];
    let manifest = parse(&minimal(&keys.map(trigger).concat())).unwrap();
    let names: Vec<_> = manifest
        .triggers
        .iter()
        .map(|trigger| trigger.function.as_str())
        .collect();
    assert_eq!(names, ["v1-score", "v1-score-2", "v1-score-3", "a-b"]);
}

#[test]
fn tag_without_a_setting_is_the_version_with_an_underscore_for_a_plus() {
    let tag = |version: &str, package: &str| {
        let text = format!(
            "[scorer]\nname = \"risk\"\nversion = \"{version}\"\ncomponent = \"c.wasm\"\n{package}"
        );
        parse(&text).unwrap().package.tag
    };
    assert_eq!(tag("0.1.0+build.7", ""), "0.1.0_build.7");
    assert_eq!(tag("0.1.0", ""), "0.1.0");
    assert_eq!(tag("0.1.0+build.7", "[package]\ntag = \"blue\""), "blue");
}
