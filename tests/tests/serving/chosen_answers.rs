//! Answers whose status and headers the scorer chose, and what the scorer sees of the request line,
//! over plain HTTP.
//!
//! Owns the statuses, the headers that are allowed, and the attempts to split an answer. Must not
//! know envelopes: those are in the area `functions`.

use scorebox_tests::app::App;
use scorebox_tests::connection::Connection;
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use scorebox_tests::run;
use serde_json::{Value, json};

const SECRET: &str = "s3cret-k3y";

fn host(manifest: &str) -> Host {
    Host::start(&App::with(programs::CHOOSER, manifest))
}

fn wish(status: u16, headers: &[(&str, &str)], body: &str) -> Value {
    json!({"status": status, "headers": headers, "body": body})
}

/// Returns the values of a header of an answer.
fn values<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let values = answer.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn a_status_and_headers_arrive() {
    let host = host("");
    for status in [
        201, 202, 299, 300, 304, 400, 401, 404, 418, 422, 429, 500, 503, 599,
    ] {
        let wish = wish(
            status,
            &[("X-Model", "7"), ("retry-after", "30")],
            "as told",
        );
        let answer = host.score(&wish).expect(status);
        assert_eq!(values(&answer, "x-model"), ["7"], "{status}");
        assert_eq!(answer.header("retry-after"), Some("30"), "{status}");
        let failed = if status >= 500 { "True" } else { "False" };
        assert_eq!(answer.header("x-ms-run-function-failed"), Some(failed));
        assert!(answer.header("x-request-id").is_some(), "{status}");
        assert!(answer.header("x-ms-run-fn-exec-ms").is_some(), "{status}");
        if status != 304 {
            assert_eq!(answer.text(), "as told", "{status}");
            assert_eq!(answer.header("content-type"), Some("text/plain"));
        }
    }
    let headers = [
        ("x-a", "1"),
        ("x-a", "2"),
        ("vary", "origin"),
        ("etag", "\"7\""),
    ];
    let answer = host.score(&wish(200, &headers, "as told")).expect(200);
    assert_eq!(values(&answer, "x-a"), ["1", "2"]);
    assert_eq!(values(&answer, "etag"), ["\"7\""]);
    assert!(values(&answer, "vary").contains(&"origin"));
}

#[test]
fn an_answer_without_content_has_no_body_and_leaves_the_connection_usable() {
    let host = host("");
    let mut connection = Connection::open(&host.address).unwrap();
    for status in [204, 304, 205] {
        let answer = connection.score(&wish(status, &[], "not sent")).unwrap();
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert_eq!(answer.header("content-type"), None, "{status}");
    }
    // If a body had been sent, it would stand here.
    let answer = connection
        .score(&wish(302, &[("location", "/a")], ""))
        .unwrap();
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("/a"))
    );
    connection
        .score(&wish(200, &[], "as told"))
        .unwrap()
        .expect(200);
}

#[test]
fn no_status_beyond_the_bounds_is_sent() {
    let host = host("");
    for status in [0, 100, 101, 199, 600, 999, 65_535] {
        let answer = host.score(&wish(status, &[], "as told"));
        let answer = answer.expect_error(500, "invalid-output", &[]);
        host.log
            .wait_for_detail(&answer, "is not one from 200 to 599");
    }
}

#[test]
fn an_answer_cannot_be_split() {
    let host = host("");
    let mut connection = Connection::open(&host.address).unwrap();
    for value in [
        "a\r\nx-injected: 1",
        "a\nx-injected: 1",
        "a\rx-injected: 1",
        "\r\n\r\nHTTP/1.1 200 OK\r\nx-injected: 1\r\ncontent-length: 0\r\n\r\n",
        "a\u{0}b",
        "\u{560d}\u{560a}x-injected: 1",
        "é",
    ] {
        for headers in [[("x-a", value)], [("location", value)], [(value, "1")]] {
            let answer = connection.score(&wish(200, &headers, "as told")).unwrap();
            let answer = answer.expect_error(500, "invalid-output", &[]);
            assert_eq!(answer.header("x-injected"), None, "{value:?}");
        }
        // The content type is a header of the scorer, too.
        let typed = json!({"body": "as told", "content_type": format!("text/plain{value}")});
        let answer = connection.score(&typed).unwrap();
        assert_eq!(answer.header("x-injected"), None, "{value:?}");
        assert!(matches!(answer.status, 200 | 500), "{value:?}");
    }
    connection
        .score(&wish(200, &[], "as told"))
        .unwrap()
        .expect(200);
}

