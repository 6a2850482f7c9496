//! Hostile ONNX files: each asks for something that no model needs.
//!
//! Owns those files. Must not know which program runs them.

use crate::onnx::{bytes, element, graph, model, node, number, port, varint};

/// A hostile ONNX file, with the name of the attack and the expected error.
pub struct Hostile {
    /// Name of the attack, for the messages of a failed test.
    pub name: &'static str,
    /// Bytes of the file.
    pub file: Vec<u8>,
    /// Text that the host's error must contain. `None` if the file only looks hostile, and loads.
    pub said: Option<&'static str>,
}

/// Returns all hostile files except those that read other files.
#[must_use]
pub fn all() -> Vec<Hostile> {
    let (branch, leaf) = ("BRANCH_LEQ", "LEAF");
    let file = |name, said, file| Hostile { name, file, said };
    let memory = Some("needs more memory than the 4096 MiB that a trial may use");
    let time = Some("was not loaded and run within");
    let load = Some("cannot be loaded");
    vec![
        file("a constant of 256 GB", memory, constant_of(1 << 36)),
        file("a constant of 2^62 elements", memory, constant_of(1 << 62)),
        file(
            "a constant of less than nothing",
            load,
            constant_of(u64::MAX),
        ),
        file("a loop without end", time, endless()),
        file("weights of 2^62 elements", load, weights(&[1 << 62, 4], 16)),
        file(
            "weights of a negative size",
            load,
            weights(&[u64::MAX, 4], 16),
        ),
        file("weights that are cut", load, weights(&[1 << 20], 16)),
        file("a node that feeds itself", load, circle()),
        file("20 branches within each other", None, nested(20)),
        file("80 branches within each other", load, nested(80)),
        file("5,000 branches within each other", load, nested(5_000)),
        file(
            "a sound tree",
            None,
            tree([branch, leaf, leaf], &[1, 0, 0], &[2, 0, 0]),
        ),
        file(
            "a tree with one leaf twice",
            None,
            tree([branch, leaf, leaf], &[1, 0, 0], &[1, 0, 0]),
        ),
        file(
            "a root that is its own child",
            load,
            tree([branch, leaf, leaf], &[0, 0, 0], &[2, 0, 0]),
        ),
        file(
            "a branch that leads back to its root",
            load,
            tree([branch, branch, leaf], &[1, 0, 0], &[2, 2, 0]),
        ),
        file(
            "two branches that lead to each other",
            load,
            tree([branch, branch, branch], &[1, 2, 1], &[2, 2, 1]),
        ),
        file(
            "a child that is not there",
            load,
            tree([branch, leaf, leaf], &[1, 0, 0], &[1 << 40, 0, 0]),
        ),
        file(
            "a child before the first",
            load,
            tree([branch, leaf, leaf], &[u64::MAX, 0, 0], &[2, 0, 0]),
        ),
    ]
}

/// Returns a graph of `y = x + w`, whose weights, four floats, are in the file at the path
/// `location`.
#[must_use]
pub fn external(location: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| bytes(13, [bytes(1, key), bytes(2, value)].concat());
    let weights = [
        number(1, 4),
        number(2, element::FLOAT),
        bytes(8, "w"),
        entry("location", location),
        entry("offset", "0"),
        entry("length", "16"),
        number(14, 1),
    ];
    adding(bytes(5, weights.concat()))
}

fn adding(initializer: Vec<u8>) -> Vec<u8> {
    let four: &[Option<u64>] = &[Some(4)];
    let parts = [
        node("Add", &["x", "w"], &["y"], &[]),
        initializer,
        port(11, ("x", element::FLOAT, four)),
        port(12, ("y", element::FLOAT, four)),
    ];
    model(graph("adding", &parts))
}

/// Returns a graph that states weights with the shape `dimensions`, but holds only `count` bytes of
/// data for them.
fn weights(dimensions: &[u64], count: usize) -> Vec<u8> {
    let dimensions: Vec<u8> = dimensions
        .iter()
        .flat_map(|size| number(1, *size))
        .collect();
    let raw = bytes(9, vec![0; count]);
    adding(bytes(
        5,
        [dimensions, number(2, element::FLOAT), bytes(8, "w"), raw].concat(),
    ))
}

/// Encodes a whole number as an initializer: a scalar, or a list of one element.
fn integer(name: &str, value: u64, is_scalar: bool) -> Vec<u8> {
    let dimension = if is_scalar { Vec::new() } else { number(1, 1) };
    let raw = bytes(9, value.to_le_bytes());
    bytes(
        5,
        [dimension, number(2, element::INT64), bytes(8, name), raw].concat(),
    )
}

fn constant_of(elements: u64) -> Vec<u8> {
    let parts = [
        node("ConstantOfShape", &["n"], &["zeros"], &[]),
        node("ReduceSum", &["zeros"], &["sum"], &[]),
        node("Add", &["x", "sum"], &["y"], &[]),
        integer("n", elements, false),
        port(11, ("x", element::FLOAT, &[Some(1)])),
        port(12, ("y", element::FLOAT, &[Some(1)])),
    ];
    model(graph("constant", &parts))
}

