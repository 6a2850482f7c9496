//! The access control of the fake registry: user names, tokens and the rights that tokens carry.
//!
//! Owns the token service under /oauth2 and the check of every request. Must not know more of a
//! request than its repository and if it is a read or a write.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::State;
use super::wire::{Answer, Request};
use crate::run;

/// User name that clients send with a refresh token instead of a password.
const NO_USER: &str = "00000000-0000-0000-0000-000000000000";
/// Service name of the fake registry in challenges. It has Azure's form, so that Entra tokens are
/// accepted.
pub const SERVICE: &str = "scoreboxtest.azurecr.io";

/// A user of the fake registry.
#[derive(Debug, Clone)]
pub struct User {
    /// Name of the user.
    pub name: &'static str,
    /// Password of the user.
    pub password: &'static str,
    /// Repositories with the allowed actions, e.g. `("base/it", "pull")`. `*` is every repository.
    pub rights: Vec<(&'static str, &'static str)>,
}

impl User {
    fn may(&self, repository: &str, action: &str) -> bool {
        self.rights.iter().any(|(name, actions)| {
            (*name == "*" || *name == repository) && actions.split(',').any(|one| one == action)
        })
    }
}

/// A private key whose tokens other registries accept, with its certificate.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Path of the private key, an RSA key in PEM.
    pub key: PathBuf,
    /// Certificate of the key, in DER that is encoded as base64.
    pub certificate: String,
}

impl Signer {
    /// Issuer that the tokens state, which registries check.
    pub const ISSUER: &'static str = "Azure Container Registry";

