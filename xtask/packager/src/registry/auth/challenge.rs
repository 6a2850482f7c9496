//! Authentication scheme that a registry demands.
//!
//! Owns the parsing of `WWW-Authenticate`. Must not know any credential.

use http_auth::parse_challenges;
use reqwest::{Response, Url};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};

/// Authentication scheme that a registry demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// The registry demands a user name and a password with every request.
    Basic,
    /// The registry demands a bearer token, which a token service issues.
    Bearer {
        /// Address of the token service.
        realm: Url,
        /// Name of the registry at the token service. `None` if the registry does not state one.
        service: Option<String>,
    },
}

impl Challenge {
    /// Parses the `WWW-Authenticate` headers of a response. Returns `None` if the headers name no
    /// supported scheme. Fails if the address of the token service is invalid or has a user name,
    /// or is not HTTPS although the registry uses HTTPS.
    pub fn of(response: &Response) -> Result<Option<Self>, Failure> {
        let values = response.headers().get_all("www-authenticate");
        Self::parse(
            response.url(),
            values.iter().filter_map(|value| value.to_str().ok()),
        )
    }

    /// Parses `WWW-Authenticate` headers. `registry` is the URL of the response, and `values` are
    /// the values of the headers. Returns `None` if the headers name no supported scheme. Fails if
    /// the address of the token service is invalid or has a user name, or is not HTTPS although the
    /// registry uses HTTPS.
    pub fn parse<'a>(
        registry: &Url,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, Failure> {
        let mut basic = None;
        for value in values {
            for challenge in parse_challenges(value).unwrap_or_default() {
                let parameter = |name: &str| {
                    let found = challenge
                        .params
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    return Ok(Some(Self::Bearer {
                        realm: self::realm(registry, &realm)?,
                        service: parameter("service"),
                    }));
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        Ok(basic)
    }

    /// Returns the name of the registry at its token service. Returns `None` if the scheme needs no
    /// token service, or if the registry states no name.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Basic => None,
            Self::Bearer { service, .. } => service.as_deref(),
        }
    }
}

fn realm(registry: &Url, text: &str) -> Result<Url, Failure> {
    let host = registry.host_str().unwrap_or_default();
    let realm = registry
        .join(text)
        .ok()
        .filter(|realm| matches!(realm.scheme(), "http" | "https"));
    let shown = quoted(text, NAME_BYTES);
    match realm {
        // The text before an `@` looks like a host, but would be sent as a user name.
        Some(realm) if !realm.username().is_empty() || realm.password().is_some() => {
            Err(Failure::new(
                Kind::Registry,
                format!("{host}: leads to `{shown}` for tokens, which holds a user name"),
                "see the registry's settings for its token service: its address is a host, a port and a path",
            ))
        }
        Some(realm) if realm.scheme() == "https" || registry.scheme() == "http" => Ok(realm),
        _ => Err(Failure::new(
            Kind::Registry,
            format!("{host}: leads to `{shown}` for tokens, which is not an address with TLS"),
            "see the registry's settings: passwords and tokens are not sent in the clear",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scorebox_host::text::is_deceptive;

    use super::super::super::fake;
    use super::*;

    fn read(headers: &str) -> Result<Option<Challenge>, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (registry, _requests) = fake::start(vec![format!("401{headers}")]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{registry}/v2/");
        Challenge::of(&runtime.block_on(async { client.get(url).send().await.unwrap() }))
    }

    #[test]
    fn headers_are_read() {
        let bearer = |realm: &str, service: &str| {
            let service = Some(service.to_owned()).filter(|service| !service.is_empty());
            Ok(Some(Challenge::Bearer {
                realm: Url::parse(realm).unwrap(),
                service,
            }))
        };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("|www-authenticate: Negotiate"), Ok(None));
        assert_eq!(
            read("|www-authenticate: Basic realm=\"a, b\""),
            Ok(Some(Challenge::Basic))
        );
        let azure = r#"|www-authenticate: Bearer realm="https://r.azurecr.io/oauth2/token",service="r.azurecr.io",scope="repository:n:pull,push""#;
        assert_eq!(
            read(azure),
            bearer("https://r.azurecr.io/oauth2/token", "r.azurecr.io")
        );
        let both = r#"|www-authenticate: Basic realm="x"|www-authenticate: bearer REALM="http://t.io/token""#;
        assert_eq!(read(both), bearer("http://t.io/token", ""));
        for user in [
            "https://r.azurecr.io@evil.example/token",
            "https://u:p@t.io/token",
            "//u@t.io/token",
        ] {
            let refused = read(&format!("|www-authenticate: Bearer realm=\"{user}\"")).unwrap_err();
            assert!(refused.problem.contains("user name"), "{refused}");
        }
        assert!(
            read(r#"|www-authenticate: Bearer realm="ftp://t.io/token""#)
                .unwrap_err()
                .problem
                .contains("TLS")
        );
    }

    proptest! {
        #[test]
        fn no_header_leads_to_an_address_without_tls(
            start in proptest::sample::select(&["", "Bearer ", "Basic, Bearer ", "bearer realm="]),
            rest in r#"[a-z]{0,3}( |realm=|service=|Bearer |["',=:/@\\\\?#\t]|https?://|//|[\x20-\x7e]|[\u{80}-\u{2070}]){0,20}"#,
        ) {
            let registry = Url::parse("https://r.azurecr.io/v2/").unwrap();
            let header = format!("{start}{rest}");
            match Challenge::parse(&registry, [header.as_str()]) {
                Ok(Some(Challenge::Bearer { realm, .. })) => {
                    prop_assert_eq!(realm.scheme(), "https");
                    prop_assert!(realm.username().is_empty() && realm.password().is_none());
                }
                Ok(_) => {}
                Err(failure) => {
                    let text = failure.to_string();
                    prop_assert!(text.len() < 1024, "{}", text);
                    prop_assert!(!text.replace("\n  fix: ", "").contains(is_deceptive), "{:?}", text);
                }
            }
        }
    }
}
