//! Things that Azure ML gives to a script: the request, the answer, the model's folder, headers, schemas,
//! the log and tracebacks.
//!
//! Owns the requests. The scripts are `world.py` and `headers.py` in `tests/data/scripts`.

use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::scripts::{LIBRARIES, app, built, check, start, text};
use scorebox_tests::{libraries, pack, place, require, run};
use serde_json::json;

const MANIFEST: &str = "model = \"model\"\n[config]\nANSWER_TTL = \"1h\"\n";

fn world(manifest: &str) -> App {
    let app = app("world", manifest);
    app.write("model/labels.txt", b"one two");
    app
}

#[test]
fn a_script_sees_the_whole_request_and_chooses_the_answer() {
    let (pack, app) = (pack!(), world(MANIFEST));
    let host = start(pack, &app);
    let headers = [("content-type", "text/plain"), ("x-kind", "seven")];
    let found = host
        .send("POST", "/score?a=1&a=2", &headers, "bytes")
        .expect(201);
    assert_eq!(found.header("x-labels"), Some("2"));
    let body = found.json();
    assert_eq!(body["method"], "POST", "{body}");
    assert_eq!(body["path"], "/score", "{body}");
    assert_eq!(body["args"], json!({"a": "1"}), "{body}");
    assert_eq!(body["header"], "seven", "{body}");
    assert_eq!(body["data"], "bytes", "{body}");
    assert_eq!(body["labels"], json!(["one", "two"]), "{body}");
    assert_eq!(body["config"], "1h", "{body}");
    let refused = host.send("POST", "/score?do=refuse", &[], "").expect(404);
    assert_eq!(refused.text(), "no such digit");
    // Azure ML's server repeats a header for each of its values.
    let reasons: Vec<_> = refused.headers.get_all("x-reason").iter().collect();
    assert_eq!(reasons, ["a", "b"]);
}

#[test]
fn what_a_script_prints_and_raises_is_in_the_log_of_its_call() {
    let (pack, app) = (pack!(), world(MANIFEST));
    let host = start(pack, &app);
    host.log.wait_for_message("init has run");
    let id = [("x-request-id", "the-call")];
    let failed = host.send("POST", "/score?do=raise", &id, "").expect(500);
    assert!(!failed.text().contains("score.py"), "{}", failed.text());
    host.log.wait_for_message("printed in POST");
    host.log.wait_for_message("a warning of run");
    let traceback = host.log.wait_for("a traceback", |line| {
        line.to_string().contains("a key of the author")
    });
    let text = traceback.to_string();
    assert!(
        text.contains("score.py") && text.contains("in failing"),
        "{text}"
    );
    assert!(text.contains("the-call"), "{text}");
}

#[test]
fn a_setting_shows_tracebacks_to_callers() {
    let (pack, app) = (pack!(), world(&format!("tracebacks = true\n{MANIFEST}")));
    let host = start(pack, &app);
    let failed = host.send("POST", "/score?do=raise", &[], "").expect(500);
    let text = failed.text();
    assert!(
        text.contains("score.py") && text.contains("KeyError"),
        "{text}"
    );
}

#[test]
fn decorators_are_the_contract() {
    let pack = pack!();
    let project = App::script(
        "headers",
        &text("headers"),
        "requirements = \"requirements.txt\"\n",
    );
    project.write("requirements.txt", b"inference-schema==1.8\n");
    let app = built(pack, project.path());
    let host = start(pack, app.path());
    let headers = [("content-type", "application/json"), ("x-kind", "seven")];
    let row = json!({"age": 41, "city": "Bern"});
    let body = json!({"data": [row, row], "factor": 2.0});
    let found = host
        .send("POST", "/score", &headers, body.to_string())
        .expect(200)
        .json();
    let expected = json!({"ages": [82.0, 82.0], "cities": ["Bern", "Bern"], "kind": "seven"});
    assert_eq!(found, expected);
    // A parameter with a default may be missing. Another one may not.
    host.score(&json!({ "data": [row] })).expect(200);
    let refused = host.score(&json!({ "factor": 2.0 }));
    assert!(matches!(refused.status, 400 | 422), "{}", refused.text());
    let swagger = host.get("/swagger.json").expect(200).text();
    assert!(
        swagger.contains("age") && swagger.contains("factor"),
        "{swagger}"
    );
}

#[test]
fn a_script_that_cannot_start_says_where() {
    let pack = pack!();
    let cases = [
        (
            "import nothing_such\n\ndef init():\n    pass\n\ndef run(a):\n    return a\n",
            "nothing_such",
        ),
        (
            "def init():\n    raise ValueError('no model')\n\ndef run(a):\n    return a\n",
            "no model",
        ),
        ("def init():\n    pass\n", "run"),
        ("def init(:\n", "line 1"),
    ];
    for (script, part) in cases {
        let app = App::script("broken", script, "");
        let finished = check(pack, app.path());
        assert!(!finished.status.success(), "{}", finished.stdout);
        finished.said(&["score.py", part]);
    }
}

#[test]
fn the_python_files_keep_their_promises_on_the_native_interpreter() {
    require!("redis-server");
    let mut python = libraries!(LIBRARIES).python();
    let tests = place::workspace().join("host/python/world/tests");
    python.args(["-m", "unittest", "discover", "-s"]).arg(tests);
    // A process of its own for each script takes a minute in all, and many on a busy machine.
    run::finish_within(Duration::from_secs(900), &mut python, b"").ended(0);
}
