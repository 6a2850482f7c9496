//! Activity of one connection: its phase, and since when the peer has been silent.
//!
//! Owns the phases of a connection, the clock that measures silence, and the request to close. The
//! task of the connection writes the activity, and the connection table reads it. Must not know
//! sockets or HTTP.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Least rate of a peer that does not count as silent, in bytes per second, however large a body or
/// a response is.
const BYTES_PER_SECOND: u64 = 16 << 10;

/// Number of low bits of the state that hold the phase. The other bits hold a time.
const PHASE_BITS: u32 = 3;

/// Value that means "no phase".
const NEVER: u8 = u8::MAX;

/// Phase of a connection: what it is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection was accepted, and no byte has arrived.
    New = 0,
    /// The connection waits for its next request.
    Idle = 1,
    /// The connection waits for the rest of the head of a request.
    Head = 2,
    /// A request is being answered, and the host waits for nothing from the peer.
    Call = 3,
    /// The host waits for more of the body of a request.
    Body = 4,
    /// A response is being written to the socket.
    Answer = 5,
    /// A response waits until the peer has read more of it.
    Unread = 6,
    /// The host has closed its side, and waits until the peer closes the other one.
    Closing = 7,
}

impl Phase {
    fn of(state: u64) -> Self {
        match state & ((1 << PHASE_BITS) - 1) {
            0 => Self::New,
            1 => Self::Idle,
            2 => Self::Head,
            3 => Self::Call,
            4 => Self::Body,
            5 => Self::Answer,
            6 => Self::Unread,
            _ => Self::Closing,
        }
    }
}

/// Activity of one connection, shared by its task and the connection table.
pub(super) struct Activity {
    /// Phase in the low bits, and above it the time since which the peer has been silent, in
    /// microseconds.
    state: AtomicU64,
    /// Phase in which the table asked the connection to end. [`NEVER`] if it did not ask.
    condemned_in: AtomicU8,
    /// Notification that wakes the connection's task when the connection is condemned.
    condemned: Notify,
    /// True if the connection has a reserved place, where only probes are answered.
    pub(super) is_reserved: bool,
    /// Address of the peer. For IPv6 it is the network, because one machine can use all addresses
    /// of a /64.
    pub(super) peer: IpAddr,
    /// True if an answer on this connection found no memory.
    found_answers_full: AtomicBool,
    /// True if a request was taken since bytes last came from the socket.
    has_answered: AtomicBool,
}

impl Activity {
    pub(super) fn new(peer: IpAddr, is_reserved: bool) -> Self {
        let (state, condemned_in) = (AtomicU64::new(0), AtomicU8::new(NEVER));
        let activity = Self {
            state,
            condemned_in,
            condemned: Notify::new(),
            is_reserved,
            peer,
            found_answers_full: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
        };
        activity.enter(Phase::New);
        activity
    }

    /// Notes that bytes came from the socket.
    pub(super) fn note_read(&self) {
        self.has_answered.store(false, Ordering::Relaxed);
    }

    /// Notes a request. Returns true if it came together with the request before it, so that the
    /// client did not wait for that answer.
    pub(super) fn is_pipelined(&self) -> bool {
        self.has_answered.swap(true, Ordering::Relaxed)
    }

    /// Notes that an answer found no memory.
    pub(super) fn note_answers_full(&self) {
        self.found_answers_full.store(true, Ordering::Relaxed);
    }

    /// True if an answer on this connection found no memory once.
    pub(super) fn found_answers_full(&self) -> bool {
        self.found_answers_full.load(Ordering::Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::of(self.state.load(Ordering::Relaxed))
    }

    /// Starts a phase. Silence is measured from now on.
    pub(super) fn enter(&self, phase: Phase) {
        self.set(phase, now());
    }

    /// Starts a phase in which silence is not checked, so that the clock need not be read.
    pub(super) fn enter_untimed(&self, phase: Phase) {
        self.set(phase, 0);
    }

    pub(super) fn set(&self, phase: Phase, since: u64) {
        self.state
            .store(since << PHASE_BITS | phase as u64, Ordering::Relaxed);
    }

    /// Records that bytes moved in a phase. Silence shrinks by the time that the bytes take at the
    /// least rate.
    ///
    /// So a peer that sends a byte now and then is as silent as one that sends nothing.
    pub(super) fn moved(&self, phase: Phase, bytes: usize) {
        self.set(phase, later(self.since(), bytes));
    }

    fn since(&self) -> u64 {
        self.state.load(Ordering::Relaxed) >> PHASE_BITS
    }

    /// Returns the phase, and for how long the peer has been silent in it.
    pub(super) fn silence(&self) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        (
            Phase::of(state),
            Duration::from_micros(now().saturating_sub(state >> PHASE_BITS)),
        )
    }

    /// Asks the connection to end in its current phase. If bytes that arrived in time start another
    /// phase, the connection goes on until its request is answered.
    pub(super) fn condemn(&self) {
        self.condemned_in
            .store(self.phase() as u8, Ordering::Relaxed);
        self.condemned.notify_one();
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.condemned_in.load(Ordering::Relaxed) != NEVER
    }

    /// Resolves when the connection is condemned, once each time.
    pub(super) async fn condemned(&self) {
        self.condemned.notified().await;
    }

    /// True if the connection ends as soon as its task runs.
    pub(super) fn is_leaving(&self) -> bool {
        let phase = self.phase();
        self.condemned_in.load(Ordering::Relaxed) == phase as u8
            && !matches!(phase, Phase::Call | Phase::Answer)
    }
}

/// Returns the microseconds since the first use of this clock. The result is never 0.
pub(super) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_micros())
        .unwrap_or(u64::MAX >> PHASE_BITS)
        .max(1)
}

/// Returns the time since which a peer has been silent, after it moved some bytes.
pub(super) fn later(since: u64, bytes: usize) -> u64 {
    since
        .saturating_add(bytes as u64 * 1_000_000 / BYTES_PER_SECOND)
        .min(now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        Activity::new(IpAddr::from([127, 0, 0, 1]), false)
    }

    #[test]
    fn every_phase_is_read_as_it_was_written() {
        let phases = [
            Phase::New,
            Phase::Idle,
            Phase::Head,
            Phase::Call,
            Phase::Body,
            Phase::Answer,
            Phase::Unread,
            Phase::Closing,
        ];
        let activity = activity();
        for phase in phases {
            activity.enter(phase);
            assert_eq!(activity.phase(), phase);
            assert!(activity.silence().1 < Duration::from_secs(5), "{phase:?}");
        }
    }

    #[test]
    fn a_trickle_does_not_end_a_silence_and_a_stream_does() {
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(later(1, 0), 1);
        assert_eq!(later(1, 16), 1 + 976);
        let before = now();
        assert!(
            later(1, 1 << 20) >= before,
            "no peer is ahead of the clock, and none behind it"
        );
    }

    #[test]
    fn a_condemned_connection_leaves_only_in_the_phase_in_which_it_was_condemned() {
        let activity = activity();
        activity.enter(Phase::Idle);
        activity.condemn();
        assert!(activity.is_leaving());
        activity.enter(Phase::Head);
        assert!(activity.is_condemned() && !activity.is_leaving());
        for phase in [Phase::Call, Phase::Answer] {
            activity.enter(phase);
            activity.condemn();
            assert!(!activity.is_leaving(), "{phase:?}");
        }
    }
}
