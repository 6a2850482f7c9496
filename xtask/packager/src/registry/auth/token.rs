//! Access tokens of registries: short-lived, each for one set of scopes.
//!
//! Owns the requests to a token service, and the lifetime of a token. Must not know what tokens are
//! used for.
//!
//! The protocols are those of Docker's registry (distribution/distribution, docs/content/spec/auth)
//! and, for Entra ID, of Azure Container Registry (Azure/acr, docs/AAD-OAuth.md).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Client, Response, Url};
use scorebox_workspace::failure::{Failure, Kind};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::super::access::Access;
use super::super::{answer, bounds, transport};
use super::credential::{Credential, Found};
use super::{denied, not_accepted, realm};

/// Lifetime of a token if neither the response nor the token itself states one. Docker's
/// specification defines this default.
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// Time before the expiry of a token at which the token is renewed. For a token with a lifetime of
/// less than 4 min, it is a quarter of the lifetime instead.
const MARGIN: Duration = Duration::from_secs(60);
/// Name of this client, which token services write into their logs.
const CLIENT: &str = "scorebox";

/// An access token and the time of its renewal.
#[derive(Debug, Clone)]
pub struct Token {
    /// Secret text of the access token, which is sent to the registry.
    pub value: SecretString,
    renew_at: Instant,
}

impl Token {
    /// Returns true if the token can be used for the next request, because it need not be renewed
    /// yet.
    pub fn is_good(&self) -> bool {
        Instant::now() < self.renew_at
    }
}

/// The token service of a registry, with everything that is needed to request a token.
pub struct TokenService<'a> {
    /// HTTP client that sends the requests.
    pub client: &'a Client,
    /// URL of the token service.
    pub realm: &'a Url,
    /// Name of the registry at the token service. `None` if the registry does not state one.
    pub service: Option<&'a str>,
    /// Access to the registry that the tokens are for.
    pub access: &'a Access,
}

/// Body of a token service's response. The type is not `Debug`, because it holds secrets.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    // Azure's token service returns this field instead of `token`.
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    iat: Option<f64>,
    /// Id of the tenant in an Entra access token. `None` if the token does not state it.
    tid: Option<String>,
}

