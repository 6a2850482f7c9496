//! A fake source of Microsoft Entra ID tokens on Azure's platforms.
//!
//! It is the app's own identity service, or the token service that a Kubernetes workload asks. Owns
//! their documented rules: which requests are allowed, in what form, and that one token is returned
//! until shortly before its end. The tokens are real in form, but they are not signed. Must not
//! know what they are used for.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::double::wire::{Answer, Connection, Request};

/// Secret in the header `X-IDENTITY-HEADER`, which proves that a request comes from the app. It
/// must never be seen in a log.
pub const HEADER: &str = "identity-header-secret";

/// Assertion that a Kubernetes cluster gives to a workload, to be exchanged for tokens. It must
/// never be seen in a log.
pub const ASSERTION: &str = "federated.assertion.secret";

/// Object id of the app's identity, which the tokens contain.
pub const OBJECT_ID: &str = "6f1c2b7e-0d3a-4c57-9a51-1b1f3f8f2c11";

/// Client id of a user-assigned identity, for an app that has several identities.
pub const CLIENT_ID: &str = "0a8b3c5d-client";

/// The kind of service that is asked for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The service at `IDENTITY_ENDPOINT` of App Service, Functions and Container Apps.
    AppService,
    /// The token service of a Microsoft Entra tenant, which exchanges the assertion of a Kubernetes
    /// workload for tokens.
    Workload,
}

/// A running token service. It ends with the process of the test.
pub struct Identity {
    kind: Kind,
    port: u16,
    shared: Arc<Mutex<Shared>>,
    dir: tempfile::TempDir,
}

struct Shared {
    lifetime: Duration,
    /// All tokens that were issued so far with their expiry times, the newest last.
    tokens: Vec<(String, SystemTime)>,
    refused: Vec<String>,
    is_down: bool,
}

impl Identity {
    /// Starts a token service whose tokens are valid for the time `lifetime`.
    #[must_use]
    pub fn start(kind: Kind, lifetime: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Shared {
            lifetime,
            tokens: Vec::new(),
            refused: Vec::new(),
            is_down: false,
        };
        let shared = Arc::new(Mutex::new(shared));
        let dir = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(dir.path().join("assertion"), ASSERTION).expect("a file can be written");
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(mut connection) = Connection::new(stream, None) else {
                    continue;
                };
                while let Some(mut request) = connection.head() {
                    if !connection.body(&mut request, 1, 1) {
                        break;
                    }
                    let answer = state
                        .lock()
                        .expect("no thread panics")
                        .answer(kind, &request);
                    if !connection.answer(&request, &answer) {
                        break;
                    }
                }
            }
        });
        Self {
            kind,
            port,
            shared,
            dir,
        }
    }

    /// Returns the environment variables by which a host finds the service, as pairs of a name and
    /// a value.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let base = format!("http://127.0.0.1:{}", self.port);
        let variables = match self.kind {
            Kind::AppService => {
                vec![
                    ("IDENTITY_ENDPOINT", format!("{base}/msi/token")),
                    ("IDENTITY_HEADER", HEADER.to_owned()),
                ]
            }
            Kind::Workload => vec![
                (
                    "AZURE_FEDERATED_TOKEN_FILE",
                    self.dir.path().join("assertion").display().to_string(),
                ),
                ("AZURE_TENANT_ID", "tenant-1".to_owned()),
                ("AZURE_CLIENT_ID", CLIENT_ID.to_owned()),
                ("AZURE_AUTHORITY_HOST", format!("{base}/")),
            ],
        };
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Returns the tokens that were issued, the newest last.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.lock()
            .tokens
            .iter()
            .map(|(token, _)| token.clone())
            .collect()
    }

    /// Returns the reasons why requests were refused so far, in order.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    /// Makes the service answer each request with 503 if `is_down` is true, or work again if it is
    /// false.
    pub fn fail(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().expect("no thread panics")
    }
}

impl Shared {
    fn answer(&mut self, kind: Kind, request: &Request) -> Answer {
        if self.is_down {
            return Answer::of(503);
        }
        if let Err(why) = check(kind, request) {
            self.refused.push(why.to_owned());
            return Answer::of(400).body(format!("{why}: {HEADER} {ASSERTION}").into_bytes());
        }
        let now = SystemTime::now();
        let (token, end) = match self.tokens.last() {
            Some((token, end)) if now + self.lifetime / 8 < *end => (token.clone(), *end),
            _ => {
                let token = token(self.tokens.len());
                self.tokens.push((token.clone(), now + self.lifetime));
                (token, now + self.lifetime)
            }
        };
        let seconds = |time: Duration| time.as_secs();
        let body = match kind {
            Kind::AppService => json!({
                "access_token": token, "token_type": "Bearer", "resource": "https://redis.azure.com",
                "client_id": CLIENT_ID,
                "expires_on": seconds(end.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")).to_string(),
            }),
            Kind::Workload => json!({
                "access_token": token, "token_type": "Bearer",
                "expires_in": seconds(end.duration_since(now).unwrap_or_default()),
            }),
        };
        Answer::of(200)
            .with("content-type", "application/json")
            .body(body.to_string().into_bytes())
    }
}

/// Checks that a request keeps the documented rules of the token service. Fails with the text of
/// the broken rule.
fn check(kind: Kind, request: &Request) -> Result<(), &'static str> {
    let must = |held: bool, why: &'static str| if held { Ok(()) } else { Err(why) };
    match kind {
        Kind::AppService => {
            must(
                request.method == "GET" && request.path == "/msi/token",
                "method or path",
            )?;
            must(
                request.header("x-identity-header") == Some(HEADER),
                "header",
            )?;
            must(
                request.field("api-version") == Some("2019-08-01"),
                "api-version",
            )?;
            must(
                request.field("resource") == Some("https://redis.azure.com"),
                "resource",
            )
        }
        Kind::Workload => {
            must(
                request.method == "POST" && request.path == "/tenant-1/oauth2/v2.0/token",
                "method or path",
            )?;
            must(
                request.header("content-type") == Some("application/x-www-form-urlencoded"),
                "content type",
            )?;
            let form = request.form();
            let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
            must(has("grant_type", "client_credentials"), "grant_type")?;
            must(has("client_id", CLIENT_ID), "client_id")?;
            must(has("scope", "https://redis.azure.com/.default"), "scope")?;
            must(has("client_assertion", ASSERTION), "client_assertion")?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            must(has("client_assertion_type", kind), "client_assertion_type")
        }
    }
}

fn token(number: usize) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "aud": "https://redis.azure.com", "oid": OBJECT_ID, "number": number });
    format!(
        "{}.{}.{}",
        part(json!({ "alg": "none" })),
        part(claims),
        URL_SAFE_NO_PAD.encode(format!("sig-{number}"))
    )
}
