//! State that the calls of a node share with the task that connects to the node's server.
//!
//! Owns the states of the connection. Must not know when a state changes, or what a command asks
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::dialer::Dialer;
use crate::endpoint::Address;

/// Parts of a node that its calls and the task that connects use together.
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) dialer: Arc<Dialer>,
    pub(super) state: watch::Sender<State>,
    /// Signal to the task that connects to the server: the connection should be replaced.
    pub(super) suspected: Notify,
    pub(super) started: Instant,
    /// Time of the last call that used this node, in milliseconds since `started`.
    pub(super) asked_ms: AtomicU64,
    /// True while the host checks with a PING whether the server still answers on the connection.
    pub(super) probing: AtomicBool,
}

/// State of the connection to a node's server.
#[derive(Clone)]
pub(super) enum State {
    /// There is no connection to the server, and no task tries to connect.
    Idle,
    /// A task is connecting to the server. A call may wait for the connection until this time.
    Connecting(Instant),
    /// There is a connection to the server. The fields are the connection, its number, and the
    /// counter of the bytes that the server has sent on the connection.
    Connected(MultiplexedConnection, u64, Arc<AtomicU64>),
    /// The server cannot be reached. The text gives the reason. A task keeps trying to connect.
    Away(Arc<str>),
}
