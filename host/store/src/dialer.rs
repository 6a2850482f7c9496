//! A new connection to one server: TCP, TLS and login.
//!
//! Owns the steps of opening a connection, and how long they may take. If the endpoint has
//! sentinels, also owns which server is connected to. Submodules own sockets, and the reasons why
//! there is no connection. Must not know when to connect or reconnect.

mod dial_error;
mod sentinel;
mod socket;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, ProtocolVersion, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

pub use self::dial_error::{DialError, Phase};
pub(crate) use self::dial_error::{allow, refused_command};

use self::dial_error::refusal;
use self::sentinel::Sentinel;
use self::socket::Times;
use super::endpoint::{Address, Endpoint};
use super::identity::{Credentials, Login, Logins};
use super::reply_limit::Bounded;
use super::tls::{self, Stream, TlsError, TlsFault};
use super::watching::Watch;

/// Dialer of one endpoint: opens connections to its servers, with TLS, login and sentinels as the
/// endpoint states.
pub struct Dialer {
    credentials: Credentials,
    database: u32,
    tls: Option<Tls>,
    sentinel: Option<Sentinel>,
    watch: OnceLock<Watch>,
    times: Times,
}

struct Tls {
    connector: TlsConnector,
    /// Name that the URL sets for certificates, or else the name of the first host in the URL. If a
    /// cluster announces IP addresses, as Azure's clusters do, the certificate of each node has
    /// this name.
    name: String,
    /// True if the URL sets `name`, so that the certificate of each server must have it. If false,
    /// a certificate must have the host of its server. For a server that is known only by its IP
    /// address, it must have `name`, unless `name` is an IP address too.
    is_set: bool,
}

/// New connection to a server, with the task that reads and writes its bytes. The task ends when
/// the connection is lost.
pub struct Dialed {
    /// Connection to the server. Each call uses a clone of this connection.
    pub connection: MultiplexedConnection,
    /// Handle of the connection's task. The handle resolves when the connection is lost.
    pub lost: tokio::task::JoinHandle<()>,
    /// Handle that aborts the connection's task.
    pub abort: AbortHandle,
    /// Receiver of the logins that replace the login with which this connection was opened.
    pub logins: Logins,
    /// Counter of the bytes that the server has sent on this connection.
    pub read: Arc<AtomicU64>,
}

impl Dialed {
    /// Closes a new connection to a server that no call will use.
    pub fn abort(self) {
        self.abort.abort();
    }
}

/// Maximum time that is spent on finding out why a server closed a connection.
const DIAGNOSIS: Duration = Duration::from_millis(300);

/// Phase of a connection that is being opened. If opening the connection takes too long, the error
/// states this phase.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        let phases = [Phase::Tcp, Phase::Tls, Phase::Login];
        let now = self.0.load(Ordering::Relaxed);
        let found = phases.into_iter().find(|phase| *phase as u8 == now);
        found.unwrap_or(Phase::Lookup)
    }
}

impl Dialer {
    /// Creates a dialer for the servers of an endpoint. `timeout` is the maximum time to connect,
    /// and the maximum time of each command. `keepalive` is the time without traffic after which a
    /// connection is checked.
    ///
    /// # Errors
    /// Fails if the endpoint uses TLS, but the trusted certificates cannot be read, or there are
    /// none.
    pub fn new(
        endpoint: &Endpoint,
        credentials: Credentials,
        timeout: Duration,
        keepalive: Duration,
    ) -> Result<Self, TlsError> {
        let first = || endpoint.seeds.first().map(|seed| seed.host.clone());
        let is_set = endpoint.certificate_name.is_some();
        let name = endpoint
            .certificate_name
            .clone()
            .or_else(first)
            .unwrap_or_default();
        let connector = endpoint
            .tls
            .then(|| tls::connector(endpoint.ca.as_deref()))
            .transpose()?;
        let sentinels = || endpoint.seeds.clone();
        Ok(Self {
            credentials,
            database: endpoint.database,
            tls: connector.map(|connector| Tls {
                connector,
                name,
                is_set,
            }),
            sentinel: endpoint.sentinel.clone().map(|master| Sentinel {
                master,
                sentinels: sentinels(),
            }),
            watch: OnceLock::new(),
            times: Times { keepalive, timeout },
        })
    }

