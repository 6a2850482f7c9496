//! Limits on the time for which a peer may be idle, in each phase of its connection.
//!
//! Owns these limits. Must not know which connections are open.

use std::time::Duration;

use super::activity::Phase;

/// Maximum idle time of a peer in each phase of a connection: the time for which the peer may send
/// and read fewer bytes than the minimum rate requires.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Maximum idle time of the peer before the first byte of a connection.
    pub(super) first_byte: Duration,
    /// Maximum idle time of the peer between two requests of a connection.
    pub(super) idle: Duration,
    /// Maximum idle time of the peer within the head of a request, counted from the first byte of
    /// the head.
    pub(super) head: Duration,
    /// Maximum idle time of the peer while a response cannot be written until the peer has read
    /// more of it.
    pub(super) unread: Duration,
    /// Maximum idle time of the peer after the host has closed its side of the connection.
    pub(super) closing: Duration,
}

impl Patience {
    /// Returns the limits on the peer's idle time that apply while the host serves connections.
    /// `idle` is the setting `limits.keep_alive`.
    pub(super) const fn serving(idle: Duration) -> Self {
        Self {
            // A caller sends its request together with its connection. Pools that connect in
            // advance, such as those of browsers, connect again.
            first_byte: Duration::from_secs(5),
            idle,
            head: Duration::from_secs(10),
            unread: Duration::from_secs(30),
            closing: Duration::from_secs(2),
        }
    }

    /// Returns the limits on the peer's idle time that apply in a shutdown, after new connections
    /// are refused. A request that a peer sent earlier is in transit for less than the shortest of
    /// these limits.
    pub(super) const fn ending() -> Self {
        let (idle, second) = (Duration::from_millis(500), Duration::from_secs(1));
        Self {
            first_byte: second,
            closing: second,
            ..Self::serving(idle)
        }
    }

    /// Returns the limit on the peer's idle time in a phase of its connection. Returns `None` if
    /// the idle time is not limited in this phase, because reading a body and answering a call have
    /// limits of their own.
    pub(super) fn of(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::New => Some(self.first_byte),
            Phase::Idle => Some(self.idle),
            Phase::Head => Some(self.head),
            Phase::Unread => Some(self.unread),
            Phase::Closing => Some(self.closing),
            // The reader of bodies has its own limit, with a response for it. A call has its
            // deadline.
            Phase::Body | Phase::Call | Phase::Answer => None,
        }
    }
}