#[test]
fn headers_of_the_host_and_of_the_connection_are_not_the_scorer_s() {
    let host = host("");
    for name in [
        "content-length",
        "Transfer-Encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "host",
        "content-encoding",
        "date",
        "x-request-id",
        "x-ms-run-function-failed",
        "x-accel-redirect",
        "x-envoy-immediate-health-check-fail",
        "set-cookie",
    ] {
        let answer = host.score(&wish(200, &[(name, "1")], "as told"));
        let answer = answer.expect_error(500, "invalid-output", &[]);
        let part = match name {
            "set-cookie" => "`answers.cookies`",
            _ => "may not set the header",
        };
        host.log.wait_for_detail(&answer, part);
    }
    let many = vec![("x-a", "1"); 33];
    let answer = host.score(&wish(200, &many, "as told"));
    answer.expect_error(500, "invalid-output", &[]);
    let long = "v".repeat(9 << 10);
    let answer = host.score(&wish(200, &[("x-a", &long)], "as told"));
    answer.expect_error(500, "invalid-output", &[]);
}

#[test]
fn cookies_need_the_setting() {
    let cookies = [("set-cookie", "a=b; HttpOnly"), ("Set-Cookie", "c=d")];
    let host = host("[answers]\ncookies = true\n");
    let answer = host.score(&wish(200, &cookies, "as told")).expect(200);
    assert_eq!(values(&answer, "set-cookie"), ["a=b; HttpOnly", "c=d"]);
    // A kept answer would give one caller's cookie to all.
    let both = "[answers]\ncookies = true\n[stores.default]\n[prediction_cache]\n";
    refused(&App::with(programs::CHOOSER, both), &[])
        .ended(3)
        .said(&[
            "`answers.cookies` does not go with [prediction_cache]",
            "fix:",
        ]);
}

#[test]
fn a_scorer_sees_the_request_line_without_keys() {
    let app = App::with(programs::CHOOSER, "");
    let host = Host::start_with(&app, &[("SCOREBOX_LOG", "trace")]);
    let see = |path: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-functions-key", SECRET),
        ];
        let answer = host.send("POST", path, &headers, "{}").expect(200);
        assert!(!answer.text().contains(SECRET), "{}", answer.text());
        answer.json()
    };
    let seen = see(&format!(
        "/score?x=1&code={SECRET}&x=2&y=%C3%A9&Code={SECRET}&z"
    ));
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["query"]),
        (
            &json!("POST"),
            &json!("/score"),
            &json!("x=1&x=2&y=%C3%A9&z")
        )
    );
    let parameters = json!([["x", "1"], ["x", "2"], ["y", "é"], ["z", ""]]);
    assert_eq!(seen["parameters"], parameters);
    assert_eq!(see("/score")["query"], "");
    assert_eq!(see(&format!("/score?%63%6Fde={SECRET}"))["query"], "");
    assert_eq!(see(&format!("/score?+code={SECRET}&a"))["query"], "a");
    assert!(!host.log.text().contains(SECRET), "{}", host.log.text());
}

#[test]
fn only_answers_with_the_status_200_are_kept() {
    let host = host("[stores.default]\n[prediction_cache]\n");
    let status = |answer: &Answer| answer.header("cache-status").map(str::to_owned);
    let kept = json!({"headers": [["x-model", "7"]], "body": "as told", "counts": true});
    let first = host.score(&kept).expect(200);
    let again = host.score(&kept).expect(200);
    assert_eq!(status(&again).as_deref(), Some("scorebox; hit"));
    // The headers are those of the run that was kept.
    assert_eq!(values(&again, "x-model"), ["7"]);
    assert_eq!(values(&again, "x-run"), values(&first, "x-run"));
    for told in [201, 404, 503] {
        let wish = wish(told, &[], "as told");
        for _ in 0..2 {
            let answer = host.score(&wish).expect(told);
            assert_eq!(status(&answer).as_deref(), Some("scorebox; fwd=miss"));
        }
    }
}

#[test]
fn a_failed_status_is_a_line_in_the_log() {
    let host = host("");
    for (status, level) in [(404, "INFO"), (429, "WARN"), (500, "ERROR")] {
        let answer = host.score(&wish(status, &[], "as told")).expect(status);
        let line = host
            .log
            .wait_for_failure(answer.header("x-request-id").unwrap());
        assert_eq!(
            (&line["level"], &line["status"]),
            (&json!(level), &json!(status))
        );
        assert_eq!(line["code"], "status-of-scorer", "{line}");
    }
}

#[test]
fn invoke_says_which_status_was_chosen() {
    let app = App::with(programs::CHOOSER, "");
    let invoke = |status: u16| {
        let wish = wish(status, &[("x-model", "7")], "as told").to_string();
        run::finish(&mut scorebox("invoke", &app), wish.as_bytes())
    };
    invoke(201).ended(0).said(&["status 201", "x-model: 7"]);
    invoke(404)
        .ended(20)
        .said(&["error: status-of-scorer", "404"]);
    invoke(503).ended(21).said(&["503"]);
    invoke(500).ended(23).said(&["500"]);
}
