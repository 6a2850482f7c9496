//! Compressed bodies: each coding gives the answer of the plain body, and bodies made to cost
//! memory or work end at a bound.
//!
//! Owns the codings of requests and answers. Must not know how a coding is read: unit tests next to
//! the decoders have the damages.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use scorebox_tests::app::App;
use scorebox_tests::connection::Connection;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::place;
use scorebox_tests::shared::Shared;
use serde_json::json;

static HOST: Shared<Host> = Shared::new();

const JSON: (&str, &str) = ("content-type", "application/json");
const LENGTH: &str = "inference-header-content-length";

fn start() -> Host {
    Host::start(&place::example("digits"))
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bare(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).unwrap()
}

fn sent(host: &Host, coding: &str, body: Vec<u8>) -> Answer {
    host.send(
        "POST",
        "/score",
        &[JSON, ("content-encoding", coding)],
        body,
    )
}

#[test]
fn a_compressed_body_is_answered_as_the_plain_one() {
    let host = HOST.get(start);
    // The second body is unpacked on a scoring thread.
    for digits in [&sample()[..1], &sample()[..150]] {
        let plain = digits::request(digits).to_string().into_bytes();
        for (coding, body) in [
            ("gzip", gzip(&plain)),
            ("x-gzip", gzip(&plain)),
            ("GZIP", [gzip(&plain[..9]), gzip(&plain[9..])].concat()),
            ("deflate", zlib(&plain)),
            ("deflate", bare(&plain)),
            ("zstd", zstd(&plain)),
            ("zstd", [zstd(&plain[..9]), zstd(&plain[9..])].concat()),
            ("identity", plain.clone()),
        ] {
            let answer = sent(&host, coding, body).expect(200);
            digits::check(digits, &answer.json());
        }
    }
}

#[test]
fn binary_data_is_compressed_with_its_json_as_tritonclient_does() {
    let host = HOST.get(start);
    let data: Vec<u8> = [0.5_f32; 784]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let json = json!({"inputs": [{
        "name": "data", "shape": [1, 784], "datatype": "FP32",
        "parameters": {"binary_data_size": data.len()},
    }], "parameters": {"binary_data_output": true}})
    .to_string();
    let body = [json.as_bytes(), &data].concat();
    let length = json.len().to_string();
    let call = |coding: Option<&str>, body: Vec<u8>| {
        let mut headers = vec![
            ("content-type", "application/octet-stream"),
            (LENGTH, &length),
        ];
        headers.extend(coding.map(|coding| ("content-encoding", coding)));
        host.send("POST", "/v2/models/digits/infer", &headers, body)
            .expect(200)
    };
    let plain = call(None, body.clone());
    for (coding, body) in [
        ("gzip", gzip(&body)),
        ("deflate", zlib(&body)),
        ("zstd", zstd(&body)),
    ] {
        let answer = call(Some(coding), body);
        assert_eq!(answer.body, plain.body, "{coding}");
        assert_eq!(answer.header(LENGTH), plain.header(LENGTH));
    }
}

#[test]
fn other_codings_are_refused_with_those_that_are_read() {
    let host = HOST.get(start);
    let plain = digits::request(&sample()[..1]).to_string().into_bytes();
    for coding in ["br", "gzip, deflate", "compress"] {
        let refused = sent(&host, coding, plain.clone()).expect_error(
            415,
            "unsupported-encoding",
            &[coding, "gzip, deflate, zstd"],
        );
        assert_eq!(
            refused.header("accept-encoding"),
            Some("gzip, deflate, zstd")
        );
    }
}

#[test]
fn a_damaged_body_is_refused_with_what_is_wrong() {
    let host = HOST.get(start);
    let plain = digits::request(&sample()[..100]).to_string().into_bytes();
    for (coding, body) in [
        ("gzip", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("zstd", zstd(&plain)),
    ] {
        let cut = body[..body.len() / 2].to_vec();
        sent(&host, coding, cut).expect_error(400, "damaged-body", &[coding, "too early"]);
        let longer = [body, b"{}".to_vec()].concat();
        sent(&host, coding, longer).expect_error(400, "damaged-body", &[coding, "follow"]);
        sent(&host, coding, plain.clone()).expect_error(400, "damaged-body", &[coding]);
    }
    sent(&host, "gzip", gzip(&plain)).expect(200);
}

#[test]
fn a_bomb_ends_at_the_limit_of_a_body() {
    let limits = "[limits]\nbody = \"2MiB\"\nbodies = \"2MiB\"\n";
    let host = Host::start(&App::example("echo", limits));
    let zeros = vec![0; 64 << 20];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd(&zeros)),
    ];
    let before = host.resident_bytes();
    for (coding, body) in &bombs {
        for _ in 0..5 {
            let headers = [("content-encoding", *coding)];
            let refused = host.send("POST", "/score", &headers, body.clone());
            assert_eq!(refused.status, 413, "{}", refused.text());
        }
    }
    assert!(host.resident_bytes() < before + (48 << 20));
    // The largest body has room, although its compressed form takes memory as well.
    let numbers = (0_u32..1 << 18).map(|number| number.wrapping_mul(0x9E37_79B9));
    let largest: String = numbers.map(|number| format!("{number:08x}")).collect();
    let largest = largest.into_bytes();
    for (coding, body) in [("gzip", gzip(&largest)), ("zstd", zstd(&largest))] {
        let headers = [("content-encoding", coding)];
        let answer = host.send("POST", "/score", &headers, body).expect(200);
        assert!(answer.body == largest, "{coding}");
    }
    let longer = [&largest[..], b"x"].concat();
    sent(&host, "zstd", zstd(&longer)).expect_error(413, "too-large", &["2097152"]);
}

