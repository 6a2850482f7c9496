//! The conversion of a server's answer into the reply that a scorer gets.
//!
//! Owns the limits on a reply, removing the prefix from key names in it, and which part of an error
//! a scorer may read. Must not know how an answer came.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use super::CommandError;
use super::commands::Keys;
use crate::redis::node::{Fault, LATE};
use crate::redis::server::translate;
use crate::redis::{StoreError, VALUE_LIMIT_BYTES};
use crate::text::{REASON_BYTES, cut};

/// Maximum size of all replies to one call, in bytes. It equals the maximum size of a value.
pub const REPLY_BYTES: usize = VALUE_LIMIT_BYTES;

/// Size that a node counts in addition to the bytes that it holds, in bytes. It limits replies to a
/// million nodes.
pub const NODE_BYTES: usize = 32;

/// Maximum depth of values within values. The Redis client refuses more than a hundred levels.
const DEPTH: usize = 128;

/// One value of a reply. Its children are given by their indices.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A missing value.
    Nil,
    /// A boolean, true or false.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
    /// A simple string, or a number too large for 64 bits.
    Text(String),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A list or a set.
    Array(Vec<u32>),
    /// A list of key and value pairs.
    Map(Vec<(u32, u32)>),
    /// An error in the place of a value.
    Fault(String),
}

/// A reply as a tree of nodes. Children come before their parents.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Nodes of the reply, children before their parents.
    pub nodes: Vec<Node>,
    /// Index of the node that holds the whole reply.
    pub root: u32,
}

/// Number of bytes that the remaining replies to one call may take.
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(REPLY_BYTES)
    }
}

/// Converts a server's value into a reply.
///
/// # Errors
/// Fails with [`CommandError::TooLarge`] if the reply is over its budget or nested too deeply.
pub fn reply(value: Value, prefix: &str, budget: &mut Budget) -> Result<Reply, CommandError> {
    let mut tree = Tree {
        nodes: Vec::new(),
        prefix,
        budget,
    };
    let root = tree.add(value, 0)?;
    Ok(Reply {
        nodes: tree.nodes,
        root,
    })
}

struct Tree<'a> {
    nodes: Vec<Node>,
    prefix: &'a str,
    budget: &'a mut Budget,
}

impl Tree<'_> {
    /// Adds a value after its children, and returns its index.
    fn add(&mut self, value: Value, depth: usize) -> Result<u32, CommandError> {
        if depth > DEPTH {
            return Err(CommandError::TooLarge(REPLY_BYTES));
        }
        let node = match value {
            Value::Nil => Node::Nil,
            Value::Boolean(value) => Node::Boolean(value),
            Value::Int(value) => Node::Integer(value),
            Value::Double(value) => Node::Double(value),
            Value::Okay => Node::Text("OK".to_owned()),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Node::Text(text),
            Value::BigNumber(digits) => Node::Text(String::from_utf8_lossy(&digits).into_owned()),
            Value::BulkString(bytes) => Node::Bytes(bytes),
            Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
                Node::Array(
                    items
                        .into_iter()
                        .map(|item| self.add(item, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Value::Map(pairs) => {
                let mut found = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    found.push((self.add(key, depth + 1)?, self.add(value, depth + 1)?));
                }
                Node::Map(found)
            }
            // Attributes that a server adds to a value are not for the scorer.
            Value::Attribute { data, .. } => return self.add(*data, depth + 1),
            Value::ServerError(error) => Node::Fault(match fault(error.into(), self.prefix) {
                CommandError::Server(text) => text,
                other => other.to_string(),
            }),
            _ => Node::Nil,
        };
        let bytes = match &node {
            Node::Text(text) | Node::Fault(text) => text.len(),
            Node::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let left = self.budget.0.checked_sub(NODE_BYTES + bytes);
        self.budget.0 = left.ok_or(CommandError::TooLarge(REPLY_BYTES))?;
        let index =
            u32::try_from(self.nodes.len()).map_err(|_| CommandError::TooLarge(REPLY_BYTES))?;
        self.nodes.push(node);
        Ok(index)
    }
}

/// Removes the prefix from the key names in an answer.
pub fn strip(value: &mut Value, keys: Keys, prefix: &str) {
    match (keys, value) {
        // The list holds the key, and the values that were removed from it.
        (Keys::Popped, Value::Array(items)) => items
            .first_mut()
            .into_iter()
            .for_each(|key| strip_key(key, prefix)),
        (Keys::Streams, Value::Map(streams)) => streams
            .iter_mut()
            .for_each(|(key, _)| strip_key(key, prefix)),
        // RESP2 sends a list of streams in place of a map.
        (Keys::Streams, Value::Array(streams)) => {
            for stream in streams {
                if let Value::Array(items) = stream {
                    items
                        .first_mut()
                        .into_iter()
                        .for_each(|key| strip_key(key, prefix));
                }
            }
        }
        _ => {}
    }
}

fn strip_key(value: &mut Value, prefix: &str) {
    if let Value::BulkString(key) = value
        && key.starts_with(prefix.as_bytes())
    {
        key.drain(..prefix.len());
    }
}

/// Codes of errors whose texts depend on the command alone. Other texts may reveal details of the
/// deployment.
const TOLD: &[&str] = &["BUSYGROUP", "NOGROUP", "OOM", "WRONGTYPE"];

/// Returns an error as a scorer may see it.
pub fn fault(error: RedisError, prefix: &str) -> CommandError {
    if error.kind() == ErrorKind::Server(ServerErrorKind::CrossSlot) {
        return CommandError::CrossSlot;
    }
    if let Some(code) = error.code().filter(|code| TOLD.contains(code)) {
        let text = format!(
            "{code} {}",
            cut(error.detail().unwrap_or_default(), REASON_BYTES)
        );
        return CommandError::Server(without_prefix(text.trim_end(), prefix));
    }
    match translate(Fault::Answer(error)) {
        StoreError::Disconnected(why) => CommandError::Disconnected(why),
        StoreError::Refused(text) | StoreError::Invalid(text) => {
            CommandError::Server(without_prefix(&text, prefix))
        }
    }
}

/// Removes the prefix from key names in a text. Servers put key names between quotes.
fn without_prefix(text: &str, prefix: &str) -> String {
    text.replace(&format!("'{prefix}"), "'")
}

/// Returns the reason why no reply came, as a scorer may see it.
pub fn why(failure: Fault, prefix: &str) -> CommandError {
    match failure {
        Fault::Answer(error) => fault(error, prefix),
        Fault::Lost(LATE) => CommandError::Timeout,
        Fault::Lost(why) => CommandError::Disconnected(why.to_owned()),
        Fault::Unreachable(why) => CommandError::Disconnected(why.to_string()),
        Fault::TooLarge(limit) => {
            CommandError::TooLarge(usize::try_from(limit).unwrap_or(usize::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    /// Shows a reply as nested text.
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
        let entry =
            |key: &str| Value::Array(vec![bytes(key), Value::Array(vec![bytes("p:value")])]);
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

    /// Counts the values in a value, itself included.
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
}
