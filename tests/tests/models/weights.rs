//! The reads of a scorer from its model, through the test program `weights`.
//!
//! Owns every function of the contract's `model`, with its errors. Must not know how models are
//! mapped.

use half::{bf16, f16};
use scorebox_tests::app::App;
use scorebox_tests::bytes;
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::safetensors::{self, Dtype};
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<Host> = Shared::new();

const MANIFEST: &str = "version = \"2.1\"\nmodel = \"model\"\n[scorer.labels]\nrun = \"42\"\n[limits]\nmemory = \"512MiB\"\n";

/// Number of floats that is one more than a read can return.
const MANY: usize = (64 << 20) / 4 + 1;

fn app() -> App {
    let app = App::with(programs::WEIGHTS, MANIFEST);
    let numbers = safetensors::file(&[
        (
            "matrix",
            Dtype::F32,
            &[3, 2],
            bytes!(f32: 0.0, 1.0, 10.0, 11.0, 20.0, 21.0),
        ),
        (
            "half",
            Dtype::F16,
            &[2],
            bytes!(f16: f16::from_f32(0.5), f16::MAX),
        ),
        (
            "brain",
            Dtype::BF16,
            &[2],
            bytes!(bf16: bf16::from_f32(-2.0), bf16::from_f32(1.5)),
        ),
        ("double", Dtype::F64, &[2], bytes!(f64: 0.1, -1e300)),
        ("scalar", Dtype::F32, &[], bytes!(f32: 7.0)),
        ("none", Dtype::F32, &[0, 4], Vec::new()),
        ("labels", Dtype::I64, &[3], bytes!(i64: 1, -2, i64::MAX)),
        ("flags", Dtype::BOOL, &[2], vec![1, 0]),
        ("codes", Dtype::U16, &[2], bytes!(u16: 1, 65535)),
    ]);
    app.write("model/numbers.safetensors", &numbers);
    let large = safetensors::file(&[("large", Dtype::F32, &[MANY], vec![0; MANY * 4])]);
    app.write("model/large.safetensors", &large);
    app.write("model/labels.txt", b"zero\none\n");
    app.write("model/vocabulary/words.txt", b"a b");
    app
}

#[track_caller]
fn read(reads: &Value) -> Vec<Value> {
    let host = HOST.get(|| Host::start(&app()));
    let answer = host.score(reads).expect(200).json();
    answer.as_array().expect("an answer for each read").clone()
}

#[track_caller]
fn check(read_one: Value, expected: Value) {
    assert_eq!(read(&json!([read_one])), [expected], "{read_one}");
}

fn ok(value: Value) -> Value {
    json!({ "ok": value })
}

fn error(value: Value) -> Value {
    json!({ "error": value })
}

#[test]
fn the_model_is_named_and_hashed() {
    let info = read(&json!([{"read": "info"}]))[0]["ok"].clone();
    assert_eq!(
        (&info["name"], &info["version"]),
        (&json!("weights"), &json!("2.1"))
    );
    assert_eq!(info["labels"], json!([["run", "42"]]));
    let digest = info["digest"].as_str().expect("a digest");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
}

#[test]
fn tensors_and_files_are_listed_by_name() {
    let tensors = read(&json!([{"read": "tensors"}]))[0]["ok"].clone();
    let names: Vec<&str> = tensors
        .as_array()
        .unwrap()
        .iter()
        .map(|info| info["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "brain", "codes", "double", "flags", "half", "labels", "large", "matrix", "none",
            "scalar"
        ]
    );
    let of = |name: &str, dtype: &str, shape: Value| {
        check(
            json!({"read": "tensor-info", "name": name}),
            ok(json!({"name": name, "dtype": dtype, "shape": shape})),
        );
    };
    of("matrix", "f32", json!([3, 2]));
    of("half", "f16", json!([2]));
    of("brain", "bf16", json!([2]));
    of("scalar", "f32", json!([]));
    of("none", "f32", json!([0, 4]));
    of("labels", "i64", json!([3]));
    of("flags", "bool", json!([2]));
    let files = [
        "labels.txt",
        "large.safetensors",
        "numbers.safetensors",
        "vocabulary/words.txt",
    ];
    check(json!({"read": "files"}), ok(json!(files)));
    check(
        json!({"read": "tensor-info", "name": "nothing"}),
        error(json!({"not-found": "nothing"})),
    );
}

