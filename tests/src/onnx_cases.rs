//! ONNX files as exporters write them and people damage them: with shared sizes, default values and
//! categories, and files that the engine does not load.
//!
//! Owns those files. Must not know which program runs them. Files that ask for something that no
//! model needs are in `onnx_hostile`.

use crate::onnx::{bytes, element, graph, number};

/// Newest version of the standard ONNX operators that the host's engine supports.
pub const NEWEST_OPERATORS: u64 = 26;
/// Newest version of the ONNX format (`ir_version`) that the host's engine supports.
pub const NEWEST_IR: u64 = 13;

/// A file that the host does not load, with the expected parts of the problem and of the fix.
pub struct Refused {
    /// Name of the case, for the messages of a failed test.
    pub name: &'static str,
    /// Bytes of the file.
    pub file: Vec<u8>,
    /// Text that the problem in the host's error must contain.
    pub problem: &'static str,
    /// Text that the fix in the host's error must contain.
    pub fix: &'static str,
}

/// Encodes an input (field 11) or an output (field 12) of a graph. `dimensions` are sizes in
/// decimal digits, or names of open dimensions.
fn port(field: u64, name: &str, element: u64, dimensions: &[&str]) -> Vec<u8> {
    let dimension = |text: &&str| {
        let size = text.parse().map(|size| number(1, size));
        bytes(1, size.unwrap_or_else(|_| bytes(2, text)))
    };
    let shape: Vec<u8> = dimensions.iter().flat_map(dimension).collect();
    typed(field, name, tensor(element, Some(&shape)))
}

/// Encodes the type of a tensor with elements of the type `element`. `shape` is the encoded shape.
/// If it is `None`, the type does not state a shape.
fn tensor(element: u64, shape: Option<&[u8]>) -> Vec<u8> {
    let shape = shape.map_or_else(Vec::new, |shape| bytes(2, shape));
    bytes(1, [number(1, element), shape].concat())
}

fn typed(field: u64, name: &str, kind: Vec<u8>) -> Vec<u8> {
    bytes(field, [bytes(1, name), bytes(2, kind)].concat())
}

/// Encodes a node of the operator `kind`. The empty domain is that of the standard operators.
/// `attributes` are encoded already.
fn node(
    domain: &str,
    kind: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let mut written: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name)).collect();
    written.extend(outputs.iter().flat_map(|name| bytes(2, name)));
    written.extend(bytes(4, kind));
    written.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    written.extend(bytes(7, domain));
    bytes(1, written)
}

