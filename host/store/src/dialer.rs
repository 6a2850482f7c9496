//! A new connection to one server: TCP, TLS and login.
//!
//! Owns how a connection begins and how long that may take. With sentinels, it also owns to which
//! server a connection leads. Must not know when to connect or reconnect.

use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, FromRedisValue, ProtocolVersion, RedisConnectionInfo,
    RedisError,
};
use rustls::pki_types::ServerName;
use scorebox_text::{NAME_BYTES, cut};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::endpoint::{Address, Endpoint};
use super::identity::{Credentials, Login, LoginError, Logins};
use super::reply_limit::{Bounded, NOT_RESP, io_kind};
use super::tls::{self, Stream, TlsError};
use super::watching::Watch;

/// Dialer of one endpoint: opens connections to its servers, with TLS, login and sentinels as the
/// endpoint states.
pub struct Dialer {
    credentials: Credentials,
    database: u32,
    tls: Option<Tls>,
    sentinel: Option<Sentinel>,
    watch: OnceLock<Watch>,
    timeout: Duration,
}

struct Tls {
    connector: TlsConnector,
    /// Name of the first host in the URL. If a cluster announces IP addresses, as Azure's clusters
    /// do, the certificate of each node has this name.
    name: String,
}

struct Sentinel {
    /// Name of the master, as the sentinels know it.
    master: String,
    /// Addresses of the sentinels.
    sentinels: Vec<Address>,
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

/// Reason why a server cannot be used. The text of a reason may be logged and shown to a scorer,
/// because it holds no address and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The source of the endpoint's login did not return a login.
    #[error("{0}")]
    NoLogin(Arc<LoginError>),
    /// The server refused the login. The source of the login may have a newer login.
    #[error("the server refused the credentials")]
    Credentials,
    /// No TCP connection could be made, or the connection was lost. The text gives the reason.
    #[error("no connection: {0}")]
    Connection(String),
    /// The TLS handshake failed. The text gives the reason.
    #[error("no TLS: {0}")]
    Tls(String),
    /// No connection was made within this time, which is the timeout.
    #[error("no connection within {} ms", .0.as_millis())]
    Slow(Duration),
    /// The server did not answer a command within the timeout.
    #[error("no answer in time")]
    NoAnswer,
    /// The server refused a command. The text is the first word of the server's message.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server's answer does not have the form of an answer to the command.
    #[error("the server returned an unexpected answer")]
    Unexpected,
    /// A sentinel was asked for the master, but did not name one. The field holds the reason.
    #[error("a sentinel does not name the master: {0}")]
    Sentinel(Box<DialError>),
    /// The sentinel does not watch a master with the name that the URL states.
    #[error("it does not know the name in sentinel=...")]
    UnknownMaster,
    /// The URL does not name an address of a sentinel.
    #[error("there is no sentinel")]
    NoSentinel,
    /// The server that the sentinels name is not the master, because the sentinels are out of date.
    #[error("the sentinels name a server that is not the master yet")]
    NotMaster,
}

impl Dialer {
    /// Creates a dialer for the servers of an endpoint. `timeout` is the maximum time to connect,
    /// and the maximum time of each command.
    ///
    /// # Errors
    /// Fails if the endpoint uses TLS, but the trusted certificates cannot be read, or there are
    /// none.
    pub fn new(
        endpoint: &Endpoint,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, TlsError> {
        let name = endpoint
            .seeds
            .first()
            .map(|seed| seed.host.clone())
            .unwrap_or_default();
        let connector = endpoint
            .tls
            .then(|| tls::connector(endpoint.ca.as_deref()))
            .transpose()?;
        let sentinels = || endpoint.seeds.clone();
        Ok(Self {
            credentials,
            database: endpoint.database,
            tls: connector.map(|connector| Tls { connector, name }),
            sentinel: endpoint.sentinel.clone().map(|master| Sentinel {
                master,
                sentinels: sentinels(),
            }),
            watch: OnceLock::new(),
            timeout,
        })
    }

    /// Returns the timeout of connecting to a server, which is also the timeout of each command.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
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
        let dialed = tokio::time::timeout(self.timeout, self.dial_unbounded(address)).await;
        dialed.unwrap_or_else(|_| Err(DialError::Slow(self.timeout)))
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
        let asked = tokio::time::timeout(self.timeout, ask::<String>(connection, words)).await;
        let answered = asked.unwrap_or(Err(DialError::NoAnswer));
        if answered.is_err() {
            self.credentials.doubt();
        }
        answered.map(drop)
    }