#[test]
fn elements_come_as_bytes() {
    let read = |name: &str, start: u64, count: u64| json!({"read": "bytes", "name": name, "start": start, "count": count});
    check(read("codes", 0, 2), ok(json!([1, 0, 255, 255])));
    check(read("codes", 1, 1), ok(json!([255, 255])));
    check(read("flags", 0, 2), ok(json!([1, 0])));
    check(read("codes", 2, 0), ok(json!([])));
    check(read("codes", 2, 1), error(json!("out-of-range")));
    check(read("codes", 3, 0), error(json!("out-of-range")));
    check(read("codes", u64::MAX, 2), error(json!("out-of-range")));
    check(read("codes", 0, u64::MAX), error(json!("out-of-range")));
    check(
        read("large", 0, MANY as u64),
        error(json!({"too-large": 64 << 20})),
    );
}

#[test]
fn elements_come_as_floats() {
    let read = |name: &str, start: u64, count: u64| json!({"read": "floats", "name": name, "start": start, "count": count});
    check(
        read("matrix", 0, 6),
        ok(json!([0.0, 1.0, 10.0, 11.0, 20.0, 21.0])),
    );
    check(read("matrix", 2, 2), ok(json!([10.0, 11.0])));
    check(read("half", 0, 2), ok(json!([0.5, 65504.0])));
    check(read("brain", 0, 2), ok(json!([-2.0, 1.5])));
    check(read("scalar", 0, 1), ok(json!([7.0])));
    check(read("double", 0, 1), ok(json!([0.1_f32])));
    check(read("labels", 0, 1), error(json!({"wrong-type": "i64"})));
    check(read("matrix", 6, 1), error(json!("out-of-range")));
    check(
        read("large", 0, MANY as u64),
        error(json!({"too-large": 64 << 20})),
    );
}

#[test]
fn rows_are_looked_up() {
    let rows =
        |name: &str, indices: Value| json!({"read": "rows", "name": name, "indices": indices});
    check(
        rows("matrix", json!([2, 0, 2])),
        ok(json!([20.0, 21.0, 0.0, 1.0, 20.0, 21.0])),
    );
    check(rows("matrix", json!([])), ok(json!([])));
    check(rows("half", json!([1])), ok(json!([65504.0])));
    check(rows("matrix", json!([3])), error(json!("out-of-range")));
    check(rows("none", json!([0])), error(json!("out-of-range")));
    check(rows("scalar", json!([0])), error(json!("out-of-range")));
    check(
        rows("labels", json!([0])),
        error(json!({"wrong-type": "i64"})),
    );
}

#[test]
fn files_are_read_in_parts() {
    let file = |name: &str, start: u64, count: u64| json!({"read": "file", "name": name, "start": start, "count": count});
    check(file("labels.txt", 0, 4), ok(json!(b"zero")));
    check(file("labels.txt", 5, 100), ok(json!(b"one\n")));
    check(file("labels.txt", 9, 1), ok(json!([])));
    check(file("labels.txt", 10, 1), error(json!("out-of-range")));
    check(file("vocabulary/words.txt", 0, 9), ok(json!(b"a b")));
    for outside in [
        "none.txt",
        "../scorebox.toml",
        "/etc/passwd",
        "vocabulary/../../scorebox.toml",
        "vocabulary",
    ] {
        check(file(outside, 0, 1), error(json!({"not-found": outside})));
    }
}

#[test]
fn the_sdk_reads_whatever_the_size() {
    check(
        json!({"read": "whole-floats", "name": "large"}),
        ok(json!({"length": MANY})),
    );
    check(
        json!({"read": "whole-floats", "name": "scalar"}),
        ok(json!([7.0])),
    );
    check(
        json!({"read": "whole-floats", "name": "none"}),
        ok(json!([])),
    );
    check(
        json!({"read": "whole-integers", "name": "labels"}),
        ok(json!([1, -2, i64::MAX])),
    );
    check(
        json!({"read": "whole-integers", "name": "codes"}),
        ok(json!([1, 65535])),
    );
    check(
        json!({"read": "whole-integers", "name": "matrix"}),
        error(json!({"wrong-type": "f32"})),
    );
    check(
        json!({"read": "whole-file", "name": "labels.txt"}),
        ok(json!(b"zero\none\n")),
    );
}

#[test]
fn without_a_model_there_is_nothing() {
    let host = Host::start(&App::of(programs::WEIGHTS));
    let reads = json!([{"read": "tensors"}, {"read": "files"}, {"read": "floats", "name": "w", "start": 0, "count": 1}]);
    let answer = host.score(&reads).expect(200).json();
    assert_eq!(
        answer,
        json!([{"ok": []}, {"ok": []}, {"error": {"not-found": "w"}}])
    );
}
