//! Replies to Redis commands in a test.
//!
//! Owns the values of a reply, and their conversion to the type `reply` of the WIT. Must not know
//! commands.

use crate::bindings::capabilities::scorebox::scoring::redis::{Node, Reply};

/// A value of a reply to a Redis command, which may contain other values.
///
/// ```
/// use scorebox_guest::redis::Connection;
/// use scorebox_guest::testing::{Host, Value};
///
/// let scores = || Value::Array(vec!["user:1".into(), Value::Double(0.7)]);
/// let _host = Host::new().redis("default", move |_| Ok(scores())).install();
/// let reply = Connection::open("default").unwrap().execute(["ZRANGE", "s", "0", "0"]).unwrap();
/// assert_eq!(reply.value().items().count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nil, the reply for a key, a field or a member that does not exist.
    Nil,
    /// A boolean value.
    Boolean(bool),
    /// An integer of 64 bits.
    Integer(i64),
    /// A floating-point number of 64 bits.
    Double(f64),
    /// A simple string, e.g. `OK`.
    Text(String),
    /// A string of bytes, e.g. the value of a key.
    Bytes(Vec<u8>),
    /// A list or a set.
    Array(Vec<Value>),
    /// Pairs of a key and a value.
    Map(Vec<(Value, Value)>),
    /// An error inside of a list or of a transaction.
    Fault(String),
}

impl Value {
    /// Returns a map whose keys are texts.
    ///
    /// ```
    /// use scorebox_guest::testing::Value;
    ///
    /// let map = Value::map([("age", Value::Integer(41))]);
    /// assert_eq!(map, Value::Map(vec![("age".into(), 41.into())]));
    /// ```
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let pairs = pairs.into_iter();
        Self::Map(pairs.map(|(key, value)| (key.into(), value)).collect())
    }

    /// Returns the reply that consists of this value.
    pub(crate) fn into_reply(self) -> Reply {
        let mut nodes = Vec::new();
        let root = self.add_to(&mut nodes);
        Reply { nodes, root }
    }

    /// Adds the value and its children to the nodes of a reply, children first. Returns the index
    /// of the value's own node.
    fn add_to(self, nodes: &mut Vec<Node>) -> u32 {
        let node = match self {
            Self::Nil => Node::Nil,
            Self::Boolean(value) => Node::Boolean(value),
            Self::Integer(value) => Node::Integer(value),
            Self::Double(value) => Node::Double(value),
            Self::Text(text) => Node::Text(text),
            Self::Bytes(bytes) => Node::Bytes(bytes),
            Self::Fault(text) => Node::Fault(text),
            Self::Array(items) => {
                let items = items.into_iter();
                Node::Array(items.map(|item| item.add_to(nodes)).collect())
            }
            Self::Map(pairs) => {
                let pairs = pairs.into_iter();
                Node::Map(
                    pairs
                        .map(|(key, value)| (key.add_to(nodes), value.add_to(nodes)))
                        .collect(),
                )
            }
        };
        nodes.push(node);
        u32::try_from(nodes.len() - 1).unwrap_or(u32::MAX)
    }
}

impl From<&str> for Value {
    /// Converts a text to a string of bytes, as Redis sends values.
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
