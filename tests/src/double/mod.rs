//! A fake registry with the rules of Azure Container Registry that docker-registry does not have,
//! and with faults on demand.
//!
//! Owns its contents, its users, the log of its requests, and two invariants: no tag may lead to
//! missing content, and credentials must not reach another host. Must not know which client sends
//! the requests. The rules have these sources: requests of more than 20 MB are refused with 413
//! (goharbor/harbor issues 23015 and 21640), a PATCH without Content-Length is refused with 400
//! (harbor pull request 23016), tokens come from /oauth2 (Azure/acr, docs/AAD-OAuth.md), referrers
//! are listed (OCI 1.1).

mod registry;
mod tokens;
pub mod wire;

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use self::tokens::{SERVICE, Signer, User};
pub use self::wire::{Answer, Fault, Request};

use self::wire::Connection;

/// Rules of the fake registry, and its users.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Users that may log in. If empty, every request is admitted without credentials.
    pub users: Vec<User>,
    /// True if each request carries a user name and a password instead of a token.
    pub is_basic: bool,
    /// True if clients without credentials may read.
    pub is_public: bool,
    /// Microsoft Entra token that can be exchanged for a refresh token, and the name of the user
    /// that it identifies. `None` if no such token is accepted.
    pub entra: Option<(&'static str, &'static str)>,
    /// Lifetime of an access token.
    pub token_life: Duration,
    /// Minimum size of each chunk of an upload except for the last one, in bytes. `None` if any
    /// size is accepted.
    pub least_chunk_bytes: Option<u64>,
    /// Maximum size of the body of a request, in bytes.
    pub largest_body_bytes: usize,
    /// True if a manifest that names missing content is refused.
    pub checks_manifests: bool,
    /// True if the registry lists the referrers of an image.
    pub lists_referrers: bool,
    /// Number of seconds in the header `Retry-After` of injected responses with the status 429 or
    /// 503.
    pub pause_seconds: u32,
    /// Signer of the tokens, if they are for another registry that trusts this token service.
    /// `None` if tokens are for this registry.
    pub signer: Option<Signer>,
    /// Address of another host to which reads of blobs are redirected. Credentials must not be sent
    /// to this host. `None` if reads are not redirected.
    pub storage: Option<String>,
    /// Address of the token service that challenges state. If `None`, it is that of the registry's
    /// own token service.
    pub realm: Option<String>,
    /// Address to which the token service redirects its clients. `None` if it does not redirect
    /// them.
    pub token_redirect: Option<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            is_basic: false,
            is_public: false,
            entra: None,
            token_life: Duration::from_secs(3600),
            least_chunk_bytes: None,
            largest_body_bytes: 20_000_000,
            checks_manifests: true,
            lists_referrers: true,
            pause_seconds: 1,
            signer: None,
            storage: None,
            realm: None,
            token_redirect: None,
        }
    }
}

/// One request that the fake registry received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query of the request.
    pub line: String,
    /// Size of the request's body, in bytes.
    pub body_bytes: usize,
    /// Status code of the response. It is 0 if no response was sent.
    pub status: u16,
    /// Time at which the request was handled.
    pub at: Instant,
}

type Plan = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

/// A running fake registry.
pub struct Double {
    /// Host and port of the registry, as in references.
    pub name: String,
    state: Arc<Mutex<State>>,
}

/// State of the fake registry: its content, its rules and its log.
pub struct State {
    name: String,
    rules: Rules,
    /// Content of each blob, by repository and digest.
    blobs: HashMap<(String, String), Vec<u8>>,
    uploads: HashMap<String, registry::Upload>,
    /// Type and bytes of each manifest, by repository and digest.
    manifests: HashMap<(String, String), (String, Vec<u8>)>,
    tags: BTreeMap<(String, String), String>,
    tokens: tokens::Tokens,
    count: u64,
    seen: Vec<Seen>,
    violations: Vec<String>,
    plan: Option<Plan>,
}

impl Double {
    /// Starts a fake registry over plain HTTP. It ends with the process.
    ///
    /// # Panics
    /// Panics if there is no free port.
    #[must_use]
    pub fn start(rules: Rules) -> Self {
        Self::start_with(rules, None)
    }

