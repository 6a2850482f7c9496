//! A minimal HTTP server: one route, and the host's own settings of the HTTP stack.
//!
//! Owns the connections and the bounds on a body, as `host/src/server.rs` sets them. Both
//! servers must do the same work for a request, except for ids, admission and the sandbox. Must not
//! know what is scored.

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

/// Time that a request's headers may take. `BODY_TIMEOUT` is the time that its body may take.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum size of a body, in bytes: the default of the host's `limits.body`.
const BODY_BYTES: u64 = 8 << 20;

/// Maximum number of bytes that are reserved for a body before its first byte arrives.
const RESERVE_BYTES: u64 = 1 << 20;

/// Header that says where an answer came from, as the host's answers have it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A scorer that answers a request's body.
pub trait Scores: Send + Sync + 'static {
    /// Returns the answer to a body, as JSON.
    ///
    /// # Errors
    /// Fails if the body does not fit, or the scorer fails.
    fn score(&self, body: Bytes) -> Result<Bytes, ScoreFailure>;
}

/// Returns a router that scores every call.
pub fn scoring<S: Scores>(scorer: S) -> Router {
    Router::new()
        .route("/score", post(score::<S>))
        .with_state(Arc::new(scorer))
}

/// Returns a router that scores only bodies that were not answered before.
pub fn keeping(keeper: Keeper) -> Router {
    Router::new()
        .route("/score", post(score_or_find))
        .with_state(Arc::new(keeper))
}

/// Creates a router, and serves it on a port of 127.0.0.1 until the process ends.
///
/// # Errors
/// Fails if the port cannot be listened on, or the router cannot be created.
pub fn run(port: u16, make: impl AsyncFnOnce() -> anyhow::Result<Router>) -> anyhow::Result<()> {
    // The host has as many serving threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(scorebox_host::sizing::cores())
        .enable_all()
        .build()
        .context("no thread to run on")?;
    runtime.block_on(async {
        let wanted = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(&wanted)
            .await
            .with_context(|| format!("{wanted} cannot be listened on"))?;
        // If the reader of standard output is gone, it does not need the address.
        let _ = writeln!(
            std::io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        );
        let router = make().await?;
        // This is a task, as in the host, because the thread that waits here serves no connection.
        tokio::spawn(serve(listener, router))
            .await
            .context("serving ended")
    })
}

/// Serves connections until the process ends.
async fn serve(listener: TcpListener, router: Router) {
    let router = TowerToHyperService::new(router);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no file descriptors left, or the client is gone already. Both pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // If this fails, small answers may only wait until there is more to send with them.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        tokio::spawn(async move {
            // A client may end its connection early, so this is not an error of the server.
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
        Err(failure) => answer(
            StatusCode::BAD_REQUEST,
            failure.disposition().message.into(),
        ),
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
            answer
                .headers_mut()
                .insert(CACHE_STATUS, HeaderValue::from_static(status.header()));
            answer
        }
        Err(failure) => answer(
            StatusCode::BAD_REQUEST,
            failure.disposition().message.into(),
        ),
    }
}

/// Reads a body within its limits of size and time.
async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, StatusCode> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let hint = announced.unwrap_or(0).min(BODY_BYTES).min(RESERVE_BYTES);
    let mut bytes = BytesMut::with_capacity(usize::try_from(hint).unwrap_or(0));
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
                continue;
            };
            if (bytes.len() + data.len()) as u64 > BODY_BYTES {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    // The body of an error is a message.
    let content_type = if status == StatusCode::OK {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
