//! Tensors of every element type, read by a scorer: parts, rows, limits.
//!
//! Owns the result of each of the contract's reads for each type, and its limits. The conversions
//! themselves are tested next to their code. Must not know how models are mapped.

use std::sync::Arc;

use half::{bf16, f16};
use scorebox_tests::app::App;
use scorebox_tests::bytes;
use scorebox_tests::host::Host;
use scorebox_tests::programs;
use scorebox_tests::safetensors::{self, Dtype};
use scorebox_tests::shared::Shared;
use serde_json::{Value, json};

static HOST: Shared<Host> = Shared::new();

/// Number of columns of `wide`. One read can return sixteen of its rows.
const COLUMNS: usize = 1 << 20;

/// Returns six elements of each type, in three rows of two, with their values as `f32`.
fn every() -> [(&'static str, Dtype, Vec<u8>, [f32; 6]); 13] {
    let small = [0.0, 1.0, 2.0, 3.0, 100.0, 127.0];
    let flags = [0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    let halves = [0.5_f32, -2.0, 65504.0, 6.0e-8, 0.0, 1.0].map(f16::from_f32);
    let brains = [0.5_f32, -2.0, 3.0e38, 1.0e-40, 0.0, 1.0].map(bf16::from_f32);
    let large = 16_777_217_i64;
    [
        ("bool", Dtype::BOOL, vec![0, 1, 1, 0, 0, 1], flags),
        (
            "u8",
            Dtype::U8,
            bytes!(u8: 0, 1, 2, 3, 100, 255),
            [0.0, 1.0, 2.0, 3.0, 100.0, 255.0],
        ),
        ("i8", Dtype::I8, bytes!(i8: 0, 1, 2, 3, 100, 127), small),
        (
            "u16",
            Dtype::U16,
            bytes!(u16: 0, 1, 2, 3, 100, u16::MAX),
            [0.0, 1.0, 2.0, 3.0, 100.0, 65535.0],
        ),
        (
            "i16",
            Dtype::I16,
            bytes!(i16: 0, 1, 2, 3, 100, i16::MIN),
            [0.0, 1.0, 2.0, 3.0, 100.0, -32768.0],
        ),
        (
            "f16",
            Dtype::F16,
            halves.map(f16::to_le_bytes).concat(),
            halves.map(f16::to_f32),
        ),
        (
            "bf16",
            Dtype::BF16,
            brains.map(bf16::to_le_bytes).concat(),
            brains.map(bf16::to_f32),
        ),
        (
            "u32",
            Dtype::U32,
            bytes!(u32: 0, 1, 2, 3, 100, u32::MAX),
            [0.0, 1.0, 2.0, 3.0, 100.0, 4_294_967_296.0],
        ),
        (
            "i32",
            Dtype::I32,
            bytes!(i32: 0, 1, 2, 3, 16_777_219, i32::MIN),
            { [0.0, 1.0, 2.0, 3.0, 16_777_220.0, -2_147_483_648.0] },
        ),
        (
            "f32",
            Dtype::F32,
            bytes!(f32: 0.1, -0.0, 1e-45, 3e38, 5.0, 6.0),
            [0.1, -0.0, 1e-45, 3e38, 5.0, 6.0],
        ),
        (
            "u64",
            Dtype::U64,
            bytes!(u64: 0, 1, 2, 3, 16_777_217, u64::MAX),
            {
                [
                    0.0,
                    1.0,
                    2.0,
                    3.0,
                    16_777_216.0,
                    18_446_744_073_709_551_616.0,
                ]
            },
        ),
        (
            "i64",
            Dtype::I64,
            bytes!(i64: 0, large, -large, 3, i64::MAX, i64::MIN),
            {
                let extreme = 9_223_372_036_854_775_808.0;
                [0.0, 16_777_216.0, -16_777_216.0, 3.0, extreme, -extreme]
            },
        ),
        (
            "f64",
            Dtype::F64,
            bytes!(f64: 0.1, 1e-46, 16_777_217.0, -16_777_219.0, 1e-300, 1.5),
            { [0.1, 0.0, 16_777_216.0, -16_777_220.0, 0.0, 1.5] },
        ),
    ]
}

fn app() -> App {
    let app = App::with(
        programs::WEIGHTS,
        "model = \"model\"\n[limits]\nmemory = \"512MiB\"\n",
    );
    let every = every();
    let mut tensors: Vec<safetensors::Tensor<'_>> = every
        .iter()
        .map(|(name, dtype, bytes, _)| (*name, *dtype, [3, 2].as_slice(), bytes.clone()))
        .collect();
    tensors.push(("scalar", Dtype::F64, &[], bytes!(f64: 2.5)));
    tensors.push(("whole", Dtype::I64, &[], bytes!(i64: -7)));
    tensors.push(("none", Dtype::F16, &[0, 4], Vec::new()));
    tensors.push(("hollow", Dtype::BF16, &[3, 0], Vec::new()));
    tensors.push((
        "cube",
        Dtype::F32,
        &[2, 2, 2],
        bytes!(f32: 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
    ));
    app.write("model/every.safetensors", &safetensors::file(&tensors));
    let rows: Vec<u8> = [[0.0_f32; COLUMNS], [1.0; COLUMNS]]
        .as_flattened()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    app.write(
        "model/wide.safetensors",
        &safetensors::file(&[("wide", Dtype::F32, &[2, COLUMNS], rows)]),
    );
    app
}

/// Returns the shared host. It runs as long as a test uses it.
fn host() -> Arc<Host> {
    HOST.get(|| Host::start(&app()))
}

#[track_caller]
fn check(reads: Value, expected: Value) {
    let host = host();
    assert_eq!(
        host.score(&json!([reads])).expect(200).json(),
        json!([expected]),
        "{reads}"
    );
}

fn ok(value: impl Into<Value>) -> Value {
    json!({ "ok": value.into() })
}

fn error(value: impl Into<Value>) -> Value {
    json!({ "error": value.into() })
}

fn part(read: &str, name: &str, start: u64, count: u64) -> Value {
    json!({"read": read, "name": name, "start": start, "count": count})
}

fn rows(name: &str, indices: impl Into<Value>) -> Value {
    json!({"read": "rows", "name": name, "indices": indices.into()})
}

fn floats(values: &[f32]) -> Value {
    values.iter().map(|value| Value::from(*value)).collect()
}

#[test]
fn parts_of_every_type_come_as_bytes_and_as_floats_where_the_type_is_one() {
    let _host = host();
    for (name, _, bytes, numbers) in every() {
        let width = bytes.len() / 6;
        check(part("bytes", name, 0, 6), ok(json!(bytes)));
        check(
            part("bytes", name, 2, 3),
            ok(json!(bytes[2 * width..5 * width])),
        );
        check(part("bytes", name, 6, 0), ok(json!([])));
        for (start, count) in [
            (0, 7),
            (6, 1),
            (7, 0),
            (u64::MAX, 1),
            (1, u64::MAX),
            (u64::MAX / 8 + 1, 1),
        ] {
            check(part("bytes", name, start, count), error("out-of-range"));
        }
        let is_float = ["f16", "bf16", "f32", "f64"].contains(&name);
        let wrong = || error(json!({ "wrong-type": name }));
        check(
            part("floats", name, 1, 5),
            if is_float {
                ok(floats(&numbers[1..]))
            } else {
                wrong()
            },
        );
        let expected = [&numbers[4..], &numbers[..2], &numbers[4..]].concat();
        check(
            rows(name, [2, 0, 2]),
            if is_float {
                ok(floats(&expected))
            } else {
                wrong()
            },
        );
        check(
            rows(name, [0, 3]),
            if is_float {
                error("out-of-range")
            } else {
                wrong()
            },
        );
        check(
            json!({"read": "whole-numbers", "name": name}),
            ok(floats(&numbers)),
        );
    }
}

#[test]
fn integers_come_exactly_where_they_fit() {
    let _host = host();
    let integers = |name: &str| json!({"read": "whole-integers", "name": name});
    check(integers("bool"), ok(json!([0, 1, 1, 0, 0, 1])));
    check(integers("i8"), ok(json!([0, 1, 2, 3, 100, 127])));
    check(integers("u16"), ok(json!([0, 1, 2, 3, 100, 65535])));
    check(integers("u32"), ok(json!([0, 1, 2, 3, 100, u32::MAX])));
    check(
        integers("i64"),
        ok(json!([0, 16_777_217, -16_777_217, 3, i64::MAX, i64::MIN])),
    );
    check(integers("u64"), error(json!({"wrong-type": "u64"})));
    check(integers("f64"), error(json!({"wrong-type": "f64"})));
    check(integers("whole"), ok(json!([-7])));
}

#[test]
fn scalars_and_empty_tensors_have_their_one_element_or_none() {
    let _host = host();
    check(part("floats", "scalar", 0, 1), ok(json!([2.5])));
    check(part("floats", "scalar", 0, 2), error("out-of-range"));
    check(
        part("bytes", "scalar", 0, 1),
        ok(json!(2.5_f64.to_le_bytes())),
    );
    check(rows("scalar", [0]), error("out-of-range"));
    check(rows("scalar", json!([])), ok(json!([])));
    for name in ["none", "hollow"] {
        check(part("floats", name, 0, 0), ok(json!([])));
        check(part("bytes", name, 0, 0), ok(json!([])));
        check(part("floats", name, 0, 1), error("out-of-range"));
        check(part("bytes", name, 1, 0), error("out-of-range"));
        check(
            json!({"read": "whole-numbers", "name": name}),
            ok(json!([])),
        );
    }
    check(rows("none", [0]), error("out-of-range"));
    // The tensor has rows, but they are empty.
    check(rows("hollow", [2, 0, 2]), ok(json!([])));
    check(rows("hollow", [3]), error("out-of-range"));
    check(
        rows("cube", [1, 1]),
        ok(json!([4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 7.0])),
    );
}

#[test]
fn no_read_gives_more_than_the_limit() {
    let _host = host();
    let limit: u64 = 64 << 20;
    let too_large = || error(json!({ "too-large": limit }));
    check(
        part("bytes", "wide", 0, 2 * COLUMNS as u64),
        ok(json!({ "length": 8 * COLUMNS })),
    );
    // As many rows as fit can be read, in any order and repeatedly. One more row is refused.
    let many: Vec<u64> = (0..16).map(|row| row % 2).collect();
    check(
        rows("wide", many.clone()),
        ok(json!({ "length": 16 * COLUMNS })),
    );
    check(rows("wide", [many, vec![0]].concat()), too_large());
    check(rows("wide", [0, 2]), error("out-of-range"));
    check(rows("wide", [u64::MAX]), error("out-of-range"));
    check(part("floats", "wide", 0, limit / 4 + 1), too_large());
    check(part("floats", "wide", 0, u64::MAX), too_large());
    check(part("floats", "wide", u64::MAX, 1), error("out-of-range"));
}
