//! The URL of a store: where the Redis server is, and which login is used there.
//!
//! Owns the meaning of the URL, and the choice between the forms that it may have. Must not know
//! how a connection is made. No password can be logged by accident: it is a `SecretString`, and an
//! endpoint does not implement `Debug`.

mod stack_exchange;
mod url;
mod url_error;

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

pub use self::url_error::UrlError;

use super::entra::{Entra, Platform};
use super::identity::{Login, PasswordFile, TokenSource};

/// Description of the forms of a Redis URL, for error messages.
pub const FORM: &str = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?PARAMETER=VALUE&...], or rediss:// for TLS, \
                        with / ? # : of a user and & # of a value as %2F %3F %23 %3A %26; several nodes of one \
                        cluster, or several sentinels, with commas between their URLs; parameters are auth, ca, \
                        client_id, password_file and sentinel; or the form of StackExchange.Redis, \
                        HOST:PORT,password=PASSWORD,ssl=True";

/// Host and port of one Redis server or sentinel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Host name of the server or sentinel, or its IP address without brackets.
    pub host: String,
    /// Port of the server or sentinel.
    pub port: u16,
}

impl fmt::Display for Address {
    /// Writes host and port, with brackets around an IPv6 address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Address {
    /// Parses an address that a node of a cluster announced. The forms are `10.0.0.7:6379`,
    /// `::1:6379` (with or without brackets; redirections have none), and `:6379`. The last form
    /// stands for the host of `by`, the node that announced the address. An `@` and the text after
    /// it are ignored. Returns `None` if the text has another form, or if the host is `?`.
    #[must_use]
    pub fn announced(text: &str, by: &Self) -> Option<Self> {
        // An older server adds its cluster bus port after an @.
        let text = text.split_once('@').map_or(text, |(text, _)| text);
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { &by.host } else { host };
        // A node that does not know its own name announces `?`.
        (host != "?").then_some(())?;
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// Login that an endpoint uses, with one variant for each source of the password.
#[derive(Clone)]
pub enum Who {
    /// The password is in the URL, or the login is anonymous.
    Written(Login),
    /// The password is in a file.
    File {
        /// Name of the ACL user at the Redis server. `None` means `default`.
        user: Option<String>,
        /// Path of the file with the password.
        path: PathBuf,
    },
    /// The password is a token for an identity of Microsoft Entra ID.
    Entra {
        /// User name at the Redis server. `None` means the object ID that the token names.
        user: Option<String>,
        /// Client ID of the identity. `None` if it is not set, which works only if the platform has
        /// a single identity.
        client_id: Option<String>,
    },
}

/// Redis endpoint of a store: one server, some nodes of one cluster, or the sentinels that know the
/// server.
#[derive(Clone)]
pub struct Endpoint {
    /// Addresses of the servers or sentinels that the URLs name, at least one. Any of them names
    /// the other nodes of the cluster, or the master.
    pub seeds: Vec<Address>,
    /// True if connections use TLS.
    pub tls: bool,
    /// Login that the host uses at the endpoint's servers.
    pub who: Who,
    /// Number of the Redis database, usually from 0 to 15. A cluster only has database 0.
    pub database: u32,
    /// Name of the master, as the sentinels know it. If it is set, the seeds are sentinels. `None`
    /// if the endpoint does not have sentinels.
    pub sentinel: Option<String>,
    /// Path of a file of certificates that are trusted instead of the system's certificates. `None`
    /// if the system's certificates are trusted.
    pub ca: Option<PathBuf>,
    /// Name that the servers' certificates must have. `None` if it is the host in the URL.
    pub certificate_name: Option<String>,
}

impl Endpoint {
    /// Parses one or more Redis URLs with commas between them, or a connection string of
    /// StackExchange.Redis. The hosts and ports come from all URLs, and everything else comes from
    /// the first.
    ///
    /// # Errors
    /// Fails with the reason why a text is not a Redis URL. The reason repeats no part of the text,
    /// because the text may hold a password.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(UrlError::Control);
        }
        if stack_exchange::is_form_of(text) {
            return stack_exchange::parse(text);
        }
        let mut urls = url::split(text).into_iter();
        let mut endpoint = url::parse(urls.next().unwrap_or_default())?;
        for text in urls {
            let more = url::parse(text)?;
            if more.tls != endpoint.tls {
                return Err(UrlError::MixedSchemes);
            }
            endpoint.seeds.extend(more.seeds);
        }
        Ok(endpoint)
    }

    /// Sets the client ID of the identity to `id`, if the endpoint logs in with tokens and its URL
    /// does not name a client ID.
    pub fn default_client(&mut self, id: Option<String>) {
        if let Who::Entra { client_id, .. } = &mut self.who {
            *client_id = client_id.take().or(id);
        }
    }

    /// Returns the source of the endpoint's login. `platform` returns the service that issues
    /// tokens. `platform` is called only if the endpoint logs in with tokens.
    #[must_use]
    pub fn source(&self, platform: impl FnOnce() -> Platform) -> Box<dyn TokenSource> {
        match self.who.clone() {
            Who::Written(login) => Box::new(login),
            Who::File { user, path } => Box::new(PasswordFile { user, path }),
            Who::Entra { user, client_id } => Box::new(Entra {
                platform: platform(),
                client_id,
                user,
            }),
        }
    }

    /// Returns a description of the endpoint for an operator: its servers, TLS, user and database,
    /// but not the password.
    #[must_use]
    pub fn explain(&self) -> String {
        let seeds: Vec<_> = self.seeds.iter().map(Address::to_string).collect();
        let seeds = seeds.join(", ");
        let place = match &self.sentinel {
            Some(master) => format!("the master {master} that the sentinels at {seeds} name"),
            None => seeds,
        };
        let tls = match (&self.ca, self.tls) {
            (_, false) => "without TLS".to_owned(),
            (None, true) => "with TLS and the certificates that this machine trusts".to_owned(),
            (Some(ca), true) => format!("with TLS and the certificates in {}", ca.display()),
        };
        let tls = match &self.certificate_name {
            Some(name) if self.tls => format!("{tls}, for the name {name}"),
            _ => tls,
        };
        let named = |user: &Option<String>| user.clone().unwrap_or_else(|| "default".to_owned());
        let who = match &self.who {
            Who::Written(Login {
                user,
                password: Some(_),
            }) => format!("user {}, password in the URL", named(user)),
            Who::Written(Login {
                user,
                password: None,
            }) => format!("user {}, no password", named(user)),
            Who::File { user, path } => {
                format!("user {}, password in {}", named(user), path.display())
            }
            Who::Entra { user, client_id } => format!(
                "a token of Microsoft Entra ID for {}, as {}",
                client_id.as_deref().map_or_else(
                    || "the only identity".to_owned(),
                    |id| format!("client {id}")
                ),
                user.as_deref().unwrap_or("the object that it names")
            ),
        };
        format!("{place} {tls}; {who}; database {}", self.database)
    }

    /// Returns the password in the URL, so that a caller can keep it out of texts. Returns `None`
    /// if the URL does not hold a password.
    #[must_use]
    pub fn password(&self) -> Option<&SecretString> {
        match &self.who {
            Who::Written(login) => login.password.as_ref(),
            Who::File { .. } | Who::Entra { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
