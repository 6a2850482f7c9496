//! The double of the Functions host, compared with what a real one made of answers.
//!
//! Owns the comparison with each recorded row. Must not know the handler: the answers are those of
//! the recording.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use scorebox_tests::functions::outputs::{Bound, Failed, Response, bind};
use scorebox_tests::functions::recorded::{self, HttpRow, QueueRow};
use scorebox_tests::functions::wire::{self, RawAnswer};
use serde_json::{Value, json};

fn answer(body: impl Into<Vec<u8>>) -> RawAnswer {
    RawAnswer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}

fn http(output: &str) -> Value {
    json!({"bindings": [
        {"type": "httpTrigger", "direction": "in", "name": "req"},
        {"type": "http", "direction": "out", "name": output},
    ]})
}

#[test]
fn the_double_answers_clients_as_the_functions_host_did() {
    let rows = recorded::answers();
    assert_eq!(rows.len(), 24);
    for row in rows {
        let HttpRow {
            http_output,
            answer: sent,
            status,
            body,
            content_type,
        } = row;
        let sent = sent.get();
        let got = Response::of(bind(&http(&http_output), &answer(sent)));
        assert_eq!(
            (got.status, got.content_type, got.body),
            (status, content_type, recorded::bytes(&body)),
            "{sent}"
        );
    }
}

#[test]
fn the_double_writes_queue_messages_as_the_functions_host_did() {
    let bindings = json!({"bindings": [
        {"type": "queueTrigger", "direction": "in", "name": "message", "queueName": "in"},
        {"type": "queue", "direction": "out", "name": "output", "queueName": "out"},
    ]});
    let rows = recorded::queue_outputs();
    assert_eq!(rows.len(), 15);
    for QueueRow { output, messages } in rows {
        let sent = format!("{{\"Outputs\": {{\"output\": {}}}}}", output.get());
        let bound: Bound = bind(&bindings, &answer(sent)).expect("the answer is taken");
        let expected: Vec<_> = messages.iter().map(recorded::bytes).collect();
        assert_eq!(bound.of("output"), expected, "{}", output.get());
    }
}

/// A good envelope of an HTTP function.
const GOOD: &str = r#"{"Outputs":{"res":{"statusCode":200,"body":"x"}}}"#;

/// Returns the bytes that stand for the description of an answer that breaks the protocol.
fn broken(description: &str) -> String {
    let whole = |head: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let json = "Content-Type: application/json";
    match description {
        "HTTP/1.1 201 Created, a good envelope" => whole(&format!("201 Created\r\n{json}"), GOOD),
        "HTTP/1.1 500, {}" => whole(&format!("500 Error\r\n{json}"), "{}"),
        "200, text/plain, hello" => whole("200 OK\r\nContent-Type: text/plain", "hello"),
        "200, Content-Length: 0, no type" => whole("200 OK", ""),
        "200, application/json, cut JSON" => whole(&format!("200 OK\r\n{json}"), "{\"Outputs\":"),
        "200, a good envelope, no Content-Type" => whole("200 OK", GOOD),
        "connection closed without an answer" => String::new(),
        other => panic!("no bytes for the answer `{other}`"),
    }
}

#[test]
fn the_double_refuses_what_the_functions_host_refused() {
    let rows = recorded::broken_answers();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let bytes = broken(&row.handler_sent);
        let handler = thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("the double connects");
            // The request ends with the chunk of no bytes.
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.ends_with(b"\r\n0\r\n\r\n") {
                let count = client.read(&mut piece).expect("the double sends");
                request.extend_from_slice(&piece[..count]);
            }
            client
                .write_all(bytes.as_bytes())
                .expect("the double reads");
        });
        let limit = Duration::from_secs(30);
        let outcome = wire::post(port, "web", "id", b"{}", limit)
            .map_err(Failed::NoAnswer)
            .and_then(|answer| bind(&http("res"), &answer));
        handler.join().expect("the handler ends");
        match (row.client_got.as_u64(), outcome) {
            (None, Err(Failed::Hangs)) => {}
            (Some(status), outcome) => {
                let got = Response::of(outcome);
                assert_eq!(u64::from(got.status), status, "{}", row.handler_sent);
                assert!(got.body.is_empty(), "{}", row.handler_sent);
            }
            (None, other) => panic!("{}: {other:?}", row.handler_sent),
        }
    }
}
