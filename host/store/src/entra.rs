//! Tokens of Microsoft Entra ID for Azure's Redis, from a managed identity or a Kubernetes workload
//! identity.
//!
//! Owns the three ways to request a token, and how long before its expiry a token is renewed. Must
//! not know what a token is used for. The Azure SDK for this would be larger than everything else
//! that the host does with Redis.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::net::TcpStream;

use super::identity::{Clock, Granted, Login, LoginError, TokenSource};
use super::tls;

/// Resource for which a token is requested. It stands for Azure Cache for Redis and Azure Managed
/// Redis.
const RESOURCE: &str = "https://redis.azure.com";

/// Address of the metadata service, which issues tokens on a virtual machine of Azure.
const VIRTUAL_MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// Timeout of one token request. The metadata service of a virtual machine may take seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum size of a token response, in bytes. A token has about two thousand characters.
const ANSWER_BYTES: usize = 64 << 10;

/// Minimum time between two token requests when a token is about to expire. A platform may return
/// the old token until shortly before it expires.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Platform that the host runs on. The platform determines the service that issues tokens.
#[derive(Clone)]
pub enum Platform {
    /// The host runs on App Service, Functions or Container Apps, where `IDENTITY_ENDPOINT` and
    /// `IDENTITY_HEADER` are set.
    AppService {
        /// Address of the platform's token service on this machine.
        endpoint: String,
        /// Secret that proves to the token service that a request comes from the app.
        header: SecretString,
    },
    /// The host runs on Kubernetes with workload identity, where `AZURE_FEDERATED_TOKEN_FILE` and
    /// related variables are set.
    Workload {
        /// Value of `AZURE_AUTHORITY_HOST`, e.g. `https://login.microsoftonline.com/`.
        authority: String,
        /// Value of `AZURE_TENANT_ID`.
        tenant: String,
        /// Path of the file with the token that the Kubernetes cluster gives to the workload.
        token_file: PathBuf,
    },
    /// The host runs on a virtual machine, or on a node of a Kubernetes cluster, which has a
    /// metadata service.
    VirtualMachine,
}

/// Source of Microsoft Entra ID tokens for one identity.
pub struct Entra {
    /// Platform whose service issues the tokens.
    pub platform: Platform,
    /// Client ID of the identity. `None` stands for the platform's only identity.
    pub client_id: Option<String>,
    /// User name at the Redis server. `None` means the object ID that the token names.
    pub user: Option<String>,
}

/// Response of the platform's service to a token request, with the fields that the host reads.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Time at which the token expires, in seconds since 1970, as text or as a number. `None` if
    /// the response does not have the field.
    expires_on: Option<serde_json::Value>,
    /// Time from now until the token expires, in seconds, as text or as a number. `None` if the
    /// response does not have the field.
    expires_in: Option<serde_json::Value>,
}

#[async_trait]
impl TokenSource for Entra {
    async fn login(&self, clock: &dyn Clock) -> Result<Granted, LoginError> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask()).await;
        let answer =
            answer.unwrap_or_else(|_| Err(no_token("the identity's service does not answer")))?;
        let user = match &self.user {
            Some(user) => user.clone(),
            None => object_id(&answer.access_token).ok_or_else(|| {
                no_token(
                    "the token does not say which object has it; write its id as USER in the URL",
                )
            })?,
        };
        let lifetime = answer
            .lifetime(clock)
            .ok_or_else(|| no_token("the token does not say when it expires"))?;
        let ask_again = Some(renewal(lifetime));
        Ok(Granted {
            login: Login {
                user: Some(user),
                password: Some(answer.access_token.into()),
            },
            ask_again,
        })
    }
}

/// Returns the time after which a token with the remaining lifetime `lifetime` is renewed. This
/// time is three quarters of the lifetime, so that there is time to retry, but at least
/// [`LEAST_PAUSE`].
///
/// If the service still returns the old token then, the next request is made after three quarters
/// of the remaining lifetime.
fn renewal(lifetime: Duration) -> Duration {
    lifetime.mul_f64(0.75).max(LEAST_PAUSE)
}

impl Answer {
    fn lifetime(&self, clock: &dyn Clock) -> Option<Duration> {
        let seconds = |value: &Option<serde_json::Value>| match value.as_ref()? {
            serde_json::Value::String(text) => text.parse::<u64>().ok(),
            value => value.as_u64(),
        };
        let until = seconds(&self.expires_on)
            .map(|at| Duration::from_secs(at).saturating_sub(clock.unix_time()));
        until.or_else(|| seconds(&self.expires_in).map(Duration::from_secs))
    }
}

