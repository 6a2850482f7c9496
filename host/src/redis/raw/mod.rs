//! Raw commands: what a scorer may send to a store beyond keys and values.
//!
//! Owns the connection that a scorer opens, which commands it may send, where their keys stand, and the form of a reply.
//! Must not know WebAssembly, nor which node has a key. A key never leaves without the store's prefix: a command whose
//! keys are not known for certain is not sent.

mod allowed;
mod bounds;
mod commands;
mod connection;
mod keys;
mod refused;
mod reply;

pub use self::allowed::Allowed;
pub use self::commands::{Again, COMMANDS, Keys, Row};
pub use self::connection::Connection;
pub use self::keys::positions;
pub use self::refused::{REFUSED, Refused};
pub use self::reply::{NODE_BYTES, Node, REPLY_BYTES, Reply};

/// A command: its name, then its arguments.
pub type Command = Vec<Vec<u8>>;

/// Most commands of one pipeline or transaction. The server answers nobody else between those of a transaction.
pub const COMMANDS_AT_ONCE: usize = 4096;

/// Most arguments of one call, names of commands included.
pub const ARGUMENTS: usize = 1 << 17;

/// Most bytes of one call's arguments. A single one has the limit of a value.
pub const ARGUMENT_BYTES: usize = 64 << 20;

/// Why there is no reply. The texts are fit for a scorer: no address, no credential, no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The manifest or the host does not allow it; nothing was sent.
    #[error("denied: {0}")]
    Denied(String),
    /// The keys have different slots, on a cluster.
    #[error("the keys have different slots")]
    CrossSlot,
    /// Nothing came in time.
    #[error("the store cannot be reached now: no answer in time")]
    Timeout,
    /// There is no connection, or it broke.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The reply is larger than this many bytes.
    #[error("the reply is larger than {0} bytes")]
    TooLarge(usize),
    /// The server refused, in its words.
    #[error("the store refused: {0}")]
    Server(String),
}
