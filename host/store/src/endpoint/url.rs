//! A Redis URL: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?PARAMETER=VALUE&…]`.
//!
//! Owns where each part of a URL ends. Keys that a provider generates hold `/`, `+` and `=`, and
//! people paste them unescaped, so the login ends only at an `@` after which the rest of the text
//! is a valid host with its port, database and parameters. Must not know how a connection is made.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Address, Endpoint, UrlError, Who};
use crate::identity::Login;

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
pub(super) const PORT: u16 = 6379;

/// Schemes of a Redis URL, each with a flag that says if it stands for TLS.
const SCHEMES: [(&str, bool); 2] = [("redis://", false), ("rediss://", true)];

/// Parts of a Redis URL after its login: the host with its port, the database and the parameters.
struct Place {
    seed: Address,
    database: u32,
    /// Values of the parameters, in the order of [`PARAMETERS`].
    parameters: [Option<String>; 5],
}

/// Login of a Redis URL, as it is written before the `@`: the user name and the password, not
/// decoded.
struct WrittenLogin<'a> {
    user: &'a str,
    password: Option<&'a str>,
}

/// Splits a list of URLs at each comma that is followed by a scheme in small or capital letters,
/// because a password may hold a comma.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut rest = text;
    loop {
        let is_end = |at: &usize| {
            let more = rest.get(at + 1..);
            more.is_some_and(|more| divided(more).is_some())
        };
        let mut commas = rest.match_indices(',').map(|(at, _)| at);
        let Some(end) = commas.find(is_end) else {
            break;
        };
        let (url, more) = rest.split_at(end);
        urls.push(url);
        rest = more.trim_start_matches(',');
    }
    urls.push(rest);
    urls
}

/// Parses one Redis URL.
///
/// # Errors
/// Fails with the reason why a text is not a Redis URL. The reason repeats no part of the text.
pub(super) fn parse(text: &str) -> Result<Endpoint, UrlError> {
    let (tls, rest) = without_scheme(text.trim())?;
    let (login, place) = divide(rest)?;
    let user = Some(decoded(login.user, "user")?).filter(|user| !user.is_empty());
    let password = login
        .password
        .map(|password| decoded(password, "password"))
        .transpose()?
        .filter(|password| !password.is_empty())
        .map(SecretString::from);
    let [auth, ca, client_id, password_file, sentinel] = place.parameters;
    let who = who_asks(user, password, auth, client_id, password_file, tls)?;
    if ca.is_some() && !tls {
        return Err(UrlError::UnusedCertificates);
    }
    Ok(Endpoint {
        seeds: vec![place.seed],
        tls,
        who,
        database: place.database,
        sentinel,
        ca: ca.map(PathBuf::from),
        certificate_name: None,
    })
}

fn without_scheme(text: &str) -> Result<(bool, &str), UrlError> {
    if text.starts_with(['"', '\'']) {
        return Err(UrlError::Quoted);
    }
    divided(text).ok_or(UrlError::Scheme)
}

/// Divides a URL into its scheme and the text after it. The flag is true if the scheme stands for
/// TLS. Case does not count in schemes. Returns `None` if the text does not begin with a scheme of
/// Redis.
fn divided(text: &str) -> Option<(bool, &str)> {
    SCHEMES.iter().find_map(|(scheme, tls)| {
        let start = text.get(..scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme)
            .then(|| (*tls, text.get(scheme.len()..).unwrap_or_default()))
    })
}

/// Divides a URL without its scheme into the login, and the host with its port, database and
/// parameters. The login is empty, or it ends at the first `@` after which the rest of the text is
/// valid. A host does not hold an `@`, so this is the last `@` before the host. Fails if there is
/// no such division.
fn divide(text: &str) -> Result<(WrittenLogin<'_>, Place), UrlError> {
    let mut problem = UrlError::NoHost;
    let ends = text.match_indices('@').map(|(at, _)| Some(at));
    for end in std::iter::once(None).chain(ends) {
        let (login, place) = end
            .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
            .unwrap_or(("", text));
        // A problem of the text after the `@` hides a problem of the login. The problem found at
        // the last `@` is returned, because it says more.
        match (written(login), Place::parse(place)) {
            (Ok(login), Ok(place)) => return Ok((login, place)),
            (Err(error), Ok(_)) => problem = error,
            (_, Err(error)) => problem = error,
        }
    }
    Err(problem)
}

/// Divides a login into the user name and the password, at the first colon. The password may hold
/// any character. Fails if the user name holds a character that must be escaped.
fn written(login: &str) -> Result<WrittenLogin<'_>, UrlError> {
    let (user, password) = login
        .split_once(':')
        .map_or((login, None), |(user, password)| (user, Some(password)));
    if user.contains(['/', '?', '#', '@']) {
        return Err(UrlError::User);
    }
    Ok(WrittenLogin { user, password })
}

impl Place {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (authority, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let seed = address(authority, PORT)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let database = match path.trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| UrlError::Database)?,
        };
        Ok(Self {
            seed,
            database,
            parameters: parameters(query)?,
        })
    }
}

/// Parses a host with or without a port. An IPv6 address is between brackets. `port` is the port if
/// the text does not have one. Fails if the text is not a host, or if its port is not a number that
/// a port can have.
pub(super) fn address(text: &str, port: u16) -> Result<Address, UrlError> {
    let (host, written) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or(UrlError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(UrlError::Host),
            }
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if !text.starts_with('[') && !host.chars().all(is_part) {
        return Err(UrlError::Host);
    }
    let port = match written {
        Some(port) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
            port.parse().map_err(|_| UrlError::Port)?
        }
        Some(_) => return Err(UrlError::Port),
        None => port,
    };
    Ok(Address {
        host: host.to_owned(),
        port,
    })
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

/// Decodes `%XX`. A `%` that two hexadecimal digits do not follow stands for itself, because a
/// password that is pasted unescaped may hold one. Fails if the decoded bytes are not UTF-8. `what`
/// is the name of the part of the URL, for the error.
fn decoded(text: &str, what: &'static str) -> Result<String, UrlError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| UrlError::NotUtf8(what))
}
