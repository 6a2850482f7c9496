//! Where a Redis is, and who asks: what the URL of an operator says.
//!
//! Owns the form of the URL. Must not know how a connection is made. Nothing here is shown by accident: a password is a
//! secret, and an endpoint has no `Debug`.

use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};

/// The form, for messages.
pub const FORM: &str = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS, with / @ # ? % in a \
                        password as %2F %40 %23 %3F %25; several nodes of one cluster with commas between them";

/// The port of Redis where a URL names none.
const PORT: u16 = 6379;

/// Host and port of one server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Reads an address as a cluster announces it: `10.0.0.7:6379`, `::1:6379` (without brackets, as redirections have
    /// it), `:6379` for the host that said so.
    #[must_use]
    pub fn announced(text: &str, by: &Self) -> Option<Self> {
        // An older server adds its bus port.
        let text = text.split_once('@').map_or(text, |(text, _)| text);
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { &by.host } else { host };
        // What a node that does not know its own name announces.
        (host != "?").then_some(())?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// Who asks, and what for.
#[derive(Clone)]
pub struct Login {
    /// The ACL user; none for `default`.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
}

/// One Redis: a server, or some nodes of one cluster.
#[derive(Clone)]
pub struct Endpoint {
    /// At least one. Any that answers tells the others of a cluster.
    pub seeds: Vec<Address>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Of the first URL.
    pub login: Login,
    /// The database, 0 to 15 usually; a cluster has only 0.
    pub database: u32,
}

impl Endpoint {
    /// Reads one or more URLs with commas between them; user, password and database are those of the first.
    ///
    /// # Errors
    /// What is wrong; no part of the text is repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut urls = split(text).into_iter();
        let first = urls.next().unwrap_or_default();
        let mut endpoint = Self::parse_one(first)?;
        for url in urls {
            let more = Self::parse_one(url)?;
            if more.tls != endpoint.tls {
                return Err("some of its URLs are redis:// and some rediss://".to_owned());
            }
            endpoint.seeds.extend(more.seeds);
        }
        Ok(endpoint)
    }

    fn parse_one(text: &str) -> Result<Self, String> {
        if text.contains('#') {
            return Err("it has a fragment (#…); a # in a password is written %23".to_owned());
        }
        // The crate's errors name no part of the text.
        let url: Uri = text.trim().parse().map_err(|error| format!("not a URL: {error}"))?;
        let tls = match url.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err("its scheme is neither redis nor rediss".to_owned()),
        };
        if url.query().is_some() {
            return Err("it has parameters (?…); there are none".to_owned());
        }
        let host = url.host().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let decoded = |text: &str, what: &str| {
            let text = percent_encoding::percent_decode_str(text).decode_utf8();
            text.map(|text| text.into_owned()).map_err(|_| format!("its {what} is not UTF-8"))
        };
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let (who, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        // The crate takes a port that is none for part of nothing.
        let has_port = place.rsplit_once(']').map_or(place, |(_, port)| port).contains(':');
        if has_port && url.port_u16().is_none() {
            return Err("its port is not a number from 0 to 65535".to_owned());
        }
        let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
        let user = Some(decoded(user, "user")?).filter(|user| !user.is_empty());
        let password = password.map(|password| decoded(password, "password")).transpose()?;
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| "its database is not a number".to_owned())?,
        };
        let login = Login { user, password: password.map(SecretString::from) };
        Ok(Self { seeds: vec![Address { host, port: url.port_u16().unwrap_or(PORT) }], tls, login, database })
    }

    /// The password, for what hides it.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.login.password.as_ref().map(SecretString::expose_secret)
    }
}

/// Splits where a comma and a scheme follow each other: a password may hold a comma.
fn split(text: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut rest = text;
    loop {
        let end = [",redis://", ",rediss://"].iter().filter_map(|start| rest.find(start)).min();
        let Some(end) = end else { break };
        let (url, more) = rest.split_at(end);
        urls.push(url);
        rest = more.trim_start_matches(',');
    }
    urls.push(rest);
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        #[track_caller]
        fn check(text: &str, seeds: &[(&str, u16)], tls: bool, user: Option<&str>, password: Option<&str>, db: u32) {
            let read = Endpoint::parse(text).map_err(|problem| format!("{text}: {problem}")).unwrap();
            let found: Vec<_> = read.seeds.iter().map(|seed| (seed.host.as_str(), seed.port)).collect();
            assert_eq!(found, seeds, "{text}");
            let rest = (read.tls, read.login.user.as_deref(), read.password(), read.database);
            assert_eq!(rest, (tls, user, password, db), "{text}");
        }
        check("redis://cache", &[("cache", 6379)], false, None, None, 0);
        check("rediss://:p%40ss,w@c.example:10000/", &[("c.example", 10000)], true, None, Some("p@ss,w"), 0);
        check("redis://ada:pw@[::1]:7000/3", &[("::1", 7000)], false, Some("ada"), Some("pw"), 3);
        check("redis://:pw@a:1,redis://b:2", &[("a", 1), ("b", 2)], false, None, Some("pw"), 0);
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        for text in [
            "hunter2",
            "http://:hunter2@h",
            "redis://:hunter2@h/x",
            "rediss://:hunter2@h#insecure",
            "redis://:hunter2@",
        ]
        .into_iter()
        .chain(["redis://:hunter2@h?protocol=resp3", "redis://a,rediss://b", "redis://:hunter2@h:99999"])
        {
            let problem = Endpoint::parse(text).map(|_| "read").unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn announced_addresses_are_read() {
        let by = Address { host: "seed".into(), port: 1 };
        let read = |text| Address::announced(text, &by).map(|address| (address.host, address.port));
        assert_eq!(read("10.0.0.7:6379"), Some(("10.0.0.7".into(), 6379)));
        assert_eq!(read(":7001"), Some(("seed".into(), 7001)));
        assert_eq!(read("::1:7001"), Some(("::1".into(), 7001)));
        assert_eq!(read("10.0.0.7:6379@16379"), Some(("10.0.0.7".into(), 6379)));
        assert_eq!(read("?:7001"), None);
        assert_eq!(read("nonsense"), None);
    }
}
