//! Redis commands that a scorer may send to a store, in addition to reading and writing values.
//!
//! Owns the connection that a scorer opens, which commands it may send, where their keys are, and
//! the form of a reply. Must not know WebAssembly, nor which node has a key. A key is never sent
//! without the store's prefix: if the keys of a command are not known for certain, the command is
//! not sent.

mod allowed;
#[cfg(feature = "client")]
mod bounds;
mod command_error;
mod commands;
#[cfg(feature = "client")]
mod connection;
#[cfg(feature = "client")]
mod keys;
mod refused;
#[cfg(feature = "client")]
mod reply;

pub use self::allowed::Allowed;
pub use self::command_error::CommandError;
pub use self::commands::{Again, COMMANDS, Keys, Row};
#[cfg(feature = "client")]
pub use self::connection::Connection;
#[cfg(feature = "client")]
pub use self::keys::positions;
pub use self::refused::{REFUSED, Refused};
#[cfg(feature = "client")]
pub use self::reply::{Budget, NODE_BYTES, Node, REPLY_BYTES, Reply, reply};

/// Redis command: its name, followed by its arguments.
pub type Command = Vec<Vec<u8>>;

/// Maximum number of Redis commands in one pipeline or transaction of a scorer. The number is
/// limited because a server answers no other client while it executes a transaction.
pub const COMMANDS_AT_ONCE: usize = 4096;

/// Maximum number of arguments that all Redis commands in one call of a scorer have together. The
/// names of the commands count as arguments.
pub const ARGUMENTS: usize = 1 << 17;

/// Maximum size of the arguments of all Redis commands in one call of a scorer together, in bytes.
/// A single argument is limited to the maximum size of a value.
pub const ARGUMENT_BYTES: usize = 64 << 20;
