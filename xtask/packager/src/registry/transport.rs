//! HTTP client for registries.
//!
//! Owns the client, its timeouts, which requests are retried, and how many blobs are transferred at
//! a time. Must not know the steps of the protocol.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Request, RequestBuilder, Response, Url};
use scorebox_workspace::failure::Failure;

use super::answer;

/// Maximum number of attempts for a request, or for the transfer of a blob or a chunk, including
/// the first attempt.
pub const ATTEMPTS: u32 = 4;
/// Number of blobs that are transferred at a time. Each transfer may hold one chunk in memory.
pub const PARALLEL_BLOBS: usize = 4;
/// Maximum pause that a registry may request with `Retry-After`. A longer pause is shortened to
/// this maximum.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Value of an `Authorization` header, and the registry that may receive this value.
#[derive(Debug)]
pub struct Pass {
    /// Root URL of the registry. No other scheme, host or port receives the credential.
    pub registry: Url,
    /// Value of the `Authorization` header, which contains the credential.
    pub value: HeaderValue,
}

/// Creates the HTTP client for a registry. `registry` is the host and port. `certificates` are
/// trusted in addition to the root certificates of the machine, or to those of Mozilla if the
/// machine has none. Fails if TLS cannot be set up.
pub fn client(registry: &str, certificates: &[Certificate]) -> Result<Client, Failure> {
    // A network proxy cannot connect to a registry on this machine.
    let local = ["localhost", "127.", "[::1]"]
        .iter()
        .any(|local| registry.starts_with(local));
    let builder = || {
        let builder = Client::builder();
        let builder = if local { builder.no_proxy() } else { builder };
        builder
            .user_agent(concat!("scorebox-xtask/", env!("CARGO_PKG_VERSION")))
            // No step of a push needs a redirect, and a redirect could carry the sent data to
            // another host.
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(10))
            // Timeout of a whole request with its body: enough for a chunk of 16 MiB at 0.5 Mbit/s.
            .timeout(Duration::from_secs(300))
    };
    builder()
        .tls_certs_merge(certificates.iter().cloned())
        .build()
        // If the machine has no root certificates, the first attempt fails. Mozilla's root
        // certificates are compiled into this program.
        .or_else(|_| {
            let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let roots: Result<Vec<_>, _> = roots.map(|root| Certificate::from_der(root)).collect();
            builder()
                .tls_certs_only(roots?.into_iter().chain(certificates.iter().cloned()))
                .build()
        })
        .map_err(|error| answer::unanswered("preparing TLS", &error))
}

/// Sends a request with the credential in `pass`, and retries it while the registry is busy or
/// cannot be reached. At most [`ATTEMPTS`] attempts are made, including the first one. The request
/// must therefore be idempotent. A `PATCH`, which uploads a chunk, is not retried after its
/// connection was cut. `action` describes the request in error messages. `first` is the first
/// attempt. `again` builds another attempt, or returns `None` if the request must not be retried.
/// Fails if no response arrives.
pub async fn send(
    action: &str,
    pass: Option<&Pass>,
    first: RequestBuilder,
    again: impl Fn() -> Option<RequestBuilder>,
) -> Result<Response, Failure> {
    let mut attempt = 1;
    let mut builder = first;
    loop {
        let (client, request) = builder.build_split();
        let request = request.map_err(|error| answer::unanswered(action, &error))?;
        // A chunk is not retried here after a cut connection: how its upload continues depends on
        // the bytes that the registry holds, and the caller asks for that.
        let is_piece = request.method() == Method::PATCH;
        let outcome = send_once(&client, pass, request).await;
        let pause = match &outcome {
            Ok(response) if may_pass(response, is_piece) => asked_pause(response),
            Err(error) if error.is_connect() || error.is_timeout() => None,
            // The connection was cut. It may have been kept open longer than the registry allows.
            Err(error) if error.is_request() && !is_piece => None,
            _ => return outcome.map_err(|error| answer::unanswered(action, &error)),
        };
        if attempt == ATTEMPTS {
            return outcome.map_err(|error| answer::unanswered(action, &error));
        }
        tokio::time::sleep(pause.unwrap_or_else(|| backoff(attempt))).await;
        builder = match again() {
            Some(builder) => builder,
            None => return outcome.map_err(|error| answer::unanswered(action, &error)),
        };
        attempt += 1;
    }
}

async fn send_once(
    client: &Client,
    pass: Option<&Pass>,
    mut request: Request,
) -> reqwest::Result<Response> {
    if let Some(pass) = pass.filter(|pass| request.url().origin() == pass.registry.origin()) {
        request
            .headers_mut()
            .insert(AUTHORIZATION, pass.value.clone());
    }
    client.execute(request).await
}

fn may_pass(response: &Response, is_piece: bool) -> bool {
    match response.status().as_u16() {
        429 | 502 | 503 | 504 => true,
        408 | 500 => !is_piece,
        _ => false,
    }
}

/// Returns the pause after the failed attempt with the number `attempt`, counted from 1: 0.2 s, 0.4
/// s, 0.8 s, and so on, up to 25.6 s.
pub fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(100 << attempt.min(8))
}

fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get("retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}
