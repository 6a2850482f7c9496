//! Redis beyond keys and values: hashes, sorted sets, streams, pipelines, transactions.
//!
//! Owns the building of commands and the reading of replies. Must not know addresses, prefixes or
//! credentials: the host holds them, and puts the store's prefix before every key. A store allows
//! the commands that its `commands` in `scorebox.toml` lists. Give an expiry with the command
//! itself: the store's `default_ttl` applies only to [`cache`](crate::cache).
//!
//! ```no_run
//! use scorebox_guest::redis::{Command, Connection};
//!
//! # fn run() -> scorebox_guest::Result<()> {
//! let redis = Connection::open("default")?;
//! redis.execute(["HSET", "user:1", "age", "41"])?;
//! let features = redis.execute(["HGETALL", "user:1"])?;
//! let age = features.value().field("age").and_then(|age| age.as_f64());
//! let replies = redis.transaction([
//!     Command::new("ZADD").arg("scores").arg("0.7").arg("user:1"),
//!     Command::new("EXPIRE").arg("scores").arg("3600"),
//! ])?;
//! # Ok(())
//! # }
//! ```

use std::cell::OnceCell;

use serde_json::Value as Json;

use crate::bindings::capabilities::scorebox::scoring::redis as wit;

pub use wit::{Error, Node};

/// A connection to a Redis store. All instances of the scorer share the host's connection to each
/// server of the store.
#[derive(Debug)]
pub struct Connection {
    name: String,
    handle: OnceCell<wit::Connection>,
}

impl Connection {
    /// Opens the store `name` of `scorebox.toml`, without connecting to the store yet.
    ///
    /// # Errors
    /// Fails if `scorebox.toml` has no store of this name, or if `scorebox.toml` allows no command
    /// for the store.
    pub fn open(name: &str) -> Result<Self, Error> {
        let connection = Self::lazy(name);
        connection.handle()?;
        Ok(connection)
    }

    /// Returns a connection to the store `name` of `scorebox.toml`. The store is opened when the
    /// connection is first used.
    ///
    /// Use this function in `init`, which runs where the image is built and no store can be
    /// reached. If `scorebox.toml` has no store of this name, the first use fails.
    #[must_use]
    pub fn lazy(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            handle: OnceCell::new(),
        }
    }

    fn handle(&self) -> Result<&wit::Connection, Error> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let opened = wit::Connection::open(&self.name)?;
        Ok(self.handle.get_or_init(|| opened))
    }

    /// Sends a command, and returns the reply to the command.
    ///
    /// # Errors
    /// Fails if the host denies the command, if the store refuses the command, if the store does
    /// not answer, or if the reply is larger than the host allows.
    pub fn execute(&self, command: impl Into<Command>) -> Result<Reply, Error> {
        self.handle()?.execute(&command.into().0).map(Reply)
    }

    /// Sends all commands in one round trip. Returns one result for each command: the reply or the
    /// error of the command.
    ///
    /// # Errors
    /// Fails if no command can be sent to the store, e.g. because the commands together are too
    /// large. The error of a single command is in the returned list.
    pub fn pipeline<C: Into<Command>>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Result<Reply, Error>>, Error> {
        let replies = self.handle()?.pipeline(&all(commands))?;
        Ok(replies.into_iter().map(|reply| reply.map(Reply)).collect())
    }

    /// Executes all commands in one transaction, or none of them. Returns one reply for each
    /// command.
    ///
    /// If a command fails while it is executed, the reply to the command is a
    /// [fault](Value::fault).
    ///
    /// # Errors
    /// Fails if the host or the store refuses the transaction, so that nothing was executed. Also
    /// fails if the connection breaks or no reply arrives in time. In this case, it is unknown
    /// whether the commands were executed. Also fails, although the commands were executed, if the
    /// replies together are larger than the host allows.
    pub fn transaction<C: Into<Command>>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Reply>, Error> {
        let replies = self.handle()?.transaction(&all(commands))?;
        Ok(replies.into_iter().map(Reply).collect())
    }
}

fn all<C: Into<Command>>(commands: impl IntoIterator<Item = C>) -> Vec<Vec<Vec<u8>>> {
    commands
        .into_iter()
        .map(|command| command.into().0)
        .collect()
}

/// A Redis command: its name, followed by its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<Vec<u8>>);

impl Command {
    /// Returns the command `name` without arguments.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(vec![name.into()])
    }

    /// Adds an argument after the other arguments of the command.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.0.push(argument.as_ref().to_vec());
        self
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for Command {
    fn from_iter<I: IntoIterator<Item = A>>(words: I) -> Self {
        Self(
            words
                .into_iter()
                .map(|word| word.as_ref().to_vec())
                .collect(),
        )
    }
}

impl<A: AsRef<[u8]>, const N: usize> From<[A; N]> for Command {
    fn from(words: [A; N]) -> Self {
        words.into_iter().collect()
    }
}

impl<A: AsRef<[u8]>> From<&[A]> for Command {
    fn from(words: &[A]) -> Self {
        words.iter().collect()
    }
}

impl<A: AsRef<[u8]>> From<Vec<A>> for Command {
    fn from(words: Vec<A>) -> Self {
        words.into_iter().collect()
    }
}

/// A reply of the store to a command.
#[derive(Debug, Clone)]
pub struct Reply(wit::Reply);

impl Reply {
    /// Returns the whole reply as one value.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        Value {
            nodes: &self.0.nodes,
            index: self.0.root,
        }
    }
}

/// A value in a reply, which may contain other values.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    nodes: &'a [Node],
    index: u32,
}

impl<'a> Value<'a> {
    /// Returns this value of a reply as a node, for a `match` on its type.
    #[must_use]
    pub fn node(self) -> &'a Node {
        self.nodes.get(self.index as usize).unwrap_or(&Node::Nil)
    }

    /// Returns true if this value of a reply is nil. Redis replies with nil if a key, field or
    /// member does not exist.
    #[must_use]
    pub fn is_nil(self) -> bool {
        matches!(self.node(), Node::Nil)
    }

    /// Returns this value of a reply as an integer. Returns `None` if the value is neither an
    /// integer nor a string that holds an integer.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.node() {
            Node::Integer(value) => Some(*value),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// Returns this value of a reply as a floating-point number. Returns `None` if the value is
    /// neither a number nor a string that holds a number.
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
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Boolean(value) => Some(*value),
            Node::Integer(value @ (0 | 1)) => Some(*value == 1),
            _ => None,
        }
    }

    /// Returns this value of a reply as text. Returns `None` if the value is not a string in UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// Returns the bytes of this value of a reply. Returns `None` if the value is not a string.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes),
            Node::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Returns the text of the error if this value of a reply is an error, and `None` otherwise.
    #[must_use]
    pub fn fault(self) -> Option<&'a str> {
        match self.node() {
            Node::Fault(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items of this value of a reply if it is a list or a set. Any other value has no
    /// items.
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
    /// Redis sends members with their scores, and ids with their entries, as lists of pairs. In the
    /// entry of a stream, fields and values alternate.
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
    /// NaN, infinity and faults become null.
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

#[cfg(test)]
mod tests;
