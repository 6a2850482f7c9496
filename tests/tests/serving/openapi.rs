//! The document `/openapi.json`, checked by a third-party validator, and its examples, which are
//! posted.
//!
//! Owns what is checked of a document. Must not know how the document is built. Clients that are
//! generated from the document are tested with graphs, in the area `models`.

use std::sync::LazyLock;

use scorebox_tests::app::App;
use scorebox_tests::digits::sample;
use scorebox_tests::host::Host;
use scorebox_tests::libraries;
use scorebox_tests::libraries::Libraries;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::{place, programs, require, run};
use serde_json::Value;

/// Libraries with the validator.
static LIBRARIES: LazyLock<Result<Libraries, String>> = LazyLock::new(|| Libraries::of("openapi"));

/// Validates a host's document and posts the first example of each operation. Returns the number of
/// posted examples.
#[track_caller]
fn check(host: &Host, libraries: &Libraries) -> usize {
    let answer = host.get("/openapi.json").expect(200);
    let former = host.get("/swagger.json").expect(200);
    assert_eq!(former.body, answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let code = "import json, sys, openapi_spec_validator as v; v.validate(json.load(sys.stdin))";
    let mut validate = libraries.python();
    run::finish(validate.args(["-c", code]), &answer.body).ended(0);
    let document = answer.json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1.")),
        "{document}"
    );

    let mut posted = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let Some(content) = operations["post"]["requestBody"]["content"].as_object() else {
            continue;
        };
        for (content_type, media) in content {
            let Some(example) = media["examples"]
                .as_object()
                .and_then(|examples| examples.values().next())
            else {
                continue;
            };
            let headers = [("content-type", content_type.as_str())];
            let answer = host
                .send("POST", path, &headers, example["value"].to_string())
                .expect(200);
            let answered = answer.header("content-type").unwrap_or_default();
            let described = &operations["post"]["responses"]["200"]["content"];
            let fits = |types: &Value| types.get(answered).is_some() || types.get("*/*").is_some();
            assert!(fits(described), "{answered} is not in {described}");
            posted += 1;
        }
    }
    posted
}

#[test]
fn of_the_digits() {
    let libraries = libraries!(LIBRARIES);
    let host = Host::start(&place::example("digits"));
    assert_eq!(check(&host, libraries), 4);
    let document = host.get("/openapi.json").json();
    assert_eq!(
        (
            document["info"]["title"].as_str(),
            document["info"]["version"].as_str()
        ),
        (Some("digits"), Some("1.0.0"))
    );
    let paths: Vec<&String> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert!(
        [
            "/score",
            "/api/score",
            "/",
            "/readyz",
            "/openapi.json",
            "/v1/models",
            "/v1/models/digits:predict",
            "/invocations",
            "/v2",
            "/v2/models/digits",
            "/v2/models/digits/infer",
            "/v2/models/digits/versions/1.0.0/infer",
        ]
        .iter()
        .all(|path| paths.iter().any(|found| found == path)),
        "{paths:?}"
    );
}

#[test]
fn of_the_features() {
    let libraries = libraries!(LIBRARIES);
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    redis.command::<()>(&["SET", "features:digit:7", &sample()[0].stored()]);
    let host = Host::start_with(
        &place::example("features"),
        &[("SCOREBOX_REDIS_URL", &redis.url())],
    );
    assert_eq!(check(&host, libraries), 2);
}

#[test]
fn of_scorers_with_anything_and_with_many_ports() {
    let libraries = libraries!(LIBRARIES);
    assert_eq!(check(&Host::start(&place::example("echo")), libraries), 0);
    assert_eq!(
        check(&Host::start(&App::of(programs::DTYPES)), libraries),
        0
    );
    assert_eq!(
        check(&Host::start(&App::of(programs::MISFIT)), libraries),
        4
    );
}

#[test]
fn of_routes_of_one_s_own() {
    let libraries = libraries!(LIBRARIES);
    let routes = ["v1/score", "v1-score"]
        .map(|route| format!("[[trigger]]\nkind = \"http\"\nroute = \"{route}\"\n"));
    let other = "[[trigger]]\nkind = \"http\"\nroute = \"other\"\nmethods = [\"put\", \"patch\"]\n";
    let routes = routes.concat() + other;
    let host = Host::start(&App::with(programs::WAYWARD, &routes));
    assert_eq!(check(&host, libraries), 3);
    let document = host.get("/openapi.json").json();
    let methods = document["paths"]["/api/other"].as_object().expect("a path");
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["patch", "put"]);
    let headers = [("content-type", "application/json")];
    for (method, status) in [("PUT", 200), ("PATCH", 200), ("POST", 405)] {
        host.send(method, "/api/other", &headers, r#"{"do": "count"}"#)
            .expect(status);
    }
}
