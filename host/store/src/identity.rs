//! Login of the host at a Redis server, and its changes: a password file that is replaced, a token
//! that expires.
//!
//! Owns when a source of logins is asked again, and passing new logins to the connections. Must not
//! know how a connection is made, nor where a token comes from. The text of a credential leaves
//! this module only for a server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::LOG_TARGET;

/// Pause between two reads of a password file. The pause is short, so that a new password is
/// noticed before the operator disables the old one.
const FILE_PAUSE: Duration = Duration::from_secs(1);

/// Minimum pause between two requests to a login source, even if a connection needs a new login at
/// once.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Maximum pause between two requests to a login source after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// User name and password with which the host logs in to a Redis server.
#[derive(Clone)]
pub struct Login {
    /// Name of the ACL user at the Redis server. `None` means `default`.
    pub user: Option<String>,
    /// Password or token of the user. `None` for a login without a password.
    pub password: Option<SecretString>,
}

impl Login {
    /// Anonymous login, without a user name and a password.
    pub const ANYBODY: Self = Self {
        user: None,
        password: None,
    };

    fn is(&self, other: &Self) -> bool {
        let secret = |login: &Self| {
            login
                .password
                .as_ref()
                .map(|password| password.expose_secret().to_owned())
        };
        self.user == other.user && secret(self) == secret(other)
    }
}

/// Login that a source returned, with the time until the source is asked again.
pub struct Granted {
    /// Login that the source returned. It replaces the login that the source returned before.
    pub login: Login,
    /// Time until the source is asked for the next login. `None` if the login never changes.
    pub ask_again: Option<Duration>,
}

/// Reason why a source does not return a login. The text of a reason may be logged, because it
/// holds no address and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The password file cannot be read.
    #[error("the file with the password cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The password file is empty, or holds only white space.
    #[error("the file with the password is empty")]
    Empty,
    /// There is no token to log in with: the service that issues tokens could not be asked or did
    /// not return a token, or the token lacks a fact that the login needs. The text gives the
    /// reason.
    #[error("{0}")]
    NoToken(String),
    /// The host is stopping, so it requests no further login.
    #[error("the host is stopping")]
    Stopping,
}

/// Source of the logins for a Redis server, such as a password file or a token service.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// Returns the login that applies now, and the time until the source is to be asked again.
    ///
    /// # Errors
    /// Fails with the reason why the source does not return a login.
    async fn login(&self, clock: &dyn Clock) -> Result<Granted, LoginError>;
}

/// Clock that determines when logins expire. A test can pass a clock of its own.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the current time as the time since the beginning of 1970 (UTC).
    fn unix_time(&self) -> Duration;
    /// Waits for the given time.
    async fn sleep(&self, time: Duration);
}

/// The clock of this machine.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Source that always returns this login, which the operator wrote into the URL.
#[async_trait]
impl TokenSource for Login {
    async fn login(&self, _clock: &dyn Clock) -> Result<Granted, LoginError> {
        Ok(Granted {
            login: self.clone(),
            ask_again: None,
        })
    }
}

/// Password file, such as a mounted secret, that may be replaced while the host runs.
pub struct PasswordFile {
    /// Name of the ACL user at the Redis server. `None` means `default`.
    pub user: Option<String>,
    /// Path of the password file. White space at the end of the file is ignored.
    pub path: PathBuf,
}

#[async_trait]
impl TokenSource for PasswordFile {
    async fn login(&self, _clock: &dyn Clock) -> Result<Granted, LoginError> {
        let read = tokio::fs::read_to_string(&self.path).await;
        let text = read.map_err(|error| LoginError::Unreadable(error.kind()))?;
        let password = text.trim_end();
        if password.is_empty() {
            return Err(LoginError::Empty);
        }
        let login = Login {
            user: self.user.clone(),
            password: Some(password.into()),
        };
        Ok(Granted {
            login,
            ask_again: Some(FILE_PAUSE),
        })
    }
}

/// Current login of one endpoint. After its first use, a task keeps it up to date.
pub struct Credentials {
    shared: Arc<Shared>,
    ended: CancellationToken,
    /// Guard that is dropped with these credentials, and then cancels the task that asks the source
    /// for logins.
    _end: DropGuard,
}

struct Shared {
    source: Box<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    /// Current login, or the reason why there is no login. `None` until the source has answered for
    /// the first time.
    now: watch::Sender<Option<Result<Login, Arc<LoginError>>>>,
    hurry: Notify,
    started: AtomicBool,
}

