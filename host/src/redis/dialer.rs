//! A new connection to one server: TCP, TLS, and who we are.
//!
//! Owns what is trusted and how long it may take. Must not know when to connect, nor again.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::endpoint::{Address, Endpoint, Login};

/// Makes connections to the servers of one endpoint.
pub struct Dialer {
    login: Login,
    database: u32,
    tls: Option<Tls>,
    timeout: Duration,
}

struct Tls {
    connector: TlsConnector,
    /// The host as the operator wrote it: the name in the certificate where a cluster announces bare IP addresses, as
    /// Azure's do.
    name: String,
}

/// A connection, and the task that moves its bytes; that task ends with the connection.
pub struct Dialed {
    /// Cloned for each call.
    pub connection: MultiplexedConnection,
    /// Resolves when the connection is lost.
    pub lost: tokio::task::JoinHandle<()>,
    /// Ends the task.
    pub abort: AbortHandle,
}

impl Dialer {
    /// For an endpoint; `authority` is a file of certificates that are trusted in place of the system's.
    ///
    /// # Errors
    /// There is no certificate that could be trusted.
    pub fn new(endpoint: &Endpoint, authority: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        let name = endpoint.seeds.first().map(|seed| seed.host.clone()).unwrap_or_default();
        let tls = endpoint.tls.then(|| tls(authority).map(|connector| Tls { connector, name })).transpose()?;
        Ok(Self { login: endpoint.login.clone(), database: endpoint.database, tls, timeout })
    }

    /// How long connecting may take, and a command.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects.
    ///
    /// # Errors
    /// Why not, without an address or a credential.
    pub async fn dial(&self, address: &Address) -> Result<Dialed, String> {
        let dialed = tokio::time::timeout(self.timeout, self.dial_unbounded(address)).await;
        dialed.unwrap_or_else(|_| Err(format!("no connection within {} ms", self.timeout.as_millis())))
    }

    async fn dial_unbounded(&self, address: &Address) -> Result<Dialed, String> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
        let stream = stream.map_err(|error| format!("no connection: {}", error.kind()))?;
        // Failure only costs time.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.greet(Box::new(stream)).await,
            Some(tls) => {
                let name = tls.server_name(address)?;
                let stream = tls.connector.connect(name, stream).await;
                let stream = stream.map_err(|error| format!("no TLS: {}", without_names(&error)))?;
                self.greet(Box::new(stream)).await
            }
        }
    }

    async fn greet(&self, stream: Box<dyn Stream>) -> Result<Dialed, String> {
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(self.database.into())
            .set_lib_name("scorebox", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &self.login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.login.password {
            info = info.set_password(password.expose_secret());
        }
        // Who sends a command bounds it.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (connection, driver) = made.map_err(|error| refusal(&error))?;
        let lost = tokio::spawn(driver);
        let abort = lost.abort_handle();
        Ok(Dialed { connection, lost, abort })
    }
}

/// With or without TLS; in a box, so that the protocol is compiled once.
trait Stream: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}

impl<S: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Stream for S {}

impl Tls {
    fn server_name(&self, address: &Address) -> Result<ServerName<'static>, String> {
        let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
        let name = if is_ip(&address.host) && !is_ip(&self.name) { &self.name } else { &address.host };
        ServerName::try_from(name.clone())
            .map_err(|_| "no TLS: the host is no name that a certificate could have".into())
    }
}

fn tls(authority: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    match authority {
        Some(path) => {
            let unreadable = |problem: &dyn std::fmt::Display| format!("its certificates: {problem}");
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
        None => {
            // Some that cannot be read leave the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(
            "no certificate is trusted: this machine has none, or SSL_CERT_FILE names a file without".to_owned()
        );
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The names that a certificate has are details of the place.
fn without_names(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => {
            let words = format!("{error:?}");
            let word = words.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            format!("the certificate is not valid: {word}")
        }
        Some(error) => error.to_string(),
        None => error.kind().to_string(),
    }
}

/// Why a server did not let us in: its first word at most, since what follows names users.
fn refusal(error: &RedisError) -> String {
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
            "the server refused the credentials".to_owned()
        }
        (ErrorKind::Io, _) => format!("no connection: {}", error.category()),
        (_, Some(code)) => format!("the server refused: {code}"),
        (_, None) => format!("the server refused: {}", error.category()),
    }
}
