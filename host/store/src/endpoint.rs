//! The URL of a store: where the Redis server is, and which login is used there.
//!
//! Owns the form of the URL. Must not know how a connection is made. No password can be logged by
//! accident: it is a `SecretString`, and an endpoint does not implement `Debug`.

mod url_error;

use std::path::PathBuf;

use http::Uri;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

pub use self::url_error::UrlError;

use super::entra::{Entra, Platform};
use super::identity::{Login, PasswordFile, TokenSource};

/// Description of the form of a Redis URL, for error messages.
pub const FORM: &str = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?PARAMETER=VALUE&...], or rediss:// for TLS, \
                        with / @ # ? % & in a part as %2F %40 %23 %3F %25 %26; several nodes of one cluster, or \
                        several sentinels, with commas between their URLs; parameters are auth, ca, client_id, \
                        password_file and sentinel";

/// Parameters of a Redis URL, each with a description of its value.
const PARAMETERS: [(&str, &str); 5] = [
    ("auth", "entra"),
    ("ca", "the path of a file of certificates"),
    ("client_id", "the id of an identity, with auth=entra"),
    ("password_file", "the path of a file"),
    (
        "sentinel",
        "the name of the master that the sentinels watch",
    ),
];

/// Port of a Redis server if the URL does not name one.
const PORT: u16 = 6379;

/// Host and port of one Redis server or sentinel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name of the host, or an IP address without brackets.
    pub host: String,
    /// Port of the server or sentinel.
    pub port: u16,
}

impl Address {
    /// Parses an address that a node of a cluster announced. The forms are `10.0.0.7:6379`,
    /// `::1:6379` (without brackets, as in redirections), and `:6379`. The last form stands for the
    /// host of `by`, the node that announced the address. An `@` and the text after it are ignored.
    /// Returns `None` if the text has another form, or if the host is `?`.
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
}

impl Endpoint {
    /// Parses one or more Redis URLs with commas between them. The hosts and ports come from all
    /// URLs, and everything else comes from the first.
    ///
    /// # Errors
    /// Fails with the reason why a text is not a Redis URL. The reason repeats no part of the text,
    /// because the text may hold a password.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let mut urls = split(text).into_iter();
        let first = urls.next().unwrap_or_default();
        let mut endpoint = Self::parse_one(first)?;
        for url in urls {
            let more = Self::parse_one(url)?;
            if more.tls != endpoint.tls {
                return Err(UrlError::MixedSchemes);
            }
            endpoint.seeds.extend(more.seeds);
        }
        Ok(endpoint)
    }

    fn parse_one(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        // The errors of the `http` crate repeat no part of the text.
        let url: Uri = text.trim().parse().map_err(UrlError::NotUrl)?;
        let tls = match url.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err(UrlError::Scheme),
        };
        let host = url
            .host()
            .filter(|host| !host.is_empty())
            .ok_or(UrlError::NoHost)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let (who, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        // The `http` crate ignores a port that is not a number, so it is checked here.
        let has_port = place
            .rsplit_once(']')
            .map_or(place, |(_, port)| port)
            .contains(':');
        if has_port && url.port_u16().is_none() {
            return Err(UrlError::Port);
        }
        let (user, password) = who
            .split_once(':')
            .map_or((who, None), |(user, password)| (user, Some(password)));
        let user = Some(decoded(user, "user")?).filter(|user| !user.is_empty());
        let password = password
            .map(|password| decoded(password, "password"))
            .transpose()?;
        let password = password
            .filter(|password| !password.is_empty())
            .map(SecretString::from);
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| UrlError::Database)?,
        };
        let [auth, ca, client_id, password_file, sentinel] =
            parameters(url.query().unwrap_or_default())?;
        let who = who_asks(user, password, auth, client_id, password_file, tls)?;
        if ca.is_some() && !tls {
            return Err(UrlError::UnusedCertificates);
        }
        let seeds = vec![Address {
            host,
            port: url.port_u16().unwrap_or(PORT),
        }];
        Ok(Self {
            seeds,
            tls,
            who,
            database,
            sentinel,
            ca: ca.map(PathBuf::from),
        })
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
        let seeds: Vec<_> = self
            .seeds
            .iter()
            .map(|Address { host, port }| format!("{host}:{port}"))
            .collect();
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

fn who_asks(
    user: Option<String>,
    password: Option<SecretString>,
    auth: Option<String>,
    client_id: Option<String>,
    password_file: Option<String>,
    tls: bool,
) -> Result<Who, UrlError> {
    if [password.is_some(), auth.is_some(), password_file.is_some()]
        .iter()
        .filter(|given| **given)
        .count()
        > 1
    {
        return Err(UrlError::SeveralLogins);
    }
    match auth.as_deref() {
        // A stolen token is worth more than the data that it is used for.
        Some("entra") if !tls => Err(UrlError::TokenWithoutTls),
        Some("entra") => Ok(Who::Entra { user, client_id }),
        Some(_) => Err(UrlError::Auth),
        None if client_id.is_some() => Err(UrlError::UnusedClientId),
        None => Ok(match password_file {
            Some(path) => Who::File {
                user,
                path: path.into(),
            },
            None => Who::Written(Login { user, password }),
        }),
    }
}

/// Returns the values of the parameters in the query of a URL, in the order of [`PARAMETERS`]. A
/// value is `None` if the query does not have the parameter.
///
/// # Errors
/// Fails if a parameter is unknown, or if its value is missing or not UTF-8.
fn parameters(query: &str) -> Result<[Option<String>; 5], UrlError> {
    let mut values = [const { None }; 5];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = PARAMETERS
            .iter()
            .zip(&mut values)
            .find(|((known, _), _)| *known == name);
        let Some(((name, what), slot)) = known else {
            let names = PARAMETERS.map(|(name, _)| name).join(", ");
            return Err(UrlError::UnknownParameter(names));
        };
        if value.is_empty() {
            return Err(UrlError::NoValue(name, what));
        }
        *slot = Some(decoded(value, name)?);
    }
    Ok(values)
}

fn decoded(text: &str, what: &'static str) -> Result<String, UrlError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| UrlError::NotUtf8(what))
}

/// Splits a list of URLs at each comma that is followed by a scheme, because a password may hold a
/// comma.
fn split(text: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut rest = text;
    loop {
        let end = [",redis://", ",rediss://"]
            .iter()
            .filter_map(|start| rest.find(start))
            .min();
        let Some(end) = end else { break };
        let (url, more) = rest.split_at(end);
        urls.push(url);
        rest = more.trim_start_matches(',');
    }
    urls.push(rest);
    urls
}

#[cfg(test)]
mod tests;