impl TokenService<'_> {
    /// Fetches an access token for the given scopes. Fails if the credential must not be sent to
    /// the token service, or if the service does not accept the credential, does not grant the
    /// scopes, or does not respond. `refresh` keeps the refresh token that was received in exchange
    /// for an Entra access token, so that later calls need no further exchange.
    pub async fn fetch(
        &self,
        found: &Found,
        scopes: &[String],
        refresh: &mut Option<SecretString>,
    ) -> Result<Token, Failure> {
        realm::admit(self.access, self.realm, found)?;
        let response = match &found.credential {
            Credential::Anonymous => self.get(scopes, None).await?,
            Credential::Password { username, password } => {
                self.get(scopes, Some((username, password))).await?
            }
            Credential::Refresh(token) => self.refresh(scopes, token).await?,
            Credential::Entra(entra) => {
                let held = match refresh.take() {
                    Some(held) => Some(self.refresh(scopes, &held).await?)
                        .filter(|answer| answer.status() == 200)
                        .map(|answer| (answer, held)),
                    None => None,
                };
                let (response, held) = match held {
                    Some(both) => both,
                    // A refresh token was not fetched yet, or the last one has expired.
                    None => {
                        let new = self.exchange(found, entra).await?;
                        (self.refresh(scopes, &new).await?, new)
                    }
                };
                *refresh = Some(held);
                response
            }
        };
        let answer = self.read(found, scopes, response).await?;
        let life = answer.expires_in.map(seconds);
        let Some(value) = answer
            .token
            .or(answer.access_token)
            .filter(|token| !token.is_empty())
        else {
            return Err(self.strange("no token"));
        };
        let life = life.or_else(|| life_of(&value)).unwrap_or(USUAL_LIFE);
        Ok(Token {
            value: value.into(),
            renew_at: Instant::now() + life - MARGIN.min(life / 4),
        })
    }

    async fn get(
        &self,
        scopes: &[String],
        password: Option<(&str, &SecretString)>,
    ) -> Result<Response, Failure> {
        let mut url = self.realm.clone();
        if let Some(service) = self.service {
            url.query_pairs_mut().append_pair("service", service);
        }
        for scope in scopes {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let request = || {
            let request = self.client.get(url.clone());
            match password {
                Some((username, password)) => {
                    request.basic_auth(username, Some(password.expose_secret()))
                }
                None => request,
            }
        };
        transport::send(&self.action(), None, request(), || Some(request())).await
    }

    async fn refresh(&self, scopes: &[String], token: &SecretString) -> Result<Response, Failure> {
        let scope = scopes.join(" ");
        let mut form = vec![("grant_type", "refresh_token"), ("client_id", CLIENT)];
        form.push(("refresh_token", token.expose_secret()));
        // Docker's protocol takes several scopes in one field, separated by spaces.
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        self.post(self.realm, form).await
    }

    /// Exchanges an Entra access token for a refresh token, with the request that Azure Container
    /// Registry defines. `found` is the credential for messages, and `entra` is the access token.
    /// Fails if the registry does not accept the access token.
    async fn exchange(&self, found: &Found, entra: &SecretString) -> Result<SecretString, Failure> {
        let mut url = self.realm.clone();
        url.set_query(None);
        let path = url
            .path()
            .strip_suffix("/token")
            .map(|start| format!("{start}/exchange"));
        url.set_path(path.as_deref().unwrap_or("/oauth2/exchange"));
        let tenant = claims(entra.expose_secret()).and_then(|claims| claims.tid);
        let mut form = vec![
            ("grant_type", "access_token"),
            ("access_token", entra.expose_secret()),
        ];
        if let Some(tenant) = &tenant {
            form.push(("tenant", tenant));
        }
        let response = self.post(&url, form).await?;
        let answer = self.read(found, &[], response).await?;
        answer
            .refresh_token
            .map(SecretString::from)
            .ok_or_else(|| self.strange("no refresh token"))
    }

    async fn post(&self, url: &Url, mut form: Vec<(&str, &str)>) -> Result<Response, Failure> {
        if let Some(service) = self.service {
            form.push(("service", service));
        }
        // This address is never requested. Its query is used to encode the form.
        let mut encoded = self.realm.clone();
        encoded.set_query(None);
        encoded.query_pairs_mut().extend_pairs(form);
        let body = SecretString::from(encoded.query().unwrap_or_default());
        let request = || {
            let request = self
                .client
                .post(url.clone())
                .header("content-type", "application/x-www-form-urlencoded");
            request.body(body.expose_secret().to_owned())
        };
        transport::send(&self.action(), None, request(), || Some(request())).await
    }

    async fn read(
        &self,
        found: &Found,
        scopes: &[String],
        response: Response,
    ) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        match status {
            200 => {
                let most_bytes = bounds::LARGEST_TOKEN_BYTES;
                let body = bounds::body(response, most_bytes).await;
                let body = body.map_err(|unread| unread.failure(&self.action(), most_bytes))?;
                serde_json::from_slice(&body).map_err(|_| self.strange("something else"))
            }
            400 | 401 | 403 => {
                let said = answer::said(response).await;
                let is_scope = ["DENIED", "insufficient_scope", "invalid_scope"]
                    .iter()
                    .any(|word| said.contains(word));
                if status == 403 || (is_scope && !scopes.is_empty()) {
                    return Err(denied(self.access, found, scopes, &said));
                }
                Err(not_accepted(self.access, found, &said))
            }
            _ => Err(answer::unexpected(&self.action(), response).await),
        }
    }

    fn action(&self) -> String {
        format!("fetching a token for {}", self.access.registry)
    }

    fn strange(&self, what: &str) -> Failure {
        Failure::new(
            Kind::Registry,
            format!(
                "{}: {} answered with {what}",
                self.action(),
                self.realm.host_str().unwrap_or_default()
            ),
            "see the registry's settings for its token service",
        )
    }
}

/// Returns the lifetime that a JSON web token states, or `None` if the text is not such a token or
/// states no time of expiry. The lifetime is the difference between the token's own times of issue
/// and expiry, because the clocks of two machines differ. If the token does not state when it was
/// issued, the current time is used instead.
fn life_of(token: &str) -> Option<Duration> {
    let claims = claims(token)?;
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64())
    };
    Some(seconds(claims.exp? - claims.iat.unwrap_or_else(now)))
}

/// Returns the claims of a JSON web token, or `None` if they cannot be parsed. The signature is not
/// checked, because the claims grant no rights here.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Converts a number of seconds to a duration from zero to a year, even if the number is not
/// finite.
fn seconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count.clamp(0.0, 31_536_000.0)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_is_read_from_a_token() {
        let token = |claims: &str| format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(
            life_of(&token(r#"{"exp":1700000300,"iat":1700000000}"#)),
            Some(Duration::from_secs(300))
        );
        assert_eq!(
            life_of(&token(r#"{"exp":1700000300}"#)),
            Some(Duration::ZERO)
        );
        assert_eq!(life_of(&token("{}")), None);
        assert_eq!(life_of("opaque"), None);
        assert_eq!(seconds(f64::NAN), Duration::ZERO);
        assert_eq!(seconds(1e300), Duration::from_secs(31_536_000));
    }
}
