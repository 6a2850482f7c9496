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

/// Returns a description of a TLS failure without any names. The names in a certificate would
/// reveal details of the deployment.
#[must_use]
pub fn without_names(error: &std::io::Error) -> String {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => {
            let words = format!("{error:?}");
            let word = words
                .split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap_or_default();
            format!("the certificate is not valid: {word}")
        }
        Some(error) => error.to_string(),
        None => error.kind().to_string(),
    }
}
