//! One server: the connection that all calls share, and the handling of an outage.
//!
//! Owns which callers wait for a connection. While a server is unreachable, one task tries to
//! connect to it with growing pauses, and every call fails at once (a circuit breaker). A dead
//! Redis then costs a call microseconds, not its timeout. The module `reconnecting` owns that task.
//! A connection that no call used for a while is checked before a call uses it, which the module
//! `checking` owns. Must not know keys or slots.

mod checking;
mod reconnecting;
mod shared;
mod waiting;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::shared::{Shared, State};
use self::waiting::{Unanswered, Waiting};
use super::dialer::{DialError, Dialer};
use super::endpoint::Address;
use super::reply_limit::{self, PIPELINE_LIMIT_BYTES, REPLY_LIMIT_BYTES};

/// Reason why a Redis command does not have an answer, or does not have a valid answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// There is no connection to the server, so the command was not sent.
    Unreachable(Arc<DialError>),
    /// The connection broke, or no answer arrived in time. It is unknown whether the server
    /// executed the command. The text gives the reason.
    Lost(&'static str),
    /// The server answered with an error, or with an answer that is not valid.
    Answer(RedisError),
    /// The server's answer to a command, or its answers to a pipeline together, exceed this maximum
    /// size, in bytes.
    TooLarge(u64),
}

/// Text of a [`Fault::Lost`] for an answer that did not arrive in time.
pub const LATE: &str = "no answer in time";

/// Text of a [`Fault::Lost`] for a connection on which the server was silent, although it answered
/// on a new one.
const SILENT: &str = "the connection was silent and was replaced";

/// One Redis server, with the connection to this server that all calls share.
pub struct Node {
    shared: Arc<Shared>,
    /// Guard that is dropped with this node, and then cancels the task that connects to the server.
    _end: DropGuard,
    ended: CancellationToken,
}

/// Clone of a node's shared connection, for one call.
struct Lent {
    connection: MultiplexedConnection,
    number: u64,
    /// Counter of the bytes that the server has sent on this connection.
    read: Arc<AtomicU64>,
}

/// Time beyond the timeout for which a call may wait for the result of an attempt to connect. A
/// failed attempt ends a little later than the call that started it, and only then is the reason
/// known.
const GRACE: Duration = Duration::from_millis(100);

/// Interval at which the size of the replies to a pipeline is checked while they arrive.
const LOOK: Duration = Duration::from_millis(5);

/// Runs a future, and returns its output. Returns `None` as soon as `condition` returns true. The
/// condition is checked every [`LOOK`].
async fn unless<T>(condition: impl Fn() -> bool, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    loop {
        if let Ok(output) = tokio::time::timeout(LOOK, &mut future).await {
            return Some(output);
        }
        if condition() {
            return None;
        }
    }
}

impl Node {
    /// Creates a node for the server at an address. The first call connects to the server.
    /// `is_announced` is true if a cluster announced the address, and false if it is in the URL.
    #[must_use]
    pub fn new(address: Address, is_announced: bool, dialer: Arc<Dialer>) -> Self {
        let shared = Shared {
            address,
            is_announced,
            dialer,
            state: watch::Sender::new(State::Idle),
            suspected: Notify::new(),
            check: Notify::new(),
            started: Instant::now(),
            asked_ms: AtomicU64::new(0),
            was_long_idle: AtomicBool::new(false),
            round_trip_us: AtomicU64::new(0),
            next_dial_ms: AtomicU64::new(0),
        };
        let ended = CancellationToken::new();
        Self {
            shared: Arc::new(shared),
            _end: ended.clone().drop_guard(),
            ended,
        }
    }

