//! ONNX files as exporters leave them: with shared sizes, default values and categories.
//!
//! Owns those files and their parts. Must not know which program runs them. Files that the host
//! does not load are in `onnx_refused`, and files that ask for something that no model needs are in
//! `onnx_hostile`.

use crate::onnx::{bytes, element, graph, node_fields, number};

/// Encodes an input (field 11) or an output (field 12) of a graph. `dimensions` are sizes in
/// decimal digits, or names of open dimensions.
pub(crate) fn port(field: u64, name: &str, element: u64, dimensions: &[&str]) -> Vec<u8> {
    let dimension = |text: &&str| {
        let size = text.parse().map(|size| number(1, size));
        bytes(1, size.unwrap_or_else(|_| bytes(2, text)))
    };
    let shape: Vec<u8> = dimensions.iter().flat_map(dimension).collect();
    typed(field, name, tensor(element, Some(&shape)))
}

/// Encodes the type of a tensor with elements of the type `element`. `shape` is the encoded shape.
/// If it is `None`, the type does not state a shape.
pub(crate) fn tensor(element: u64, shape: Option<&[u8]>) -> Vec<u8> {
    let shape = shape.map_or_else(Vec::new, |shape| bytes(2, shape));
    bytes(1, [number(1, element), shape].concat())
}

pub(crate) fn typed(field: u64, name: &str, kind: Vec<u8>) -> Vec<u8> {
    bytes(field, [bytes(1, name), bytes(2, kind)].concat())
}

/// Encodes a node of the operator `kind` of `domain`. The empty domain is that of the standard
/// operators. `attributes` are encoded already.
pub(crate) fn node(
    domain: &str,
    kind: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let fields = node_fields(kind, inputs, outputs, attributes);
    bytes(1, [fields, bytes(7, domain)].concat())
}

/// Encodes an initializer, which holds weights, a constant or a default value: a list of `count`
/// elements with the bytes `raw`.
pub(crate) fn initializer(name: &str, element: u64, count: u64, raw: &[u8]) -> Vec<u8> {
    let parts = [
        number(1, count),
        number(2, element),
        bytes(8, name),
        bytes(9, raw),
    ];
    bytes(5, parts.concat())
}

pub(crate) fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// Encodes a model. `ir` is the version of the ONNX format, `operators` has the version of the
/// operator set (opset) of each domain, and `parts` are the encoded fields of the graph.
pub(crate) fn model(ir: u64, operators: &[(&str, u64)], parts: &[Vec<u8>]) -> Vec<u8> {
    let set = |(domain, version): &(&str, u64)| {
        bytes(8, [bytes(1, domain), number(2, *version)].concat())
    };
    let sets: Vec<u8> = operators.iter().flat_map(set).collect();
    [
        number(1, ir),
        bytes(2, "scorebox-tests"),
        bytes(7, graph("case", parts)),
        sets,
    ]
    .concat()
}

/// Domain of the operators for trees, encoders and the like.
pub(crate) const ML: &str = "ai.onnx.ml";

/// Returns a graph of `c = a + b`, whose inputs both have the shape `batch` × 2.
#[must_use]
pub fn pair() -> Vec<u8> {
    let parts = [
        node("", "Add", &["a", "b"], &["c"], &[]),
        port(11, "a", element::FLOAT, &["batch", "2"]),
        port(11, "b", element::FLOAT, &["batch", "2"]),
        port(12, "c", element::FLOAT, &["batch", "2"]),
    ];
    model(8, &[("", 15)], &parts)
}

/// Returns a graph of `y = x` with the names that a converter of TensorFlow gives, and with exactly
/// one image of 3 × 4 × 4.
#[must_use]
pub fn image() -> Vec<u8> {
    let (x, y) = ("serving_default_input:0", "StatefulPartitionedCall:0");
    let sizes = ["1", "3", "4", "4"];
    let parts = [
        node("", "Identity", &[x], &[y], &[]),
        port(11, x, element::FLOAT, &sizes),
        port(12, y, element::FLOAT, &sizes),
    ];
    model(8, &[("", 15)], &parts)
}

