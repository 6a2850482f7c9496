//! Rule that limits which token services receive a credential: only those that belong to the
//! registry.
//!
//! Owns the rule and the list of exceptions to it. Must not know what is requested from a token
//! service.
//!
//! A registry names its token service in a header (`WWW-Authenticate: Bearer realm="…"`). Without
//! this rule, anyone who controls that header would receive the password. A credential is sent
//!
//! 1. to the registry's own host, at the registry's own port; over HTTPS at any port, since the
//!    certificate proves the host,
//! 2. from the registries in [`KNOWN`] to the token service of each,
//! 3. to the hosts that `--trust-realm` names,
//!
//! and nowhere else. If the registry uses HTTPS, a credential is never sent over HTTP. Without a
//! credential there is nothing to protect, and any token service is used.

use reqwest::Url;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};

use super::super::access::Access;
use super::credential::{Credential, Found};

/// Pairs of a registry and the host of its token service, for registries whose token service has
/// another host. Both are reached over HTTPS at port 443.
pub const KNOWN: &[(&str, &str)] = &[
    ("registry-1.docker.io", "auth.docker.io"),
    ("index.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
    ("registry.digitalocean.com", "api.digitalocean.com"),
];

/// Fails if the credential must not be sent to the token service at the URL `realm`, because the
/// service neither belongs to the registry nor is trusted by the user, or because it does not use
/// HTTPS although the registry does.
pub fn admit(access: &Access, realm: &Url, found: &Found) -> Result<(), Failure> {
    let registry = access.root()?;
    let is_trusted = access.trusted.iter().any(|trusted| trusted.covers(realm));
    // A trusted host does not make plain HTTP safe: if the registry uses HTTPS, its token service
    // must, too.
    let is_downgrade = registry.scheme() == "https" && realm.scheme() != "https";
    if matches!(found.credential, Credential::Anonymous)
        || (!is_downgrade && (is_trusted || is_own(&registry, realm) || is_known(&registry, realm)))
    {
        return Ok(());
    }
    let host = realm.host_str().unwrap_or_default();
    let place = match realm.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let place = quoted(&place, NAME_BYTES);
    Err(Failure::new(
        Kind::Registry,
        format!(
            "{}: wants the credentials from {} to be sent to `{place}`, which is not the registry's own host; nothing was sent",
            access.registry, found.origin
        ),
        format!(
            "if `{place}` is the token service of this registry, add `--trust-realm {place}`; else ask its operator"
        ),
    ))
}

fn is_own(registry: &Url, realm: &Url) -> bool {
    registry.host() == realm.host()
        && (realm.scheme() == "https"
            || registry.port_or_known_default() == realm.port_or_known_default())
}

fn is_known(registry: &Url, realm: &Url) -> bool {
    let is_usual = |url: &Url, host: &str| {
        url.scheme() == "https"
            && url.port_or_known_default() == Some(443)
            && url.host_str() == Some(host)
    };
    KNOWN
        .iter()
        .any(|(from, to)| is_usual(registry, from) && is_usual(realm, to))
}

#[cfg(test)]
mod tests {
    use super::super::super::access::Identity;
    use crate::registry::trusted_realm::TrustedRealm;

    use super::*;

    fn verdict(
        registry: &str,
        plain_http: bool,
        realm: &str,
        trusted: &[&str],
    ) -> Result<(), Failure> {
        let mut access = Identity::default().access(registry, plain_http, true);
        access.trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let password = Credential::Password {
            username: "me".to_owned(),
            password: "s3cret".into(),
        };
        let realm = Url::parse(realm).unwrap();
        let anonymous = Found {
            credential: Credential::Anonymous,
            origin: "none".to_owned(),
        };
        assert_eq!(
            admit(&access, &realm, &anonymous),
            Ok(()),
            "there is nothing to protect"
        );
        admit(
            &access,
            &realm,
            &Found {
                credential: password,
                origin: "config.json".to_owned(),
            },
        )
    }

    #[test]
    fn credentials_stay_with_the_registry() {
        let own = [
            (
                "contoso.azurecr.io",
                false,
                "https://contoso.azurecr.io/oauth2/token",
            ),
            (
                "contoso.azurecr.io",
                false,
                "https://CONTOSO.azurecr.io:8443/token",
            ),
            ("docker.io", false, "https://auth.docker.io/token"),
            ("registry.gitlab.com", false, "https://gitlab.com/jwt/auth"),
            ("127.0.0.1:5000", true, "http://127.0.0.1:5000/token"),
            ("[::1]:5000", true, "http://[::1]:5000/token"),
        ];
        for (registry, plain_http, realm) in own {
            assert_eq!(
                verdict(registry, plain_http, realm, &[]),
                Ok(()),
                "{registry} {realm}"
            );
        }
        let foreign = [
            ("contoso.azurecr.io", false, "https://evil.example/token"),
            ("contoso.azurecr.io", false, "https://evil.azurecr.io/token"),
            (
                "contoso.azurecr.io",
                false,
                "https://contoso.azurecr.io.evil.example/token",
            ),
            ("contoso.azurecr.io", false, "https://azurecr.io/token"),
            (
                "contoso.azurecr.io",
                false,
                "https://contoso.azurecr.io@evil.example/token",
            ),
            (
                "contoso.azurecr.io",
                false,
                "http://contoso.azurecr.io/token",
            ),
            ("docker.io", false, "https://auth.docker.io:444/token"),
            ("docker.io", true, "http://auth.docker.io/token"),
            ("gitlab.com", false, "https://auth.docker.io/token"),
            ("127.0.0.1:5000", true, "http://127.0.0.1:5001/token"),
            ("127.0.0.1:5000", true, "http://127.0.0.2:5000/token"),
            ("127.0.0.1:5000", true, "http://localhost:5000/token"),
            ("[::1]:5000", true, "http://127.0.0.1:5000/token"),
        ];
        for (registry, plain_http, realm) in foreign {
            let refused = verdict(registry, plain_http, realm, &[]).expect_err(realm);
            assert!(
                refused.exit_code() == 5 && refused.fix.contains("--trust-realm"),
                "{refused}"
            );
            assert!(
                refused.problem.contains("config.json") && !refused.to_string().contains("s3cret"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_trusted_host_is_exactly_that_host() {
        let check = |trusted: &str, realm: &str, fits: bool| {
            assert_eq!(
                verdict("r.example", false, realm, &[trusted]).is_ok(),
                fits,
                "{trusted} {realm}"
            );
        };
        check("auth.example", "https://auth.example/token", true);
        check("auth.example", "https://auth.example:8443/token", true);
        check("AUTH.example:443", "https://auth.example/token", true);
        check("auth.example:443", "https://auth.example:8443/token", false);
        check(
            "https://auth.example/token",
            "https://auth.example/v2/token",
            true,
        );
        check(
            "https://auth.example/token",
            "https://auth.example:8443/token",
            false,
        );
        check("auth.example", "https://evil.auth.example/token", false);
        check("auth.example", "https://example/token", false);
        check("auth.example", "http://auth.example/token", false);
        for wrong in [
            "",
            "a b",
            "user@auth.example",
            "auth.example/token",
            "auth.example?x",
            "ftp://auth.example",
            "*",
        ] {
            assert!(
                wrong.parse::<TrustedRealm>().is_err() || wrong == "*",
                "{wrong}"
            );
        }
        assert!(
            verdict("r.example", false, "https://auth.example/token", &["*"]).is_err(),
            "no patterns"
        );
    }

    #[test]
    fn the_fix_works_when_it_is_followed() {
        for (registry, realm) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("[::1]:5", "http://[::1]:6/token"),
        ] {
            let refused = verdict(registry, true, realm, &[]).unwrap_err();
            let (_, rest) = refused.fix.split_once("`--trust-realm ").unwrap();
            let place = rest.split('`').next().unwrap();
            assert_eq!(verdict(registry, true, realm, &[place]), Ok(()), "{place}");
        }
    }
}