impl Entra {
    async fn ask(&self) -> Result<Answer, LoginError> {
        let client = self.client_id.as_deref().map(escaped);
        let with_client = |query: String| {
            client
                .iter()
                .fold(query, |query, id| format!("{query}&client_id={id}"))
        };
        let body = match &self.platform {
            Platform::AppService { endpoint, header } => {
                let query = with_client(format!(
                    "api-version=2019-08-01&resource={}",
                    escaped(RESOURCE)
                ));
                let mut header = HeaderValue::from_str(header.expose_secret())
                    .map_err(|_| no_token("IDENTITY_HEADER is not a valid header value"))?;
                header.set_sensitive(true);
                let join = if endpoint.contains('?') { '&' } else { '?' };
                send(
                    Method::GET,
                    &format!("{endpoint}{join}{query}"),
                    Some(("x-identity-header", header)),
                    "",
                )
                .await?
            }
            Platform::VirtualMachine => {
                let query = with_client(format!(
                    "api-version=2018-02-01&resource={}",
                    escaped(RESOURCE)
                ));
                let header = ("metadata", HeaderValue::from_static("true"));
                send(
                    Method::GET,
                    &format!("{VIRTUAL_MACHINE}?{query}"),
                    Some(header),
                    "",
                )
                .await?
            }
            Platform::Workload {
                authority,
                tenant,
                token_file,
            } => {
                let assertion = tokio::fs::read_to_string(token_file).await;
                let assertion = assertion.map_err(|error| {
                    no_token(format!(
                        "the workload's token cannot be read: {}",
                        error.kind()
                    ))
                })?;
                let client = client
                    .as_deref()
                    .ok_or_else(|| no_token("AZURE_CLIENT_ID is not set"))?;
                let form = format!(
                    "grant_type=client_credentials&client_id={client}&scope={}&client_assertion_type={}\
                     &client_assertion={}",
                    escaped(&format!("{RESOURCE}/.default")),
                    escaped("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    escaped(assertion.trim())
                );
                let url = format!(
                    "{}/{}/oauth2/v2.0/token",
                    authority.trim_end_matches('/'),
                    escaped(tenant)
                );
                send(Method::POST, &url, None, &form).await?
            }
        };
        // The response is not repeated in the error because it may hold the token.
        serde_json::from_slice(&body).map_err(|_| no_token("the identity's service gave no token"))
    }
}

fn no_token(why: impl Into<String>) -> LoginError {
    LoginError::NoToken(why.into())
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Sends one HTTP request to a token service on a new connection, and returns the body of the
/// response. `header` is a header of the request, and `form` is its body. Tokens are requested
/// every few minutes at most, so no connection is kept.
///
/// # Errors
/// Fails if the service cannot be reached, or does not respond with a status code of 2xx and a body
/// of at most `ANSWER_BYTES`.
async fn send(
    method: Method,
    url: &str,
    header: Option<(&'static str, HeaderValue)>,
    form: &str,
) -> Result<Bytes, LoginError> {
    let url: Uri = url
        .parse()
        .map_err(|_| no_token("the address of the identity's service is not a URL"))?;
    let host = url
        .host()
        .ok_or_else(|| no_token("the address of the identity's service has no host"))?
        .to_owned();
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let authority = url
        .authority()
        .map_or(host.as_str(), |authority| authority.as_str());
    let unsent = |problem: &dyn std::fmt::Display| {
        no_token(format!("the identity's service cannot be asked: {problem}"))
    };
    let authority = HeaderValue::from_str(authority).map_err(|error| unsent(&error))?;
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(form.as_bytes())));
    *request.method_mut() = method;
    *request.uri_mut() = url
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .parse()
        .map_err(|e| unsent(&e))?;
    request.headers_mut().insert(HOST, authority);
    if !form.is_empty() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
    }
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value);
    }
    let bare_host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let stream = TcpStream::connect((bare_host.as_str(), port))
        .await
        .map_err(|error| unsent(&error.kind()))?;
    let stream: Box<dyn tls::Stream> = if is_tls {
        let name = ServerName::try_from(bare_host)
            .map_err(|_| unsent(&"its host is not a name that a certificate can have"))?;
        let connected = tls::connector(None)
            .map_err(|error| no_token(error.to_string()))?
            .connect(name, stream)
            .await;
        Box::new(connected.map_err(|error| unsent(&tls::TlsFault::of(&error).to_string()))?)
    } else {
        Box::new(stream)
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unsent(&error))?;
    let exchange = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| unsent(&error))?;
        if !answer.status().is_success() {
            return Err(no_token(format!(
                "the identity's service answers {}",
                answer.status()
            )));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES)
            .collect()
            .await;
        body.map(|body| body.to_bytes())
            .map_err(|error| unsent(&error))
    };
    let driven = async {
        // The exchange reports the error if the connection ends early.
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = exchange => answer,
        () = driven => Err(no_token("the identity's service cannot be asked")),
    }
}

/// Returns the object ID that a token is issued for, from the claims in the token's middle part.
/// Returns `None` if the token does not have this claim, or if its claims cannot be read.
///
/// The signature of the token is not checked here. The Redis server checks the token, and the host
/// uses the ID only as a user name.
fn object_id(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        oid: String,
    }
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1)?.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice::<Claims>(&claims)
        .ok()
        .map(|claims| claims.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_names_its_object() {
        assert_eq!(
            object_id(&token(r#"{"aud":"a","oid":"11-22"}"#)).as_deref(),
            Some("11-22")
        );
        for none in [
            "opaque",
            "a.b.c",
            "a.@@@.c",
            &token("{}"),
            &token("[]"),
            &token(r#"{"oid":5}"#),
        ] {
            assert_eq!(object_id(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_is_renewed_in_time() {
        #[track_caller]
        fn check(answer: &str, expected: Option<u64>) {
            let answer: Answer = serde_json::from_str(answer).unwrap();
            assert_eq!(
                answer
                    .lifetime(&At(1000))
                    .map(|time| renewal(time).as_secs()),
                expected
            );
        }
        check(r#"{"access_token":"t","expires_on":"5000"}"#, Some(3000));
        check(r#"{"access_token":"t","expires_on":5000}"#, Some(3000));
        check(
            r#"{"access_token":"t","expires_on":"5000","expires_in":"10"}"#,
            Some(3000),
        );
        check(r#"{"access_token":"t","expires_in":3600}"#, Some(2700));
        check(r#"{"access_token":"t","expires_on":"900"}"#, Some(1));
        check(r#"{"access_token":"t","expires_on":"soon"}"#, None);
        check(r#"{"access_token":"t"}"#, None);
    }

    struct At(u64);

    #[async_trait]
    impl Clock for At {
        fn unix_time(&self) -> Duration {
            Duration::from_secs(self.0)
        }

        async fn sleep(&self, _time: Duration) {}
    }
}