    /// Starts a fake registry, over TLS if a configuration is given.
    ///
    /// # Panics
    /// Panics if there is no free port.
    #[must_use]
    pub fn start_with(rules: Rules, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let name = listener.local_addr().expect("an address").to_string();
        let state = State {
            name: name.clone(),
            rules,
            blobs: HashMap::new(),
            uploads: HashMap::new(),
            manifests: HashMap::new(),
            tags: BTreeMap::new(),
            tokens: tokens::Tokens::default(),
            count: 0,
            seen: Vec::new(),
            violations: Vec::new(),
            plan: None,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || {
                    Connection::new(stream, tls).map(|connection| serve(connection, &state))
                });
            }
        });
        Self { name, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sets the plan that decides which fault, if any, happens to each later request.
    pub fn plan(&self, plan: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// Changes the rules of the registry for later requests.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.lock().rules);
    }

    /// Returns all requests that were logged so far, without credentials and tokens.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Removes all requests from the log.
    pub fn forget_seen(&self) {
        self.lock().seen.clear();
    }

    /// Returns the violations of the registry's invariants so far, as texts.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Returns the digest that a tag points to. Returns `None` if the repository has no such tag.
    #[must_use]
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.lock()
            .tags
            .get(&(repository.to_owned(), tag.to_owned()))
            .cloned()
    }

    /// Returns the manifest with the digest `digest` as JSON. Returns `None` if it does not exist.
    #[must_use]
    pub fn manifest(&self, repository: &str, digest: &str) -> Option<Value> {
        let state = self.lock();
        let (_, bytes) = state
            .manifests
            .get(&(repository.to_owned(), digest.to_owned()))?;
        serde_json::from_slice(bytes).ok()
    }

    /// Returns true if a repository has everything that a manifest names.
    #[must_use]
    pub fn is_whole(&self, repository: &str, digest: &str) -> bool {
        self.lock().missing(repository, digest).is_empty()
    }

    /// Adds a blob to a repository, as a push of another client would, and returns its digest.
    #[must_use]
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = registry::digest(bytes);
        self.lock()
            .blobs
            .insert((repository.to_owned(), digest.clone()), bytes.to_vec());
        digest
    }

    /// Attaches `count` artifacts to an image. Each of them is a manifest without content.
    pub fn put_referrers(&self, repository: &str, image: &str, count: u32) {
        let mut state = self.lock();
        for number in 0..count {
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "annotations": { "n": number },
                "subject": { "digest": image }, "layers": [] });
            let bytes = manifest.to_string().into_bytes();
            let key = (repository.to_owned(), registry::digest(&bytes));
            state.manifests.insert(key, (media_type.to_owned(), bytes));
        }
    }

    /// Adds a manifest to a repository under a tag, and returns its digest.
    #[must_use]
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> String {
        let digest = registry::digest(bytes);
        let mut state = self.lock();
        state.manifests.insert(
            (repository.to_owned(), digest.clone()),
            (media_type.to_owned(), bytes.to_vec()),
        );
        state
            .tags
            .insert((repository.to_owned(), tag.to_owned()), digest.clone());
        digest
    }
}

fn serve(mut connection: Connection, state: &Mutex<State>) {
    let lock = || {
        state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    while let Some(mut request) = connection.head() {
        let fault = {
            let mut state = lock();
            let mut plan = state.plan.take();
            let fault = plan.as_mut().and_then(|plan| plan(&request));
            state.plan = plan;
            fault
        };
        let is_whole = match fault {
            Some(Fault::CutBefore) => false,
            Some(Fault::CutInside) => {
                connection.body(&mut request, 1, 2);
                false
            }
            _ => connection.body(&mut request, 1, 1),
        };
        let mut state = lock();
        let answer = match fault {
            _ if !is_whole => {
                state.broken(&request);
                None
            }
            Some(Fault::Status(status)) => {
                let answer = Answer::error(status, "INJECTED", "this one goes wrong on purpose");
                let pause = state.rules.pause_seconds.to_string();
                Some(if matches!(status, 429 | 503) {
                    answer.with("retry-after", pause)
                } else {
                    answer
                })
            }
            Some(Fault::CutAfter) => {
                let _ = state.handle(&request);
                None
            }
            Some(Fault::Forget) => {
                state.uploads.clear();
                Some(state.handle(&request))
            }
            Some(Fault::Expire) => {
                state.tokens.expire();
                Some(state.handle(&request))
            }
            Some(Fault::Revoke) => {
                state.tokens.revoke();
                Some(state.handle(&request))
            }
            _ => Some(state.handle(&request)),
        };
        state.note(&request, answer.as_ref());
        drop(state);
        match answer {
            Some(answer) if connection.answer(&request, &answer) => {}
            _ => return,
        }
    }
}

impl State {
    fn handle(&mut self, request: &Request) -> Answer {
        if request.path.starts_with("/oauth2/") {
            return self.token_service(request);
        }
        if let Err(refusal) = self.admit(request) {
            return refusal;
        }
        self.registry(request)
    }

    /// Logs a request, and checks that no tag leads to missing content.
    fn note(&mut self, request: &Request, answer: Option<&Answer>) {
        let query: Vec<_> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        self.seen.push(Seen {
            line: format!(
                "{} {}{mark}{}",
                request.method,
                request.path,
                query.join("&")
            ),
            body_bytes: request.body.len(),
            status: answer.map_or(0, |answer| answer.status),
            at: Instant::now(),
        });
        for ((repository, tag), digest) in &self.tags {
            for missing in self.missing(repository, digest) {
                self.violations.push(format!(
                    "{repository}:{tag} leads to {missing}, which is not there"
                ));
            }
        }
    }

    /// Handles a request whose body ended too early.
    fn broken(&mut self, request: &Request) {
        // docker-registry 2.8 does this too: an upload that was cut in the middle of a chunk is
        // lost.
        if request.method == "PATCH" && !request.body.is_empty() {
            self.uploads.remove(registry::upload_of(&request.path));
        }
    }
}