/// Returns a graph of `y = xᵀ + w`, whose input `x` has the shape `n` × `k` and whose input `w` has
/// the shape `k` × `n`.
#[must_use]
pub fn transposed() -> Vec<u8> {
    let parts = [
        node("", "Transpose", &["x"], &["t"], &[]),
        node("", "Add", &["t", "w"], &["y"], &[]),
        port(11, "x", element::FLOAT, &["n", "k"]),
        port(11, "w", element::FLOAT, &["k", "n"]),
        port(12, "y", element::FLOAT, &["k", "n"]),
    ];
    model(8, &[("", 15)], &parts)
}

/// Returns a graph that picks numbers from the list 10, 20, 30 by their indices `x`. Other indices
/// are refused.
#[must_use]
pub fn picking() -> Vec<u8> {
    let parts = [
        node("", "Gather", &["list", "x"], &["y"], &[]),
        initializer("list", element::FLOAT, 3, &floats(&[10.0, 20.0, 30.0])),
        port(11, "x", element::INT64, &["N"]),
        port(12, "y", element::FLOAT, &["N"]),
    ];
    model(8, &[("", 15)], &parts)
}

/// Returns a graph that encodes the months 1, 2 and 3 as one-hot rows, and refuses all other
/// numbers, as an encoder of scikit-learn does.
#[must_use]
pub fn months() -> Vec<u8> {
    let months = [1, 2, 3].map(|month| number(8, month)).concat();
    let known = [bytes(1, "cats_int64s"), months, number(20, 7)].concat();
    encoding(element::INT64, known)
}

/// Returns a graph that encodes the cities Bonn and Köln as one-hot rows, and refuses all other
/// texts.
#[must_use]
pub fn cities() -> Vec<u8> {
    let cities = ["Bonn", "Köln"].map(|city| bytes(9, city)).concat();
    let known = [bytes(1, "cats_strings"), cities, number(20, 8)].concat();
    encoding(element::STRING, known)
}

fn encoding(element: u64, known: Vec<u8>) -> Vec<u8> {
    let strict = [bytes(1, "zeros"), number(3, 0), number(20, 2)].concat();
    let parts = [
        node(ML, "OneHotEncoder", &["x"], &["y"], &[known, strict]),
        port(11, "x", element, &["N"]),
        port(12, "y", element::FLOAT, &["N", "K"]),
    ];
    model(8, &[("", 15), (ML, 3)], &parts)
}

/// Returns a graph of `y = x + w` for `x` of N × 2, in which `w` has the value `[10, 20]`. `ir` is
/// the version of the ONNX format. From version 4 on, `w` is an input with a default value. In
/// older versions, it is a weight.
#[must_use]
pub fn defaulted(ir: u64) -> Vec<u8> {
    let parts = [
        node("", "Add", &["x", "w"], &["y"], &[]),
        initializer("w", element::FLOAT, 2, &floats(&[10.0, 20.0])),
        port(11, "x", element::FLOAT, &["N", "2"]),
        port(11, "w", element::FLOAT, &["2"]),
        port(12, "y", element::FLOAT, &["N", "2"]),
    ];
    model(ir, &[("", if ir < 4 { 7 } else { 15 })], &parts)
}

/// Returns a graph that states the version `ir` of the ONNX format and the version `operators` of
/// the standard operator set (opset).
#[must_use]
pub fn versioned(ir: u64, operators: u64) -> Vec<u8> {
    single(
        ir,
        &[("", operators)],
        node("", "Identity", &["x"], &["y"], &[]),
    )
}

/// Returns a graph of the encoded node `node`, with the input `x` and the output `y`, both of f32
/// and N × 2. `ir` is the version of the ONNX format, and `operators` has the version of the
/// operator set (opset) of each domain.
pub(crate) fn single(ir: u64, operators: &[(&str, u64)], node: Vec<u8>) -> Vec<u8> {
    let parts = [
        node,
        port(11, "x", element::FLOAT, &["N", "2"]),
        port(12, "y", element::FLOAT, &["N", "2"]),
    ];
    model(ir, operators, &parts)
}
