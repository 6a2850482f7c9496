//! HTTP functions: requests in envelopes, forwarded requests, and the routes of an app.
//!
//! Owns statuses, headers, bodies and routes under the Functions host. Must not know blobs or
//! messages.

use scorebox_tests::app::App;
use scorebox_tests::functions::app::{echoing_app, function_app, requests};
use scorebox_tests::functions::outputs::Response;
use scorebox_tests::functions::values::{envelope, request};
use scorebox_tests::functions::{FunctionsHost, wire};
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use serde_json::{Value, json};

const OCTETS: &str = "application/octet-stream";

fn forwarding() -> Value {
    json!({"customHandler": {"description": {"defaultExecutablePath": "scorebox"}, "enableForwardingHttpRequest": true}})
}

#[track_caller]
fn response(
    host: &FunctionsHost,
    function: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Response {
    let bound = host.invoke(
        function,
        &envelope("req", request(headers, body), json!({})),
    );
    let bound = bound.unwrap_or_else(|failed| panic!("{failed:?}\n{}", host.log()));
    bound.response.expect("it is an HTTP function")
}

fn queue(name: &str) -> Value {
    json!({"type": "queue", "direction": "out", "name": name, "queueName": "q"})
}

#[test]
fn a_request_in_an_envelope_is_answered_in_one() {
    let functions = [
        ("score", requests("res", &[])),
        ("beside", requests("res", &[queue("audit")])),
    ];
    let app = echoing_app("", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    // There is also a function with the name `score`: its envelope must not be taken for a payload.
    for function in ["score", "beside"] {
        for (body, content_type) in [
            ("{\"a\":[1,2]}", "application/json"),
            ("test", "text/plain"),
            ("h\u{e9}", "text/plain; charset=utf-8"),
        ] {
            let answer = response(
                &host,
                function,
                &[("content-type", content_type)],
                Some(body.as_bytes()),
            );
            assert_eq!(
                (answer.status, answer.body),
                (200, body.as_bytes().to_vec()),
                "{function} {body}"
            );
            assert_eq!(
                answer.headers["content-type"], content_type,
                "{function} {body}"
            );
        }
    }
    // The host would return a bare date in another form. A text with a second line is not taken for
    // a date.
    let date = response(
        &host,
        "score",
        &[("content-type", "text/plain")],
        Some(b"2024-05-01T12:34:56.100Z"),
    );
    assert_eq!(
        String::from_utf8_lossy(&date.body),
        "2024-05-01T12:34:56.100Z\n"
    );
    let dates = br#"{"at":"2024-05-01T12:34:56.100+00:00","in":["2024-05-01T12:34:56","2024-05-01T12:34:56.120Z"]}"#;
    let named = [("content-type", "application/json")];
    let bound = host
        .invoke(
            "beside",
            &envelope("req", request(&named, Some(dates)), json!({})),
        )
        .expect("it is taken");
    assert_eq!(bound.of("audit"), [&dates[..]]);
    assert_eq!(bound.response.expect("it is an HTTP function").body, dates);
    let named = [
        ("content-type", "application/json"),
        ("x-request-id", "r-1"),
    ];
    let bound = host
        .invoke(
            "beside",
            &envelope("req", request(&named, Some(b"[1]")), json!({})),
        )
        .expect("it is taken");
    assert_eq!(bound.json("audit"), json!({"result": [1]}));
    assert_eq!(
        bound.response.expect("it is an HTTP function").headers["x-request-id"],
        "r-1"
    );
}

#[test]
fn binary_answers_need_the_return_value() {
    let functions = [
        ("named", requests("res", &[])),
        ("returned", requests("$return", &[queue("audit")])),
    ];
    let app = echoing_app("", json!({}), &functions);
    let host = FunctionsHost::start(&app);
    let octets = [("content-type", OCTETS)];
    let answer = response(&host, "returned", &octets, Some(b"\xff\x00\x01"));
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"\xff\x00\x01".as_slice())
    );
    // Text that could be base64 is not decoded there.
    let answer = response(
        &host,
        "returned",
        &[("content-type", "text/plain")],
        Some(b"test"),
    );
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"test".as_slice())
    );
    assert_eq!(answer.headers["content-type"], "text/plain");
    // A named output cannot return bytes, and the caller gets an error that says what can.
    let answer = response(&host, "named", &octets, Some(b"\xff\x00\x01"));
    let problem: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    assert_eq!(
        (answer.status, &problem["code"]),
        (500, &json!("binary-answer")),
        "{problem}"
    );
}

#[test]
fn errors_come_through_the_return_value_too() {
    let app = function_app(
        programs::WAYWARD,
        "",
        json!({}),
        &[("returned", requests("$return", &[queue("audit")]))],
    );
    let host = FunctionsHost::start(&app);
    let deed = br#"{"do": "reject", "code": "no", "message": "no"}"#;
    let answer = response(
        &host,
        "returned",
        &[("content-type", "application/json")],
        Some(deed),
    );
    let problem: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    assert_eq!((answer.status, &problem["code"]), (422, &json!("no")));
}

