//! The conversion of a server's answer into the reply that a scorer gets.
//!
//! Owns the limits on a reply, removing the prefix from key names in it, and which part of an error
//! a scorer may read. Must not know how an answer was received.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use scorebox_text::{REASON_BYTES, cut};

use super::command_error::CommandError;
use super::commands::Keys;
use crate::node::{Fault, LATE};
use crate::server::translate;
use crate::{StoreError, VALUE_LIMIT_BYTES};

/// Maximum size of all replies to one [`execute`](super::Connection::execute),
/// [`pipeline`](super::Connection::pipeline) or [`transaction`](super::Connection::transaction)
/// together, in bytes. It is equal to the maximum size of a value.
pub const REPLY_BYTES: usize = VALUE_LIMIT_BYTES;

/// Number of bytes with which each node of a reply counts towards [`REPLY_BYTES`], in addition to
/// the bytes that it holds. This limits all replies together to a million nodes.
pub const NODE_BYTES: usize = 32;

/// Maximum depth of nested values in a reply. The Redis client itself refuses more than a hundred
/// levels.
const DEPTH: usize = 128;

/// One value of a reply. A node refers to its children by their indices in [`Reply::nodes`].
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A value that is missing (nil).
    Nil,
    /// A boolean, true or false.
    Boolean(bool),
    /// A signed integer of 64 bits.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
    /// A simple or verbatim string, or the digits of an integer that does not fit into 64 bits.
    Text(String),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// A list or a set. The numbers are the indices of the nodes of its items.
    Array(Vec<u32>),
    /// A list of pairs of a key and a value. The numbers are the indices of the nodes of the keys
    /// and values.
    Map(Vec<(u32, u32)>),
    /// An error in the place of a value. The text is its message.
    Fault(String),
}

/// Reply to a command as a tree of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Nodes of the reply. The children of a node come before the node.
    pub nodes: Vec<Node>,
    /// Index of the node that is the root of the tree: the whole reply.
    pub root: u32,
}

/// Number of bytes that the further replies to one call of a scorer may take.
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(REPLY_BYTES)
    }
}

/// Converts a value from the server to a reply for a scorer. Removes the store's prefix `prefix`
/// from the texts of errors, and subtracts the size of the reply from `budget`.
///
/// # Errors
/// Fails with [`CommandError::TooLarge`] if the reply is larger than `budget` allows, or nested too
/// deeply.
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
    /// Adds the nodes of a value to the tree, children first. Returns the index of the value's own
    /// node. `depth` is the number of values around this value.
    ///
    /// # Errors
    /// Fails with [`CommandError::TooLarge`] if the value is nested too deeply, or larger than the
    /// budget allows.
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

/// Removes the store's prefix from the key names in the answer to a command. `keys` are the
/// positions of the command's keys, which also say where the answer has key names.
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

/// Codes of the errors of a server whose texts a scorer may see, because they depend only on the
/// command. The texts of other errors may reveal details of the deployment.
const TOLD: &[&str] = &["BUSYGROUP", "NOGROUP", "OOM", "WRONGTYPE"];

/// Codes of the errors of a server that a scorer sees without their texts. The SDK knows that these
/// errors are temporary.
const NAMED: &[&str] = &["MISCONF", "NOREPLICAS"];

/// Converts an error from the server to an error that a scorer may see, without the store's prefix
/// `prefix`.
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
    if let Some(code) = error.code().filter(|code| NAMED.contains(code)) {
        return CommandError::Server(code.to_owned());
    }
    match translate(Fault::Answer(error)) {
        StoreError::Disconnected(why) => CommandError::Disconnected(why),
        StoreError::Denied(text)
        | StoreError::Full(text)
        | StoreError::Refused(text)
        | StoreError::Invalid(text) => CommandError::Server(without_prefix(&text, prefix)),
    }
}

/// Removes the store's prefix from the key names in the text of an error. Servers put key names
/// between single quotes.
fn without_prefix(text: &str, prefix: &str) -> String {
    text.replace(&format!("'{prefix}"), "'")
}

/// Converts the reason why a command does not have a reply to an error that a scorer may see,
/// without the store's prefix `prefix`.
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
mod tests;
