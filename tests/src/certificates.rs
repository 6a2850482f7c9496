//! TLS certificates for one test.
//!
//! Owns their creation with openssl. Must not know which server uses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::run;

/// A root certificate, and the certificates that it signs.
pub struct Certificates {
    dir: TempDir,
}

impl Certificates {
    /// Creates a root certificate, and a certificate for servers at 127.0.0.1.
    ///
    /// # Panics
    /// Panics if openssl fails.
    #[must_use]
    pub fn make() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let all = Self { dir };
        all.self_signed("ca", "test root");
        let request = [
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=test server",
            "-keyout",
        ];
        openssl(
            &request,
            &[
                &all.file("server.key"),
                Path::new("-out"),
                &all.file("server.csr"),
            ],
        );
        std::fs::write(all.file("names"), "subjectAltName=IP:127.0.0.1\n")
            .expect("a file can be written");
        openssl(
            &["x509", "-req", "-days", "2", "-CAcreateserial", "-CA"],
            &[
                &all.file("ca.crt"),
                Path::new("-CAkey"),
                &all.file("ca.key"),
                Path::new("-in"),
                &all.file("server.csr"),
                Path::new("-extfile"),
                &all.file("names"),
                Path::new("-out"),
                &all.file("server.crt"),
            ],
        );
        all
    }

    /// Creates a key in the file `NAME.key` and a self-signed certificate in `NAME.crt`. `subject`
    /// is the subject of the certificate, as openssl takes it.
    pub fn self_signed(&self, name: &str, subject: &str) {
        let subject = format!("/CN={subject}");
        let request = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject,
            "-keyout",
        ];
        let (key, certificate) = (
            self.file(&format!("{name}.key")),
            self.file(&format!("{name}.crt")),
        );
        openssl(&request, &[&key, Path::new("-out"), &certificate]);
    }

    /// Returns the path of a file: `ca.crt`, `server.crt`, `server.key`, or a file that the test
    /// created.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns a folder with the root certificate alone, as skopeo and podman need it.
    ///
    /// # Panics
    /// Panics if the disk is full.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = self.file("roots");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        std::fs::copy(self.file("ca.crt"), folder.join("ca.crt")).expect("a file can be copied");
        folder
    }

    /// Returns the certificate in the file `name`, in DER.
    ///
    /// # Panics
    /// Panics if the file is not a certificate.
    #[must_use]
    pub fn der(&self, name: &str) -> Vec<u8> {
        CertificateDer::from_pem_file(self.file(name))
            .expect("a certificate")
            .to_vec()
    }

    /// Returns the TLS configuration of a server in this process.
    ///
    /// # Panics
    /// Panics if rustls does not accept the files.
    #[must_use]
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        crate::http::install_crypto();
        let chain =
            vec![CertificateDer::from_pem_file(self.file("server.crt")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).expect("a key");
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Arc::new(config.expect("they fit together"))
    }
}

fn openssl(words: &[&str], paths: &[&Path]) {
    run::finish(run::tool("openssl").args(words).args(paths), b"").ended(0);
}