/// Encodes an initializer, which holds weights, a constant or a default value: a list of `count`
/// elements with the bytes `raw`.
fn initializer(name: &str, element: u64, count: u64, raw: &[u8]) -> Vec<u8> {
    let parts = [
        number(1, count),
        number(2, element),
        bytes(8, name),
        bytes(9, raw),
    ];
    bytes(5, parts.concat())
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// Encodes a model. `ir` is the version of the ONNX format, `operators` has the version of the
/// operators of each domain, and `parts` are the encoded fields of the graph.
fn model(ir: u64, operators: &[(&str, u64)], parts: &[Vec<u8>]) -> Vec<u8> {
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

const ML: &str = "ai.onnx.ml";

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
/// the standard operators.
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
/// operators of each domain.
fn single(ir: u64, operators: &[(&str, u64)], node: Vec<u8>) -> Vec<u8> {
    let parts = [
        node,
        port(11, "x", element::FLOAT, &["N", "2"]),
        port(12, "y", element::FLOAT, &["N", "2"]),
    ];
    model(ir, operators, &parts)
}

/// Returns a graph of the encoded node `node`, with the input `x` and the output `y`. The
/// parameters `x` and `y` are their encoded types, and `operators` has the version of the operators
/// of each domain.
fn typed_graph(operators: &[(&str, u64)], node: Vec<u8>, x: Vec<u8>, y: Vec<u8>) -> Vec<u8> {
    model(8, operators, &[node, typed(11, "x", x), typed(12, "y", y)])
}

/// Returns files that are not ONNX files, and ONNX files that are cut off.
fn foreign() -> Vec<Refused> {
    let file = |name, problem, fix, file: &[u8]| Refused {
        name,
        file: file.to_vec(),
        problem,
        fix,
    };
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
                   oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n\
                   size 12345\n";
    let whole = pair();
    vec![
        file("nothing", "it is empty", "copy or download it again", b""),
        file(
            "a pointer of Git LFS",
            "it is a Git LFS pointer",
            "git lfs pull",
            pointer.as_bytes(),
        ),
        file(
            "a page",
            "it is an HTML page",
            "its raw content",
            b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n",
        ),
        file(
            "an answer of a server",
            "it is a JSON document",
            "its raw content",
            b"{\"message\": \"Not Found\"}",
        ),
        file(
            "an archive",
            "it is a ZIP archive",
            "unzip",
            b"PK\x03\x04\x14\0\0\0",
        ),
        file(
            "a compressed file",
            "it is compressed with gzip",
            "gunzip < FILE",
            b"\x1f\x8b\x08\0\0\0\0\0",
        ),
        file(
            "a pickle",
            "it is a pickle",
            "cargo xtask convert",
            b"\x80\x04\x95\x0a\0\0\0\0\0\0\0",
        ),
        file(
            "a text",
            "it is not an ONNX file",
            "exported as ONNX",
            b"not a graph at all",
        ),
        file(
            "the first half",
            "in the middle of a field",
            "compare its size",
            &whole[..whole.len() / 2],
        ),
        file(
            "no graph",
            "No graph was found",
            "compare its size",
            &number(1, 8),
        ),
    ]
}

/// Returns files that the host does not load, each for another reason.
#[must_use]
pub fn refused() -> Vec<Refused> {
    let file = |name, problem, fix, file| Refused {
        name,
        file,
        problem,
        fix,
    };
    let standard: &[(&str, u64)] = &[("", 15)];
    let float = |dimensions: &[&str]| {
        let size = |size: &&str| bytes(1, number(1, size.parse().expect("a number")));
        let shape: Vec<u8> = dimensions.iter().flat_map(size).collect();
        tensor(element::FLOAT, Some(&shape))
    };
    let map = bytes(
        5,
        [number(1, element::INT64), bytes(2, float(&[]))].concat(),
    );
    let list = || bytes(4, bytes(1, float(&["1"])));
    let (float8, double) = (17, 11);
    let mut files = foreign();
    files.extend([
        file(
            "a custom operator",
            "the operator `Foo` of `com.acme`",
            "the operators of ONNX alone",
            single(
                8,
                &[("", 15), ("com.acme", 1)],
                node("com.acme", "Foo", &["x"], &["y"], &[]),
            ),
        ),
        file(
            "a custom operator that is not imported",
            "com.acme",
            "the operators of ONNX alone",
            single(8, standard, node("com.acme", "Foo", &["x"], &["y"], &[])),
        ),
        file(
            "an operator of a later version",
            "the operator `Gelu`, which version 15",
            "at most 26 of ai.onnx",
            single(8, standard, node("", "Gelu", &["x"], &["y"], &[])),
        ),
        file(
            "operators that are too new",
            "version 99 of the operators of ai.onnx, and ONNX Runtime 1.31.1 takes versions up to 26",
            "version 26 of ai.onnx or an older one",
            versioned(8, 99),
        ),
        file(
            "operators for trees that are too new",
            "version 99 of the operators of ai.onnx.ml",
            "version 5 of ai.onnx.ml or an older one",
            single(
                8,
                &[("", 15), (ML, 99)],
                node("", "Identity", &["x"], &["y"], &[]),
            ),
        ),
        file(
            "a format that is too new",
            "it has the IR version 99, and ONNX Runtime 1.31.1 takes versions up to 13",
            "model.ir_version = 13",
            versioned(99, 15),
        ),
        file(
            "an operator without this type",
            "Could not find an implementation for Det",
            "usually f32",
            typed_graph(
                standard,
                node("", "Det", &["x"], &["y"], &[]),
                tensor(double, Some(&[bytes(1, number(1, 2)), bytes(1, number(1, 2))].concat())),
                tensor(double, Some(b"")),
            ),
        ),
        file(
            "a map as input",
            "input `x` is Map",
            "DictVectorizer",
            typed_graph(
                &[("", 15), (ML, 1)],
                node(ML, "CastMap", &["x"], &["y"], &[]),
                map,
                float(&["1", "1"]),
            ),
        ),
        file(
            "a list as input",
            "input `x` is Sequence",
            "a tensor in place of the list",
            typed_graph(
                standard,
                node(
                    "",
                    "ConcatFromSequence",
                    &["x"],
                    &["y"],
                    &[[bytes(1, "axis"), number(3, 0), number(20, 2)].concat()],
                ),
                list(),
                tensor(element::FLOAT, Some(&bytes(1, bytes(2, "N")))),
            ),
        ),
        file(
            "a list as output",
            "output `y` is Sequence",
            "ConcatFromSequence",
            typed_graph(
                standard,
                node("", "SequenceConstruct", &["x"], &["y"], &[]),
                float(&["1"]),
                list(),
            ),
        ),
        file(
            "an input without a shape",
            "input `x` has no shape",
            "make_tensor_type_proto",
            typed_graph(
                standard,
                node("", "Identity", &["x"], &["y"], &[]),
                tensor(element::FLOAT, None),
                tensor(element::FLOAT, None),
            ),
        ),
        file(
            "an element type that the host does not have",
            "whose element type this host does not support",
            "cast it in the graph",
            typed_graph(
                &[("", 19)],
                node("", "Identity", &["x"], &["y"], &[]),
                tensor(float8, Some(&bytes(1, number(1, 1)))),
                tensor(float8, Some(&bytes(1, number(1, 1)))),
            ),
        ),
        file(
            "no output",
            "it has no output port",
            "model.graph.output",
            model(
                8,
                standard,
                &[
                    node("", "Identity", &["x"], &["y"], &[]),
                    port(11, "x", element::FLOAT, &["N", "2"]),
                ],
            ),
        ),
        file(
            "no input",
            "it has no input port",
            "at least one input",
            model(
                8,
                standard,
                &[
                    node("", "Identity", &["w"], &["y"], &[]),
                    initializer("w", element::FLOAT, 2, &floats(&[1.0, 2.0])),
                    port(12, "y", element::FLOAT, &["2"]),
                ],
            ),
        ),
        file(
            "a node without its input",
            "Node input 'w'",
            "use the file from before",
            single(8, standard, node("", "Add", &["x", "w"], &["y"], &[])),
        ),
    ]);
    files
}
