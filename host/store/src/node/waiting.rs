//! Commands that wait for their answers, and the check of a connection whose answers do not come.
//!
//! Owns when a connection is checked. Must not know what a command asks for, or how a server is
//! connected to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::shared::Shared;

/// Guard of a command that waits for its answer. If the command is canceled after a long wait, the
/// host checks the connection with a PING.
///
/// Without the PING it would be unknown whether the server still answers on the connection: a
/// caller may also cancel a command because its own deadline has passed.
pub(super) struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    connection: Option<MultiplexedConnection>,
    number: u64,
    since: Instant,
}

/// Minimum time for which a canceled command must have waited before its connection is checked. A
/// healthy server answers in far less time.
const LONG: Duration = Duration::from_millis(20);

impl<'a> Waiting<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        connection: &MultiplexedConnection,
        number: u64,
    ) -> Self {
        Self {
            shared,
            connection: Some(connection.clone()),
            number,
            since: Instant::now(),
        }
    }

    pub(super) fn end(mut self) {
        self.connection = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.since.elapsed() < LONG || self.shared.probing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (shared, number) = (Arc::clone(self.shared), self.number);
        let probe = async move {
            let ping = redis::cmd("PING");
            let answer = tokio::time::timeout(
                shared.dialer.timeout(),
                connection.send_packed_command(&ping),
            )
            .await;
            if !matches!(answer, Ok(Ok(_))) {
                shared.suspect(number);
            }
            shared.probing.store(false, Ordering::Relaxed);
        };
        // If the runtime has ended, the connection is not checked.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(probe)),
            Err(_) => self.shared.probing.store(false, Ordering::Relaxed),
        }
    }
}