/// Returns a graph with a loop of so many steps that it practically never ends.
#[must_use]
pub fn endless() -> Vec<u8> {
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
    let parts = [
        node("Loop", &["n", "", "x"], &["y"], &[subgraph("body", body)]),
        integer("n", 1 << 62, true),
        port(11, ("x", element::FLOAT, one)),
        port(12, ("y", element::FLOAT, one)),
    ];
    model(graph("endless", &parts))
}

fn subgraph(name: &str, graph: Vec<u8>) -> Vec<u8> {
    [bytes(1, name), bytes(6, graph), number(20, 5)].concat()
}

fn circle() -> Vec<u8> {
    let one: &[Option<u64>] = &[Some(1)];
    let parts = [
        node("Add", &["x", "y"], &["y"], &[]),
        port(11, ("x", element::FLOAT, one)),
        port(12, ("y", element::FLOAT, one)),
    ];
    model(graph("circle", &parts))
}

/// Returns a graph with an `If` in a branch of an `If`, and so on, in `depth` levels.
fn nested(depth: usize) -> Vec<u8> {
    let one: &[Option<u64>] = &[Some(1)];
    let mut branch = graph(
        "leaf",
        &[
            node("Identity", &["x"], &["z"], &[]),
            port(12, ("z", element::FLOAT, one)),
        ],
    );
    for _ in 0..depth {
        let leaf = graph(
            "leaf",
            &[
                node("Identity", &["x"], &["e"], &[]),
                port(12, ("e", element::FLOAT, one)),
            ],
        );
        let branches = [
            subgraph("then_branch", branch),
            subgraph("else_branch", leaf),
        ];
        branch = graph(
            "branch",
            &[
                node("If", &["go"], &["z"], &branches),
                port(12, ("z", element::FLOAT, one)),
            ],
        );
    }
    let parts = [
        node(
            "If",
            &["go"],
            &["y"],
            &[
                subgraph("then_branch", branch.clone()),
                subgraph("else_branch", branch),
            ],
        ),
        port(11, ("go", element::BOOL, &[])),
        port(11, ("x", element::FLOAT, one)),
        port(12, ("y", element::FLOAT, one)),
    ];
    model(graph("nested", &parts))
}

/// Returns a graph of a decision tree with three nodes. `modes` has the kind of each node, and the
/// other lists have the children of each.
fn tree(modes: [&str; 3], when_true: &[u64], when_false: &[u64]) -> Vec<u8> {
    let integers = |name: &str, values: &[u64]| {
        let values: Vec<u8> = values.iter().flat_map(|value| number(8, *value)).collect();
        [bytes(1, name), values, number(20, 7)].concat()
    };
    let floats = |name: &str, values: &[f32]| {
        let values: Vec<u8> = values
            .iter()
            .flat_map(|value| [varint(7 << 3 | 5), value.to_le_bytes().to_vec()].concat())
            .collect();
        [bytes(1, name), values, number(20, 6)].concat()
    };
    let texts = |name: &str, values: &[&str]| {
        let values: Vec<u8> = values.iter().flat_map(|value| bytes(9, value)).collect();
        [bytes(1, name), values, number(20, 8)].concat()
    };
    let attributes = [
        [bytes(1, "n_targets"), number(3, 1), number(20, 2)].concat(),
        integers("nodes_treeids", &[0, 0, 0]),
        integers("nodes_nodeids", &[0, 1, 2]),
        integers("nodes_featureids", &[0, 0, 0]),
        floats("nodes_values", &[0.5, 0.0, 0.0]),
        texts("nodes_modes", &modes),
        integers("nodes_truenodeids", when_true),
        integers("nodes_falsenodeids", when_false),
        integers("target_treeids", &[0, 0]),
        integers("target_nodeids", &[1, 2]),
        integers("target_ids", &[0, 0]),
        floats("target_weights", &[1.0, 2.0]),
    ];
    let domain = bytes(7, "ai.onnx.ml");
    let node = node("TreeEnsembleRegressor", &["x"], &["y"], &attributes);
    // The domain belongs inside the node's message.
    let (_, inner) = node.split_at(node.len() - content_bytes(&node));
    let node = bytes(1, [inner, &domain].concat());
    let parts = [
        node,
        port(11, ("x", element::FLOAT, &[None, Some(1)])),
        port(12, ("y", element::FLOAT, &[None, Some(1)])),
    ];
    let second = bytes(8, [bytes(1, "ai.onnx.ml"), number(2, 1)].concat());
    [model(graph("tree", &parts)), second].concat()
}

/// Returns the length of the message in a single encoded field, without its tag and its length.
fn content_bytes(field: &[u8]) -> usize {
    let length = field.iter().skip(1).take_while(|byte| **byte > 127).count() + 1;
    field.len() - 1 - length
}