    /// Creates a token in the form that docker-registry reads. `scopes` are pairs of a repository
    /// and an action. The token has the lifetime `life` and the number `id`.
    fn token(&self, scopes: &[(String, String)], life: Duration, id: u64) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let access = scopes.iter().map(|(name, actions)| {
            let actions: Vec<_> = actions
                .split(',')
                .filter(|action| !action.is_empty())
                .collect();
            json!({ "type": "repository", "name": name, "actions": actions })
        });
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate] });
        let claims = json!({ "iss": Self::ISSUER, "aud": SERVICE, "sub": "somebody", "jti": id.to_string(), "iat": now,
            "nbf": now.saturating_sub(10), "exp": now + life.as_secs(), "access": access.collect::<Vec<_>>() });
        let [header, claims] =
            [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut sign = run::tool("openssl");
        sign.args(["dgst", "-sha256", "-sign"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = sign.spawn().expect("openssl runs");
        child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(signed.as_bytes())
            .expect("openssl reads");
        let signature = child.wait_with_output().expect("openssl ends").stdout;
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Tokens that the fake registry has issued.
#[derive(Debug, Default)]
pub struct Tokens {
    count: u64,
    access: HashMap<String, Given>,
    /// Name of the user of each refresh token.
    refresh: HashMap<String, String>,
}

#[derive(Debug)]
struct Given {
    scopes: Vec<(String, String)>,
    ends: Instant,
}

impl Tokens {
    /// Invalidates every access token.
    pub fn expire(&mut self) {
        self.access.clear();
    }

    /// Invalidates every access token and every refresh token.
    pub fn revoke(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

enum Who {
    Nobody,
    User(String),
}

impl State {
    /// Checks the credentials of a request. Fails with the response that refuses the request.
    pub(super) fn admit(&mut self, request: &Request) -> Result<(), Answer> {
        let shown = request.header("authorization");
        if request.field("sig").is_some() {
            if let Some(shown) = shown {
                self.violations.push(format!(
                    "credentials ({} bytes) reached the storage",
                    shown.len()
                ));
            }
            return Ok(());
        }
        if self.rules.users.is_empty() {
            if shown.is_some() {
                self.violations
                    .push("credentials for a registry that wants none".to_owned());
            }
            return Ok(());
        }
        let (repository, action) = wanted(request);
        let challenge = self.challenge(&repository, &action);
        let refused = |why: &str| {
            let answer = Answer::error(401, "UNAUTHORIZED", "authentication required");
            answer.with("www-authenticate", format!("{challenge}{why}"))
        };
        let Some(shown) = shown else {
            return Err(refused(""));
        };
        if self.rules.is_basic {
            return match self.user_of(shown) {
                Some(Who::User(name)) if self.grants(&name, &repository, &action) => Ok(()),
                Some(_) => Err(Answer::error(
                    403,
                    "DENIED",
                    "requested access to the resource is denied",
                )),
                None => Err(refused("")),
            };
        }
        let given = shown
            .strip_prefix("Bearer ")
            .and_then(|token| self.tokens.access.get(token));
        let Some(given) = given.filter(|given| given.ends > Instant::now()) else {
            return Err(refused(",error=\"invalid_token\""));
        };
        let has = |repository: &str, action: &str| {
            given.scopes.iter().any(|(name, actions)| {
                name == repository && actions.split(',').any(|one| one == action)
            })
        };
        let needs_more = request.field("from").is_some_and(|from| !has(from, "pull"));
        if repository.is_empty() || (has(&repository, &action) && !needs_more) {
            Ok(())
        } else {
            Err(refused(",error=\"insufficient_scope\""))
        }
    }

    fn challenge(&self, repository: &str, action: &str) -> String {
        if self.rules.is_basic {
            return "Basic realm=\"scorebox\"".to_owned();
        }
        let actions = if action == "push" {
            "pull,push"
        } else {
            action
        };
        let scope = if repository.is_empty() {
            String::new()
        } else {
            format!(",scope=\"repository:{repository}:{actions}\"")
        };
        let own = || format!("http://{}/oauth2/token", self.name);
        let realm = self.rules.realm.clone().unwrap_or_else(own);
        format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"{scope}")
    }

    fn grants(&self, user: &str, repository: &str, action: &str) -> bool {
        repository.is_empty()
            || self
                .rules
                .users
                .iter()
                .any(|one| one.name == user && one.may(repository, action))
    }

    /// Returns the user that the value of a `Basic` authorization header identifies. Returns `None`
    /// if the value is malformed, or if the user, the password or the refresh token is wrong.
    fn user_of(&self, shown: &str) -> Option<Who> {
        let pair = BASE64_STANDARD.decode(shown.strip_prefix("Basic ")?).ok()?;
        let pair = String::from_utf8(pair).ok()?;
        let (name, password) = pair.split_once(':')?;
        if name == NO_USER {
            return self.tokens.refresh.get(password).cloned().map(Who::User);
        }
        let known = self
            .rules
            .users
            .iter()
            .any(|user| user.name == name && user.password == password);
        known.then(|| Who::User(name.to_owned()))
    }

    pub(super) fn token_service(&mut self, request: &Request) -> Answer {
        if let Some(location) = &self.rules.token_redirect {
            return Answer::of(307).with("location", location);
        }
        let refused = Answer::error(
            401,
            "UNAUTHORIZED",
            "authentication required, see the documentation",
        );
        let form = if request.method == "POST" {
            request.form()
        } else {
            request.query.clone()
        };
        let field = |name: &str| {
            form.iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value.as_str())
        };
        if field("service") != Some(SERVICE) {
            return Answer::error(400, "UNSUPPORTED", "another service");
        }
        let who = match (
            request.method.as_str(),
            request.path.as_str(),
            field("grant_type"),
        ) {
            ("POST", "/oauth2/exchange", Some("access_token")) => {
                return match self.rules.entra {
                    Some((token, user)) if field("access_token") == Some(token) => {
                        let refresh = self.refresh_token(user);
                        json_answer(&json!({ "refresh_token": refresh }))
                    }
                    _ => refused,
                };
            }
            ("POST", "/oauth2/token", Some("refresh_token")) => field("refresh_token")
                .and_then(|token| self.tokens.refresh.get(token))
                .cloned()
                .map(Who::User),
            ("GET", "/oauth2/token", _) => match request.header("authorization") {
                Some(shown) => self.user_of(shown),
                None => self.rules.is_public.then_some(Who::Nobody),
            },
            _ => return Answer::error(400, "UNSUPPORTED", "no such way"),
        };
        let Some(who) = who else { return refused };
        // There is a field for each scope, or one field with spaces between the scopes.
        let scopes: Vec<_> = form
            .iter()
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, value)| value.split(' '))
            .collect();
        let mut given = Vec::new();
        for scope in scopes {
            let Some(("repository", rest)) = scope.split_once(':') else {
                continue;
            };
            let Some((repository, actions)) = rest.rsplit_once(':') else {
                continue;
            };
            let may = |action: &&str| match &who {
                Who::Nobody => *action == "pull",
                Who::User(name) => self.grants(name, repository, action),
            };
            let granted: Vec<_> = actions.split(',').filter(may).collect();
            given.push((repository.to_owned(), granted.join(",")));
        }
        self.tokens.count += 1;
        let life = self.rules.token_life;
        let token = match &self.rules.signer {
            Some(signer) => signer.token(&given, life, self.tokens.count),
            None => format!("access-s3cret-{}", self.tokens.count),
        };
        self.tokens.access.insert(
            token.clone(),
            Given {
                scopes: given,
                ends: Instant::now() + life,
            },
        );
        // Whole seconds are sent as an integer, because some clients accept nothing else.
        let life = if life.subsec_nanos() == 0 {
            json!(life.as_secs())
        } else {
            json!(life.as_secs_f64())
        };
        json_answer(&json!({ "access_token": token, "expires_in": life }))
    }

    /// Issues a refresh token to the user `user`, as a login would, and returns the token.
    pub(super) fn refresh_token(&mut self, user: &str) -> String {
        self.tokens.count += 1;
        let token = format!("refresh-{}-s3cret", self.tokens.count);
        self.tokens.refresh.insert(token.clone(), user.to_owned());
        token
    }
}

impl super::Double {
    /// Issues a refresh token to the user `user`, as a login would, and returns the token.
    #[must_use]
    pub fn refresh_token(&self, user: &str) -> String {
        self.lock().refresh_token(user)
    }

    /// Sets the lifetime of access tokens that are issued from now on.
    pub fn token_life(&self, life: Duration) {
        self.lock().rules.token_life = life;
    }
}

/// Returns the repository of a request, and the action that the request needs on it: `pull` or
/// `push`.
fn wanted(request: &Request) -> (String, String) {
    let path = request.path.trim_start_matches("/v2/");
    let parts = ["/blobs/", "/manifests/", "/referrers/", "/tags/"];
    let name = parts
        .iter()
        .find_map(|part| path.split_once(part))
        .map_or("", |(name, _)| name);
    // A request for the state of an upload counts as a write, too.
    let is_read =
        matches!(request.method.as_str(), "GET" | "HEAD") && !path.contains("/blobs/uploads/");
    (
        name.to_owned(),
        if is_read { "pull" } else { "push" }.to_owned(),
    )
}

fn json_answer(value: &serde_json::Value) -> Answer {
    Answer::of(200)
        .with("content-type", "application/json")
        .body(value.to_string().into_bytes())
}
