//! Commands that wait for their answers, and the check of a connection whose answers do not come.
//!
//! Owns when a connection is checked because an answer does not come. Must not know what a command
//! asks for, or how a server is connected to.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::shared::{Shared, State};

/// Guard of a command that waits for its answer. If the command is canceled after a long wait, the
/// host checks the connection.
///
/// If the connection were not checked, it would be unknown whether the server still answers on it:
/// a caller may also cancel a command because its own deadline has passed.
pub(super) struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    is_ended: bool,
    since: Instant,
}

/// Minimum time for which a canceled command must have waited before its connection is checked. A
/// healthy server answers in far less time.
const LONG: Duration = Duration::from_millis(20);

/// Number by which the timeout is divided to get the time for which a command waits before its
/// connection is checked. The rest of the timeout must be enough to send the command again on a new
/// connection.
const SHARE: u32 = 4;

/// Reason why a wait for an answer ended without one.
pub(super) enum Unanswered {
    /// The deadline passed before an answer arrived.
    Late,
    /// The server answers on a new connection, and not on the one on which the command was sent.
    Replaced,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        Self {
            shared,
            is_ended: false,
            since: Instant::now(),
        }
    }

    pub(super) fn end(mut self) {
        self.is_ended = true;
    }

    /// Waits until `deadline` for the answer of a command that was sent on the connection with the
    /// number `number`. If the answer takes a quarter of the timeout, the connection is checked. If
    /// the check replaces the connection and the command only reads, the wait ends.
    ///
    /// A write continues to wait, because the server may only be slow, and may still execute the
    /// command. If the command were sent again, it could undo a later write of another client.
    pub(super) async fn answer<T>(
        &self,
        mut sent: Pin<&mut (impl Future<Output = Result<T, RedisError>> + Send)>,
        number: u64,
        deadline: Instant,
        only_reads: bool,
    ) -> Result<Result<T, RedisError>, Unanswered> {
        let patience = self.since + self.shared.dialer.timeout() / SHARE;
        if let Ok(answer) = tokio::time::timeout_at(patience.min(deadline), &mut sent).await {
            return Ok(answer);
        }
        if patience >= deadline {
            return Err(Unanswered::Late);
        }
        self.shared.check.notify_one();
        let answer = tokio::time::timeout_at(deadline, sent);
        if !only_reads {
            return answer.await.map_err(|_| Unanswered::Late);
        }
        let mut states = self.shared.state.subscribe();
        let replaced =
            states.wait_for(|state| matches!(state, State::Connected(_, now, _) if *now != number));
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| Unanswered::Late),
            _ = replaced => Err(Unanswered::Replaced),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_ended && self.since.elapsed() >= LONG {
            self.shared.check.notify_one();
        }
    }
}
