//! Tests of the errors for what the manifest does not accept.

use super::{Manifest, minimal, parse};

#[test]
fn a_bad_value_is_answered_with_its_key_and_a_fix() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let message = parse(text).unwrap_err();
        for part in expected.iter().chain(&["app/scorebox.toml", "fix: "]) {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
    check("[scorer", &["invalid TOML", "line 1"]);
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
        &["no [stores.default]", "add [stores.default]"],
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
    check(&minimal("[weather]"), &["`weather` is not a setting"]);
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
    check(&minimal(twice), &["`[[trigger]]`", "the same route"]);
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
    let circle =
        "kind = \"blob\"\npath = \"incoming/{name}\"\noutput = { blob = \"incoming/{name}.json\" }";
    check(
        &trigger(circle),
        &["`trigger.output.blob`", "another container"],
    );
    let unknown = "kind = \"blob\"\npath = \"incoming/{name}\"\noutput = { blob = \"out/{nome}\" }";
    check(&trigger(unknown), &["`trigger.output.blob`", "{nome}"]);
    check(
        &trigger("kind = \"service-bus\""),
        &["neither a queue nor a topic", "subscription"],
    );
    let circle = "kind = \"service-bus\"\nqueue = \"q\"\npark = { queue = \"q\" }";
    check(&trigger(circle), &["`trigger.park.queue`", "loop forever"]);
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
        &["`package.base`", "`https://`", "`r.io/debian`"],
    );
    check(
        &minimal("[package]\nbase = \"r.io/Debian:12\""),
        &[
            "`package.base`",
            "repository `Debian`",
            "capital letter `D`",
            "`debian`",
        ],
    );
    check(
        &minimal("[package]\ntag = \"1.0+5\""),
        &["`package.tag`", "has `+`", "`1.0_5`"],
    );
    check(
        &minimal("[stores.default]\nprefix = \"*\""),
        &["`stores.default.prefix`"],
    );
    for keepalive in ["500ms", "10h"] {
        check(
            &minimal(&format!("[stores.default]\nkeepalive = \"{keepalive}\"")),
            &["`stores.default.keepalive`", "out of range", "4 minutes"],
        );
    }
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
fn a_value_of_a_wrong_type_is_answered_with_its_setting_its_form_and_its_line() {
    #[track_caller]
    fn check(text: &str, problem: &str, message: &str, fix: &str) {
        let error = parse(text).unwrap_err();
        let begin = format!("app/scorebox.toml: {problem}: TOML parse error at line ");
        assert!(error.starts_with(&begin), "{error}");
        let end = format!("\n    {message}\n  fix: {fix}");
        assert!(error.contains(&end), "{end:?} is not in {error:?}");
    }
    check(
        &minimal("[limits]\nqueue = \"x\""),
        "`limits.queue`",
        "invalid type: string \"x\", expected a whole number from 0",
        "give it this form: number, e.g. `queue = 64`",
    );
    check(
        &minimal("[stores.default]\ntimeout = 1"),
        "`stores.default.timeout`",
        "invalid type: integer `1`, expected a string",
        "give it this form: time, e.g. `timeout = \"1s\"`",
    );
    check(
        &minimal("[config]\nthreshold = 0.5"),
        "`config.threshold`",
        "invalid type: floating point `0.5`, expected a string",
        "give it this form: text; ",
    );
    check(
        &minimal("[[trigger]]\nkind = \"http\"\n[[trigger]]\nkind = \"http\"\nmethods = \"put\""),
        "`trigger.methods`",
        "invalid type: string \"put\", expected a sequence",
        "give it this form: list of verbs, e.g. `methods = [\"post\"]`",
    );
    check(
        &minimal("[[packaged.file]]\nname = \"a\"\nsize = 1"),
        "`packaged.file.digest`",
        "missing field `digest`",
        "give it this form: sha256:HEX; ",
    );
    check(
        &minimal("[limits.queue]"),
        "`limits.queue`",
        "invalid type: map, expected a whole number from 0",
        "give it this form: number",
    );
    check(
        &minimal("[[limits]]\nqueue = 1"),
        "`limits`",
        "invalid type: map, expected a string",
        "write a line `[limits]`",
    );
    check(
        &minimal("[trigger]\nkind = \"http\""),
        "`trigger`",
        "invalid type: map, expected a sequence",
        "write a line `[[trigger]]`",
    );
}

#[test]
fn an_unknown_section_is_answered_with_the_nearest_section() {
    #[track_caller]
    fn check(text: &str, unknown: &str, nearest: &str) {
        let message = parse(&minimal(text)).unwrap_err();
        let expected = format!("`{unknown}` is not a setting\n  fix: the nearest is `{nearest}`;");
        assert!(message.contains(&expected), "{message}");
    }
    check("[limit]", "limit", "[limits]");
    check("[[limit]]", "limit", "[limits]");
    check("[[triggers]]", "triggers", "[[trigger]]");
    check("[store]", "store", "[stores]");
    check("[limit]\nqueue = 1", "limit.queue", "limits.queue");
}

#[test]
fn a_section_that_stands_as_a_value_is_refused() {
    #[track_caller]
    fn check(text: &str, section: &str, header: &str) {
        let message = parse(text).unwrap_err();
        let expected = format!(
            "`{section}` is a section, and not a setting\n  fix: write a line `{header}`, "
        );
        assert!(message.contains(&expected), "{message}");
    }
    check("limits = 3", "limits", "[limits]");
    check("limits = 1979-05-27", "limits", "[limits]");
    check("trigger = []", "trigger", "[[trigger]]");
    let store = minimal("[stores]\ndefault = \"redis\"");
    check(&store, "stores.default", "[stores.default]");
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
    let text = "[[trigger]]\nkind = \"blob\"\npath = \"incoming/{name}\"\nconnection = \"AccountName=a;AccountKey=hunter2\"";
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
        refused("[scorer]\nname = \"m\"")
            .contains("none of `scorer.component`, `scorer.script` and `scorer.model`")
    );
    assert!(refused("[scorer]\nname = \"m\"\ngraph = \"a\"").contains("none of"));
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
        "[[trigger]]\nkind = \"blob\"\npath = \"incoming/{name}\"\nconnection = \"VALUE\"",
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

#[test]
fn a_file_that_is_not_utf_8_is_named_as_such() {
    let file = std::env::temp_dir().join(format!("scorebox-encoding-{}.toml", std::process::id()));
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        Manifest::read(&file).unwrap_err()
    };
    for (bytes, said) in [
        (&b"\xff\xfe[\0s\0"[..], "is in UTF-16"),
        (b"\xfe\xff\0[\0s", "is in UTF-16"),
        (b"[scorer]\nname = \"\xe4\"\n", "is not in UTF-8"),
    ] {
        let refused = refused(bytes);
        assert!(refused.problem.contains(said), "{refused}");
        assert_eq!(refused.fix, "save the file as UTF-8");
    }
    assert!(refused(b"[scorer]").fix != "save the file as UTF-8");
    std::fs::remove_file(&file).unwrap();
    let missing = Manifest::read(&file).unwrap_err();
    assert!(missing.problem.contains("cannot be read"), "{missing}");
}