    async fn dial_unbounded(&self, address: &Address) -> Result<Dialed, DialError> {
        let mut logins = self.credentials.logins();
        let login = logins.current().await.map_err(DialError::NoLogin)?;
        let master = match &self.sentinel {
            Some(sentinel) => &self.master(sentinel, &login).await?,
            None => address,
        };
        let dialed = self
            .greet(master, &login, self.database, logins)
            .await
            .inspect_err(|error| {
                // The password file or the token source may have a newer login.
                if *error == DialError::Credentials {
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

    /// Returns the address of the master, from the first sentinel that knows it.
    ///
    /// # Errors
    /// Fails with [`DialError::NoSentinel`] if there are no sentinels. Otherwise fails with the
    /// reason why the last sentinel did not name a master.
    async fn master(&self, sentinel: &Sentinel, login: &Login) -> Result<Address, DialError> {
        let mut problem = DialError::NoSentinel;
        for address in &sentinel.sentinels {
            match self.ask_sentinel(address, &sentinel.master, login).await {
                Ok(master) => return Ok(master),
                Err(error) => problem = DialError::Sentinel(Box::new(error)),
            }
        }
        Err(problem)
    }

    async fn ask_sentinel(
        &self,
        address: &Address,
        master: &str,
        login: &Login,
    ) -> Result<Address, DialError> {
        // A sentinel that is away must leave time for the next one.
        let asked = tokio::time::timeout(self.timeout / 3, async {
            // Most sentinels have no password. Those that have one use the password of the servers.
            let dialed = match self
                .greet(address, &Login::ANYBODY, 0, self.credentials.logins())
                .await
            {
                Err(DialError::Credentials) => {
                    self.greet(address, login, 0, self.credentials.logins())
                        .await
                }
                dialed => dialed,
            };
            let Dialed {
                connection, abort, ..
            } = dialed?;
            let found: Result<Option<(String, u16)>, DialError> = ask(
                &connection,
                &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master],
            )
            .await;
            abort.abort();
            let (host, port) = found?.ok_or(DialError::UnknownMaster)?;
            Ok(Address { host, port })
        });
        asked.await.unwrap_or(Err(DialError::NoAnswer))
    }

    async fn greet(
        &self,
        address: &Address,
        login: &Login,
        database: u32,
        logins: Logins,
    ) -> Result<Dialed, DialError> {
        let stream = Bounded::new(self.connect(address).await?);
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

    async fn connect(&self, address: &Address) -> Result<Box<dyn Stream>, DialError> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
        let stream = stream.map_err(|error| DialError::Connection(error.kind().to_string()))?;
        // If this fails, small requests only take longer.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let stream = tls
            .connector
            .connect(tls.server_name(address)?, stream)
            .await;
        let stream = stream.map_err(|error| DialError::Tls(tls::without_names(&error)))?;
        Ok(Box::new(stream))
    }
}

impl Tls {
    fn server_name(&self, address: &Address) -> Result<ServerName<'static>, DialError> {
        let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
        let name = if is_ip(&address.host) && !is_ip(&self.name) {
            &self.name
        } else {
            &address.host
        };
        ServerName::try_from(name.clone()).map_err(|_| {
            DialError::Tls("the host is not a name that a certificate can have".to_owned())
        })
    }
}

/// Sends a command on a connection that no other call uses yet, and returns the answer. `words` are
/// the command's name and arguments.
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

/// Converts an error of a server to the reason why it refused a login or a command. At most the
/// first word of the server's message is used, because the rest may name users.
fn refusal(error: &RedisError) -> DialError {
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
            DialError::Credentials
        }
        (ErrorKind::Io, _) if io_kind(error) == Some(NOT_RESP) => {
            DialError::Refused("parse error".to_owned())
        }
        (ErrorKind::Io, _) => DialError::Connection(error.category().to_owned()),
        (_, Some(code)) => DialError::Refused(cut(code, NAME_BYTES).into_owned()),
        (_, None) => DialError::Refused(error.category().to_owned()),
    }
}
