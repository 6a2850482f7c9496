//! TLS towards servers: trusted certificates, and what a message may say about a failure.
//!
//! Owns the choice of trusted certificates and the wording of TLS failures. Must not know which
//! protocol is used over TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::TlsConnector;

/// Byte stream of a connection, with or without TLS. The stream is used as a trait object, so that
/// the code of the protocol is compiled only once.
pub trait Stream: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}

impl<S: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Stream for S {}

/// Reason why TLS connections to a server cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of trusted certificates cannot be read.
    #[error("its certificates: {0}")]
    File(#[from] pem::Error),
    /// The file of trusted certificates holds a certificate that is not valid.
    #[error("its certificates: {0}")]
    Certificate(#[from] rustls::Error),
    /// There are no trusted certificates.
    #[error(
        "no certificate is trusted: this machine has none, or SSL_CERT_FILE names a file that \
         holds none"
    )]
    NoneTrusted,
}

/// Creates a connector for TLS connections. `authority` is the path of a file of certificates that
/// are trusted instead of the system's certificates. If it is `None`, the system's certificates are
/// trusted.
///
/// # Errors
/// Fails if the file cannot be read or holds an invalid certificate, or if there are no trusted
/// certificates.
pub fn connector(authority: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    match authority {
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
        }
        None => {
            // Certificates that cannot be read are skipped; the others are used.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoneTrusted);
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reason why a TLS handshake with a server failed. The texts hold no names, because the names in a
/// certificate would reveal details of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The server's certificate has expired, or the clock of this machine is wrong.
    #[error("the server's certificate is not valid: it has expired")]
    Expired,
    /// The server's certificate is not valid yet, or the clock of this machine is wrong.
    #[error("the server's certificate is not valid yet")]
    NotYetValid,
    /// The server's certificate does not name the host that was connected to.
    #[error("the server's certificate is for another name than the host that was connected to")]
    OtherName,
    /// The issuer of the server's certificate is not among the trusted certificates.
    #[error("the server's certificate has an issuer that is not trusted")]
    UnknownIssuer,
    /// The server shows the certificate of an authority as its own.
    #[error("the server's certificate is that of an authority, not of a server")]
    Authority,
    /// The server's certificate is invalid for a reason that has no variant of its own. The text is
    /// one word that names the reason.
    #[error("the server's certificate is not valid: {0}")]
    Certificate(String),
    /// The server asks clients for a certificate.
    #[error("the server wants a certificate from its clients, and the host has none")]
    ClientCertificate,
    /// The server does not speak TLS.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The server and the host have no version of TLS in common, or no cipher.
    #[error("the server does not accept TLS 1.2 or 1.3 with a cipher that the host has")]
    Version,
    /// The handshake failed for a reason that has no variant of its own. The text gives the reason.
    #[error("{0}")]
    Other(String),
}

impl TlsFault {
    /// Returns the reason why a handshake failed, from the error of the TLS library.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        match tls_error(error) {
            Some(error) => Self::of_tls(error),
            None => Self::Other(error.kind().to_string()),
        }
    }

    /// Returns the reason why a handshake failed, from an error of a connection over TLS. Returns
    /// `None` if the error is not about TLS. With TLS 1.3 a server refuses its client only after
    /// the handshake.
    #[must_use]
    pub fn after_handshake(error: &std::io::Error) -> Option<Self> {
        tls_error(error).map(Self::of_tls)
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, CertificateError as Bad, Error, InvalidMessage};
        match error {
            Error::InvalidCertificate(error) => match error {
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired,
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYetValid,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::OtherName,
                // A trusted certificate may have the name of the issuer, and another key.
                Bad::UnknownIssuer | Bad::BadSignature => Self::UnknownIssuer,
                error => {
                    let words = format!("{error:?}");
                    if words.contains("CaUsedAsEndEntity") {
                        return Self::Authority;
                    }
                    let word = words
                        .split(|c: char| !c.is_ascii_alphanumeric())
                        .next()
                        .unwrap_or_default();
                    Self::Certificate(word.to_owned())
                }
            },
            Error::AlertReceived(Alert::CertificateRequired | Alert::NoCertificate) => {
                Self::ClientCertificate
            }
            // A TLS 1.2 server that requires a client certificate sends only this alert.
            Error::AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion)
            | Error::PeerIncompatible(_) => Self::Version,
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            error => Self::Other(error.to_string()),
        }
    }

    /// Returns an instruction for the operator that makes TLS handshakes with the server succeed.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Expired => {
                "renew the certificate on the server; if it is valid, correct the clock of this machine"
            }
            Self::NotYetValid => {
                "correct the clock of this machine, or of the machine that issued the certificate"
            }
            Self::OtherName => {
                "write the host in the URL as the certificate names it; `openssl s_client -connect HOST:PORT` shows \
                 the certificate"
            }
            Self::UnknownIssuer => {
                "name the file with the issuer's certificate in PEM with ?ca=PATH in the URL, or in SSL_CERT_FILE"
            }
            Self::Authority => {
                "give the server a certificate that the authority has signed, with CA:FALSE"
            }
            Self::Certificate(_) => "give the server a valid certificate",
            Self::ClientCertificate => {
                "set `tls-auth-clients no` on the server; the host logs in with a password or a token"
            }
            Self::NotTls => {
                "write redis:// in place of rediss:// (ssl=False), or the port on which the server speaks TLS"
            }
            Self::Version => {
                "allow TLS 1.2 or 1.3 on the server; a server that wants certificates from clients needs \
                 `tls-auth-clients no`"
            }
            Self::Other(_) => {
                "try `openssl s_client -connect HOST:PORT`, which shows what the server says"
            }
        }
    }
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}