    /// Returns the address of this node's server.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Returns true if the host has a connection to the server now that is not being checked.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Connected(..))
    }

    /// Sends a command to the server, and waits until `deadline` for the answer. If `only_reads`
    /// is true, the wait also ends when the connection was silent and was replaced.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no answer arrives, or if the answer is an error.
    pub async fn send(
        &self,
        command: &Cmd,
        deadline: Instant,
        only_reads: bool,
    ) -> Result<Value, Fault> {
        let Lent {
            mut connection,
            number,
            ..
        } = self.connection(deadline).await?;
        let waiting = Waiting::new(&self.shared);
        let sent = pin!(connection.send_packed_command(command));
        let answer = waiting.answer(sent, number, deadline, only_reads).await;
        waiting.end();
        top_level(self.checked(answer, number)?).map_err(|error| self.heard(error, number))
    }

    /// Sends commands to the server in one write, and waits until `deadline` for all answers, which
    /// are in the order of the commands. Each answer may be an error of its command. If
    /// `only_reads` is true, the wait also ends when the connection was silent and was replaced.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if the connection fails, if the answers do not arrive in time, or if
    /// they are too large.
    pub async fn send_all(
        &self,
        commands: &Pipeline,
        deadline: Instant,
        only_reads: bool,
    ) -> Result<Vec<Result<Value, RedisError>>, Fault> {
        let Lent {
            mut connection,
            number,
            read,
        } = self.connection(deadline).await?;
        let count = commands.len();
        let waiting = Waiting::new(&self.shared);
        let before = read.load(Ordering::Relaxed);
        let is_flooded =
            || read.load(Ordering::Relaxed).saturating_sub(before) > PIPELINE_LIMIT_BYTES;
        let sent = pin!(connection.send_packed_commands(commands, 0, count));
        let answer = waiting.answer(sent, number, deadline, only_reads);
        let Some(answer) = unless(is_flooded, answer).await else {
            waiting.end();
            // The rest of the replies stays out of memory only if reading stops.
            read.store(reply_limit::OVER, Ordering::Relaxed);
            self.suspect(number);
            return Err(Fault::TooLarge(PIPELINE_LIMIT_BYTES));
        };
        waiting.end();
        let answers = self
            .checked(answer, number)?
            .into_iter()
            .map(top_level)
            .collect::<Vec<_>>();
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .for_each(|error| self.hear(error, number));
        Ok(answers)
    }

    fn heard(&self, error: RedisError, number: u64) -> Fault {
        self.hear(&error, number);
        Fault::Answer(error)
    }

    /// Replaces the connection with the number `number` if an error from the server shows that this
    /// connection is stale.
    fn hear(&self, error: &RedisError, number: u64) {
        // A new connection may lead to another server.
        if is_about_connection(error) {
            self.suspect(number);
        }
    }

    fn checked<T>(
        &self,
        answer: Result<Result<T, RedisError>, Unanswered>,
        number: u64,
    ) -> Result<T, Fault> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Err(Unanswered::Late) => {
                self.suspect(number);
                Err(Fault::Lost(LATE))
            }
            Err(Unanswered::Replaced) => Err(Fault::Lost(SILENT)),
            Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.suspect(number);
                let is_large = reply_limit::io_error(&error)
                    .is_some_and(|error| error.kind() == reply_limit::TOO_LARGE);
                Err(if is_large {
                    Fault::TooLarge(REPLY_LIMIT_BYTES)
                } else {
                    Fault::Lost("the connection broke")
                })
            }
            Ok(Err(error)) => Err(self.heard(error, number)),
        }
    }

    fn suspect(&self, number: u64) {
        self.shared.suspect(number);
    }

    async fn connection(&self, deadline: Instant) -> Result<Lent, Fault> {
        let shared = &self.shared;
        let now_ms = shared.now_ms();
        let patience = match &*shared.state.borrow() {
            State::Connected(connection, number, read) if !shared.is_stale(now_ms) => {
                shared.asked_ms.store(now_ms, Ordering::Relaxed);
                return Ok(Lent {
                    connection: connection.clone(),
                    number: *number,
                    read: Arc::clone(read),
                });
            }
            State::Away(why) => {
                shared.asked_ms.store(now_ms, Ordering::Relaxed);
                return Err(Fault::Unreachable(Arc::clone(why)));
            }
            State::Connecting(until) | State::Checking(until, _) => *until,
            State::Idle | State::Connected(..) => deadline,
        };
        self.settled(now_ms, patience.min(deadline)).await
    }

    /// Waits until `deadline` for a connection that may be used. Starts the task that connects, if
    /// there is none, or the check of a connection that no call has used for more than 1 s.
    /// `now_ms` is the current time, in milliseconds since the node was created.
    ///
    /// # Errors
    /// Fails if the server cannot be reached, or if no connection may be used before `deadline`.
    async fn settled(&self, now_ms: u64, deadline: Instant) -> Result<Lent, Fault> {
        let shared = &self.shared;
        let mut states = shared.state.subscribe();
        let (mut is_first, mut is_check) = (false, false);
        shared.state.send_if_modified(|state| {
            let until = Instant::now() + shared.dialer.timeout() + GRACE;
            is_first = matches!(state, State::Idle);
            if is_first {
                *state = State::Connecting(until);
            } else if let State::Connected(_, number, _) = *state
                && shared.is_stale(now_ms)
            {
                is_check = true;
                let was_long_idle = shared.is_long_idle(now_ms);
                shared.was_long_idle.store(was_long_idle, Ordering::Relaxed);
                *state = State::Checking(until, number);
            }
            is_first || is_check
        });
        // This comes after the change of the state: until then, other calls must see that the
        // connection is stale.
        shared.asked_ms.store(now_ms, Ordering::Relaxed);
        if is_first {
            let (shared, ended) = (Arc::clone(shared), self.ended.clone());
            tokio::spawn(async move { ended.run_until_cancelled(shared.keep_connected()).await });
        }
        if is_check {
            shared.check.notify_one();
        }
        let settled =
            states.wait_for(|state| !matches!(state, State::Connecting(_) | State::Checking(..)));
        let not_yet = || Err(Fault::Unreachable(DialError::NotYet.into()));
        match tokio::time::timeout_at(deadline, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Connected(connection, number, read) => Ok(Lent {
                    connection: connection.clone(),
                    number: *number,
                    read: Arc::clone(read),
                }),
                State::Away(why) => Err(Fault::Unreachable(Arc::clone(why))),
                State::Idle | State::Connecting(_) | State::Checking(..) => not_yet(),
            },
            _ => not_yet(),
        }
    }
}

/// Returns true if an error shows that the connection leads to the wrong server, or is no longer
/// logged in: the server has become a replica, or does not accept the login any more. The command
/// was not executed.
#[must_use]
pub fn is_about_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly))
        || error.code() == Some("NOAUTH")
}

/// Returns the answer of a server, or an error if the whole answer is an error. An error inside a
/// list, such as the answer to a transaction, stays in the list, so that the other answers in the
/// list are kept.
fn top_level(answer: Value) -> Result<Value, RedisError> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}
