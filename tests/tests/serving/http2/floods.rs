//! Peers that make the host work or hold memory over HTTP/2, and ask for nothing.
//!
//! Owns floods of frames, headers that grow, and responses that nobody reads.

use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::extent;
use scorebox_tests::host::Host;
use scorebox_tests::http2::{
    END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Http2, frame, kind, request, scoring,
};

use super::{COUNT, HOST, NO_WINDOW, is_well, open, start};

#[test]
fn floods_end_with_a_request_to_calm_down() {
    let host = HOST.get(start);
    let many = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        frame(kind, flags, stream, payload).repeat(5000)
    };
    let settings: Vec<u8> = [0, 3, 0, 0, 0, 100].repeat(2700);
    let resets = (0..5000).flat_map(|number| {
        let stream = 2 * number + 1;
        let reset = frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [request(stream, "POST", "/score", true), reset].concat()
    });
    let floods: [(&str, Vec<u8>); 7] = [
        ("settings", many(kind::SETTINGS, 0, 0, &[])),
        (
            "large settings",
            frame(kind::SETTINGS, 0, 0, &settings).repeat(50),
        ),
        ("pings", many(kind::PING, 0, 0, &[0; 8])),
        ("resets", resets.collect()),
        (
            "continuations",
            [
                frame(kind::HEADERS, END_STREAM, 1, &[0x82, 0x86, 0x84]),
                many(kind::CONTINUATION, 0, 1, b"\0\x01a\x01b"),
            ]
            .concat(),
        ),
        (
            "empty data",
            [
                request(1, "POST", "/score", true),
                many(kind::DATA, 0, 1, &[]),
            ]
            .concat(),
        ),
        (
            "window updates",
            many(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
    ];
    for (name, flood) in floods {
        let mut connection = open(&host);
        // The host may close the connection before it has everything.
        drop(connection.write(&flood));
        let code = connection.end();
        assert!(
            matches!(code, None | Some(ENHANCE_YOUR_CALM)),
            "{name}: {code:?}"
        );
    }
    // A client reads the reason if it does not send on.
    let mut connection = open(&host);
    connection
        .write(&frame(kind::PING, 0, 0, &[0; 8]).repeat(600))
        .unwrap();
    assert_eq!(connection.end(), Some(ENHANCE_YOUR_CALM));
    is_well(&host);
}

#[test]
fn a_client_may_cancel_and_open_too_many_streams() {
    let host = HOST.get(start);
    let mut connection = open(&host);
    for round in 0..10 {
        let first = 12 * round + 1;
        for number in 0..5 {
            let stream = first + 2 * number;
            connection.write(&scoring(stream, COUNT)).unwrap();
            connection
                .write(&frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]))
                .unwrap();
        }
        // More than twenty canceled requests that the host has not seen yet end the connection. It has
        // seen those that come before an answered one.
        connection.write(&scoring(first + 10, COUNT)).unwrap();
        assert_eq!(connection.status(first + 10), 200);
    }
    // Requests beyond the stated number are refused, and may be sent again.
    for number in 100..220 {
        connection
            .write(&request(2 * number + 1, "POST", "/score", true))
            .unwrap();
    }
    let refused = connection.expect(kind::RST_STREAM);
    assert_eq!(refused.payload, [0, 0, 0, 7]);
    is_well(&host);
}

#[test]
fn a_header_that_grows_when_it_is_unpacked_is_refused() {
    let host = HOST.get(start);
    // A field of 4,000 bytes enters the table of the connection, and is named again and again.
    let growing = |times: usize| {
        let mut header = vec![0x82, 0x86, 0x84, 0x01, 0x01, b'x', 0x40, 0x01, b'a'];
        header.extend([0x7F, 0xA1, 0x1E]);
        header.extend([b'b'; 4000]);
        header.extend(vec![0xBE; times]);
        frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &header)
    };
    let mut connection = open(&host);
    connection.write(&growing(10)).unwrap();
    // The status 431 is a text behind the name `:status`. Other requests of the connection go on.
    assert_eq!(connection.expect(kind::HEADERS).payload[0], 0x48);
    connection.write(&scoring(3, COUNT)).unwrap();
    assert_eq!(connection.status(3), 200);
    let mut connection = open(&host);
    connection.write(&growing(8000)).unwrap();
    assert_eq!(connection.end(), Some(ENHANCE_YOUR_CALM));
    is_well(&host);
}

#[test]
fn a_response_that_nobody_reads_ends_its_connection() {
    // The short form has the end of such a connection under pressure.
    if !extent::is_whole() {
        return;
    }
    let host = Host::start(&App::example("echo", ""));
    let mut connection = Http2::open(&host.address, NO_WINDOW).unwrap();
    connection.write(&scoring(1, "never read")).unwrap();
    assert_eq!(connection.status(1), 200);
    let start = Instant::now();
    connection.patience(Duration::from_secs(40));
    connection.end();
    assert!(
        start.elapsed() > Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
