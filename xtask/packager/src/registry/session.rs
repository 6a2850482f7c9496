//! Session at one registry: every request is sent with the authentication that the registry
//! demands.
//!
//! Owns the credentials that were found, the current tokens, and the reaction to a response with
//! status code 401. Must not know what is requested.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder, Response, Url};
use scorebox_workspace::failure::{Failure, Kind};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::access::Access;
use super::answer;
use super::auth::{self, Challenge, Credential, Found, Surroundings, Token, TokenService};
use super::transport::{self, Pass};

/// User name that is sent with a refresh token if a registry demands a user name and a password
/// (Azure/acr, docs/AAD-OAuth.md).
const NO_USER: &str = "00000000-0000-0000-0000-000000000000";
/// Maximum number of times that a request is sent with new authentication. The number is enough for
/// the first login and for several renewals, even if the token that several uploads share is
/// revoked repeatedly.
const ROUNDS: u32 = 9;

/// A session at one registry, which keeps the credentials and tokens for the registry.
#[derive(Debug)]
pub struct Session {
    client: Client,
    root: Url,
    access: Access,
    surroundings: Surroundings,
    state: Mutex<State>,
}

/// The authentication scheme that a registry demands, and the credential and tokens of a session,
/// as far as they are known.
#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    found: Option<Arc<Found>>,
    refresh: Option<secrecy::SecretString>,
    tokens: HashMap<String, Token>,
}

/// Authentication that is sent with one request, and the credential that it is derived from.
struct Shown {
    pass: Pass,
    found: Arc<Found>,
    /// True if the token was fetched for an earlier request. If the registry refuses such a token,
    /// a new token may succeed.
    kept: bool,
}

impl Session {
    /// Creates a session without sending a request. Credentials are looked for when the registry
    /// demands them. Fails if the name of the registry does not form a URL, or if the HTTP client
    /// cannot be created.
    pub fn new(access: &Access) -> Result<Self, Failure> {
        Self::within(access, Surroundings::current())
    }

    /// Creates a session that looks for credentials in the variables and programs of `surroundings`
    /// instead of those of this process. Fails if the name of the registry does not form a URL, or
    /// if the HTTP client cannot be created.
    pub fn within(access: &Access, surroundings: Surroundings) -> Result<Self, Failure> {
        Ok(Self {
            client: transport::client(&access.registry, &access.certificates)?,
            root: access.root()?,
            access: access.clone(),
            surroundings,
            state: Mutex::default(),
        })
    }

    /// Returns the root URL of the registry's API: `https://HOST/v2/`, or `http://HOST/v2/` for a
    /// registry over HTTP.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Sends a request that needs the given scopes. `action` describes the request, and `request`
    /// builds it for each attempt.
    ///
    /// The request is sent again while the registry is busy or demands a new token, unless
    /// `request` returns `None`. If the request goes to a host other than the registry's, no
    /// credentials are sent. Fails if the registry does not accept the credentials or does not
    /// respond. Any other response is returned.
    pub async fn send(
        &self,
        action: &str,
        scopes: &[String],
        request: impl Fn(&Client) -> Option<RequestBuilder>,
    ) -> Result<Response, Failure> {
        let mut round = 1;
        let mut unheard = None;
        loop {
            let Some(first) = request(&self.client) else {
                // The body can be sent only once, so the caller gets the 401 response. The token
                // for a new request is fetched by now.
                return unheard.ok_or_else(|| {
                    Failure::other(format!("{action}: nothing to send"), "report this")
                });
            };
            let shown = self.shown(scopes).await?;
            let pass = shown.as_ref().map(|shown| &shown.pass);
            let response = transport::send(action, pass, first, || request(&self.client)).await?;
            if response.status() != 401 || response.url().origin() != self.root.origin() {
                return Ok(response);
            }
            match &shown {
                None => match Challenge::of(&response)? {
                    Some(challenge) => self.state.lock().await.challenge = Some(challenge),
                    None => return Err(self.no_way(action, &response)),
                },
                // A token that was revoked before its first use is renewed, too.
                Some(shown) if (shown.kept || is_over(&response)) && round < ROUNDS => {
                    self.forget(scopes, shown).await
                }
                Some(shown) => return Err(self.refused(scopes, shown, response).await),
            }
            unheard = Some(response);
            round += 1;
        }
    }

    /// Returns the origin of the credentials, and the scheme that they are sent with. Returns
    /// `None` if the registry has not demanded credentials yet.
    pub async fn who(&self) -> Option<(String, &'static str)> {
        let state = self.state.lock().await;
        let way = match state.challenge.as_ref()? {
            Challenge::Basic => "Basic",
            Challenge::Bearer { .. } => "Bearer",
        };
        Some((state.found.as_ref()?.origin.clone(), way))
    }

