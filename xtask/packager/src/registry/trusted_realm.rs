//! A host that credentials may be sent to, as `--trust-realm` names it.
//!
//! Owns the form of the host on the command line. Must not know credentials, nor which registry
//! names the host.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use scorebox_host::text::{NAME_BYTES, quoted};

/// A host to which credentials may be sent: a value of the flag `--trust-realm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRealm {
    host: String,
    /// Port of the host to which credentials may be sent. `None` means every port.
    port: Option<u16>,
}

/// Error for a value of the flag `--trust-realm` that is neither `HOST[:PORT]` nor an address with
/// http or https.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` is not HOST[:PORT]; write e.g. `auth.example.com`",
    quoted(text, NAME_BYTES)
)]
pub struct NotAHost {
    text: String,
}

impl FromStr for TrustedRealm {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let misfit = || NotAHost {
            text: text.to_owned(),
        };
        let is_address = text.contains("://");
        let read = |scheme: &str| {
            let address = if is_address {
                text.to_owned()
            } else {
                format!("{scheme}://{text}")
            };
            Url::parse(&address).ok()
        };
        let (http, https) = read("http").zip(read("https")).ok_or_else(misfit)?;
        let is_plain = http.username().is_empty() && http.password().is_none();
        // A bare host must not be followed by anything. An address that was copied from the header
        // has a path.
        let is_whole = is_address
            || (https.path() == "/" && https.query().is_none() && https.fragment().is_none());
        let host = https
            .host_str()
            .filter(|_| is_plain && is_whole && matches!(http.scheme(), "http" | "https"));
        Ok(Self {
            host: host.ok_or_else(misfit)?.to_owned(),
            // The URL parser omits the default port of a scheme. No port is the default of both
            // schemes, so one of the two parses keeps it.
            port: if is_address {
                https.port_or_known_default()
            } else {
                https.port().or(http.port())
            },
        })
    }
}

impl fmt::Display for TrustedRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl TrustedRealm {
    /// Returns true if the token service at the URL `realm` has this host and, if one is set, this
    /// port.
    pub fn covers(&self, realm: &Url) -> bool {
        realm.host_str() == Some(self.host.as_str())
            && self
                .port
                .is_none_or(|port| realm.port_or_known_default() == Some(port))
    }
}
