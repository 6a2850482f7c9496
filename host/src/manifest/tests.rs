//! Tests of what the manifest accepts, and of the errors for everything else.

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
        methods = ["post", "put"]
        forwarding = false
        [[trigger]]
        kind = "blob"
        function = "watch"
        path = "incoming/{name}.json"
        source = "event-grid"
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
        [stores.cache]
        url = "env:CACHE_URL"
        prefix = "d"
        default_ttl = "1h"
        timeout = "250ms"
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
    assert_eq!(manifest.stores["cache"].url_variable, "CACHE_URL");
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
                source: triggers::BlobSource::EventGrid,
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
    let file = &packaged.files[Path::new("app/model/w.bin")];
    assert_eq!(
        (file.size, file.modified_ns, file.changed_ns),
        (3, Some(1), Some(2))
    );
    // The key `scorer.graph` excludes a component, so it has a test of its own.
    for setting in settings::SETTINGS
        .iter()
        .filter(|setting| setting.key != "scorer.graph")
    {
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

#[test]
fn functions_that_nobody_named_have_names_of_their_own() {
    let trigger = |keys: &str| format!("[[trigger]]\n{keys}\n");
    let keys = [
        "kind = \"http\"\nroute = \"v1/score\"",
        "kind = \"http\"\nroute = \"v1-score\"",
        "kind = \"blob\"\npath = \"V1-score/{name}\"",
        "kind = \"service-bus\"\ntopic = \"a\"\nsubscription = \"b\"",
    ];
    let manifest = parse(&minimal(&keys.map(trigger).concat())).unwrap();
    let names: Vec<_> = manifest
        .triggers
        .iter()
        .map(|trigger| trigger.function.as_str())
        .collect();
    assert_eq!(names, ["v1-score", "v1-score-2", "V1-score-3", "a-b"]);
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
    check(
        &minimal("modle = \"m\""),
        &[
            "`scorer.modle` is not a setting",
            "nearest is `scorer.model`",
        ],
    );
    check(
        &minimal("[limit]\ndeadline = \"5s\""),
        &["`limit.deadline`", "`limits.deadline`"],
    );
    check(
        &minimal("[limits]\ndeadline = \"fast\""),
        &["`limits.deadline`", "`fast`", "250ms"],
    );
    check(
        &minimal("[limits]\ndeadline = \"0s\""),
        &["`limits.deadline`", "at least `1ms`"],
    );
    check(
        &minimal("[limits]\ninit_deadline = \"18000000000000000000s\""),
        &["`limits.init_deadline`", "1day"],
    );
    check(
        &minimal("[limits]\nbody = \"16GiB\""),
        &["`limits.body`", "1GiB"],
    );
    check(
        &minimal("[limits]\nlame_duck = \"long\""),
        &["`limits.lame_duck`", "`long`", "250ms"],
    );
    check(
        &minimal("[limits]\nkeep_alive = \"0\""),
        &["`limits.keep_alive`", "at least `1ms`"],
    );
    check(
        &minimal("[limits]\nconnections = 0"),
        &["`limits.connections`", "1 to 65536"],
    );
    check(
        &minimal("[prediction_cache]"),
        &["no [stores.default]", "declare"],
    );
    let cached = |line: &str| minimal(&format!("[stores.default]\n[prediction_cache]\n{line}"));
    check(&cached("store = \"other\""), &["no [stores.other]"]);
    check(
        &cached("memory = \"much\""),
        &["prediction_cache.memory", "is not a size"],
    );
    check(
        &cached("ttl = \"0s\""),
        &["prediction_cache.ttl", "out of range"],
    );
    check(
        &cached("claim = \"soon\""),
        &["prediction_cache.claim", "is not a length of time"],
    );
    check(&minimal("[answers]"), &["`answers` is not a setting"]);
    check(
        &minimal("[limits]\nmemory = \"1KiB\""),
        &["`limits.memory`", "1MiB"],
    );
    check(
        &minimal("[limits]\ninstances = 0"),
        &["`limits.instances`", "1 to 1024"],
    );
    check(
        &minimal("[[trigger]]\nkind = \"smoke\""),
        &["smoke", "http"],
    );
    check(
        &minimal("[[trigger]]\nkind = \"http\"\nroute = \"/score\""),
        &["`trigger.route`", "leading slash"],
    );
    let twice =
        "[[trigger]]\nkind = \"http\"\n[[trigger]]\nkind = \"http\"\nauth_level = \"admin\"";
    check(&minimal(twice), &["`[[trigger]]`", "one route"]);
    let trigger = |rest: &str| minimal(&format!("[[trigger]]\n{rest}"));
    check(
        &trigger("kind = \"http\"\nqueue = \"q\""),
        &["`trigger.queue`", "`http`", "service-bus"],
    );
    check(
        &trigger("kind = \"http\"\nmethods = [\"fetch\"]"),
        &["`trigger.methods`", "post"],
    );
    check(
        &trigger("kind = \"http\"\nfunction = \"host\""),
        &["`trigger.function`", "`host`"],
    );
    check(
        &trigger("kind = \"blob\""),
        &["`trigger.path`", "incoming/{name}"],
    );
    check(
        &trigger("kind = \"blob\"\npath = \"incoming/{name\""),
        &["`trigger.path`", "{name}"],
    );
    let circle = "kind = \"blob\"\npath = \"in/{name}\"\noutput = { blob = \"IN/{name}.json\" }";
    check(
        &trigger(circle),
        &["`trigger.output.blob`", "another container"],
    );
    let unknown = "kind = \"blob\"\npath = \"in/{name}\"\noutput = { blob = \"out/{nome}\" }";
    check(&trigger(unknown), &["`trigger.output.blob`", "{nome}"]);
    check(
        &trigger("kind = \"service-bus\""),
        &["neither a queue nor a topic", "subscription"],
    );
    let circle = "kind = \"service-bus\"\nqueue = \"q\"\npark = { queue = \"q\" }";
    check(&trigger(circle), &["`trigger.park.queue`", "circle"]);
    let two = "kind = \"http\"\nroute = \"a/b\"\n[[trigger]]\nkind = \"service-bus\"\nqueue = \"q\"\nfunction = \"A-b\"";
    check(&trigger(two), &["a function `A-b`", "another `function`"]);
    let two = "kind = \"http\"\n[[trigger]]\nkind = \"http\"\nroute = \"b\"\nforwarding = false";
    check(&trigger(two), &["`trigger.forwarding`", "same for all"]);
    check(
        &minimal("[package]\nbase = \"debian\""),
        &["`package.base`", "scratch", "functions", "HOST"],
    );
    check(
        &minimal("[package]\nbase = \"library/debian\""),
        &["`package.base`", "HOST"],
    );
    check(
        &minimal("[package]\nbase = \"https://r.io/debian\""),
        &["`package.base`", "HOST"],
    );
    check(
        &minimal("[stores.default]\nprefix = \"*\""),
        &["`stores.default.prefix`"],
    );
    let commands = |list: &str| minimal(&format!("[stores.default]\ncommands = {list}"));
    check(
        &commands("[\"@hash\", \"KEYS\"]"),
        &[
            "`stores.default.commands`",
            "`KEYS` is never allowed",
            "list-keys",
        ],
    );
    check(
        &commands("[\"HSTE\"]"),
        &["`stores.default.commands`", "`HSTE`", "nearest is `HSET`"],
    );
    check(&commands("\"HSET\""), &["commands", "sequence"]);
    check(
        "[scorer]\nname = \"Digits\"\ncomponent = \"a\"",
        &["`scorer.name`", "lower-case"],
    );
    check(
        "[scorer]\nname = \"digits\"\ncomponent = 3",
        &["`scorer.component`", "cargo"],
    );
}

#[test]
fn an_address_in_the_manifest_is_refused_and_not_repeated() {
    let message = parse(&minimal(
        "[stores.default]\nurl = \"redis://:hunter2@cache:6379\"",
    ))
    .unwrap_err();
    assert!(message.contains("env:NAME"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_connection_string_is_refused_and_not_repeated() {
    let text = "[[trigger]]\nkind = \"blob\"\npath = \"in/{name}\"\nconnection = \"AccountName=a;AccountKey=hunter2\"";
    let message = parse(&minimal(text)).unwrap_err();
    assert!(
        message.contains("`trigger.connection`") && !message.contains("hunter2"),
        "{message}"
    );
}

#[test]
fn a_graph_takes_the_place_of_a_component() {
    let manifest = parse("[scorer]\nname = \"m\"\nmodel = \"model\"\ngraph = \"a\"").unwrap();
    assert_eq!(
        (manifest.scorer.component, manifest.scorer.graph.as_deref()),
        (None, Some("a"))
    );
    let refused = |text: &str| parse(text).map(drop).unwrap_err();
    assert!(
        refused("[scorer]\nname = \"m\"").contains("neither `scorer.component` nor `scorer.model`")
    );
    assert!(refused("[scorer]\nname = \"m\"\ngraph = \"a\"").contains("neither"));
    let both = "[scorer]\nname = \"m\"\nmodel = \"model\"\ncomponent = \"a.wasm\"\ngraph = \"a\"";
    assert!(refused(both).contains("`scorer.graph`"));
    let digest = format!("\"sha256:{}\"", "0".repeat(64));
    let code = format!(
        "[scorer]\nname = \"m\"\nmodel = \"model\"\n[precompiled]\nfile = \"a\"\ndigest = {digest}\nengine = \"e\"\ncpu = \
         \"x86-64\"\ncomponent = {digest}\nsnapshot = false"
    );
    assert!(refused(&code).contains("[precompiled]"));
}

#[test]
fn names_that_reach_scripts_and_addresses_are_words() {
    // These texts are written as TOML needs them inside double quotes.
    let hostile = [
        "$(touch x)",
        "`touch x`",
        "a;b",
        "a b",
        "a'b",
        "a\\\"b",
        "a\\nb",
        "-a b",
        "a${IFS}b",
        "a\\u2028b",
        "a\\u0000b",
    ];
    let places = [
        "[stores.default]\nurl = \"env:VALUE\"",
        "[[trigger]]\nkind = \"blob\"\npath = \"in/{name}\"\nconnection = \"VALUE\"",
        "[[trigger]]\nkind = \"blob\"\npath = \"VALUE/{name}\"",
        "[[trigger]]\nkind = \"http\"\nfunction = \"VALUE\"",
        "[[trigger]]\nkind = \"http\"\nroute = \"VALUE\"",
        "[[trigger]]\nkind = \"service-bus\"\nqueue = \"VALUE\"",
        "[[trigger]]\nkind = \"service-bus\"\ntopic = \"t\"\nsubscription = \"VALUE\"",
        "[package]\nregistry = \"VALUE\"",
        "[package]\nrepository = \"VALUE\"",
        "[package]\ntag = \"VALUE\"",
        "[package]\nbase = \"r.io/VALUE\"",
        "[stores.\"VALUE\"]",
    ];
    for place in places {
        for value in hostile {
            let message = parse(&minimal(&place.replace("VALUE", value))).unwrap_err();
            assert!(
                message.contains("fix: ") && message.lines().count() == 2,
                "{place} {value}: {message:?}"
            );
        }
    }
    for place in [
        "labels = { \"VALUE\" = \"x\" }",
        "version = \"VALUE\"",
        "[config]\n\"VALUE\" = \"x\"",
    ] {
        for value in ["a\\nb", "a\\u2028b", "a\\u0000b", "\\u001b[2J"] {
            let message = parse(&minimal(&place.replace("VALUE", value))).unwrap_err();
            assert!(
                message.contains("fix: ") && message.lines().count() == 2,
                "{place} {value}: {message:?}"
            );
        }
    }
}