    async fn shown(&self, scopes: &[String]) -> Result<Option<Shown>, Failure> {
        // The lock is held while a token is fetched, so that other tasks wait for it and do not
        // fetch another token.
        let mut state = self.state.lock().await;
        let Some(challenge) = state.challenge.clone() else {
            return Ok(None);
        };
        let found = match &state.found {
            Some(found) => Arc::clone(found),
            None => {
                let found = Arc::new(
                    auth::find(&self.access, challenge.service(), &self.surroundings).await?,
                );
                state.found = Some(Arc::clone(&found));
                found
            }
        };
        let (value, kept) = match &challenge {
            Challenge::Basic => (self.basic(&found)?, false),
            Challenge::Bearer { realm, service } => {
                let key = scopes.join(" ");
                let held = state
                    .tokens
                    .get(&key)
                    .filter(|token| token.is_good())
                    .cloned();
                let kept = held.is_some();
                let token = match held {
                    Some(token) => token,
                    None => {
                        let service = service.as_deref();
                        let service = TokenService {
                            client: &self.client,
                            realm,
                            service,
                            access: &self.access,
                        };
                        let token = service.fetch(&found, scopes, &mut state.refresh).await?;
                        state.tokens.insert(key, token.clone());
                        token
                    }
                };
                (
                    sensitive(&format!("Bearer {}", token.value.expose_secret()))?,
                    kept,
                )
            }
        };
        Ok(Some(Shown {
            pass: Pass {
                registry: self.root.clone(),
                value,
            },
            found,
            kept,
        }))
    }

    fn basic(&self, found: &Found) -> Result<HeaderValue, Failure> {
        let (username, password) = match &found.credential {
            Credential::Password { username, password } => (username.as_str(), password),
            Credential::Refresh(token) => (NO_USER, token),
            Credential::Entra(_) => {
                return Err(auth::not_accepted(
                    &self.access,
                    found,
                    "the registry takes user names and passwords only",
                ));
            }
            Credential::Anonymous => {
                return Err(auth::not_accepted(
                    &self.access,
                    found,
                    "it asks for a user name and a password",
                ));
            }
        };
        sensitive(auth::basic(username, password).expose_secret())
    }

    /// Removes the token for the given scopes that the registry refused, unless another task has
    /// already replaced it. `shown` is the refused authentication.
    async fn forget(&self, scopes: &[String], shown: &Shown) {
        let mut state = self.state.lock().await;
        let key = scopes.join(" ");
        let held = state
            .tokens
            .get(&key)
            .map(|token| format!("Bearer {}", token.value.expose_secret()));
        if held.is_some_and(|held| shown.pass.value.as_bytes() == held.as_bytes()) {
            state.tokens.remove(&key);
        }
    }

    async fn refused(&self, scopes: &[String], shown: &Shown, response: Response) -> Failure {
        let is_token = shown.pass.value.as_bytes().starts_with(b"Bearer");
        let is_over = is_over(&response);
        let said = answer::said(response).await;
        if is_over {
            let (registry, origin) = (&self.access.registry, &shown.found.origin);
            return Failure::new(
                Kind::Registry,
                format!(
                    "{registry}: tokens for the credentials from {origin} expire as soon as they \
                     are issued: {said}"
                ),
                "compare the clocks of the registry and its token service; run the command again",
            );
        }
        // A token service that knows the user issues a token with fewer rights, and the registry
        // then refuses it.
        if is_token && !scopes.is_empty() {
            return auth::denied(&self.access, &shown.found, scopes, &said);
        }
        auth::not_accepted(&self.access, &shown.found, &said)
    }

    fn no_way(&self, action: &str, response: &Response) -> Failure {
        Failure::new(
            Kind::Registry,
            format!(
                "{action}: {} answered {} and named no known way to log in",
                self.root,
                response.status()
            ),
            "see whether this is a registry of the OCI distribution specification; Basic and Bearer are known",
        )
    }
}

/// Returns true if the registry refused a token because the token has expired or was revoked, and
/// not because rights are missing (RFC 6750, section 3.1).
fn is_over(response: &Response) -> bool {
    let challenges = response.headers().get_all("www-authenticate").iter();
    challenges
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("error=\"invalid_token\""))
}

/// Creates a header value whose text is hidden in debug output, for a password or token. Fails if
/// the text contains a character that headers cannot have.
fn sensitive(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Failure::other(
            "a password or token holds a character that no header can hold",
            "check that it was copied completely, without other characters",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
