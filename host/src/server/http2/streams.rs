//! Requests of one HTTP/2 connection, and the phase of the connection that follows from them.
//!
//! Owns the numbers of requests in each state, and the rule that derives the phase from these
//! numbers. Must not know frames: `frames` reads what the peer sends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::activity::{Activity, Phase};

/// Requests of one HTTP/2 connection, as the connection table sees them.
pub(in crate::server) struct Streams {
    activity: Arc<Activity>,
    state: Mutex<State>,
    /// Notification that the connection must take no further requests.
    ending: Notify,
}

/// Numbers of requests of one HTTP/2 connection in each state.
#[derive(Debug, Default)]
struct State {
    /// Number of requests that are being read, or whose responses are being computed.
    calls: u32,
    /// Number of requests among `calls` for whose bodies the host waits.
    reading: u32,
    /// Number of responses that are ready, but not completely written to the peer.
    answers: u32,
    /// Number of responses that were written or dropped since [`Streams::take_answered`] was last
    /// called.
    answered: u32,
    /// True if the peer has sent a part of a header, or the preface and nothing else.
    is_in_head: bool,
    /// True after the host told the peer to send no further requests.
    has_taken_leave: bool,
}

impl State {
    /// Returns the phase of the connection. If the connection has several requests, one that is
    /// being answered determines the phase, because its connection must not be closed.
    fn phase(&self) -> Phase {
        match self {
            Self { calls, reading, .. } if calls > reading => Phase::Call,
            Self { calls: 1.., .. } => Phase::Body,
            Self { answers: 1.., .. } => Phase::Unread,
            Self {
                is_in_head: true, ..
            } => Phase::Head,
            // The peer may have sent a request before it learned of the end.
            Self {
                has_taken_leave: true,
                ..
            } => Phase::Closing,
            _ => Phase::Idle,
        }
    }
}

impl Streams {
    /// Creates the request counts of a connection whose peer has sent the preface of HTTP/2 and
    /// nothing else, and puts the connection into the phase [`Phase::Head`].
    pub(in crate::server) fn new(activity: Arc<Activity>) -> Self {
        activity.enter(Phase::Head);
        let is_in_head = true;
        Self {
            activity,
            state: Mutex::new(State {
                is_in_head,
                ..State::default()
            }),
            ending: Notify::new(),
        }
    }

    pub(in crate::server) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Adds the changes `calls`, `reading` and `answers`, which may be negative, to the numbers of
    /// `state`. If `answers` is negative, also counts an answered request. Then updates the phase
    /// of the connection, and records whether the peer has responses to read.
    fn change(&self, state: &mut State, calls: i32, reading: i32, answers: i32) {
        let had_answers = state.answers > 0;
        state.calls = state.calls.saturating_add_signed(calls);
        state.reading = state.reading.saturating_add_signed(reading);
        state.answers = state.answers.saturating_add_signed(answers);
        if answers < 0 {
            state.answered = state.answered.saturating_add(1);
        }
        if had_answers != (state.answers > 0) {
            self.activity.set_has_unread(!had_answers);
        }
        self.enter(state);
    }

    /// Returns the number of requests that were answered since this function was last called.
    pub(in crate::server) fn take_answered(&self) -> u32 {
        std::mem::take(&mut self.lock().answered)
    }

    /// Records whether the peer is in the middle of a header.
    pub(in crate::server) fn set_in_head(&self, is_in_head: bool) {
        let mut state = self.lock();
        state.is_in_head = is_in_head;
        self.enter(&state);
    }

    /// Records that the peer was told to send no further requests (GOAWAY). When the peer
    /// acknowledges this, all requests that it sent before have arrived. The connection table does
    /// not wait long for the acknowledgment.
    pub(super) fn take_leave(&self) {
        let mut state = self.lock();
        state.has_taken_leave = true;
        self.enter(&state);
    }

    /// Records that `bytes` bytes were written to the peer.
    pub(in crate::server) fn wrote(&self, bytes: usize) {
        let state = self.lock();
        if state.answers > 0 {
            self.activity.moved_unread(bytes);
            if state.phase() == Phase::Unread {
                self.activity.moved(Phase::Unread, bytes);
            }
        }
    }

    /// Asks the task of the connection to take no further requests.
    pub(super) fn end(&self) {
        self.ending.notify_one();
    }

    /// Waits until the connection must take no further requests.
    pub(super) async fn ending(&self) {
        self.ending.notified().await;
    }

