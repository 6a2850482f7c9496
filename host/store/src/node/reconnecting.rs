//! The task that connects to a server, and reconnects whenever the connection is lost.
//!
//! Owns the pauses between attempts, when a connection is replaced, and when the attempts end. Must
//! not know commands, except those that log in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::checking::Checked;
use super::shared::{Shared, State};
use crate::LOG_TARGET;
use crate::dialer::{DialError, Dialed};

/// Pause after the first failed attempt to connect to a server. The pause doubles with each further
/// failure, up to `LONGEST_PAUSE`.
///
/// The actual pause is a random time between half of the doubled time and all of it, so that the
/// instances of an app do not all reconnect at the same moment.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Maximum time for which a call waits for a new connection after the old one was found to be
/// unusable. A healthy server is connected again within a few milliseconds. To wait longer for an
/// unhealthy server would only delay the call.
const SUSPECT_PATIENCE: Duration = Duration::from_millis(50);

/// Pause between two attempts to make a server accept a new login.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// Time without calls after which the host stops trying to connect to a server. The next call
/// starts the attempts again.
const INTEREST: Duration = Duration::from_secs(60);

impl Shared {
    /// Connects to the server, and reconnects whenever the connection is lost. Returns when the
    /// server cannot be reached and no call has used this node for [`INTEREST`].
    pub(super) async fn keep_connected(&self) {
        let (mut number, mut failures) = (0, 0);
        // The reason why the last attempt failed, and the better reason that `diagnose` returned
        // for it.
        let mut known: Option<(DialError, DialError)> = None;
        let mut next = None;
        loop {
            let dialed = match next.take() {
                Some(dialed) => dialed,
                None => self.dialer.dial(&self.address).await,
            };
            match dialed {
                Ok(dialed) => {
                    if failures > 0 {
                        tracing::info!(
                            target: LOG_TARGET,
                            after_attempts = failures + 1,
                            "Redis is connected again"
                        );
                    }
                    failures = 0;
                    number += 1;
                    known = None;
                    next = self.hold(dialed, number).await;
                }
                Err(why) => {
                    failures += 1;
                    // The reason of an outage is diagnosed once, not once per attempt.
                    let explained = match known.take() {
                        Some((last, explained)) if last == why => explained,
                        _ => self.dialer.diagnose(&self.address, why.clone()).await,
                    };
                    known = Some((why, explained.clone()));
                    // An outage is logged once, not once per attempt.
                    if failures == 1 {
                        self.log(&explained);
                    }
                    self.state.send_replace(State::Away(explained.into()));
                    if self.is_forgotten() {
                        self.state.send_replace(State::Idle);
                        return;
                    }
                    tokio::time::sleep(pause(failures)).await;
                }
            }
        }
    }

    /// Logs that the server cannot be reached. The line has the address only if a cluster announced
    /// it: the operator wrote every other address.
    fn log(&self, why: &DialError) {
        let fix = why.fix();
        if self.is_announced {
            let node = self.address.to_string();
            tracing::warn!(
                target: LOG_TARGET,
                node,
                fix,
                "Redis cannot be reached: the cluster announces this node, {why}"
            );
        } else {
            tracing::warn!(target: LOG_TARGET, fix, "Redis cannot be reached: {why}");
        }
    }

    /// Makes a new connection available to calls under the number `number`, and waits until the
    /// connection is lost or has to be replaced. If the login changes during this time, logs in
    /// again on the connection, without an effect on calls.
    ///
    /// Checks the connection when a call asks for it, and whenever it was not checked for the
    /// keepalive time. If a check opened a new connection, returns it, or the reason why it failed.
    /// Otherwise returns `None`.
    async fn hold(&self, dialed: Dialed, number: u64) -> Option<Result<Dialed, DialError>> {
        let Dialed {
            connection,
            mut lost,
            abort,
            mut logins,
            read,
        } = dialed;
        let _abort_later = AbortLater {
            abort,
            after: self.dialer.timeout(),
        };
        // A notification that is still pending belongs to an earlier connection, so it is dropped.
        let _ = tokio::time::timeout(Duration::ZERO, self.suspected.notified()).await;
        self.state.send_replace(State::Connected(
            connection.clone(),
            number,
            Arc::clone(&read),
        ));
        let checked = async {
            loop {
                // A check is due when it is asked for, or when the time has passed.
                let _ = tokio::time::timeout(self.dialer.keepalive(), self.check.notified()).await;
                match self.check_connection(&connection, &read).await {
                    Checked::Alive => self.state.send_if_modified(|state| {
                        let is_waited_for = matches!(state, State::Checking(..));
                        if is_waited_for {
                            *state =
                                State::Connected(connection.clone(), number, Arc::clone(&read));
                        }
                        is_waited_for
                    }),
                    Checked::Replaced(dialed) => {
                        tracing::info!(
                            target: LOG_TARGET,
                            "a connection to Redis was silent and was replaced"
                        );
                        return Ok(dialed);
                    }
                    Checked::Away(why) => return Err(why),
                };
            }
        };
        let renewed = async {
            let mut login = logins.next().await;
            loop {
                match self.dialer.log_in_again(&connection, &login).await {
                    Ok(()) => {
                        scorebox_text::debug!(target: log_target!(), "Redis accepted the new login");
                        login = logins.next().await;
                    }
                    Err(why) => {
                        // The old login stays valid: the server may learn of the new one later than
                        // this host.
                        tracing::warn!(
                            target: LOG_TARGET,
                            "Redis does not accept the new login yet: {why}"
                        );
                        tokio::select! {
                            next = logins.next() => login = next,
                            () = tokio::time::sleep(LOGIN_PAUSE) => {}
                        }
                    }
                }
            }
        };
        tokio::select! {
            _ = &mut lost => {
                let until = Instant::now() + self.dialer.timeout();
                self.state.send_replace(State::Connecting(until));
                None
            }
            () = self.suspected.notified() => None,
            () = renewed => None,
            next = checked => Some(next),
        }
    }

    /// Requests that the connection with the number `number` is replaced, unless it was already
    /// replaced. Calls that wait for an answer on the old connection continue to wait.
    pub(super) fn suspect(&self, number: u64) {
        let changed = self.state.send_if_modified(|state| {
            let is_it = matches!(
                state,
                State::Connected(_, now, _) | State::Checking(_, now) if *now == number
            );
            if is_it {
                *state = State::Connecting(Instant::now() + SUSPECT_PATIENCE);
            }
            is_it
        });
        if changed {
            self.suspected.notify_one();
        }
    }

    fn is_forgotten(&self) -> bool {
        let asked = Duration::from_millis(self.asked_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(asked) > INTEREST
    }
}

/// Guard that aborts a connection's task when the time `after` has passed since the guard was
/// dropped. Answers that the task would receive later are useless.
struct AbortLater {
    abort: tokio::task::AbortHandle,
    after: Duration,
}

impl Drop for AbortLater {
    fn drop(&mut self) {
        let (abort, after) = (self.abort.clone(), self.after);
        // If the runtime has ended, its tasks have ended too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(after).await;
                abort.abort();
            });
        }
    }
}

/// Returns a random pause before the next attempt to connect, after `failures` failed attempts. The
/// pause is between half and all of a time that doubles with each failure, up to `LONGEST_PAUSE`.
fn pause(failures: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LONGEST_PAUSE);
    longest.mul_f64(rand::random_range(0.5..1.0))
}
