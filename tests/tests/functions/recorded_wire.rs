//! The bytes that the double of the Functions host sends, compared with recorded ones.
//!
//! Owns the comparison. Must not know what the bytes mean.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use scorebox_tests::functions::{recorded, wire};

/// Returns the value of a header in the head of a request.
#[track_caller]
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines();
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// Returns the bytes that `send` sends to the port that it gets. The listener answers after as many
/// bytes as `expected` has, so that `send` ends.
fn sent(expected: usize, send: impl FnOnce(u16)) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let reader = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the double connects");
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a socket has a timeout");
        let mut request = vec![0; expected];
        client.read_exact(&mut request).expect("the double sends");
        client
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .expect("the double reads");
        request
    });
    send(port);
    reader.join().expect("the reader ends")
}

#[test]
fn an_envelope_is_sent_as_the_functions_host_sent_it() {
    let names = recorded::requests();
    let mut compared = 0;
    for name in names
        .iter()
        .filter(|name| !name.starts_with("forwarded") && *name != "ready")
    {
        let expected = recorded::request(name);
        let (head, body) = recorded::head_and_body(&expected);
        let function = head.split([' ', '/']).nth(2).expect("a path");
        let id = header(&head, "X-Azure-Functions-InvocationId");
        let limit = Duration::from_secs(30);
        // The port has five digits here and in the recording, because it is one of those that the
        // kernel chooses.
        let got = sent(expected.len(), |port| {
            wire::post(port, function, id, &body, limit).expect("it is answered");
        });
        let without_port = |request: &[u8]| {
            let (head, _) = recorded::head_and_body(request);
            let port = header(&head, "Host").to_owned();
            String::from_utf8_lossy(request).replacen(&port, "HOST", 1)
        };
        assert_eq!(without_port(&got), without_port(&expected), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 37);
}

#[test]
fn the_first_request_is_sent_as_the_functions_host_sent_it() {
    let expected = recorded::request("ready");
    let got = sent(expected.len(), |port| {
        wire::ping(port).expect("it is answered");
    });
    let (got, expected) = (
        String::from_utf8_lossy(&got),
        String::from_utf8_lossy(&expected),
    );
    let port = |request: &str| header(request, "Host").to_owned();
    assert_eq!(
        got.replacen(&port(&got), "HOST", 1),
        expected.replacen(&port(&expected), "HOST", 1)
    );
}