#[test]
fn forwarded_requests_are_scored_by_their_own_path() {
    let routed = |route: &str, methods: Value| {
        json!([
            {"type": "httpTrigger", "direction": "in", "name": "req", "route": route, "methods": methods},
            {"type": "http", "direction": "out", "name": "res"},
        ])
    };
    let functions = [
        ("plain", requests("res", &[])),
        (
            "models",
            routed("models/{model}/{version:int?}", json!(["post", "put"])),
        ),
        ("files", routed("files/{*rest}", json!(["post"]))),
        ("wrapped", requests("res", &[queue("audit")])),
    ];
    let app = function_app(programs::MIRROR, "", forwarding(), &functions);
    let host = FunctionsHost::start(&app);
    let send = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        wire::forward(
            host.port(),
            path,
            headers,
            "11111111-0000-4000-8000-000000000000",
            body,
        )
        .expect("it answers")
    };
    let headers = [
        ("Content-Type", OCTETS),
        ("x-functions-key", "k3y"),
        ("X-Caller", "a"),
    ];
    let answer = send("/api/plain?code=k3y&v=1,2", &headers, b"\xff");
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (answer.status, &seen["body"], &seen["source"]),
        (200, &json!([255]), &json!("http")),
        "{seen}"
    );
    let names: Vec<_> = seen["attributes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pair| pair[0].clone())
        .collect();
    assert!(names.contains(&json!("x-caller")), "{names:?}");
    assert!(
        !answer.body.windows(3).any(|bytes| bytes == b"k3y"),
        "a key reaches no scorer: {seen}"
    );
    // The id of the invocation connects the answer with the platform's own records.
    assert_eq!(
        answer.header("x-request-id"),
        Some("11111111-0000-4000-8000-000000000000")
    );

    let routes = |path: &str| {
        let answer = send(path, &headers, b"");
        let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let pairs = seen["attributes"].as_array().expect("a list").clone();
        let is_route = |pair: &Value| {
            pair[0]
                .as_str()
                .is_some_and(|name| name.starts_with("route."))
        };
        Value::from_iter(pairs.into_iter().filter(is_route))
    };
    assert_eq!(
        routes("/api/models/Digits/7"),
        json!([["route.model", "Digits"], ["route.version", "7"]])
    );
    assert_eq!(
        routes("/api/models/digits"),
        json!([["route.model", "digits"]])
    );
    assert_eq!(
        routes("/api/files/a/b.bin"),
        json!([["route.rest", "a/b.bin"]])
    );
    // A second output makes the host use envelopes, whatever the flag says. So there is no such
    // route.
    assert_eq!(send("/api/wrapped", &headers, b"").status, 404);
    assert_eq!(response(&host, "wrapped", &[], Some(b"x")).status, 200);
    // The headers of a common proxy change nothing.
    let proxied = [
        ("Content-Type", OCTETS),
        ("X-Forwarded-For", "10.0.0.1"),
        ("x-ms-invocation-id", "i"),
    ];
    assert_eq!(send("/api/plain", &proxied, b"x").status, 200);
}

#[test]
fn verbs_are_those_of_the_trigger() {
    let manifest = "[[trigger]]\nkind = \"http\"\nmethods = [\"post\", \"put\"]\n";
    let app = App::example("echo", manifest);
    app.remove("host.json");
    let host = Host::start(&app);
    let send =
        |method: &str| host.send(method, "/api/score", &[("content-type", "text/plain")], "x");
    assert_eq!(send("PUT").expect(200).text(), "x");
    let refused = send("DELETE").expect_error(405, "method-not-allowed", &[]);
    assert_eq!(refused.header("allow"), Some("POST, PUT"));
}

#[test]
fn the_route_prefix_is_the_app_s() {
    for (prefix, path) in [("", "/score"), ("v1", "/v1/score")] {
        let mut host_json = forwarding();
        host_json["extensions"] = json!({"http": {"routePrefix": prefix}});
        let app = echoing_app("", host_json, &[("score", requests("res", &[]))]);
        let host = FunctionsHost::start(&app);
        let answer = wire::forward(
            host.port(),
            path,
            &[("Content-Type", "text/plain")],
            "i",
            b"x",
        )
        .expect("it answers");
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, b"x".as_slice()),
            "{path}"
        );
    }
}

#[test]
fn routes_without_function_files_are_served() {
    let handler = json!({
        "description": {"defaultExecutablePath": "scorebox"},
        "http": {"routes": [{"route": "score"}, {"route": "{*route}", "authorizationLevel": "anonymous"}]},
    });
    let app = echoing_app("", json!({"customHandler": handler}), &[]);
    let host = FunctionsHost::start(&app);
    for function in ["http-handler1", "http-handler2"] {
        let bindings = requests("res", &[]);
        let body = envelope(
            "req",
            request(&[("content-type", "text/plain")], Some(b"x")),
            json!({}),
        );
        let answer = wire::post(
            host.port(),
            function,
            "i",
            &body,
            std::time::Duration::from_secs(10),
        )
        .expect("it answers");
        let bound =
            scorebox_tests::functions::outputs::bind(&json!({ "bindings": bindings }), &answer)
                .expect("taken");
        assert_eq!(
            bound.response.expect("it is an HTTP function").body,
            b"x",
            "{function}"
        );
    }
}

#[test]
fn without_a_functions_host_there_are_no_function_routes() {
    let app = echoing_app(
        "",
        json!({}),
        &[("blob", scorebox_tests::functions::app::blobs(None, &[]))],
    );
    let host = Host::start(&app);
    host.send("POST", "/blob", &[], "{\"Data\":{\"blob\":\"\"}}")
        .expect_error(404, "not-found", &["/score"]);
}
