//! JSON as tensors and back, for every element type, through the test program `dtypes`.
//!
//! Owns the limits of the types and the pointers to elements that do not fit. Must not know the
//! shapes of a real model: those are in the area `serving`, in `bad_input.rs`.

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::http::Answer;
use scorebox_tests::programs;
use scorebox_tests::shared::Shared;
use serde_json::{Map, Value, json};

static HOST: Shared<Host> = Shared::new();

const PORTS: [&str; 13] = [
    "bool", "u8", "i8", "u16", "i16", "f16", "bf16", "u32", "i32", "f32", "u64", "i64", "f64",
];

/// Sends these elements to one port in their written form, and empty lists to all other ports.
#[track_caller]
fn send(port: &str, elements: &str) -> Answer {
    let host = HOST.get(|| Host::start(&App::of(programs::DTYPES)));
    let list = |name: &&str| {
        format!(
            "\"{name}\": {}",
            if *name == port { elements } else { "[]" }
        )
    };
    host.post(
        "application/json",
        format!(
            "{{{}}}",
            PORTS.iter().map(list).collect::<Vec<_>>().join(", ")
        ),
    )
}

/// Asserts that a port returns these elements and that all other ports are empty.
#[track_caller]
fn gives_back(port: &str, elements: &str) {
    let answer = send(port, elements).expect(200).json();
    let sent: Vec<Value> = serde_json::from_str(elements).unwrap();
    let back = answer[port]
        .as_array()
        .unwrap_or_else(|| panic!("no {port} in {answer}"));
    assert_eq!(back.len(), sent.len());
    for (back, sent) in back.iter().zip(&sent) {
        let same = match port {
            "f32" => back.as_f64().map(|back| back as f32) == sent.as_f64().map(|sent| sent as f32),
            "f16" | "bf16" => {
                let (back, sent) = (back.as_f64().unwrap(), sent.as_f64().unwrap());
                (back - sent).abs() <= sent.abs() * 1e-6
            }
            "f64" => back.as_f64() == sent.as_f64(),
            _ => back == sent,
        };
        assert!(same, "{port}: {back} is not {sent}");
    }
    let empty = PORTS
        .iter()
        .filter(|name| **name != port)
        .all(|name| answer[*name] == json!([]));
    assert!(
        empty && answer.as_object().map(Map::len) == Some(13),
        "{answer}"
    );
}

/// Asserts that the second element of a port is refused.
#[track_caller]
fn refuses(port: &str, good: &str, bad: &str) {
    let answer =
        send(port, &format!("[{good}, {bad}]")).expect_error(400, "not-conforming", &[port]);
    assert_eq!(
        answer.json()["pointer"],
        format!("/{port}/1"),
        "{}",
        answer.text()
    );
}

#[test]
fn every_type_keeps_its_limits() {
    gives_back("bool", "[true, false, true]");
    gives_back("u8", "[0, 255]");
    gives_back("i8", "[-128, 127]");
    gives_back("u16", "[0, 65535]");
    gives_back("i16", "[-32768, 32767]");
    gives_back("u32", "[0, 4294967295]");
    gives_back("i32", "[-2147483648, 2147483647]");
    gives_back("u64", "[0, 18446744073709551615]");
    gives_back("i64", "[-9223372036854775808, 9223372036854775807]");
    gives_back("f16", "[0, -0.5, 65504, -65504, 0.00006103515625, 1]");
    gives_back(
        "bf16",
        "[0, -0.5, 3.3895313892515355e38, 1.1754943508222875e-38]",
    );
    gives_back(
        "f32",
        "[0, -0.5, 3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45, 16777217]",
    );
    gives_back(
        "f64",
        "[0, 0.1, 1.7976931348623157e308, 5e-324, -9007199254740991]",
    );
}

#[test]
fn beyond_its_limits_a_type_refuses() {
    for (port, bad) in [
        ("u8", ["256", "-1"]),
        ("i8", ["128", "-129"]),
        ("u16", ["65536", "-1"]),
        ("i16", ["32768", "-32769"]),
        ("u32", ["4294967296", "-1"]),
        ("i32", ["2147483648", "-2147483649"]),
        ("u64", ["18446744073709551616", "-1"]),
        ("i64", ["9223372036854775808", "-9223372036854775809"]),
        ("f16", ["65520", "-1e5"]),
        ("bf16", ["3.4e38", "-1e39"]),
        ("f32", ["3.5e38", "-1e39"]),
    ] {
        bad.iter().for_each(|bad| refuses(port, "0", bad));
    }
    // JSON can contain this number, but an f64 cannot hold it.
    send("f64", "[1e400]").expect_error(400, "not-conforming", &["1e400", "f64"]);
}

#[test]
fn other_kinds_of_values_are_refused() {
    for port in PORTS {
        let good = if port == "bool" { "true" } else { "0" };
        for bad in [
            "\"0\"",
            "null",
            "[0]",
            "{}",
            if port == "bool" { "1" } else { "true" },
        ] {
            refuses(port, good, bad);
        }
        if !["bool", "f16", "bf16", "f32", "f64"].contains(&port) {
            refuses(port, good, "0.5");
        }
    }
    send("u8", "7").expect_error(400, "not-conforming", &["a number", "a list"]);
}

#[test]
fn an_empty_batch_is_a_batch() {
    gives_back("f32", "[]");
    let host = Host::start(&App::of(programs::MISFIT));
    assert_eq!(host.score(&json!({"x": []})).expect(200).json(), json!([]));
    // `data` is Azure ML's name for a single input, whatever the scorer calls it. A single output
    // is its list alone.
    assert_eq!(
        host.score(&json!({"data": [[0, 1]]})).expect(200).json(),
        json!([[1.0]])
    );
    let answer = host.score(&json!({"data": [[0, 1]], "x": [[0, 1]]}));
    assert_eq!(
        answer
            .expect_error(400, "not-conforming", &["twice"])
            .json()["pointer"],
        "/x"
    );
}

#[test]
fn names_are_checked_and_escaped_in_pointers() {
    let host = HOST.get(|| Host::start(&App::of(programs::DTYPES)));
    let mut body: Map<String, Value> = PORTS
        .iter()
        .map(|name| ((*name).to_owned(), json!([])))
        .collect();
    body.remove("f64");
    let answer = host
        .score(&json!(body))
        .expect_error(400, "not-conforming", &["`f64`"]);
    assert_eq!(answer.json()["pointer"], "");
    let answer = host
        .post("application/json", r#"{"a/b~c": [1]}"#)
        .expect_error(400, "not-conforming", &["u8"]);
    assert_eq!(answer.json()["pointer"], "/a~1b~0c");
    let answer = host
        .post("application/json", r#"{"u8": [1], "u8": [2]}"#)
        .expect_error(400, "not-conforming", &[]);
    assert_eq!(answer.json()["pointer"], "/u8");
    // With several inputs `data` does not mean one of them, and holds rows.
    let answer = host
        .post("application/json", r#"{"data": [1]}"#)
        .expect_error(400, "not-conforming", &["bool"]);
    assert_eq!(answer.json()["pointer"], "/data/0");
}
