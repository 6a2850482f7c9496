//! A connection string of StackExchange.Redis, as Azure's portal shows it:
//! `HOST:PORT,password=KEY,ssl=True,abortConnect=False`.
//!
//! Owns which options of StackExchange.Redis choose a server, a login or TLS, and which only tune
//! that client. Must not know how a connection is made.

use secrecy::SecretString;

use super::url::{self, address};
use super::{Address, Endpoint, UrlError, Who};
use crate::identity::Login;

/// Port of a Redis server with TLS if the connection string does not name a port.
const TLS_PORT: u16 = 6380;

/// Port of a sentinel if the connection string does not name a port.
const SENTINEL_PORT: u16 = 26379;

/// Port on which Azure Managed Redis speaks TLS.
const MANAGED_PORT: u16 = 10000;

/// Options of a connection string of StackExchange.Redis that choose a server, a login or TLS, in
/// lower case.
pub(super) const OPTIONS: [&str; 6] = [
    "defaultdatabase",
    "password",
    "servicename",
    "ssl",
    "sslhost",
    "user",
];

/// Options that only tune StackExchange.Redis, in lower case. They are ignored, because timeouts,
/// retries and names are settings of the manifest, or are fixed in this host.
const IGNORED: &[&str] = &[
    "abortconnect",
    "allowadmin",
    "asynctimeout",
    "channelprefix",
    "checkcertificaterevocation",
    "configchannel",
    "configcheckseconds",
    "connectretry",
    "connecttimeout",
    "defaultversion",
    "heartbeatconsistencychecks",
    "heartbeatinterval",
    "highintegrity",
    "highprioritysocketthreads",
    "includedetailinexceptions",
    "includeperformancecountersinexceptions",
    "keepalive",
    "libraryname",
    "logtofile",
    "name",
    "preserveasyncorder",
    "protocol",
    "resolvedns",
    "responsetimeout",
    "setclientlibrary",
    "sslprotocols",
    "synctimeout",
    "tiebreaker",
    "version",
    "writebuffer",
];

/// Returns true if a text looks like a connection string of StackExchange.Redis: it has a comma and
/// an option, and the text before the comma has no scheme and does not begin with a quotation mark.
pub(super) fn is_form_of(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(',') else {
        return false;
    };
    let is_place = !first.contains("://") && !first.starts_with(['"', '\'']);
    is_place && (first.contains('=') || rest.contains('='))
}

/// Parses a connection string of StackExchange.Redis. Its options are separated by commas, and a
/// part without `=` is a server. Values are not percent-decoded.
///
/// # Errors
/// Fails with the reason why the text is not such a string. The reason repeats no part of the text.
pub(super) fn parse(text: &str) -> Result<Endpoint, UrlError> {
    let mut places = Vec::new();
    let mut values = [const { None }; OPTIONS.len()];
    for part in text.split(',').map(str::trim) {
        match part.split_once('=') {
            None if part.is_empty() => {}
            None => places.push(part),
            Some((name, value)) => {
                let name = name.trim().to_ascii_lowercase();
                let mut known = OPTIONS.iter().zip(&mut values);
                let Some((_, slot)) = known.find(|(known, _)| **known == name) else {
                    if IGNORED.contains(&name.as_str()) {
                        continue;
                    }
                    return Err(UrlError::UnknownOption);
                };
                *slot = Some(value.trim()).filter(|value| !value.is_empty());
            }
        }
    }
    let [database, password, sentinel, tls, certificate_name, user] = values;
    let tls = tls.map(truth).transpose()?;
    let port = match (sentinel.is_some(), tls) {
        (true, _) => SENTINEL_PORT,
        (false, Some(true)) => TLS_PORT,
        (false, _) => url::PORT,
    };
    let mut seeds = Vec::with_capacity(places.len());
    for place in places {
        seeds.push(address(place, port)?);
    }
    if seeds.is_empty() {
        return Err(UrlError::NoHost);
    }
    Ok(Endpoint {
        tls: tls.unwrap_or_else(|| seeds.iter().any(is_tls_by_default)),
        seeds,
        who: Who::Written(Login {
            user: user.map(str::to_owned),
            password: password.map(SecretString::from),
        }),
        database: database
            .map_or(Ok(0), str::parse::<u32>)
            .map_err(|_| UrlError::Database)?,
        sentinel: sentinel.map(str::to_owned),
        ca: None,
        certificate_name: certificate_name.map(str::to_owned),
    })
}

/// Returns true if a server is expected to speak TLS although the connection string does not say
/// so: its port is 6380, or it is Azure Managed Redis. StackExchange.Redis assumes the same for
/// servers of Azure.
fn is_tls_by_default(seed: &Address) -> bool {
    let is_managed = seed.port == MANAGED_PORT && seed.host.ends_with(".azure.net");
    seed.port == TLS_PORT || is_managed
}

fn truth(value: &str) -> Result<bool, UrlError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(UrlError::Ssl),
    }
}
