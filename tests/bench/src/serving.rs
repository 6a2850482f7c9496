//! HTTP without ceremony: one route, and the host's own settings of the stack.
//!
//! Owns the connections and the bounds on a body, as `host/src/server/mod.rs` sets them; what the two do for a request
//! must stay the same but for ids, admission and the sandbox. Must not know what is scored.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use scorebox_host::error::ScoreFailure;
use tokio::net::TcpListener;

use crate::keeping::Keeper;

/// Time for a request's headers, and for its body.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Size of a body; the default of the host's `limits.body`.
const BODY_BYTES: u64 = 8 << 20;

/// Most that is reserved for a body before any of it has come.
const RESERVE_BYTES: u64 = 1 << 20;

/// Where an answer came from, as the host says it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What answers a body.
pub trait Scores: Send + Sync + 'static {
    /// The answer, as JSON.
    ///
    /// # Errors
    /// The body does not fit.
    fn score(&self, body: Bytes) -> Result<Bytes, ScoreFailure>;
}

/// Scores every call.
pub fn scoring<S: Scores>(scorer: S) -> Router {
    Router::new().route("/score", post(score::<S>)).with_state(Arc::new(scorer))
}

/// Scores what was not asked before.
pub fn keeping(keeper: Keeper) -> Router {
    Router::new().route("/score", post(score_or_find)).with_state(Arc::new(keeper))
}

/// Makes what is served, and serves it on a port of 127.0.0.1 until the process ends.
///
/// # Errors
/// The port cannot be listened on, or there is nothing to serve.
pub fn run(port: u16, make: impl AsyncFnOnce() -> anyhow::Result<Router>) -> anyhow::Result<()> {
    // As many as the host has serving threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(scorebox_host::deployment::cores())
        .enable_all()
        .build()
        .context("no thread to run on")?;
    runtime.block_on(async {
        let wanted = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(&wanted).await.with_context(|| format!("{wanted} cannot be listened on"))?;
        // A reader that is gone needs no address.
        let _ = writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?);
        let router = make().await?;
        // A task, as in the host: the thread that waits here serves nobody.
        tokio::spawn(serve(listener, router)).await.context("serving ended")
    })
}

/// Serves until the process ends.
async fn serve(listener: TcpListener, router: Router) {
    let router = TowerToHyperService::new(router);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that is gone already: both pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Failure only costs that small answers may wait for more to send with them.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        tokio::spawn(async move {
            // A connection that ends early is its client's affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), router)
                .await;
        });
    }
}

async fn score<S: Scores>(State(scorer): State<Arc<S>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match read(&head.headers, body).await {
        Ok(body) => body,
        Err(status) => return answer(status, Body::empty()),
    };
    match scorer.score(body) {
        Ok(json) => answer(StatusCode::OK, json.into()),
        Err(failure) => answer(StatusCode::BAD_REQUEST, failure.disposition().message.into()),
    }
}

async fn score_or_find(State(keeper): State<Arc<Keeper>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match read(&head.headers, body).await {
        Ok(body) => body,
        Err(status) => return answer(status, Body::empty()),
    };
    match keeper.score(body).await {
        Ok((json, status)) => {
            let mut answer = answer(StatusCode::OK, json.into());
            answer.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status.header()));
            answer
        }
        Err(failure) => answer(StatusCode::BAD_REQUEST, failure.disposition().message.into()),
    }
}

/// Reads a body within its bounds.
async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, StatusCode> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let hint = announced.unwrap_or(0).min(BODY_BYTES).min(RESERVE_BYTES);
    let mut bytes = BytesMut::with_capacity(usize::try_from(hint).unwrap_or(0));
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
            if (bytes.len() + data.len()) as u64 > BODY_BYTES {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    // Of a misfit the body is a message.
    let content_type = if status == StatusCode::OK { "application/json" } else { "text/plain; charset=utf-8" };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
