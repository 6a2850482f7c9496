//! Values in replies of a store: their types, and the values that they contain.
//!
//! Owns the reading of a reply. Must not know commands.

use serde_json::Value as Json;

use super::Node;

/// A value in a reply of Redis. A list or a map contains other values.
///
/// ```
/// # use scorebox_guest::{redis::*, testing};
/// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::map([("age", 41.into())]))).install();
/// # let redis = Connection::lazy("default");
/// let reply = redis.execute(["HGETALL", "user:1"]).unwrap();
/// let age = reply.value().field("age").unwrap();
/// assert_eq!(age.as_i64(), Some(41));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    nodes: &'a [Node],
    index: u32,
}

impl<'a> Value<'a> {
    /// Returns the value with the index `index` among the nodes of a reply.
    pub(super) fn new(nodes: &'a [Node], index: u32) -> Self {
        Self { nodes, index }
    }

    /// Returns this value of a reply as a node, for a `match` on its type.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(41.into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["INCR", "calls"]).unwrap();
    /// assert!(matches!(reply.value().node(), Node::Integer(41)));
    /// ```
    #[must_use]
    pub fn node(self) -> &'a Node {
        self.nodes.get(self.index as usize).unwrap_or(&Node::Nil)
    }

    /// Returns true if this value of a reply is nil. Redis replies with nil if a key, field or
    /// member does not exist.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Nil)).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["HGET", "user:1", "name"]).unwrap();
    /// assert!(reply.value().is_nil());
    /// ```
    #[must_use]
    pub fn is_nil(self) -> bool {
        matches!(self.node(), Node::Nil)
    }

    /// Returns this value of a reply as an integer. Returns `None` if the value is neither an
    /// integer nor a string that holds an integer, or if the integer does not fit into an `i64`.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(41.into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["INCR", "calls"]).unwrap();
    /// assert_eq!(reply.value().as_i64(), Some(41));
    /// ```
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.node() {
            Node::Integer(value) => Some(*value),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// Returns this value of a reply as a floating-point number. Returns `None` if the value is
    /// neither a number nor a string that holds a number.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["GET", "user:1"]).unwrap();
    /// assert_eq!(reply.value().as_f64(), Some(0.5));
    /// ```
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "as every reading of a whole number as a floating-point one"
    )]
    pub fn as_f64(self) -> Option<f64> {
        match self.node() {
            Node::Double(value) => Some(*value),
            Node::Integer(value) => Some(*value as f64),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// Returns this value of a reply as a boolean, where the integers 1 and 0 are true and false.
    /// Returns `None` if the value is anything else.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(1.into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["EXISTS", "user:1"]).unwrap();
    /// assert_eq!(reply.value().as_bool(), Some(true));
    /// ```
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Boolean(value) => Some(*value),
            Node::Integer(value @ (0 | 1)) => Some(*value == 1),
            _ => None,
        }
    }

    /// Returns this value of a reply as text. Returns `None` if the value is not a string in UTF-8.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["GET", "user:1"]).unwrap();
    /// assert_eq!(reply.value().as_str(), Some("0.5"));
    /// ```
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// Returns the bytes of this value of a reply. Returns `None` if the value is not a string.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["GET", "user:1"]).unwrap();
    /// assert_eq!(reply.value().as_bytes(), Some(b"0.5".as_slice()));
    /// ```
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes),
            Node::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Returns the text of the error if this value of a reply is an error, and `None` otherwise.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok("0.5".into())).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["GET", "user:1"]).unwrap();
    /// assert_eq!(reply.value().fault(), None);
    /// ```
    #[must_use]
    pub fn fault(self) -> Option<&'a str> {
        match self.node() {
            Node::Fault(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items of this value of a reply if it is a list or a set. Any other value has no
    /// items.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::Array(vec!["a".into(), "b".into()]))).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["SMEMBERS", "users"]).unwrap();
    /// let users: Vec<_> = reply.value().items().filter_map(|user| user.as_str()).collect();
    /// assert_eq!(users, ["a", "b"]);
    /// ```
    pub fn items(self) -> impl Iterator<Item = Self> {
        let items = if let Node::Array(items) = self.node() {
            items.as_slice()
        } else {
            &[]
        };
        items.iter().map(move |index| self.at(*index))
    }

    /// Returns the pairs of a key and a value that this reply value contains. It can contain them
    /// as a map, as a list of pairs, or as a list in which keys and values alternate. Any other
    /// value has no pairs.
    ///
    /// Redis sends the members of a sorted set with their scores, and the ids of a stream with
    /// their entries, as lists of pairs. In an entry of a stream, field names and values alternate.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::map([("age", 41.into())]))).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["HGETALL", "user:1"]).unwrap();
    /// for (name, value) in reply.value().pairs() {
    ///     assert_eq!((name.as_str(), value.as_i64()), (Some("age"), Some(41)));
    /// }
    /// ```
    #[must_use]
    pub fn pairs(self) -> Vec<(Self, Self)> {
        if let Node::Map(pairs) = self.node() {
            return pairs
                .iter()
                .map(|(key, value)| (self.at(*key), self.at(*value)))
                .collect();
        }
        let pair = |item: Self| match item.node() {
            Node::Array(items) => items.first().zip(items.get(1)).filter(|_| items.len() == 2),
            _ => None,
        };
        let found: Option<Vec<_>> = self
            .items()
            .map(|item| pair(item).map(|(key, value)| (self.at(*key), self.at(*value))))
            .collect();
        found.unwrap_or_else(|| {
            let (keys, values) = (self.items().step_by(2), self.items().skip(1).step_by(2));
            keys.zip(values).collect()
        })
    }

    /// Returns the value of the key `key` among the [pairs](Self::pairs) of this value, or `None`
    /// if no pair has the key.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::map([("age", 41.into())]))).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["HGETALL", "user:1"]).unwrap();
    /// let age = reply.value().field("age").unwrap();
    /// assert_eq!(age.as_i64(), Some(41));
    /// ```
    #[must_use]
    pub fn field(self, key: &str) -> Option<Self> {
        self.pairs()
            .into_iter()
            .find(|(found, _)| found.as_bytes() == Some(key.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Returns this value of a reply as JSON.
    ///
    /// A string that is not UTF-8 becomes a list of its bytes, and a map becomes an object. Nil,
    /// NaN, infinity and the errors of Redis commands become null.
    ///
    /// ```
    /// # use scorebox_guest::{redis::*, testing};
    /// # let _host = testing::Host::new().redis("default", |_| Ok(testing::Value::map([("age", 41.into())]))).install();
    /// # let redis = Connection::lazy("default");
    /// let reply = redis.execute(["HGETALL", "user:1"]).unwrap();
    /// assert_eq!(reply.value().to_json().to_string(), r#"{"age":41}"#);
    /// ```
    #[must_use]
    pub fn to_json(self) -> Json {
        match self.node() {
            Node::Nil | Node::Fault(_) => Json::Null,
            Node::Boolean(value) => (*value).into(),
            Node::Integer(value) => (*value).into(),
            Node::Double(value) => (*value).into(),
            Node::Text(text) => text.as_str().into(),
            Node::Bytes(bytes) => self
                .as_str()
                .map_or_else(|| bytes.as_slice().into(), Into::into),
            Node::Array(_) => self.items().map(Self::to_json).collect(),
            Node::Map(_) => {
                let name = |key: Self| {
                    key.as_str()
                        .map_or_else(|| key.to_json().to_string(), str::to_owned)
                };
                self.pairs()
                    .into_iter()
                    .map(|(key, value)| (name(key), value.to_json()))
                    .collect()
            }
        }
    }

    /// Returns the child of this value whose index among the nodes of the reply is `index`.
    ///
    /// In a reply, children come before their parents, so following the children always ends. An
    /// index that does not come before the index of this value gives nil.
    fn at(self, index: u32) -> Self {
        let index = if index < self.index { index } else { u32::MAX };
        Self {
            nodes: self.nodes,
            index,
        }
    }
}
