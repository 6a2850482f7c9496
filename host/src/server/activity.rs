//! Activity of one connection: its phase, and since when the peer has been silent, i.e. has sent
//! and read fewer bytes than the minimum rate requires.
//!
//! Owns the phases of a connection, the clock that measures the idle time of the peer, and the
//! request to close. The task of the connection writes the activity, and the connection table reads
//! it. Must not know sockets, or what a request asks for.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Minimum rate at which a peer must send or read so that it does not count as silent, in bytes per
/// second. The rate is the same for bodies and responses of every size.
const BYTES_PER_SECOND: u64 = 16 << 10;

/// Number of low bits of `Activity::state` that hold the phase. The other bits hold the time since
/// which the peer has been silent, in microseconds.
const PHASE_BITS: u32 = 3;

/// Value of `Activity::condemned_in` for a connection that was not asked to end.
const NEVER: u8 = u8::MAX;

/// Phase of a connection: what the host does for the connection now, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection was accepted, and no byte has arrived from the peer yet.
    New = 0,
    /// The host has answered all requests of the connection, and waits for the next one.
    Idle = 1,
    /// The host waits for the rest of the head of a request.
    Head = 2,
    /// A request is being answered, and the host does not wait for more of its body.
    Call = 3,
    /// The host waits for more of the body of a request.
    Body = 4,
    /// A response is being written to the socket.
    Answer = 5,
    /// The rest of a response cannot be written until the peer has read more of the response.
    Unread = 6,
    /// The host has closed its side of the connection, and waits until the peer closes the other
    /// side. Over HTTP/2: the host has asked the peer to send no further requests, and all requests
    /// are answered.
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
    /// Phase of the connection in the low [`PHASE_BITS`] bits. The other bits hold the time since
    /// which the peer has been silent, in microseconds of the clock [`now`].
    state: AtomicU64,
    /// Phase in which the connection was when the connection table asked it to end. [`NEVER`] if
    /// the table did not ask it to end.
    condemned_in: AtomicU8,
    /// Notification that wakes the connection's task when the connection is asked to end.
    condemned: Notify,
    /// True if the connection was accepted although the connection table was full. Only liveness
    /// and readiness probes are answered on such a connection.
    pub(super) is_reserved: bool,
    /// Address of the peer. For IPv6 it is the /64 network, because one machine can use all
    /// addresses of its network.
    pub(super) peer: IpAddr,
    /// True if at least one answer on this connection could not get memory from the budget of
    /// answers.
    found_answers_full: AtomicBool,
    /// True if the host started to answer a request after the last bytes arrived from the socket.
    has_answered: AtomicBool,
    /// Time since which the peer of an HTTP/2 connection has read too little of its responses, in
    /// microseconds of the clock [`now`]. 0 if the peer has read them. A connection that speaks
    /// HTTP/1 is in the phase [`Phase::Unread`] during this time instead.
    unread_since: AtomicU64,
    /// True if the connection must end although a request is being answered.
    is_cut_off: AtomicBool,
    /// True if the connection, when it is asked to end, may wait until its peer knows about the
    /// end.
    may_take_leave: AtomicBool,
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
            unread_since: AtomicU64::new(0),
            is_cut_off: AtomicBool::new(false),
            may_take_leave: AtomicBool::new(false),
        };
        activity.enter(Phase::New);
        activity
    }

    /// Records that bytes arrived from the socket. The next request then does not count as
    /// pipelined.
    pub(super) fn note_read(&self) {
        self.has_answered.store(false, Ordering::Relaxed);
    }

    /// Records that the host starts to answer a request. Returns true if the request is pipelined:
    /// it arrived together with the previous request, so the client did not wait for the previous
    /// answer.
    pub(super) fn is_pipelined(&self) -> bool {
        self.has_answered.swap(true, Ordering::Relaxed)
    }

    /// Records that an answer on this connection could not get memory from the budget of answers.
    pub(super) fn note_answers_full(&self) {
        self.found_answers_full.store(true, Ordering::Relaxed);
    }

    /// Returns true if at least one answer on this connection could not get memory from the budget
    /// of answers.
    pub(super) fn found_answers_full(&self) -> bool {
        self.found_answers_full.load(Ordering::Relaxed)
    }

    /// Records whether the peer of an HTTP/2 connection still has responses to read.
    pub(super) fn set_has_unread(&self, has_unread: bool) {
        let since = if has_unread { now() } else { 0 };
        self.unread_since.store(since, Ordering::Relaxed);
    }

    /// Records that the peer of an HTTP/2 connection with unread responses read `bytes` bytes.
    pub(super) fn moved_unread(&self, bytes: usize) {
        let since = later(self.unread_since.load(Ordering::Relaxed), bytes);
        self.unread_since.store(since, Ordering::Relaxed);
    }

    /// Returns how long the peer of an HTTP/2 connection has read too little of its responses at
    /// the time `at`, in microseconds of the clock [`now`]. Returns zero if the peer has read them.
    /// The time continues while calls of the same connection are in progress.
    pub(super) fn unread(&self, at: u64) -> Duration {
        match self.unread_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros(at.saturating_sub(since)),
        }
    }

    /// Asks the connection to end, as [`Activity::condemn`] does. An HTTP/2 connection may first
    /// announce its end to the peer, and answer the requests that the peer sent before it received
    /// the announcement.
    pub(super) fn dismiss(&self) {
        self.may_take_leave.store(true, Ordering::Relaxed);
        self.condemn();
    }

    /// Returns true if an HTTP/2 connection that was asked to end may wait until its peer knows
    /// about the end.
    pub(super) fn may_take_leave(&self) -> bool {
        self.may_take_leave.load(Ordering::Relaxed)
    }

    /// Asks the connection to end at once, even if a request is being answered.
    pub(super) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Relaxed);
        self.condemn();
    }

    /// Returns true if the connection was asked to end although a request is being answered.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::of(self.state.load(Ordering::Relaxed))
    }

    /// Puts the connection into a phase, and measures the idle time of the peer from now on.
    pub(super) fn enter(&self, phase: Phase) {
        self.set(phase, now());
    }

    /// Puts the connection into a phase in which the idle time of the peer is not checked. The
    /// clock is not read.
    pub(super) fn enter_untimed(&self, phase: Phase) {
        self.set(phase, 0);
    }

    pub(super) fn set(&self, phase: Phase, since: u64) {
        self.state
            .store(since << PHASE_BITS | phase as u64, Ordering::Relaxed);
    }

    /// Records that the peer sent or read `bytes` bytes in a phase. This shortens the idle time of
    /// the peer by the time that these bytes take at the minimum rate, `BYTES_PER_SECOND`.
    ///
    /// A peer that only sends a byte now and then thus counts as silent, as does a peer that sends
    /// nothing.
    pub(super) fn moved(&self, phase: Phase, bytes: usize) {
        self.set(phase, later(self.since(), bytes));
    }

    fn since(&self) -> u64 {
        self.state.load(Ordering::Relaxed) >> PHASE_BITS
    }

    /// Returns the phase of the connection, and the idle time of the peer: how long the peer has
    /// been silent in this phase at the time `at`, in microseconds of the clock [`now`].
    ///
    /// The idle time has no meaning in a phase that [`Activity::enter_untimed`] set. To compare the
    /// idle times of connections, pass the same `at` for each. A thread can be interrupted between
    /// two calls of this function, so the current time would differ.
    pub(super) fn silence(&self, at: u64) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        (
            Phase::of(state),
            Duration::from_micros(at.saturating_sub(state >> PHASE_BITS)),
        )
    }

    /// Asks the connection to end in its current phase. If bytes that arrived in time start another
    /// phase, the connection continues until the request in these bytes is answered.
    pub(super) fn condemn(&self) {
        self.condemned_in
            .store(self.phase() as u8, Ordering::Relaxed);
        self.condemned.notify_one();
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.condemned_in.load(Ordering::Relaxed) != NEVER
    }

    /// Waits until the connection is asked to end. The next call of this function waits until the
    /// connection is asked to end again.
    pub(super) async fn condemned(&self) {
        self.condemned.notified().await;
    }

    /// Returns true if the connection was asked to end in its current phase, and no request is
    /// being answered in this phase. Such a connection ends as soon as its task runs.
    pub(super) fn is_leaving(&self) -> bool {
        let phase = self.phase();
        self.condemned_in.load(Ordering::Relaxed) == phase as u8
            && !matches!(phase, Phase::Call | Phase::Answer)
    }
}

/// Returns the time of the clock that measures idle times: the microseconds since this function was
/// first called. The result is never 0.
pub(super) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_micros())
        .unwrap_or(u64::MAX >> PHASE_BITS)
        .max(1)
}

/// Returns the time since which a peer counts as silent, if it counted as silent since `since` and
/// then sent or read `bytes` bytes. This is `since` plus the time that the bytes take at the
/// minimum rate, and at most the current time. Times are in microseconds of the clock [`now`].
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
            assert!(
                activity.silence(now()).1 < Duration::from_secs(5),
                "{phase:?}"
            );
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