/// Receiver of the logins of an endpoint: the current login, and each login that replaces it.
pub struct Logins(watch::Receiver<Option<Result<Login, Arc<LoginError>>>>);

impl Credentials {
    /// Creates the credentials of an endpoint whose logins come from `source`, with the clock of
    /// this machine.
    #[must_use]
    pub fn new(source: Box<dyn TokenSource>) -> Self {
        Self::by_clock(source, Arc::new(SystemClock))
    }

    /// Creates the credentials of an endpoint whose logins come from `source`, with the clock
    /// `clock`, such as the clock of a test.
    #[must_use]
    pub fn by_clock(source: Box<dyn TokenSource>, clock: Arc<dyn Clock>) -> Self {
        let now = watch::Sender::new(None);
        let shared = Shared {
            source,
            clock,
            now,
            hurry: Notify::new(),
            started: AtomicBool::new(false),
        };
        let ended = CancellationToken::new();
        Self {
            shared: Arc::new(shared),
            _end: ended.clone().drop_guard(),
            ended,
        }
    }

    /// Returns a receiver of the current login and all later logins. The first call starts the task
    /// that asks the source for logins.
    #[must_use]
    pub fn logins(&self) -> Logins {
        if !self.shared.started.swap(true, Ordering::Relaxed) {
            let (shared, ended) = (Arc::clone(&self.shared), self.ended.clone());
            tokio::spawn(async move { ended.run_until_cancelled(shared.keep_asking()).await });
        }
        Logins(self.shared.now.subscribe())
    }

    /// Asks the source for a new login soon, because a server refused the current login.
    pub fn doubt(&self) {
        self.shared.hurry.notify_one();
    }
}

impl Logins {
    /// Returns the login that applies now. Waits if the source has not answered yet.
    ///
    /// # Errors
    /// Fails with the reason why the source does not return a login.
    pub async fn current(&mut self) -> Result<Login, Arc<LoginError>> {
        // The sender lives as long as the task that asks.
        let settled = self.0.wait_for(Option::is_some).await;
        let login = settled
            .ok()
            .and_then(|login| login.clone())
            .unwrap_or_else(|| Err(Arc::new(LoginError::Stopping)));
        self.0.mark_unchanged();
        login
    }

    /// Waits for a login that replaces the one that [`Logins::current`] or this function last
    /// returned, and returns it.
    pub async fn next(&mut self) -> Login {
        loop {
            if self.0.changed().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(Ok(login)) = &*self.0.borrow_and_update() {
                return login.clone();
            }
        }
    }
}

impl Shared {
    async fn keep_asking(&self) {
        let mut failures = 0;
        loop {
            let pause = match self.source.login(&*self.clock).await {
                Ok(Granted { login, ask_again }) => {
                    if failures > 0 {
                        tracing::info!(
                            target: LOG_TARGET,
                            after_attempts = failures + 1,
                            "a login for Redis is available again"
                        );
                    }
                    failures = 0;
                    self.grant(login);
                    ask_again
                }
                Err(why) => {
                    failures += 1;
                    // An outage is logged once, not once per attempt.
                    if failures == 1 {
                        tracing::warn!(
                            target: LOG_TARGET,
                            "there is no new login for Redis: {why}"
                        );
                    }
                    self.fail(why);
                    Some(
                        LEAST_PAUSE
                            .saturating_mul(1 << (failures - 1).min(10))
                            .min(LONGEST_PAUSE),
                    )
                }
            };
            let Some(pause) = pause else { return };
            let until = self.clock.unix_time() + pause;
            self.clock.sleep(pause.min(LEAST_PAUSE)).await;
            tokio::select! {
                () = self.clock.sleep(until.saturating_sub(self.clock.unix_time())) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    fn grant(&self, login: Login) {
        self.now.send_if_modified(|now| {
            let is_known = matches!(now, Some(Ok(known)) if known.is(&login));
            if !is_known {
                *now = Some(Ok(login));
            }
            !is_known
        });
    }

    /// Records the reason why the source did not return a login, if there is no login yet. A login
    /// that the source returned earlier is kept, because the server may still accept it.
    fn fail(&self, why: LoginError) {
        self.now.send_if_modified(|now| {
            let has_login = matches!(now, Some(Ok(_)));
            if !has_login {
                *now = Some(Err(Arc::new(why)));
            }
            !has_login
        });
    }
}
