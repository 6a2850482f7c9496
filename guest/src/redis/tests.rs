//! Tests of Redis commands, and of the reading of replies.

use serde_json::{Value as Json, json};

use super::*;

fn reply(nodes: Vec<Node>) -> Reply {
    let root = u32::try_from(nodes.len()).expect("a few") - 1;
    Reply(wit::Reply { nodes, root })
}

fn bytes(text: &str) -> Node {
    Node::Bytes(text.as_bytes().to_vec())
}

#[test]
fn commands_are_made_of_whatever_is_at_hand() {
    let expected = Command::new("HSET").arg("k").arg(b"f").arg(vec![b'v']);
    assert_eq!(Command::from(["HSET", "k", "f", "v"]), expected);
    assert_eq!(
        Command::from(vec!["HSET".to_owned(), "k".into(), "f".into(), "v".into()]),
        expected
    );
    assert_eq!(
        Command::from([b"HSET".as_slice(), b"k", b"f", b"v"].as_slice()),
        expected
    );
}

#[test]
fn numbers_are_read_from_what_holds_them() {
    let check = |node: Node, integer: Option<i64>, double: Option<f64>| {
        let reply = reply(vec![node]);
        assert_eq!(
            (reply.value().as_i64(), reply.value().as_f64()),
            (integer, double)
        );
    };
    check(Node::Integer(2), Some(2), Some(2.0));
    check(Node::Double(0.5), None, Some(0.5));
    check(bytes("41"), Some(41), Some(41.0));
    check(bytes("1e3"), None, Some(1000.0));
    check(Node::Text("OK".into()), None, None);
    check(Node::Nil, None, None);
}

#[test]
fn pairs_are_read_from_every_shape() {
    let leaves = || vec![bytes("a"), Node::Integer(1), bytes("b"), Node::Integer(2)];
    let check = |more: Vec<Node>| {
        let reply = reply([leaves(), more].concat());
        let value = reply.value();
        assert_eq!(value.pairs().len(), 2, "{value:?}");
        assert_eq!(
            value.field("b").and_then(Value::as_i64),
            Some(2),
            "{value:?}"
        );
        assert!(value.field("c").is_none());
    };
    check(vec![Node::Map(vec![(0, 1), (2, 3)])]);
    check(vec![Node::Array(vec![0, 1, 2, 3])]);
    check(vec![
        Node::Array(vec![0, 1]),
        Node::Array(vec![2, 3]),
        Node::Array(vec![4, 5]),
    ]);
}

#[test]
fn json_is_made_of_everything_and_ends() {
    let check =
        |nodes: Vec<Node>, expected: Json| assert_eq!(reply(nodes).value().to_json(), expected);
    check(vec![Node::Bytes(vec![255, 0])], json!([255, 0]));
    check(vec![Node::Double(f64::NAN)], json!(null));
    check(
        vec![
            Node::Fault("ERR".into()),
            Node::Boolean(true),
            Node::Array(vec![0, 1]),
        ],
        json!([null, true]),
    );
    check(
        vec![
            bytes("k"),
            bytes("v"),
            Node::Integer(1),
            Node::Map(vec![(0, 1), (2, 1)]),
        ],
        json!({"k": "v", "1": "v"}),
    );
    // No host gives such a reply.
    check(vec![Node::Array(vec![0, 7])], json!([null, null]));
}
