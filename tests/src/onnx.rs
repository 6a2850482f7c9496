//! ONNX files: models that were trained, and tiny ones that tests write.
//!
//! Owns the part of the format (protocol buffers of `onnx.proto`) that the tests need. Must not
//! know which program runs them.

use std::io::Read as _;

use crate::place;

/// Returns the bytes of the trained model `name`. The sample of digits has the answers of this
/// model under its name.
///
/// # Panics
/// Panics if there is no model with this name.
#[must_use]
pub fn trained(name: &str) -> Vec<u8> {
    let workspace = place::workspace();
    let read = |path: &str| std::fs::read(workspace.join(path)).expect("the model is there");
    match name {
        "mlp" => read("host/examples/digits-mlp/model/mlp.onnx"),
        "forest" => {
            let (packed, mut bytes) = (read("tests/data/graphs/forest.onnx.gz"), Vec::new());
            flate2::read::GzDecoder::new(packed.as_slice())
                .read_to_end(&mut bytes)
                .expect("it is whole");
            bytes
        }
        name => read(&format!("tests/data/graphs/{name}.onnx")),
    }
}

/// Numbers of ONNX element types.
pub mod element {
    /// Element type of `f32`.
    pub const FLOAT: u64 = 1;
    /// Element type of `i64`.
    pub const INT64: u64 = 7;
    /// Element type of text.
    pub const STRING: u64 = 8;
    /// Element type of booleans, one byte each.
    pub const BOOL: u64 = 9;
    /// Element type of `f16`.
    pub const HALF: u64 = 10;
    /// Element type of `f64`.
    pub const DOUBLE: u64 = 11;
}

/// Encodes a field of Protocol Buffers with the number `field` whose value is a number.
pub(crate) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// Encodes a field of Protocol Buffers with the number `field` whose value is bytes, a text or an
/// encoded message.
pub(crate) fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [
        varint(field << 3 | 2),
        varint(value.len() as u64),
        value.to_vec(),
    ]
    .concat()
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut written = Vec::new();
    while value > 127 {
        written.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    written.push(value as u8);
    written
}

/// Encodes an input (field 11) or an output (field 12) of a graph: its name, its element type, and
/// its dimensions. `None` is an open dimension.
pub(crate) fn port(field: u64, (name, element, shape): (&str, u64, &[Option<u64>])) -> Vec<u8> {
    let dimension = |size: &Option<u64>| {
        bytes(
            1,
            size.map_or_else(|| bytes(2, "N"), |size| number(1, size)),
        )
    };
    let shape: Vec<u8> = shape.iter().flat_map(dimension).collect();
    let tensor = [number(1, element), bytes(2, shape)].concat();
    bytes(field, [bytes(1, name), bytes(2, bytes(1, tensor))].concat())
}

/// Encodes a node of the standard operators, whose domain is not written.
pub(crate) fn node(
    kind: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    bytes(1, node_fields(kind, inputs, outputs, attributes))
}

/// Encodes the fields of a node without its domain.
pub(crate) fn node_fields(
    kind: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let mut written: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name)).collect();
    written.extend(outputs.iter().flat_map(|name| bytes(2, name)));
    written.extend(bytes(4, kind));
    written.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    written
}

pub(crate) fn graph(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    [bytes(2, name), parts.concat()].concat()
}

pub(crate) fn model(graph: Vec<u8>) -> Vec<u8> {
    [
        number(1, 8),
        bytes(2, "scorebox-tests"),
        bytes(7, graph),
        bytes(8, number(2, 15)),
    ]
    .concat()
}

/// Returns a graph that returns its input `x`, of N × 2 elements of the type `element`, as `y`.
#[must_use]
pub fn identity(element: u64) -> Vec<u8> {
    let shape: &[Option<u64>] = &[None, Some(2)];
    let parts = [
        node("Identity", &["x"], &["y"], &[]),
        port(11, ("x", element, shape)),
        port(12, ("y", element, shape)),
    ];
    model(graph("identity", &parts))
}

