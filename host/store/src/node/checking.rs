//! The check of a connection: a PING on the connection, and a new connection if the PING has no
//! answer soon.
//!
//! Owns how long a PING may take before a new connection is opened next to it, and which of the two
//! connections is used. Must not know when a connection is checked, or what a call waits for.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::shared::Shared;
use crate::dialer::{DialError, Dialed};

/// Number of round trips that a PING may take before a new connection is opened next to it.
const ROUND_TRIPS: u32 = 3;

/// Minimum time that a PING may take before a new connection is opened next to it. The clock of
/// timers has a resolution of one millisecond.
const LEAST_START: Duration = Duration::from_millis(2);

/// Maximum time that a PING may take before a new connection is opened next to it.
const LONGEST_START: Duration = Duration::from_millis(100);

/// Time that a PING may take before a new connection is opened next to it, if no round trip was
/// measured yet.
const FIRST_START: Duration = Duration::from_millis(5);

/// Result of a check of a connection.
pub(super) enum Checked {
    /// The server answers on the connection.
    Alive,
    /// The server does not answer on the connection, but answered on this new one.
    Replaced(Dialed),
    /// The server answers neither on the connection nor on a new one.
    Away(DialError),
}

impl Shared {
    /// Checks if the server still answers on a connection. `read` is the counter of the bytes that
    /// the server has sent on the connection: while a long reply arrives, the connection is alive.
    ///
    /// The connection may be dead without any sign of it. So if a PING has no answer after a few
    /// round trips, a new connection is opened, and the first of the two that answers is used. If a
    /// call asks for the check after a long time without calls, the new connection is opened at
    /// once, because it takes longer than the PING and is probably needed.
    pub(super) async fn check_connection(
        &self,
        connection: &MultiplexedConnection,
        read: &AtomicU64,
    ) -> Checked {
        let (started, before) = (Instant::now(), read.load(Ordering::Relaxed));
        let is_silent = || read.load(Ordering::Relaxed) == before;
        let mut connection = connection.clone();
        let ping = redis::cmd("PING");
        let mut answer = pin!(connection.send_packed_command(&ping));
        // Any answer shows that the server is there, also one that refuses the PING.
        // A timeout of 0 would take a millisecond, so no timer is used then.
        let head_start = self.head_start();
        if !head_start.is_zero() {
            match tokio::time::timeout(head_start, &mut answer).await {
                Ok(Ok(_)) => return self.alive_after(started),
                Ok(Err(_)) => return Self::replaced(self.dialer.dial(&self.address).await),
                Err(_) => {}
            }
        }
        // A new connection costs a slow server more than a PING does.
        let pause_ms = u64::try_from(self.dialer.timeout().as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.now_ms().saturating_add(pause_ms);
        self.next_dial_ms.store(next_ms, Ordering::Relaxed);
        let dialing = pin!(self.dialer.dial(&self.address));
        match select(answer, dialing).await {
            Either::Left((Ok(_), _)) => self.alive_after(started),
            Either::Left((Err(_), dialing)) => Self::replaced(dialing.await),
            Either::Right((Ok(dialed), _)) if is_silent() => {
                // The old connection was dead, so the next one may be checked as quickly.
                self.next_dial_ms.store(0, Ordering::Relaxed);
                Checked::Replaced(dialed)
            }
            Either::Right((Ok(dialed), _)) => {
                dialed.abort();
                self.alive_after(started)
            }
            // The server may refuse new connections, and still answer on the old one.
            Either::Right((Err(why), answer)) => {
                match tokio::time::timeout(self.dialer.timeout(), answer).await {
                    Ok(Ok(_)) => self.alive_after(started),
                    _ if is_silent() => Checked::Away(why),
                    _ => Checked::Alive,
                }
            }
        }
    }

    fn replaced(dialed: Result<Dialed, DialError>) -> Checked {
        match dialed {
            Ok(dialed) => Checked::Replaced(dialed),
            Err(why) => Checked::Away(why),
        }
    }

    /// Returns the result of a check whose connection is alive. The time since the start of the
    /// check counts as a round trip, so that the next check of a slow server waits longer.
    fn alive_after(&self, started: Instant) -> Checked {
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.round_trip_us.store(took.max(1), Ordering::Relaxed);
        Checked::Alive
    }

    /// Returns the time that a PING may take before a new connection is opened next to it.
    fn head_start(&self) -> Duration {
        let round_trip_us = self.round_trip_us.load(Ordering::Relaxed);
        let next_ms = self.next_dial_ms.load(Ordering::Relaxed);
        let was_long_idle = self.was_long_idle.swap(false, Ordering::Relaxed);
        let start = start_after(round_trip_us, was_long_idle);
        start.max(Duration::from_millis(next_ms.saturating_sub(self.now_ms())))
    }
}

/// Returns the time that a PING may take before a new connection is opened next to it, if the last
/// round trip took `round_trip_us` microseconds. The number is 0 if no round trip was measured yet.
/// `was_long_idle` is true if the check comes after a long time without calls.
fn start_after(round_trip_us: u64, was_long_idle: bool) -> Duration {
    if was_long_idle {
        return Duration::ZERO;
    }
    if round_trip_us == 0 {
        return FIRST_START;
    }
    let trips = Duration::from_micros(round_trip_us).saturating_mul(ROUND_TRIPS);
    trips.clamp(LEAST_START, LONGEST_START)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_gets_more_time_before_a_second_connection() {
        for (round_trip_us, expected_ms) in [(0, 5), (1, 2), (20_000, 60), (u64::MAX, 100)] {
            let expected = Duration::from_millis(expected_ms);
            assert_eq!(
                start_after(round_trip_us, false),
                expected,
                "{round_trip_us}"
            );
        }
    }

    #[test]
    fn a_connection_that_was_idle_for_long_is_opened_again_at_once() {
        for round_trip_us in [0, 1, 20_000] {
            assert_eq!(start_after(round_trip_us, true), Duration::ZERO);
        }
    }
}