#[test]
fn bodies_that_wait_to_be_unpacked_hold_no_window() {
    let limits = "[limits]\nbody = \"8MiB\"\nbodies = \"8MiB\"\ndeadline = \"4s\"\n";
    let host = Host::start(&App::example("echo", limits));
    // One client takes all memory for bodies, so that those which are unpacked wait.
    let mut holder = Connection::open(&host.address).unwrap();
    let head = "POST /score HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 8388608\r\n\r\n";
    holder.write(head.as_bytes()).unwrap();
    holder.answer_begins().unwrap();
    // A frame with a window of 8 MiB, and 100 blocks of 128 KiB of zeros (RFC 8878, section 3.1.1).
    let mut body = b"\x28\xB5\x2F\xFD\0\x68".to_vec();
    for block in 0..100 {
        let head = (128 << 10) << 3 | 1 << 1 | u32::from(block == 99);
        body.extend_from_slice(&head.to_le_bytes()[..3]);
        body.push(0);
    }
    let before = host.resident_bytes();
    std::thread::scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| {
                let answer = sent(&host, "zstd", body.clone());
                assert!([413, 503].contains(&answer.status), "{}", answer.text());
            });
        }
    });
    let grown = host.largest_resident_bytes().saturating_sub(before);
    assert!(grown < 200 << 20, "{grown} bytes");
}

#[test]
fn bodies_that_hold_nothing_end_early() {
    let host = HOST.get(start);
    sent(&host, "gzip", gzip(b"").repeat(2000)).expect_error(400, "damaged-body", &["members"]);
    let skipped = b"\x50\x2A\x4D\x18\0\0\0\0".repeat(2000);
    sent(&host, "zstd", skipped).expect_error(400, "damaged-body", &["members"]);
    let empty = b"\0\0\0\xFF\xFF".repeat(1 << 20);
    sent(&host, "deflate", empty).expect_error(400, "damaged-body", &["empty"]);
}

/// Returns the body of an answer without its coding, and the coding.
fn plain(answer: &Answer) -> (Vec<u8>, Option<&str>) {
    let coding = answer.header("content-encoding");
    let mut plain = Vec::new();
    match coding {
        Some("gzip") => GzDecoder::new(&answer.body[..])
            .read_to_end(&mut plain)
            .map(drop),
        Some("deflate") => ZlibDecoder::new(&answer.body[..])
            .read_to_end(&mut plain)
            .map(drop),
        Some(other) => panic!("{other}"),
        None => {
            plain.clone_from(&answer.body);
            Ok(())
        }
    }
    .unwrap();
    let length = answer.header("content-length").map(str::to_owned);
    assert_eq!(length, Some(answer.body.len().to_string()));
    (plain, coding)
}

#[test]
fn an_answer_is_compressed_if_the_caller_asks_and_it_is_worth_it() {
    let host = HOST.get(start);
    let ask = |count: usize, accepted: &str| {
        let body = digits::request(&sample()[..count]).to_string();
        host.send(
            "POST",
            "/score",
            &[JSON, ("accept-encoding", accepted)],
            body,
        )
        .expect(200)
    };
    let expected = host.score(&digits::request(&sample()[..150])).expect(200);
    assert_eq!(expected.header("content-encoding"), None);
    for (accepted, coding) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("gzip;q=0.5, deflate", Some("deflate")),
        ("br, zstd", None),
        ("gzip;q=0", None),
        ("*", Some("gzip")),
        ("identity", None),
    ] {
        let answer = ask(150, accepted);
        assert_eq!(
            plain(&answer),
            (expected.body.clone(), coding),
            "{accepted}"
        );
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accepted}");
    }
    let small = ask(1, "gzip");
    assert_eq!((plain(&small).1, small.header("vary")), (None, None));
    let forced = ask(1, "gzip, identity;q=0");
    assert_eq!(plain(&forced), (small.body, Some("gzip")));
}

#[test]
fn documents_are_compressed_and_probes_are_not() {
    let host = HOST.get(start);
    let get = |path: &str| {
        host.send("GET", path, &[("accept-encoding", "gzip")], "")
            .expect(200)
    };
    let answer = get("/swagger.json");
    let (document, coding) = plain(&answer);
    assert_eq!(coding, Some("gzip"));
    assert_eq!(document, host.get("/swagger.json").body);
    for probe in ["/", "/readyz", "/v2/health/live"] {
        assert_eq!(plain(&get(probe)).1, None, "{probe}");
    }
}

#[test]
fn a_binary_answer_is_compressed_with_its_json() {
    let host = HOST.get(start);
    let rows: Vec<f32> = vec![0.5; 784 * 50];
    let request = json!({"inputs": [{
        "name": "data", "shape": [50, 784], "datatype": "FP32", "data": rows,
    }], "parameters": {"binary_data_output": true}})
    .to_string();
    let infer = "/v2/models/digits/infer";
    let expected = host
        .send("POST", infer, &[JSON], request.clone())
        .expect(200);
    let headers = [JSON, ("accept-encoding", "deflate")];
    let answer = host.send("POST", infer, &headers, request).expect(200);
    assert_eq!(plain(&answer), (expected.body.clone(), Some("deflate")));
    assert_eq!(answer.header(LENGTH), expected.header(LENGTH));
}
