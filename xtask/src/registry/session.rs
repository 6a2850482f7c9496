//! A conversation with one registry: every request goes out with what the registry wants to see of who asks.
//!
//! Owns the credentials that were found, the tokens at hand, and what follows a 401. Must not know what is asked.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::access::Access;
use super::answer;
use super::auth::{self, Challenge, Credential, Found, Surroundings, Token, TokenService};
use super::transport::{self, Pass};
use crate::failure::{Failure, Kind};

/// The user name beside a refresh token where a password is wanted, see Azure/acr, docs/AAD-OAuth.md.
const NO_USER: &str = "00000000-0000-0000-0000-000000000000";
/// Enough for a challenge and a renewal; another one may renew at the same time.
const ROUNDS: u32 = 5;

/// A registry, and who asks it.
#[derive(Debug)]
pub struct Session {
    client: Client,
    root: Url,
    access: Access,
    surroundings: Surroundings,
    state: Mutex<State>,
}

/// What was learnt so far.
#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    found: Option<Arc<Found>>,
    refresh: Option<secrecy::SecretString>,
    tokens: HashMap<String, Token>,
}

/// What a request is shown with.
struct Shown {
    pass: Pass,
    found: Arc<Found>,
    /// Whether the registry has seen it before, so that a new one may do better.
    kept: bool,
}

impl Session {
    /// Prepares for questions; asks none, and looks for credentials only when the registry wants some.
    pub fn new(access: &Access) -> Result<Self, Failure> {
        Self::within(access, Surroundings::current())
    }

    /// The same with other variables and programs than this process's.
    pub fn within(access: &Access, surroundings: Surroundings) -> Result<Self, Failure> {
        Ok(Self {
            client: transport::client(&access.registry, &access.certificates)?,
            root: access.root()?,
            access: access.clone(),
            surroundings,
            state: Mutex::default(),
        })
    }

    /// Where the registry answers: `https://HOST/v2/`.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Asks for something that needs these scopes, and again while the registry is busy or wants a new token. The request
    /// may lead to another host: nothing of who asks is shown there.
    pub async fn send(
        &self,
        action: &str,
        scopes: &[String],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let mut round = 1;
        loop {
            let shown = self.shown(scopes).await?;
            let pass = shown.as_ref().map(|shown| &shown.pass);
            let response = transport::send(action, pass, || request(&self.client)).await?;
            if response.status() != 401 || response.url().origin() != self.root.origin() {
                return Ok(response);
            }
            match &shown {
                None => match Challenge::of(&response)? {
                    Some(challenge) => self.state.lock().await.challenge = Some(challenge),
                    None => return Err(self.no_way(action, &response)),
                },
                Some(shown) if shown.kept && round < ROUNDS => self.forget(scopes, shown).await,
                Some(shown) => return Err(self.refused(scopes, shown, response).await),
            }
            round += 1;
        }
    }

    /// Where the credentials came from and how they are shown, once the registry wanted some.
    pub async fn who(&self) -> Option<(String, &'static str)> {
        let state = self.state.lock().await;
        let way = match state.challenge.as_ref()? {
            Challenge::Basic => "Basic",
            Challenge::Bearer { .. } => "Bearer",
        };
        Some((state.found.as_ref()?.origin.clone(), way))
    }

    async fn shown(&self, scopes: &[String]) -> Result<Option<Shown>, Failure> {
        // Held while a token is fetched: whoever else needs it waits, and does not fetch another.
        let mut state = self.state.lock().await;
        let Some(challenge) = state.challenge.clone() else { return Ok(None) };
        let found = match &state.found {
            Some(found) => Arc::clone(found),
            None => {
                let found = Arc::new(auth::find(&self.access, challenge.service(), &self.surroundings).await?);
                state.found = Some(Arc::clone(&found));
                found
            }
        };
        let (value, kept) = match &challenge {
            Challenge::Basic => (self.basic(&found)?, false),
            Challenge::Bearer { realm, service } => {
                let key = scopes.join(" ");
                let held = state.tokens.get(&key).filter(|token| token.is_good()).cloned();
                let kept = held.is_some();
                let token = match held {
                    Some(token) => token,
                    None => {
                        let service = service.as_deref();
                        let service = TokenService { client: &self.client, realm, service, access: &self.access };
                        let token = service.fetch(&found, scopes, &mut state.refresh).await?;
                        state.tokens.insert(key, token.clone());
                        token
                    }
                };
                (sensitive(&format!("Bearer {}", token.value.expose_secret()))?, kept)
            }
        };
        Ok(Some(Shown { pass: Pass { registry: self.root.clone(), value }, found, kept }))
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
                return Err(auth::not_accepted(&self.access, found, "it asks for a user name and a password"));
            }
        };
        sensitive(auth::basic(username, password).expose_secret())
    }

    /// Forgets a token that was refused, unless another one is there by now.
    async fn forget(&self, scopes: &[String], shown: &Shown) {
        let mut state = self.state.lock().await;
        let key = scopes.join(" ");
        let held = state.tokens.get(&key).map(|token| format!("Bearer {}", token.value.expose_secret()));
        if held.is_some_and(|held| shown.pass.value.as_bytes() == held.as_bytes()) {
            state.tokens.remove(&key);
        }
    }

    async fn refused(&self, scopes: &[String], shown: &Shown, response: Response) -> Failure {
        let is_token = shown.pass.value.as_bytes().starts_with(b"Bearer");
        let said = answer::said(response).await;
        // A token service that knows who asks hands out a token for less, and the registry then finds it wanting.
        if is_token && !scopes.is_empty() {
            return auth::denied(&self.access, &shown.found, scopes, &said);
        }
        auth::not_accepted(&self.access, &shown.found, &said)
    }

    fn no_way(&self, action: &str, response: &Response) -> Failure {
        Failure::new(
            Kind::Registry,
            format!("{action}: {} answered {} and named no way to log in that is known", self.root, response.status()),
            "see whether this is a registry of the OCI distribution specification; Basic and Bearer are known",
        )
    }
}

/// A header that is never shown.
fn sensitive(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Failure::other(
            "a password or token holds a character that no header can",
            "see that it was copied whole, and alone",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}
