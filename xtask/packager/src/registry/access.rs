//! Access to one registry: scheme, credentials, certificates and limits.
//!
//! Owns the values of the command-line flags for them. Must not know environment variables, and
//! must not send requests.

use std::io::Read as _;
use std::path::Path;

use reqwest::{Certificate, Url};
use scorebox_workspace::failure::Failure;
use secrecy::SecretString;

use super::bounds;
use super::trusted_realm::TrustedRealm;

/// Maximum size of a password or token that is read from standard input, in bytes.
const LONGEST_PASSWORD_BYTES: u64 = 64 << 10;

/// Credentials, certificates, trusted hosts and download limit that are given by the flags of a
/// command.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    password: Option<(String, SecretString)>,
    certificates: Vec<Certificate>,
    trusted: Vec<TrustedRealm>,
    most_download_bytes: Option<u64>,
}

impl Identity {
    /// Reads the password of `username` from standard input if `password_stdin` is true, and root
    /// certificates from the file `ca_file`. Fails if the password is empty, if the file has no
    /// certificate, or if one of them cannot be read.
    pub fn read(
        username: Option<&str>,
        password_stdin: bool,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let password = match username.filter(|_| password_stdin) {
            Some(username) => Some((username.to_owned(), password(std::io::stdin().lock())?)),
            None => None,
        };
        let certificates = ca_file.map(certificates).transpose()?.unwrap_or_default();
        Ok(Self {
            password,
            certificates,
            ..Self::default()
        })
    }

    /// Sets the hosts to which credentials may be sent in addition to the registry's own host.
    pub fn trusting(self, trusted: &[TrustedRealm]) -> Self {
        Self {
            trusted: trusted.to_vec(),
            ..self
        }
    }

    /// Sets the maximum size of all blobs that are read from one repository, in bytes. `None` keeps
    /// the default, `bounds::MOST_DOWNLOAD_BYTES`.
    pub fn at_most(self, most_download_bytes: Option<u64>) -> Self {
        Self {
            most_download_bytes,
            ..self
        }
    }

    /// Returns the access to the registry with this host and port, over HTTP if `plain_http` is
    /// true. The flags and environment variables hold only one password. `meant` is true if the
    /// password is for this registry. If `meant` is false, this registry does not receive the
    /// password.
    pub fn access(&self, registry: &str, plain_http: bool, meant: bool) -> Access {
        Access {
            registry: registry.to_owned(),
            plain_http,
            meant,
            repository: None,
            password: self.password.clone().filter(|_| meant),
            certificates: self.certificates.clone(),
            trusted: self.trusted.clone(),
            most_download_bytes: self
                .most_download_bytes
                .unwrap_or(bounds::MOST_DOWNLOAD_BYTES),
        }
    }
}

/// Scheme, credentials and limits for requests to one registry.
#[derive(Debug, Clone)]
pub struct Access {
    /// Host and port of the registry.
    pub registry: String,
    /// True if the registry is used over HTTP instead of HTTPS.
    pub plain_http: bool,
    /// True if the user name and the password in the environment variables are for this registry.
    pub meant: bool,
    /// Repository that the credentials are for. `None` if they are for no repository in particular.
    /// A file with credentials may have entries for single repositories.
    pub repository: Option<String>,
    /// User name and password from the flags. `None` if the flags have no password, or if the
    /// password is for another registry.
    pub password: Option<(String, SecretString)>,
    /// Root certificates that are trusted in addition to the root certificates of the machine.
    pub certificates: Vec<Certificate>,
    /// Hosts to which credentials may be sent in addition to the registry's own host.
    pub trusted: Vec<TrustedRealm>,
    /// Maximum size of all blobs that are read from one repository, in bytes.
    pub most_download_bytes: u64,
}

impl Access {
    /// Returns the access to one repository of the registry.
    pub fn to_repository(&self, name: &str) -> Self {
        Self {
            repository: Some(name.to_owned()),
            ..self.clone()
        }
    }

    /// Returns the root URL of the registry's API: `https://HOST/v2/`, or `http://HOST/v2/` if
    /// `plain_http` is true. For `docker.io`, `HOST` is the host of Docker Hub's API. Fails if the
    /// registry is not a host with or without a port.
    pub fn root(&self) -> Result<Url, Failure> {
        let scheme = if self.plain_http { "http" } else { "https" };
        // The API of Docker Hub has another host than its name.
        let host = if self.registry == "docker.io" {
            "registry-1.docker.io"
        } else {
            &self.registry
        };
        let root = format!("{scheme}://{host}/v2/");
        Url::parse(&root).map_err(|error| {
            Failure::project(
                format!("`{root}`: {error}"),
                "write the registry as HOST[:PORT], without https://",
            )
        })
    }
}

fn password(input: impl std::io::Read) -> Result<SecretString, Failure> {
    let fix = "pipe it in, e.g. printf %s \"$PASSWORD\" | cargo xtask login --username NAME --password-stdin";
    let mut text = String::new();
    let read = input.take(LONGEST_PASSWORD_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure::other(format!("--password-stdin: {error}"), fix))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::other(
            "--password-stdin: standard input is empty",
            fix,
        )),
        password => Ok(password.into()),
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let fix =
        "give --ca-file the root certificate as text that begins with -----BEGIN CERTIFICATE-----";
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, error, fix))?;
    let certificates = Certificate::from_pem_bundle(&bytes).unwrap_or_default();
    if certificates.is_empty() {
        return Err(Failure::project(
            format!("{}: holds no certificate in PEM", path.display()),
            fix,
        ));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn password_is_all_but_the_end_of_its_line() {
        assert_eq!(
            password(&b" s3:cret \r\n"[..]).unwrap().expose_secret(),
            " s3:cret "
        );
        assert!(password(&b"\n"[..]).unwrap_err().problem.contains("empty"));
        assert!(password(&b"\xff"[..]).is_err());
    }

    #[test]
    fn password_is_for_one_registry_and_never_shown() {
        let identity = Identity {
            password: Some(("me".to_owned(), "s3cret".into())),
            ..Identity::default()
        };
        let meant = identity.access("r.io", false, true);
        assert!(
            meant.password.is_some()
                && identity.access("other.io", false, false).password.is_none()
        );
        assert!(!format!("{identity:?} {meant:?}").contains("s3cret"));
    }

    #[test]
    fn file_without_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let missing = certificates(&path).unwrap_err();
        assert!(missing.fix.contains("--ca-file"), "{missing}");
        assert_eq!(missing.exit_code(), 3);
        std::fs::write(&path, "no certificate").unwrap();
        let refused = certificates(&path).unwrap_err();
        assert!(refused.problem.contains("no certificate in PEM"));
        assert_eq!(refused.exit_code(), 3);
    }
}
