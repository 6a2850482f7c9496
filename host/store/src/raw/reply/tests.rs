//! Tests of the conversion of a Redis server's answers into replies for scorers.

use proptest::prelude::*;

use super::*;

fn bytes(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

/// Returns the node at the index `at` of a reply, with its children, as nested text.
fn shown(reply: &Reply, at: u32) -> String {
    let all = |ids: &[u32]| {
        ids.iter()
            .map(|id| shown(reply, *id))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match &reply.nodes[at as usize] {
        Node::Array(items) => format!("[{}]", all(items)),
        Node::Map(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| all(&[*key, *value]))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Node::Bytes(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Node::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_kind_of_value_has_its_node() {
    #[track_caller]
    fn check(value: Value, expected: &str) {
        let reply = reply(value, "p:", &mut Budget::default()).unwrap();
        assert_eq!(shown(&reply, reply.root), expected);
        assert_eq!(reply.root as usize, reply.nodes.len() - 1);
    }
    check(Value::Nil, "Nil");
    check(Value::Boolean(true), "Boolean(true)");
    check(Value::Int(-1), "Integer(-1)");
    check(Value::Double(1.5), "Double(1.5)");
    check(Value::Okay, "OK");
    check(Value::SimpleString("PONG".into()), "PONG");
    check(
        Value::VerbatimString {
            format: redis::VerbatimFormat::Text,
            text: "a\nb".into(),
        },
        "a\nb",
    );
    check(
        Value::BigNumber(b"36893488147419103232".to_vec()),
        "36893488147419103232",
    );
    check(bytes("p:x"), "\"p:x\"");
    check(
        Value::Array(vec![
            Value::Int(1),
            Value::Set(vec![bytes("a")]),
            Value::Nil,
        ]),
        "[Integer(1) [\"a\"] Nil]",
    );
    check(
        Value::Map(vec![
            (bytes("a"), Value::Int(1)),
            (bytes("b"), Value::Array(vec![])),
        ]),
        "{\"a\" Integer(1), \"b\" []}",
    );
    let attributes = vec![(bytes("ttl"), Value::Int(1))];
    check(
        Value::Attribute {
            data: Box::new(Value::Int(2)),
            attributes,
        },
        "Integer(2)",
    );
}

#[test]
fn key_names_lose_their_prefix_and_values_keep_theirs() {
    #[track_caller]
    fn check(keys: Keys, mut value: Value, expected: &Value) {
        strip(&mut value, keys, "p:");
        assert_eq!(&value, expected);
    }
    let entry = |key: &str| Value::Array(vec![bytes(key), Value::Array(vec![bytes("p:value")])]);
    check(Keys::Popped, entry("p:p:k"), &entry("p:k"));
    check(Keys::Popped, Value::Nil, &Value::Nil);
    check(Keys::Counted(1), entry("p:k"), &entry("p:k"));
    check(
        Keys::Streams,
        Value::Array(vec![entry("p:a"), entry("p:b")]),
        &Value::Array(vec![entry("a"), entry("b")]),
    );
    let map = |key: &str| Value::Map(vec![(bytes(key), entry("p:value"))]);
    check(Keys::Streams, map("p:a"), &map("a"));
}

#[test]
fn replies_of_one_call_share_one_bound() {
    let mut budget = Budget::default();
    let half = || Value::BulkString(vec![0; REPLY_BYTES / 2]);
    assert!(reply(half(), "", &mut budget).is_ok());
    assert_eq!(
        reply(half(), "", &mut budget),
        Err(CommandError::TooLarge(REPLY_BYTES))
    );
    assert!(reply(Value::Int(1), "", &mut budget).is_ok());
    let many = Value::Array(vec![Value::Nil; REPLY_BYTES / NODE_BYTES]);
    assert_eq!(
        reply(many, "", &mut Budget::default()),
        Err(CommandError::TooLarge(REPLY_BYTES))
    );
    let deep = (0..1000).fold(Value::Nil, |inner, _| Value::Array(vec![inner]));
    assert_eq!(
        reply(deep, "", &mut Budget::default()),
        Err(CommandError::TooLarge(REPLY_BYTES))
    );
}

#[test]
fn what_a_server_says_of_an_error_is_cut_and_marked() {
    let told = |text: String| {
        let answer = redis::parse_redis_value(text.as_bytes()).unwrap();
        fault(answer.extract_error().unwrap_err(), "p:").to_string()
    };
    for code in ["WRONGTYPE", "ERR"] {
        let text = told(format!("-{code} {}\r\n", "long ".repeat(1 << 20)));
        assert!(
            text.len() < 4096 && text.contains('…'),
            "{code}: {}",
            text.len()
        );
    }
    let text = told(format!("-{} x\r\n", "CODE".repeat(1 << 20)));
    assert!(text.len() < 4096 && text.contains('…'), "{}", text.len());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        ".{0,8}".prop_map(Value::SimpleString),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(Value::BulkString),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6);
        let pairs = proptest::collection::vec((inner.clone(), inner), 0..4);
        prop_oneof![
            list.clone().prop_map(Value::Array),
            list.prop_map(Value::Set),
            pairs.prop_map(Value::Map)
        ]
    })
}

/// Returns the number of values in `value`: the value itself and all values within it.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) | Value::Set(items) => items.iter().map(count).sum(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| count(key) + count(value))
            .sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn every_node_has_one_parent_that_stands_after_it(value in value()) {
        let expected = count(&value);
        let reply = reply(value, "p:", &mut Budget::default()).unwrap();
        prop_assert_eq!(reply.nodes.len(), expected);
        prop_assert_eq!(reply.root as usize, expected - 1);
        let mut parents = vec![0; expected];
        for (index, node) in reply.nodes.iter().enumerate() {
            let children: Vec<u32> = match node {
                Node::Array(items) => items.clone(),
                Node::Map(pairs) => pairs.iter().flat_map(|(key, value)| [*key, *value]).collect(),
                _ => Vec::new(),
            };
            for child in children {
                prop_assert!((child as usize) < index);
                parents[child as usize] += 1;
            }
        }
        prop_assert_eq!(parents.pop(), Some(0));
        prop_assert!(parents.iter().all(|count| *count == 1));
    }
}
