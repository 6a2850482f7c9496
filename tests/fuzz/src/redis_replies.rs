//! Rules for the replies of Redis servers.
//!
//! Owns the agreement of the limit on a reply with the client that reads the reply, and the form of
//! the reply that a scorer gets. Must not know commands.

use std::io::{self, Read};

use redis::{Parser, Value};

use crate::readers::{
    Budget, CommandError, NODE_BYTES, Node, REASON_BYTES, REPLY_BYTES, Reply, reply, reply_bytes,
};

/// Limit on the memory of a reply, in bytes. It is smaller than the host's, so that a short input
/// can exceed it.
const LIMIT_BYTES: u64 = 64 << 10;

/// Checks the bytes as what a server sends on one connection.
///
/// # Panics
/// Panics if the limit or the conversion breaks a rule.
pub fn check(bytes: &[u8]) {
    let taken = reply_bytes(LIMIT_BYTES, [bytes]);
    assert_eq!(reply_bytes(LIMIT_BYTES, bytes.chunks(1)), taken);
    assert_eq!(reply_bytes(LIMIT_BYTES, bytes.chunks(7)), taken);
    // The client would get no more of a reply over the limit.
    let Some(taken) = taken else {
        return;
    };
    let mut server = Server { bytes, at: 0 };
    while server.at < bytes.len() {
        let start = server.at;
        match Parser::new().parse_value(&mut server) {
            Ok(value) => {
                let read = &bytes[..server.at];
                assert_eq!(
                    reply_bytes(LIMIT_BYTES, [read]),
                    Some(0),
                    "{} is whole replies",
                    read.escape_ascii()
                );
                converted(value);
            }
            Err(error) if error.is_io_error() && is_incomplete(&bytes[start..]) => {
                let waiting = (bytes.len() - start) as u64;
                assert!(
                    taken >= waiting,
                    "{waiting} bytes of a reply count {taken}: {}",
                    bytes[start..].escape_ascii()
                );
                return;
            }
            // The connection ends here.
            Err(_) => return,
        }
    }
    assert_eq!(taken, 0);
}

/// The bytes of a server, which arrive one by one, so that the client never takes one too many.
struct Server<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Read for Server<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some(next), Some(place)) = (self.bytes.get(self.at), buffer.first_mut()) else {
            return Ok(0);
        };
        *place = *next;
        self.at += 1;
        Ok(1)
    }
}

/// Returns true if the bytes end within a reply. Byte by byte, the client never refuses a reply
/// that is nested too deeply.
fn is_incomplete(bytes: &[u8]) -> bool {
    redis::parse_redis_value(bytes).is_err_and(|error| error.is_io_error())
}

/// Checks that a reply becomes a tree in which children come before their parents.
fn converted(value: Value) {
    let Reply { nodes, root } = match reply(value, "p:", &mut Budget::default()) {
        Ok(reply) => reply,
        Err(error) => return assert!(matches!(error, CommandError::TooLarge(_)), "{error:?}"),
    };
    assert_eq!(root as usize, nodes.len() - 1);
    let mut parents = vec![0; nodes.len()];
    let mut bytes = 0;
    for (index, node) in nodes.iter().enumerate() {
        bytes += NODE_BYTES;
        let children = match node {
            Node::Array(items) => items.clone(),
            Node::Map(pairs) => pairs
                .iter()
                .flat_map(|(key, value)| [*key, *value])
                .collect(),
            Node::Text(text) => {
                bytes += text.len();
                Vec::new()
            }
            Node::Bytes(text) => {
                bytes += text.len();
                Vec::new()
            }
            Node::Fault(text) => {
                assert!(text.len() <= 2 * REASON_BYTES, "{} bytes", text.len());
                bytes += text.len();
                Vec::new()
            }
            _ => Vec::new(),
        };
        for child in children {
            assert!((child as usize) < index);
            parents[child as usize] += 1;
        }
    }
    assert!(bytes <= REPLY_BYTES);
    parents.pop();
    assert!(parents.iter().all(|count| *count == 1), "{nodes:?}");
}
