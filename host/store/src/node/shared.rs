//! State that the calls of a node share with the task that connects to the node's server.
//!
//! Owns the states of the connection. Must not know when a state changes, or what a command asks
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::dialer::{DialError, Dialer};
use crate::endpoint::Address;

/// Time without calls after which the next call first has the connection checked, in milliseconds.
///
/// A load balancer or a firewall may forget a connection without telling either side. A check takes
/// one round trip, so it is made only before rare calls. A connection with frequent calls is never
/// forgotten, because devices keep idle connections for minutes.
const STALE_MS: u64 = 1000;

/// Time without calls after which the check of a connection opens a new connection at once, in
/// milliseconds.
///
/// Azure's load balancers forget idle connections after 4 to 10 minutes, and other devices may
/// forget them earlier. The time is long enough that living connections rarely cost the server a
/// second one.
const LONG_IDLE_MS: u64 = 30_000;

/// State of a Redis node that its calls share with the task that connects to the server.
pub(super) struct Shared {
    pub(super) address: Address,
    /// True if a cluster announced the address of the node's server. False if the address is in the
    /// URL.
    pub(super) is_announced: bool,
    pub(super) dialer: Arc<Dialer>,
    pub(super) state: watch::Sender<State>,
    /// Signal to the task that connects to the server: the connection should be replaced.
    pub(super) suspected: Notify,
    /// Signal to the task that connects to the server: it should check if the server still answers
    /// on the connection.
    pub(super) check: Notify,
    pub(super) started: Instant,
    /// Time of the last call that used this node, in milliseconds since `started`.
    pub(super) asked_ms: AtomicU64,
    /// True if the latest call that asked for a check came after [`LONG_IDLE_MS`] without calls.
    /// The check that the call asked for sets it to false.
    pub(super) was_long_idle: AtomicBool,
    /// Round-trip time of the last check of a connection, in microseconds. The number is 0 before
    /// the first check.
    pub(super) round_trip_us: AtomicU64,
    /// Time from which a check may open a new connection next to one that may still be alive, in
    /// milliseconds since `started`.
    pub(super) next_dial_ms: AtomicU64,
}

impl Shared {
    /// Returns the time since `started`, in milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns true if no call has used the connection for so long that a device on the way may
    /// have forgotten it.
    pub(super) fn is_stale(&self, now_ms: u64) -> bool {
        self.idle_ms(now_ms) > STALE_MS
    }

    /// Returns true if no call has used the connection for so long that a new connection is opened
    /// at once when it is checked.
    pub(super) fn is_long_idle(&self, now_ms: u64) -> bool {
        self.idle_ms(now_ms) > LONG_IDLE_MS
    }

    fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.asked_ms.load(Ordering::Relaxed))
    }
}

/// State of the connection to a node's server.
#[derive(Clone)]
pub(super) enum State {
    /// There is no connection to the server, and no task tries to connect.
    Idle,
    /// A task is connecting to the server. A call may wait for the connection until this time.
    Connecting(Instant),
    /// The task checks if the server still answers on the connection. The fields are the time until
    /// which a call may wait for the result, and the number of the connection.
    Checking(Instant, u64),
    /// There is a connection to the server. The fields are the connection, its number, and the
    /// counter of the bytes that the server has sent on the connection.
    Connected(MultiplexedConnection, u64, Arc<AtomicU64>),
    /// The server cannot be reached. The field gives the reason. A task keeps trying to connect.
    Away(Arc<DialError>),
}
