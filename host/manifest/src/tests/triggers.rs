//! Tests of the rules for triggers: kinds, routes, names of Azure's resources, connections, and
//! what all queues have in common.

use std::time::Duration;

use super::{minimal, parse};
use crate::triggers::{MessageEncoding, QueueTrigger, Start};

/// Returns the text of a manifest with the given triggers. A trigger is given as the text of its
/// keys and values, with `;` between them.
fn triggers(triggers: &[&str]) -> String {
    let mut text = String::new();
    for trigger in triggers {
        text.push_str(&format!("[[trigger]]\n{}\n", trigger.replace("; ", "\n")));
    }
    minimal(&text)
}

/// Asserts that a manifest is refused with an error that has all texts in `parts`, and that the
/// error consists of a problem and a fix on one line each.
#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let message = parse(text).map(drop).unwrap_err();
    for part in parts.iter().chain(&["fix: "]) {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn a_kind_that_is_not_served_is_named_before_other_settings() {
    for (kind, advice) in [
        ("timer", "at fixed times"),
        ("timerTrigger", "at fixed times"),
        ("event-hub", "forward"),
        ("eventHubTrigger", "forward"),
        ("cosmosdb", "forward"),
        ("cosmos-db", "forward"),
        ("kafka", "forward"),
        ("sql", "forward"),
        ("event-grid", "source = \"event-grid\""),
        ("orchestrationTrigger", "an app of its own"),
    ] {
        let trigger = format!("kind = \"{kind}\"; schedule = \"0 */5 * * * *\"; hub = 3");
        let problem = format!("`trigger.kind`: `{kind}` is not a kind of trigger here");
        let kinds = "\"http\", \"blob\", \"queue\" or \"service-bus\"";
        refused(&triggers(&[&trigger]), &[&problem, advice, kinds]);
        refused(&triggers(&["kind = \"http\"", &trigger]), &[&problem]);
    }
    for (kind, meant) in [
        ("blobTrigger", "blob"),
        ("storage-queue", "queue"),
        ("QUEUE", "queue"),
        ("servicebus", "service-bus"),
        ("httpTrigger", "http"),
    ] {
        let trigger = format!("kind = \"{kind}\"; queueName = \"x\"");
        let fix = format!("write `kind = \"{meant}\"`");
        refused(&triggers(&[&trigger]), &["is not a kind", &fix]);
    }
    refused(
        &triggers(&["kind = \"smoke\"; colour = \"red\""]),
        &["`smoke` is not a kind of trigger", "\"http\""],
    );
    // A key that is wrong in a trigger that is served is still named.
    refused(
        &triggers(&["kind = \"http\"; schedule = 1"]),
        &["`trigger.schedule` is not a setting"],
    );
}

#[test]
fn two_services_share_a_connection_only_if_the_manifest_says_so() {
    let blob = "kind = \"blob\"; path = \"incoming/{name}\"";
    let queue = "kind = \"queue\"; queue = \"requests\"";
    let bus = "kind = \"service-bus\"; queue = \"applications\"";
    let on = |trigger: &str, name: &str| format!("{trigger}; connection = \"{name}\"");
    for storage in [blob, queue] {
        let function = if storage == blob {
            "`incoming`"
        } else {
            "`requests`"
        };
        let parts = [
            "`TriggerConnectionString`",
            function,
            "`applications`",
            "a storage account",
            "a Service Bus namespace",
        ];
        let fix =
            "write `connection = \"ServiceBusConnection\"` into the trigger of `applications`";
        refused(&triggers(&[storage, bus]), &[&parts[..], &[fix]].concat());
        refused(&triggers(&[bus, storage]), &parts);
        // One name is written, and the other is the default.
        let named = on(storage, "TriggerConnectionString");
        refused(&triggers(&[&named, bus]), &parts);
        // The manifest is accepted after the fix that the error states.
        parse(&triggers(&[storage, &on(bus, "ServiceBusConnection")])).unwrap();
        // The manifest itself names the same setting for both services.
        parse(&triggers(&[&on(storage, "Both"), &on(bus, "Both")])).unwrap();
    }
    // Blobs and queues have one account, and several entities have one namespace.
    parse(&triggers(&[blob, queue])).unwrap();
    parse(&triggers(&[
        bus,
        "kind = \"service-bus\"; queue = \"others\"",
    ]))
    .unwrap();
    for own in ["AzureWebJobsStorage", "Storage"] {
        refused(&triggers(&[&on(bus, own)]), &["own storage account"]);
        parse(&triggers(&[&on(blob, own)])).unwrap();
    }
    let store = "[stores.default]\nurl = \"env:Bus\"\n";
    let text = format!("{}{store}", triggers(&[&on(bus, "Bus")]));
    refused(&text, &["`stores.default.url`", "`applications`", "`Bus`"]);
}

#[test]
fn routes_have_parameters_as_in_asp_net() {
    let route = |route: &str| triggers(&[&format!("kind = \"http\"; route = \"{route}\"")]);
    for (written, function) in [
        ("risk/{customer}", "risk-customer"),
        ("risk/{id:int}/{year?}", "risk-id-year"),
        ("risk/{id:range(1,9)=3}", "risk-id"),
        ("{*rest}", "rest"),
        ("files/{name}.{extension?}", "files-name-extension"),
    ] {
        let manifest = parse(&route(written)).unwrap();
        let trigger = &manifest.triggers[0];
        assert_eq!(trigger.http().unwrap().route, written);
        assert_eq!(trigger.function, function);
    }
    for (written, part) in [
        ("/risk", "leading slash"),
        ("risk/", "leading slash"),
        ("risk//x", "an empty segment"),
        ("", "is empty"),
        ("risk/{customer", "a `{` without a `}`"),
        ("risk/{a}{b}", "follows another parameter"),
        ("risk/{a}/{A}", "two parameters"),
        ("{*a}/risk", "not the last segment"),
        ("risk/{a?}/b", "which may be missing"),
        ("risk/{a:integer}", "`integer` is not a constraint"),
        ("risk/{a:datetime}", "only .NET can check"),
        ("risk/{a:regex(x)}", "only .NET can check"),
        ("risk/a b", "`a b`"),
        ("risk/{a=b c}", "`b c`"),
        ("risk?x=1", "a `?` outside"),
        ("risk/../x", "has the segment `..`"),
        ("Admin/x", "begins with `admin`"),
        ("administration", "begins with `admin`"),
    ] {
        refused(&route(written), &["`trigger.route`", part]);
    }
}

#[test]
fn routes_are_compared_without_case_and_by_their_verbs() {
    let pair = |one: &str, other: &str| {
        triggers(&[
            &format!("kind = \"http\"; route = {one}"),
            &format!("kind = \"http\"; route = {other}"),
        ])
    };
    for (one, other) in [
        ("\"score\"", "\"Score\""),
        ("\"risk/{a}\"", "\"RISK/{b}\""),
        ("\"score\"; methods = [\"get\", \"post\"]", "\"score\""),
    ] {
        let problem = "two HTTP triggers have the same route for POST";
        refused(&pair(one, other), &["`[[trigger]]`", problem]);
    }
    for (one, other) in [
        ("\"score\"; methods = [\"get\"]", "\"Score\""),
        ("\"risk/{a}\"", "\"risk/{a:int}\""),
        ("\"risk/{a}\"", "\"risk/{*a}\""),
        ("\"risk\"", "\"risk/{a?}\""),
    ] {
        let manifest = parse(&pair(one, other)).unwrap();
        assert_ne!(
            manifest.triggers[0].function.to_lowercase(),
            manifest.triggers[1].function.to_lowercase()
        );
    }
}

#[test]
fn names_follow_the_rules_of_azure() {
    let long = |count: usize| "x".repeat(count);
    for (trigger, key, fault) in [
        (
            "kind = \"blob\"; path = \"In/{name}\"",
            "trigger.path",
            "the character `I`",
        ),
        (
            "kind = \"blob\"; path = \"in/{name}\"",
            "trigger.path",
            "has 2 characters",
        ),
        (
            "kind = \"blob\"; path = \"in--x/{name}\"",
            "trigger.path",
            "two hyphens in a row",
        ),
        (
            "kind = \"blob\"; path = \"-inx/{name}\"",
            "trigger.path",
            "begins with `-`",
        ),
        (
            "kind = \"blob\"; path = \"incoming/{name}\"; output = { blob = \"out_x/{name}\" }",
            "trigger.output.blob",
            "the character `_`",
        ),
        (
            "kind = \"queue\"; queue = \"Orders\"",
            "trigger.queue",
            "the character `O`",
        ),
        (
            "kind = \"queue\"; queue = \"a.b\"",
            "trigger.queue",
            "the character `.`",
        ),
        (
            &format!("kind = \"queue\"; queue = \"{}\"", long(57)),
            "trigger.queue",
            "has 57 characters",
        ),
        (
            "kind = \"queue\"; queue = \"orders\"; park = { queue = \"no\" }",
            "trigger.park.queue",
            "has 2 characters",
        ),
        (
            "kind = \"service-bus\"; queue = \"/a\"",
            "trigger.queue",
            "begins with `/`",
        ),
        (
            "kind = \"service-bus\"; queue = \"a~b\"",
            "trigger.queue",
            "the character `~`",
        ),
        (
            "kind = \"service-bus\"; topic = \"t-\"; subscription = \"s\"",
            "trigger.topic",
            "ends with `-`",
        ),
        (
            "kind = \"service-bus\"; topic = \"t\"; subscription = \"a/b\"",
            "trigger.subscription",
            "the character `/`",
        ),
        (
            &format!(
                "kind = \"service-bus\"; topic = \"t\"; subscription = \"{}\"",
                long(51)
            ),
            "trigger.subscription",
            "has 51 characters",
        ),
        (
            "kind = \"service-bus\"; queue = \"q\"; output = { topic = \"a b\" }",
            "trigger.output.topic",
            "the character ` `",
        ),
        (
            "kind = \"service-bus\"; queue = \"q\"; output = { queue = \"r/$DeadLetterQueue\" }",
            "trigger.output.queue",
            "the character `$`",
        ),
        (
            "kind = \"service-bus\"; queue = \"q/$Other\"",
            "trigger.queue",
            "the character `$`",
        ),
        (
            "kind = \"service-bus\"; queue = \"/$DeadLetterQueue\"",
            "trigger.queue",
            "has 0 characters",
        ),
    ] {
        let key = format!("`{key}`: ");
        refused(&triggers(&[trigger]), &[&key, fault, "fix: use "]);
    }
    let poison = triggers(&[&format!("kind = \"queue\"; queue = \"{}\"", long(60))]);
    refused(&poison, &["NAME-poison"]);
    for trigger in [
        "kind = \"blob\"; path = \"%IN%/{name}\"",
        "kind = \"blob\"; path = \"$web/{name}\"",
        "kind = \"queue\"; queue = \"%QUEUE%\"",
        "kind = \"service-bus\"; queue = \"a/B.c_d-e\"",
        "kind = \"service-bus\"; queue = \"%QUEUE%\"",
        "kind = \"service-bus\"; queue = \"orders/$DeadLetterQueue\"",
        "kind = \"service-bus\"; queue = \"%QUEUE%/$deadletterqueue\"",
        "kind = \"service-bus\"; topic = \"t\"; subscription = \"s/$DeadLetterQueue\"",
    ] {
        parse(&triggers(&[trigger])).unwrap();
    }
}

#[test]
fn a_queue_of_a_storage_account_is_a_trigger() {
    let queue = |trigger: &str| {
        let text = format!("kind = \"queue\"; queue = \"requests\"; {trigger}");
        let manifest = parse(&triggers(&[&text])).unwrap();
        let Start::Queue(queue) = manifest.triggers[0].start.clone() else {
            panic!()
        };
        assert_eq!(manifest.triggers[0].function, "requests");
        queue
    };
    let defaults = QueueTrigger {
        queue: "requests".into(),
        connection: "TriggerConnectionString".into(),
        output: None,
        park: None,
        max_delivery_count: 5,
        message_encoding: MessageEncoding::Base64,
        visibility_timeout: Duration::ZERO,
    };
    assert_eq!(queue("visibility_timeout = \"0\""), defaults);
    let set = "output = { queue = \"scores\" }; park = { queue = \"requests-poison\" }; \
               max_delivery_count = 3; message_encoding = \"none\"; visibility_timeout = \"30s\"; \
               connection = \"Queues\"";
    let expected = QueueTrigger {
        connection: "Queues".into(),
        output: Some("scores".into()),
        park: Some("requests-poison".into()),
        max_delivery_count: 3,
        message_encoding: MessageEncoding::None,
        visibility_timeout: Duration::from_secs(30),
        ..defaults
    };
    assert_eq!(queue(set), expected);
}

#[test]
fn what_a_queue_trigger_cannot_have_is_refused() {
    let queue =
        |rest: &str| triggers(&[&format!("kind = \"queue\"; queue = \"requests\"; {rest}")]);
    refused(
        &triggers(&["kind = \"queue\""]),
        &["has no queue", "queue = \"NAME\""],
    );
    refused(
        &queue("output = { queue = \"requests\" }"),
        &["`trigger.output.queue`", "loop forever"],
    );
    refused(
        &queue("output = { topic = \"scores\" }"),
        &["`trigger.output` of a queue trigger is not a queue"],
    );
    refused(
        &queue("max_delivery_count = 0"),
        &["`trigger.max_delivery_count`"],
    );
    refused(
        &queue("visibility_timeout = \"8days\""),
        &["`trigger.visibility_timeout`", "7days"],
    );
    refused(
        &queue("sessions = true"),
        &["`trigger.sessions`", "service-bus"],
    );
    refused(&queue("cardinality = \"many\""), &["`trigger.cardinality`"]);
    refused(
        &triggers(&["kind = \"service-bus\"; queue = \"q\"; message_encoding = \"none\""]),
        &["`trigger.message_encoding`", "it is for queue"],
    );
    refused(
        &triggers(&["kind = \"service-bus\"; queue = \"Q\"; park = { queue = \"q\" }"]),
        &["`trigger.park.queue`", "loop forever"],
    );
    for (key, value) in [
        ("max_delivery_count", "3"),
        ("message_encoding", "\"none\""),
        ("visibility_timeout", "\"9s\""),
    ] {
        let other = format!("kind = \"queue\"; queue = \"others\"; {key} = {value}");
        let text = triggers(&["kind = \"queue\"; queue = \"requests\"", &other]);
        let key = format!("`trigger.{key}` differs between the queues `requests` and `others`");
        refused(&text, &[&key, "whole function app"]);
    }
}
