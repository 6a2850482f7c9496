//! Who we are to a server, as it changes: a password in a file that is replaced, a token that ends.
//!
//! Owns when a source is asked again, and telling the connections. Must not know how a connection is made, nor where a
//! token comes from. No text of a credential leaves this but to a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Between two looks at a file: what replaces it is noticed before whoever replaced it takes the old password away.
const FILE_PAUSE: Duration = Duration::from_secs(1);

/// Between two questions to a source, whoever is in a hurry.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who asks.
#[derive(Clone)]
pub struct Login {
    /// The ACL user; none for `default`.
    pub user: Option<String>,
    /// Its password or token.
    pub password: Option<SecretString>,
}

impl Login {
    /// Nobody in particular.
    pub const ANYBODY: Self = Self { user: None, password: None };

    fn is(&self, other: &Self) -> bool {
        let secret = |login: &Self| login.password.as_ref().map(|password| password.expose_secret().to_owned());
        self.user == other.user && secret(self) == secret(other)
    }
}

/// What a source gives.
pub struct Granted {
    /// Who we are from now on.
    pub login: Login,
    /// When to ask again; `None`: never.
    pub ask_again: Option<Duration>,
}

/// Where a login comes from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The login that holds now.
    ///
    /// # Errors
    /// Why there is none, fit for a log: no address, no secret.
    async fn login(&self, clock: &dyn Clock) -> Result<Granted, String>;
}

/// Time, as far as logins depend on it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Since 1970.
    fn unix_time(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, time: Duration);
}

/// The machine's clock.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A login that stays as the operator wrote it.
#[async_trait]
impl TokenSource for Login {
    async fn login(&self, _clock: &dyn Clock) -> Result<Granted, String> {
        Ok(Granted { login: self.clone(), ask_again: None })
    }
}

/// A password in a file, such as a mounted secret, that may be replaced while the host runs.
pub struct PasswordFile {
    /// The ACL user; none for `default`.
    pub user: Option<String>,
    /// Where it is; white space at its end does not count.
    pub path: PathBuf,
}

#[async_trait]
impl TokenSource for PasswordFile {
    async fn login(&self, _clock: &dyn Clock) -> Result<Granted, String> {
        let read = tokio::fs::read_to_string(&self.path).await;
        let text = read.map_err(|error| format!("the file with the password cannot be read: {}", error.kind()))?;
        let password = text.trim_end();
        if password.is_empty() {
            return Err("the file with the password is empty".to_owned());
        }
        let login = Login { user: self.user.clone(), password: Some(password.into()) };
        Ok(Granted { login, ask_again: Some(FILE_PAUSE) })
    }
}

/// The login of one endpoint, kept up to date from its first use on.
pub struct Credentials {
    shared: Arc<Shared>,
    ended: CancellationToken,
    /// Ends the task that asks.
    _end: DropGuard,
}

struct Shared {
    source: Box<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    /// `None`: nobody has asked yet.
    now: watch::Sender<Option<Result<Login, Arc<str>>>>,
    hurry: Notify,
    started: AtomicBool,
}

/// Sees each login of an endpoint.
pub struct Logins(watch::Receiver<Option<Result<Login, Arc<str>>>>);

impl Credentials {
    /// From a source, by the machine's clock.
    #[must_use]
    pub fn new(source: Box<dyn TokenSource>) -> Self {
        Self::by_clock(source, Arc::new(SystemClock))
    }

    /// From a source, by a clock.
    #[must_use]
    pub fn by_clock(source: Box<dyn TokenSource>, clock: Arc<dyn Clock>) -> Self {
        let now = watch::Sender::new(None);
        let shared = Shared { source, clock, now, hurry: Notify::new(), started: AtomicBool::new(false) };
        let ended = CancellationToken::new();
        Self { shared: Arc::new(shared), _end: ended.clone().drop_guard(), ended }
    }

    /// What holds from now on. Starts asking the source.
    #[must_use]
    pub fn logins(&self) -> Logins {
        if !self.shared.started.swap(true, Ordering::Relaxed) {
            let (shared, ended) = (Arc::clone(&self.shared), self.ended.clone());
            tokio::spawn(async move { ended.run_until_cancelled(shared.keep_asking()).await });
        }
        Logins(self.shared.now.subscribe())
    }

    /// Asks the source soon: a server did not take what it gave.
    pub fn doubt(&self) {
        self.shared.hurry.notify_one();
    }
}

impl Logins {
    /// The login that holds now; waits for the first.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn current(&mut self) -> Result<Login, Arc<str>> {
        // The sender lives as long as the task that asks.
        let settled = self.0.wait_for(Option::is_some).await;
        let login = settled.ok().and_then(|login| login.clone()).unwrap_or_else(|| Err("the host ends".into()));
        self.0.mark_unchanged();
        login
    }

    /// The next login after the one that [`Logins::current`] gave.
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
                        tracing::info!(after_attempts = failures + 1, "there is a login for Redis again");
                    }
                    failures = 0;
                    self.grant(login);
                    ask_again
                }
                Err(why) => {
                    failures += 1;
                    // Once for an outage, not once for an attempt.
                    if failures == 1 {
                        tracing::warn!("no new login for Redis: {why}");
                    }
                    self.fail(why);
                    Some(LEAST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE))
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

    /// A login that was given may still be good; only the server knows.
    fn fail(&self, why: String) {
        self.now.send_if_modified(|now| {
            let has_login = matches!(now, Some(Ok(_)));
            if !has_login {
                *now = Some(Err(why.into()));
            }
            !has_login
        });
    }
}
