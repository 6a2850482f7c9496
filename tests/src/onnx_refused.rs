//! Files with the name of an ONNX file that the host refuses to load.
//!
//! Owns those files, and the error that the host must report for each. Must not know which program
//! reads them.

use crate::onnx::{bytes, element, number};
use crate::onnx_cases::{
    ML, floats, initializer, model, node, pair, port, single, tensor, typed, versioned,
};

/// Newest version of the standard operator set (opset) that the engine supports.
pub const NEWEST_OPERATORS: u64 = 26;
/// Newest version of the ONNX format (IR version) that the engine supports.
pub const NEWEST_IR: u64 = 13;

/// A file that the host does not load, with the expected parts of the problem and of the fix.
pub struct Refused {
    /// Name of the case, for messages.
    pub name: &'static str,
    /// Bytes of the file.
    pub file: Vec<u8>,
    /// Expected part of the problem.
    pub problem: &'static str,
    /// Expected part of the fix.
    pub fix: &'static str,
}

/// Returns a graph of one node, with the input `x` and the output `y`. The arguments `x` and `y`
/// are the encoded types of this input and output.
fn typed_graph(operators: &[(&str, u64)], node: Vec<u8>, x: Vec<u8>, y: Vec<u8>) -> Vec<u8> {
    model(8, operators, &[node, typed(11, "x", x), typed(12, "y", y)])
}

/// Returns the files that are not ONNX files, or that are incomplete ONNX files.
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
            "scorebox convert",
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

/// Returns files that the host does not load, each for a reason of its own.
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
