//! Reasons why a Redis command of a scorer does not have a reply.
//!
//! Owns their texts. Must not know which command failed, or how an error of a server is read.

/// Reason why a Redis command of a scorer does not have a reply. The text of a reason may be shown
/// to a scorer, because it holds no address, no credential and no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The manifest or the host does not allow the command, so it was not sent. The text gives the
    /// reason.
    #[error("denied: {0}")]
    Denied(String),
    /// The keys of the command or transaction have different slots, and the store is on a cluster.
    #[error("the keys have different slots")]
    CrossSlot,
    /// No reply to the command arrived in time.
    #[error("the store cannot be reached now: no answer in time")]
    Timeout,
    /// There is no connection to the server, the connection broke, the server is not ready, or the
    /// store is in memory. The text gives the reason.
    #[error("the store cannot be reached now: {0}")]
    Disconnected(String),
    /// The reply is larger than this maximum size, in bytes, or has too many nested values.
    #[error("the reply is larger than {0} bytes")]
    TooLarge(usize),
    /// The server refused the command, or its answer cannot be used. The text is from the server's
    /// own message, without the store's prefix, or says what is wrong.
    #[error("the store refused: {0}")]
    Server(String),
}