    /// Returns the timeout of connecting to a server, which is also the timeout of each command.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.times.timeout
    }

    /// Returns the time without traffic after which a connection is checked.
    #[must_use]
    pub fn keepalive(&self) -> Duration {
        self.times.keepalive
    }

    /// Returns true if sentinels name the server to connect to. In this case, the address that is
    /// passed to [`Dialer::dial`] is not dialed.
    #[must_use]
    pub fn has_sentinels(&self) -> bool {
        self.sentinel.is_some()
    }

    /// Makes every connection that is opened from now on ask the server for notifications of
    /// changed keys, as `watch` states. Only the first call of this function has an effect.
    pub fn watch(&self, watch: Watch) {
        // Only the first watch is kept: a dialer has at most one.
        let _ = self.watch.set(watch);
    }

    /// Connects to the server at an address, or to the master that the sentinels name, and logs in.
    ///
    /// # Errors
    /// Fails with the reason why there is no connection, which holds no address and no credential.
    pub async fn dial(&self, address: &Address) -> Result<Dialed, DialError> {
        let (timeout, progress) = (self.timeout(), Progress::default());
        let dialed = tokio::time::timeout(timeout, self.dial_unbounded(address, &progress)).await;
        dialed.unwrap_or_else(|_| Err(DialError::Slow(timeout, progress.phase())))
    }

    /// Finds out more about the reason `why` for which there is no connection to the server at an
    /// address, with short connections to it. Returns the better reason, or `why` if there is none.
    pub async fn diagnose(&self, address: &Address, why: DialError) -> DialError {
        if self.has_sentinels() {
            return why;
        }
        let better = async {
            match &why {
                DialError::Closed | DialError::NotRedis if self.tls.is_none() => {
                    socket::why_closed(address, self.times).await
                }
                DialError::Tls(TlsFault::Other(_)) => socket::speaks_plain(address, self.times)
                    .await
                    .then_some(DialError::Tls(TlsFault::NotTls)),
                _ => None,
            }
        };
        let found = tokio::time::timeout(DIAGNOSIS.min(self.timeout()), better).await;
        found.ok().flatten().unwrap_or(why)
    }

    /// Logs in again on an open connection with the new login `login`.
    ///
    /// # Errors
    /// Fails if the server refuses the login or does not answer. The reason holds no credential.
    pub async fn log_in_again(
        &self,
        connection: &MultiplexedConnection,
        login: &Login,
    ) -> Result<(), DialError> {
        let password = login
            .password
            .as_ref()
            .map_or("", |password| password.expose_secret());
        let words: &[&str] = match &login.user {
            Some(user) => &["AUTH", user, password],
            None => &["AUTH", password],
        };
        let asked = tokio::time::timeout(self.timeout(), ask::<String>(connection, words)).await;
        let answered = asked.unwrap_or(Err(DialError::NoAnswer));
        if answered.is_err() {
            self.credentials.doubt();
        }
        answered.map(drop)
    }

    async fn dial_unbounded(
        &self,
        address: &Address,
        progress: &Progress,
    ) -> Result<Dialed, DialError> {
        let mut logins = self.credentials.logins();
        let login = logins.current().await.map_err(DialError::NoLogin)?;
        let master = match &self.sentinel {
            Some(sentinel) => &self.master(sentinel, &login).await?,
            None => address,
        };
        let dialed = self
            .greet(master, &login, self.database, logins, progress)
            .await
            .inspect_err(|error| {
                // The password file or the token source may have a newer login.
                if error.is_about_credentials() {
                    self.credentials.doubt();
                }
            })?;
        if self.sentinel.is_some() {
            // Sentinels may be out of date. Only the server knows if it is the master.
            let role: Vec<redis::Value> = ask(&dialed.connection, &["ROLE"]).await?;
            if role
                .first()
                .and_then(|role| String::from_redis_value_ref(role).ok())
                .as_deref()
                != Some("master")
            {
                return Err(DialError::NotMaster);
            }
        }
        Ok(dialed)
    }

    async fn greet(
        &self,
        address: &Address,
        login: &Login,
        database: u32,
        logins: Logins,
        progress: &Progress,
    ) -> Result<Dialed, DialError> {
        let stream = Bounded::new(self.connect(address, progress).await?);
        progress.enter(Phase::Login);
        let read = stream.read_bytes();
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(database.into())
            .set_lib_name("scorebox", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &login.password {
            info = info.set_password(password.expose_secret());
        }
        // The sender of a command sets its timeout.
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
        if let Some(watch) = self.watch.get() {
            config = watch.listen(config);
        }
        let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (connection, driver) = made.map_err(|error| refusal(&error))?;
        let lost = tokio::spawn(driver);
        let abort = lost.abort_handle();
        if let Some(watch) = self.watch.get() {
            watch.ask(&connection).await;
        }
        Ok(Dialed {
            connection,
            lost,
            abort,
            logins,
            read,
        })
    }

    async fn connect(
        &self,
        address: &Address,
        progress: &Progress,
    ) -> Result<Box<dyn Stream>, DialError> {
        let is_found = || progress.enter(Phase::Tcp);
        let stream = socket::connect(address, self.times, is_found).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        progress.enter(Phase::Tls);
        self.handshake(tls, address, stream).await
    }

    /// Makes the TLS handshake. A server that does not speak TLS may wait forever for a line end in
    /// the bytes of the handshake. So if the handshake takes half of the timeout, the host checks
    /// on a second connection whether the server answers without TLS. The handshake continues in
    /// the meantime.
    async fn handshake(
        &self,
        tls: &Tls,
        address: &Address,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, DialError> {
        let handshake = tls.connector.connect(tls.server_name(address)?, stream);
        let mut handshake = std::pin::pin!(handshake);
        let first = tokio::time::timeout(self.timeout() / 2, &mut handshake).await;
        let made = match first {
            Ok(made) => made,
            Err(_) => tokio::select! {
                made = &mut handshake => made,
                is_plain = socket::speaks_plain(address, self.times) => {
                    if is_plain {
                        return Err(DialError::Tls(TlsFault::NotTls));
                    }
                    handshake.await
                }
            },
        };
        match made {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(DialError::Tls(TlsFault::of(&error))),
        }
    }
}

impl Tls {
    fn server_name(&self, address: &Address) -> Result<ServerName<'static>, DialError> {
        let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
        let name = if self.is_set || (is_ip(&address.host) && !is_ip(&self.name)) {
            &self.name
        } else {
            &address.host
        };
        ServerName::try_from(name.clone()).map_err(|_| {
            let why = "the host is not a name that a certificate can have";
            DialError::Tls(TlsFault::Other(why.to_owned()))
        })
    }
}

/// Sends a command of the host itself, such as `ROLE`, on a connection, and returns the answer.
/// `words` are the command's name and arguments.
///
/// # Errors
/// Fails if the connection is lost, if the server refuses the command, or if the answer does not
/// have the form of `T`.
async fn ask<T: FromRedisValue>(
    connection: &MultiplexedConnection,
    words: &[&str],
) -> Result<T, DialError> {
    let mut command = redis::Cmd::new();
    command.arg(words);
    let answer = connection
        .clone()
        .send_packed_command(&command)
        .await
        .and_then(redis::Value::extract_error);
    let answer = answer.map_err(|error| refusal(&error))?;
    redis::from_redis_value(answer).map_err(|_| DialError::Unexpected)
}