    fn enter(&self, state: &State) {
        let phase = state.phase();
        if phase == self.activity.phase() {
            return;
        }
        match phase {
            Phase::Call => self.activity.enter_untimed(phase),
            _ => self.activity.enter(phase),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state consists of numbers that are right after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request of an HTTP/2 connection, from its header to the end of its response.
pub(super) struct Call {
    streams: Arc<Streams>,
    /// True while the host waits for more of the body. This flag and `is_over` change only under
    /// the lock of `streams`.
    is_waiting: AtomicBool,
    /// True if the response is ready, or if the client canceled the request.
    is_over: AtomicBool,
}

/// Guard of one request, until the last bytes of its response are written, or until it ends without
/// a response. Dropping this value ends the request.
pub(super) struct Response {
    call: Arc<Call>,
    is_ready: bool,
}

impl Call {
    /// Records that a request of an HTTP/2 connection has begun. Returns the request, and the guard
    /// that ends it.
    pub(super) fn begin(streams: Arc<Streams>) -> (Arc<Self>, Response) {
        streams.change(&mut streams.lock(), 1, 0, 0);
        let call = Arc::new(Self {
            streams,
            is_waiting: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let response = Response {
            call: Arc::clone(&call),
            is_ready: false,
        };
        (call, response)
    }

    /// Records whether the host waits for more of the request's body. A body that is only read to
    /// be dropped does not count.
    pub(super) fn set_waiting(&self, is_waiting: bool) {
        let mut state = self.streams.lock();
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        if self.is_waiting.swap(is_waiting, Ordering::Relaxed) != is_waiting {
            let reading = if is_waiting { 1 } else { -1 };
            self.streams.change(&mut state, 0, reading, 0);
        }
    }

    /// Records that the request is no longer being read, and that its response is no longer being
    /// computed. Adds `answers` to the number of responses that are not written completely.
    fn leave(&self, answers: i32) {
        let mut state = self.streams.lock();
        self.is_over.store(true, Ordering::Relaxed);
        let was_waiting = self.is_waiting.swap(false, Ordering::Relaxed);
        let reading = if was_waiting { -1 } else { 0 };
        self.streams.change(&mut state, -1, reading, answers);
    }
}

impl Response {
    /// Records that the response to the request is ready, but not completely written to the peer.
    pub(super) fn set_ready(&mut self) {
        self.is_ready = true;
        self.call.leave(1);
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        let streams = &self.call.streams;
        match self.is_ready {
            true => streams.change(&mut streams.lock(), 0, 0, -1),
            // The client canceled the request.
            false => self.call.leave(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::super::super::activity::now;
    use super::super::super::patience::Patience;
    use super::super::super::table::Table;
    use super::*;

    #[test]
    fn the_phase_is_that_of_the_request_that_counts_most() {
        let activity = Arc::new(Activity::new(IpAddr::from([127, 0, 0, 1]), false));
        let streams = Arc::new(Streams::new(Arc::clone(&activity)));
        #[track_caller]
        fn check(activity: &Activity, phase: Phase) {
            assert_eq!(activity.phase(), phase);
        }
        check(&activity, Phase::Head);
        streams.set_in_head(false);
        check(&activity, Phase::Idle);
        let begin = || Call::begin(Arc::clone(&streams));
        let (first, mut first_response) = begin();
        check(&activity, Phase::Call);
        first.set_waiting(true);
        check(&activity, Phase::Body);
        let (second, mut second_response) = begin();
        check(&activity, Phase::Call);
        second_response.set_ready();
        check(&activity, Phase::Body);
        // The rest of a body that is dropped counts neither as a call nor as a wait.
        second.set_waiting(true);
        first.set_waiting(false);
        check(&activity, Phase::Call);
        first.set_waiting(true);
        first_response.set_ready();
        first.set_waiting(true);
        check(&activity, Phase::Unread);
        drop(first_response);
        check(&activity, Phase::Unread);
        drop(second_response);
        check(&activity, Phase::Idle);
        // A request that is canceled while the host waits for its body.
        let (third, third_response) = begin();
        third.set_waiting(true);
        drop(third_response);
        check(&activity, Phase::Idle);
        let (_fourth, _fourth_response) = begin();
        check(&activity, Phase::Call);
        assert_eq!(streams.take_answered(), 2);
    }

    #[test]
    fn a_connection_that_took_leave_still_answers() {
        let activity = Arc::new(Activity::new(IpAddr::from([127, 0, 0, 1]), false));
        let streams = Arc::new(Streams::new(Arc::clone(&activity)));
        streams.set_in_head(false);
        activity.dismiss();
        assert!(activity.may_take_leave() && activity.is_leaving());
        streams.take_leave();
        assert_eq!(activity.phase(), Phase::Closing);
        assert!(!activity.is_leaving(), "a request may be on its way");
        let (_call, response) = Call::begin(Arc::clone(&streams));
        assert_eq!(activity.phase(), Phase::Call);
        drop(response);
        assert_eq!(activity.phase(), Phase::Closing);
        // The peer does not acknowledge the end.
        activity.dismiss();
        assert!(activity.is_leaving());
    }

    #[test]
    fn an_unread_answer_is_known_next_to_calls() {
        let activity = Arc::new(Activity::new(IpAddr::from([127, 0, 0, 1]), false));
        let streams = Arc::new(Streams::new(Arc::clone(&activity)));
        let later = now() + 1_000_000;
        assert_eq!(activity.unread(later), Duration::ZERO);
        let (_call, _response) = Call::begin(Arc::clone(&streams));
        let (_, mut answered) = Call::begin(Arc::clone(&streams));
        answered.set_ready();
        assert!(activity.unread(later) > Duration::from_millis(500));
        assert_eq!(activity.phase(), Phase::Call);
        drop(answered);
        assert_eq!(activity.unread(later), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_peer_that_reads_no_answer_is_cut_off_although_it_calls_again() {
        let mut table = Table::new(1, None);
        let activity = table.admit(IpAddr::from([127, 0, 0, 1])).unwrap();
        let ends = Arc::clone(&activity);
        table.spawn(Arc::clone(&activity), async move { ends.condemned().await });
        let streams = Arc::new(Streams::new(Arc::clone(&activity)));
        let none = Patience {
            unread: Duration::ZERO,
            ..Patience::serving(Duration::from_secs(150))
        };
        let (_call, _response) = Call::begin(Arc::clone(&streams));
        let (_, mut answered) = Call::begin(Arc::clone(&streams));
        table.sweep(&none);
        assert!(!activity.is_condemned());
        answered.set_ready();
        std::thread::sleep(Duration::from_millis(2));
        table.sweep(&Patience::serving(Duration::from_secs(150)));
        assert!(!activity.is_cut_off());
        table.sweep(&none);
        assert!(activity.is_cut_off() && activity.is_condemned());
    }
}
