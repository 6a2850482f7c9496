//! Routes with parameters: which route takes a path, the values in the path, and the methods of a
//! path.
//!
//! Owns the agreement with ASP.NET, whose routes the Functions host uses. Must not know bodies.

use scorebox_tests::app::App;
use scorebox_tests::functions::app::function_app;
use scorebox_tests::functions::values::{envelope, request};
use scorebox_tests::functions::{FunctionsHost, wire};
use scorebox_tests::host::{Host, refused};
use scorebox_tests::programs;
use serde_json::{Value, json};

fn forwarding() -> Value {
    json!({"customHandler": {"description": {"defaultExecutablePath": "scorebox"}, "enableForwardingHttpRequest": true}})
}

fn routed(route: &str, methods: &[&str]) -> Value {
    json!([
        {"type": "httpTrigger", "direction": "in", "name": "req", "route": route, "methods": methods},
        {"type": "http", "direction": "out", "name": "res"},
    ])
}

/// Returns the attributes of a call that are values of a route.
fn values(seen: &Value) -> Vec<(String, String)> {
    let pairs = seen["attributes"].as_array().expect("a list").iter();
    let pairs = pairs.map(|pair| {
        let text = |at: usize| pair[at].as_str().expect("a text").to_owned();
        (text(0), text(1))
    });
    pairs
        .filter(|(name, _)| name.starts_with("route."))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs
        .map(|(name, value)| (format!("route.{name}"), (*value).to_owned()))
        .collect()
}

#[test]
fn the_narrower_route_takes_a_path_and_its_values_are_decoded() {
    // The names of the functions would choose the other order.
    let functions = [
        ("a-rest", routed("{*rest}", &["get", "post"])),
        ("b-customer", routed("risk/{customer}", &["post", "put"])),
        ("c-number", routed("risk/{id:int}", &["post"])),
        ("d-all", routed("risk/all", &["post", "delete"])),
        (
            "e-year",
            routed("risk/{customer}/{year:range(2000,2099)=2026}", &["post"]),
        ),
        ("f-file", routed("files/{name}.{extension}", &["post"])),
    ];
    let app = function_app(programs::MIRROR, "", forwarding(), &functions);
    let host = FunctionsHost::start(&app);
    let send = |method: &str, path: &str| {
        let headers = [("Content-Type", "text/plain")];
        let id = "11111111-0000-4000-8000-000000000000";
        wire::forward_as(method, host.port(), path, &headers, id, b"x").expect("it answers")
    };
    for (method, path, expected) in [
        (
            "POST",
            "/api/risk/J%C3%BCrgen%20K%2F7",
            &[("customer", "Jürgen K%2F7")][..],
        ),
        ("POST", "/api/risk/7", &[("id", "7")]),
        ("POST", "/api/RISK/All", &[]),
        ("POST", "/api/risk/all/", &[]),
        ("POST", "/api/risk/7?x=1", &[("id", "7")]),
        (
            "POST",
            "/api/risk/a/2001",
            &[("customer", "a"), ("year", "2001")],
        ),
        ("POST", "/api/risk/a/1999", &[("rest", "risk/a/1999")]),
        (
            "POST",
            "/api/files/a.b.csv",
            &[("name", "a.b"), ("extension", "csv")],
        ),
        ("POST", "/api/other/%20", &[("rest", "other/ ")]),
        // A route without the method leaves the request to a wider one, as in the Functions host.
        ("PUT", "/api/risk/7", &[("customer", "7")]),
        ("GET", "/api/risk/7", &[("rest", "risk/7")]),
    ] {
        let answer = send(method, path);
        assert_eq!(answer.status, 200, "{method} {path}: {}", host.log());
        let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(values(&seen), pairs(expected), "{method} {path}");
    }
    // The answer lists the methods of all routes of the path.
    for (path, allow) in [
        ("/api/risk/all", "POST, DELETE, PUT, GET"),
        ("/api/risk/7", "POST, PUT, GET"),
        ("/api/other", "GET, POST"),
    ] {
        let answer = send("PATCH", path);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{path}"
        );
    }
}

#[test]
fn values_in_an_envelope_are_those_of_a_forwarded_request() {
    let queue =
        json!({"type": "queue", "direction": "out", "name": "audit", "queueName": "audits"});
    let mut wrapped = routed("risk/{customer}", &["post"]);
    wrapped.as_array_mut().expect("a list").push(queue);
    let functions = [("wrapped", wrapped)];
    let app = function_app(programs::MIRROR, "", forwarding(), &functions);
    let host = FunctionsHost::start(&app);
    let mut request = request(&[("content-type", "text/plain")], Some(b"x"));
    request["Params"] = json!({"customer": "Jürgen K%2F7", "absent": null});
    let bound = host.invoke("wrapped", &envelope("req", request, json!({})));
    let response = bound.expect("it is taken").response.expect("an answer");
    let seen: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(values(&seen), pairs(&[("customer", "Jürgen K%2F7")]));
}

#[test]
fn routes_of_the_manifest_have_parameters_without_the_functions_host() {
    let triggers = r#"
        [[trigger]]
        kind = "http"
        route = "{*rest}"
        methods = ["get"]
        [[trigger]]
        kind = "http"
        route = "risk/{customer}"
        [[trigger]]
        kind = "http"
        route = "risk/{Customer}"
        methods = ["put"]
        [[trigger]]
        kind = "http"
        route = "risk/{id:guid}/{part=all}"
    "#;
    let app = App::with(programs::MIRROR, triggers);
    let host = Host::start(&app);
    let send =
        |method: &str, path: &str| host.send(method, path, &[("content-type", "text/plain")], "x");
    let id = "9e1b2c3d-0000-4000-8000-0000000000ab";
    for (method, path, expected) in [
        ("POST", "/api/risk/a%20b", &[("customer", "a b")][..]),
        ("PUT", "/api/risk/7", &[("customer", "7")]),
        ("GET", "/api/risk/7", &[("rest", "risk/7")]),
        (
            "POST",
            &format!("/api/risk/{id}/x"),
            &[("id", id), ("part", "x")],
        ),
    ] {
        let seen = send(method, path).expect(200).json();
        assert_eq!(values(&seen), pairs(expected), "{method} {path}");
    }
    let refused = send("DELETE", "/api/risk/7");
    let refused = refused.expect_error(405, "method-not-allowed", &[]);
    assert_eq!(refused.header("allow"), Some("POST, PUT, GET"));
    send("POST", "/api/risk/x/y").expect_error(405, "method-not-allowed", &[]);
}

#[test]
fn a_route_that_asp_net_refuses_ends_the_start() {
    for (route, part) in [
        ("risk/{a}{b}", "follows another parameter"),
        ("{*rest}/x", "not the last segment"),
        ("risk/{a:integer}", "is not a constraint"),
    ] {
        let functions = [("risk", routed(route, &["post"]))];
        let app = function_app(programs::MIRROR, "", forwarding(), &functions);
        let said = refused(&app, &[]).ended(9);
        said.said(&["risk/function.json", part, "fix:"]);
    }
}
