//! `scorebox invoke --trigger`: the invocation that the Functions host would send, without that
//! host.
//!
//! Owns the agreement between the command's envelopes and those of the fake Functions host. Must
//! not know sockets.

use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::functions::FunctionsHost;
use scorebox_tests::functions::app::{blobs, function_app, messages, park, requests};
use scorebox_tests::host::scorebox;
use scorebox_tests::programs::{self, Program};
use scorebox_tests::run::{self, Finished};
use serde_json::{Value, json};

fn forwarding() -> Value {
    json!({"customHandler": {"description": {"defaultExecutablePath": "scorebox"}, "enableForwardingHttpRequest": true}})
}

fn app(program: Program, host: Value) -> App {
    let queue = json!({"type": "queue", "direction": "out", "name": "audit", "queueName": "q"});
    let mut put = requests("res", &[]);
    put[0]["methods"] = json!(["put"]);
    let functions = [
        ("blobs", blobs(None, &[])),
        ("one", messages("msg", "one", Some("binary"), &[park()])),
        ("text", messages("msg", "one", Some("string"), &[park()])),
        ("many", messages("msgs", "many", Some("binary"), &[park()])),
        ("parsed", messages("msgs", "many", None, &[])),
        ("wrapped", requests("res", &[queue])),
        ("plain", requests("res", &[])),
        ("put", put),
    ];
    let app = function_app(program, "", host, &functions);
    app.write("in/a.json", br#"{"do": "attributes"}"#);
    app.write(
        "in/bad.json",
        br#"{"do": "reject", "code": "no", "message": "not this one"}"#,
    );
    app.write("in/trap.json", br#"{"do": "trap"}"#);
    app.write(
        "in/forged.json",
        br#"{"do": "attributes", "MessageId": "forged"}"#,
    );
    app
}

/// Runs `scorebox invoke` in the app's folder, as a user would.
fn invoke(app: &Path, arguments: &[&str]) -> Finished {
    run::finish(
        scorebox("invoke", app).current_dir(app).args(arguments),
        b"",
    )
}

#[test]
fn blobs_messages_and_requests_are_tried() {
    let app = app(programs::WAYWARD, forwarding());
    let answer = invoke(&app, &["--trigger", "blob", "in/a.json"])
        .ended(0)
        .json();
    let output = answer["Outputs"]["output"].as_str().expect("base64");
    let seen: Value =
        serde_json::from_slice(&scorebox_tests::functions::values::bytes(output)).expect("JSON");
    assert_eq!(seen["source"], "blob", "{seen}");
    assert!(
        seen["attributes"]
            .as_array()
            .expect("a list")
            .contains(&json!(["path.blobname", "a"])),
        "{seen}"
    );

    let message = ["--trigger", "service-bus", "--function", "one"];
    let run = |more: &[&str]| invoke(&app, &[&message, more].concat());
    let answer = run(&["--attempt", "4", "in/a.json"]).ended(0).json();
    let seen: Value =
        serde_json::from_str(answer["Outputs"]["output"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (&seen["attempt"], &seen["source"]),
        (&json!(4), &json!("service-bus")),
        "{seen}"
    );
    let parked = run(&["in/bad.json"]).ended(0).json();
    assert_eq!(parked["Logs"], json!(["no not this one"]), "{parked}");
    assert!(
        parked["Outputs"]["park"]
            .as_str()
            .is_some_and(|text| text.contains("not this one")),
        "{parked}"
    );
    run(&["in/trap.json"])
        .ended(23)
        .said(&["count this invocation as failed"]);
    run(&["--attempt", "10", "in/trap.json"]).ended(0);

    let many = invoke(
        &app,
        &[
            "--trigger",
            "service-bus",
            "--function",
            "many",
            "in/a.json",
            "in/bad.json",
        ],
    );
    let answer = many.ended(0).json();
    let count = |name: &str| answer["Outputs"][name].as_array().map(Vec::len);
    assert_eq!(
        (count("output"), count("park")),
        (Some(1), Some(1)),
        "{answer}"
    );

    let wrapped = invoke(
        &app,
        &["--trigger", "http", "--function", "wrapped", "in/bad.json"],
    )
    .ended(0)
    .json();
    assert_eq!(wrapped["Outputs"]["res"]["statusCode"], 422, "{wrapped}");
    // The request is forwarded without an envelope, so the status is the answer's own.
    let plain = invoke(
        &app,
        &["--trigger", "http", "--function", "plain", "in/a.json"],
    )
    .ended(0)
    .json();
    assert_eq!(plain["source"], "http", "{plain}");
    invoke(
        &app,
        &["--trigger", "http", "--function", "put", "in/a.json"],
    )
    .ended(0);
    invoke(
        &app,
        &["--trigger", "http", "--function", "plain", "in/bad.json"],
    )
    .ended(20);
}

#[test]
fn a_printed_envelope_is_one_that_the_handler_takes() {
    let app = app(programs::WAYWARD, json!({}));
    let host = FunctionsHost::start(&app);
    for (function, trigger) in [
        ("blobs", "blob"),
        ("one", "service-bus"),
        ("text", "service-bus"),
        ("many", "service-bus"),
        ("wrapped", "http"),
    ] {
        let printed = invoke(
            &app,
            &[
                "--trigger",
                trigger,
                "--function",
                function,
                "--print-envelope",
                "in/a.json",
            ],
        );
        let envelope = printed.ended(0).stdout;
        let bound = host.invoke(function, envelope.trim_end().as_bytes());
        let bound = bound.unwrap_or_else(|failed| panic!("{function}: {failed:?}: {envelope}"));
        assert!(
            bound.response.is_none_or(|response| response.status == 200),
            "{function}: {envelope}"
        );
    }
    // Text messages overwrite their metadata here, too.
    let printed = invoke(
        &app,
        &[
            "--trigger",
            "service-bus",
            "--function",
            "text",
            "--print-envelope",
            "in/forged.json",
        ],
    );
    assert_eq!(
        printed.ended(0).json()["Metadata"]["MessageId"],
        "\"forged\""
    );
}

#[test]
fn what_the_host_would_not_send_is_refused() {
    let app = app(programs::WAYWARD, json!({}));
    app.write("in/note.txt", b"not JSON");
    invoke(&app, &["--trigger", "blob", "in/note.txt"])
        .ended(20)
        .said(&["in/note.txt", "in/{blobname}.json"]);
    let parsed = [
        "--trigger",
        "service-bus",
        "--function",
        "parsed",
        "in/note.txt",
    ];
    invoke(&app, &parsed)
        .ended(20)
        .said(&["before it calls the scorer"]);
    invoke(&app, &["--trigger", "blob", "in/none.json"])
        .ended(20)
        .said(&["in/none.json", "cannot be read"]);
    invoke(&app, &["--trigger", "service-bus", "in/a.json"])
        .ended(9)
        .said(&["--function", "many, one, parsed, text"]);
    invoke(
        &app,
        &["--trigger", "blob", "--function", "one", "in/a.json"],
    )
    .ended(9)
    .said(&["no function", "blobs"]);
    invoke(&app, &["in/a.json"])
        .ended(2)
        .said(&["write `--input in/a.json`", "add --trigger"]);
}