/// Returns a graph with three inputs, each N × 1: `age` of f32, `days` of i64 and `city` of texts.
///
/// The graph returns its inputs as `age_given`, `days_given` and `city_given`. Its output `known`
/// is true in each row whose `age` is not NaN.
#[must_use]
pub fn columns() -> Vec<u8> {
    let shape: &[Option<u64>] = &[None, Some(1)];
    let columns = [
        ("age", "age_given", element::FLOAT),
        ("days", "days_given", element::INT64),
        ("city", "city_given", element::STRING),
    ];
    let mut parts = Vec::new();
    for (name, given, element) in columns {
        parts.extend([
            node("Identity", &[name], &[given], &[]),
            port(11, (name, element, shape)),
            port(12, (given, element, shape)),
        ]);
    }
    parts.extend([
        node("Equal", &["age", "age"], &["known"], &[]),
        port(12, ("known", element::BOOL, shape)),
    ]);
    model(graph("columns", &parts))
}

/// Returns a graph with the inputs `age` (i64), `income` (f32) and `city` (text), each N × 1. It
/// returns them unchanged as `same_age`, `same_income` and `same_city`.
#[must_use]
pub fn person() -> Vec<u8> {
    same(&[
        ("age", element::INT64),
        ("income", element::FLOAT),
        ("city", element::STRING),
    ])
}

/// Returns a graph that returns its inputs unchanged. `columns` has the name and the element type
/// of each input, whose shape is N × 1. The output for the input `age` is called `same_age`.
#[must_use]
pub fn same(columns: &[(&str, u64)]) -> Vec<u8> {
    let mut parts = Vec::new();
    for (name, kind) in columns {
        let same = format!("same_{name}");
        let shape: &[Option<u64>] = &[None, Some(1)];
        parts.push(node("Identity", &[*name], &[&same], &[]));
        parts.push(port(11, (*name, *kind, shape)));
        parts.push(port(12, (&same, *kind, shape)));
    }
    model(graph("person", &parts))
}

/// Returns a graph whose output `same` says for each number of the input `x`, of N × 2, if it
/// equals itself.
///
/// If `echo` is true, the graph also returns its input as `y`.
#[must_use]
pub fn judging(echo: bool) -> Vec<u8> {
    let shape: &[Option<u64>] = &[None, Some(2)];
    let mut parts = vec![
        node("Equal", &["x", "x"], &["same"], &[]),
        port(11, ("x", element::FLOAT, shape)),
    ];
    if echo {
        parts.extend([
            node("Identity", &["x"], &["y"], &[]),
            port(12, ("y", element::FLOAT, shape)),
        ]);
    }
    parts.push(port(12, ("same", element::BOOL, shape)));
    model(graph("judging", &parts))
}

/// Returns a graph that adds its input `x`, one number, to itself `n` times, in a loop of `n`
/// steps. `n` is an input, too.
#[must_use]
pub fn counting() -> Vec<u8> {
    let one: &[Option<u64>] = &[Some(1)];
    let body = graph(
        "body",
        &[
            node("Identity", &["go"], &["on"], &[]),
            node("Add", &["sum", "x"], &["more"], &[]),
            port(11, ("step", element::INT64, &[])),
            port(11, ("go", element::BOOL, &[])),
            port(11, ("sum", element::FLOAT, one)),
            port(12, ("on", element::BOOL, &[])),
            port(12, ("more", element::FLOAT, one)),
        ],
    );
    let body = [bytes(1, "body"), bytes(6, body), number(20, 5)].concat();
    let parts = [
        node("Loop", &["n", "", "x"], &["y"], &[body]),
        port(11, ("n", element::INT64, &[])),
        port(11, ("x", element::FLOAT, one)),
        port(12, ("y", element::FLOAT, one)),
    ];
    model(graph("counting", &parts))
}

/// Returns a graph whose output has the whole numbers from `from` up to, but not including, `to`,
/// which are its inputs.
#[must_use]
pub fn range() -> Vec<u8> {
    let parts = [
        // A scalar has one element.
        node("Size", &["from"], &["one"], &[]),
        node("Range", &["from", "to", "one"], &["y"], &[]),
        port(11, ("from", element::INT64, &[])),
        port(11, ("to", element::INT64, &[])),
        port(12, ("y", element::INT64, &[None])),
    ];
    model(graph("range", &parts))
}

/// Returns a graph whose output is a list of `n` zeros, where `n` is its input.
#[must_use]
pub fn zeros() -> Vec<u8> {
    let parts = [
        node("ConstantOfShape", &["n"], &["y"], &[]),
        port(11, ("n", element::INT64, &[Some(1)])),
        port(12, ("y", element::FLOAT, &[None])),
    ];
    model(graph("zeros", &parts))
}
