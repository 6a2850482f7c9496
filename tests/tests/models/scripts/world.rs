//! Things that Azure ML gives to a script: the request, the answer, the model's folder, headers, schemas,
//! the log and tracebacks.
//!
//! Owns the requests. The scripts are `world.py` and `headers.py` in `tests/data/scripts`.

use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::scripts::{LIBRARIES, app, built, check, start, text};
use scorebox_tests::{extent, libraries, pack, place, require, run};
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

/// Texts that readers of JSON do not agree about. Blanks make them long enough for the host.
const DISPUTED: [&str; 20] = [
    "-0",
    "-0.0",
    "1E400",
    "-1e400",
    "1e-400",
    "9007199254740993",
    "9007199254740993.0",
    "18446744073709551616",
    "0.1000000000000000055511151231257827021181583404541015625",
    "2.2250738585072011e-308",
    "NaN",
    "[Infinity, -Infinity]",
    "{\"a\": 1, \"b\": 2, \"a\": 3}",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\/\"",
    "\"\u{7f}\"",
    "[1] []",
    "\u{feff}[]",
    "[1,]",
];

#[test]
fn the_host_reads_json_as_python_does() {
    let (pack, app) = (pack!(), app("parsing", ""));
    let host = start(pack, &app);
    let blank = " ".repeat(128);
    let deep = [50, 99, 101, 500].map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let texts = DISPUTED.map(str::to_owned).into_iter().chain(deep);
    let texts: Vec<_> = texts.map(|text| format!("{text}{blank}")).collect();
    let body = json!({"texts": texts, "random": extent::of(200, 2000), "seed": 7});
    let found = host.score(&body).expect(200).json();
    assert_eq!(found["different"], json!([]), "{found}");
    let [all, by_host] = ["texts", "by_host"].map(|name| found[name].as_f64().unwrap());
    assert!(by_host > all / 3.0, "{found}");
}

/// Values for a parameter of the script `arrays`. Most of them have the shape of one parameter alone.
const VALUES: [&str; 16] = [
    "[[1, 2, 3], [0.1, -0.0, 1e300]]",
    "[[1, 2]]",
    "[[1, 2, 3], [4, 5]]",
    "[1, 2.5]",
    "[[[1], [2.5]]]",
    "[[1, 9007199254740993]]",
    "[[1, 9223372036854775808]]",
    "[[1, true]]",
    "[[1, null, 3]]",
    "[[1, \"2\", 3]]",
    "[]",
    "[[]]",
    "[[NaN, 1, 2]]",
    "{\"0\": 1}",
    "null",
    "7",
];

#[test]
fn arrays_of_the_host_are_those_of_inference_schema() {
    let (pack, app) = (pack!(), app("arrays", ""));
    let host = start(pack, &app);
    let ask = |body: String| {
        let found = host.send(
            "POST",
            "/score",
            &[("content-type", "application/json")],
            body,
        );
        let text = found.json();
        // The id of a failure is that of its call.
        (found.status, text["message"].clone(), text)
    };
    let names = [
        "data", "row", "cube", "whole", "loose", "untyped", "raw", "optional",
    ];
    let valid = "\"data\": [[1, 2, 3]], \"row\": [1], \"cube\": [[[1], [2]]], \"whole\": [[1, 2]], \
                 \"loose\": [[1, 2]], \"untyped\": [[1, 2]], \"raw\": [[1, 2]], \"optional\": [[1, 2]]";
    let (status, _, _) = ask(format!("{{{valid}}}"));
    assert_eq!(status, 200);
    for name in names {
        for value in VALUES {
            // The last of two values of the same name counts. Short texts are read by Python.
            let text = format!("{valid}, \"{name}\": {value}");
            let blanks = [0, 1024].map(|size| " ".repeat(size));
            let [one, other] = blanks.map(|blank| ask(format!("{{{text}{blank}}}")));
            assert_eq!(one.0, other.0, "{text}: {} {}", one.2, other.2);
            assert_eq!(one.1, other.1, "{text}");
            if one.0 == 200 {
                assert_eq!(one.2, other.2, "{text}");
            }
        }
    }
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
