//! HTTP without ceremony: one route, and the host's own settings of the stack.
//!
//! Owns the connections and the bounds on a body, as `host/src/server/mod.rs` sets them; what the two do for a request
//! must stay the same but for ids, admission and the sandbox. Must not know what is scored.

use std::sync::Arc;
use std::time::Duration;

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
use tokio::net::TcpListener;

use crate::keeping::Keeper;
use crate::scoring::Digits;

/// Time for a request's headers, and for its body.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Size of a body; the default of the host's `limits.body`.
const BODY_BYTES: u64 = 8 << 20;

/// Most that is reserved for a body before any of it has come.
const RESERVE_BYTES: u64 = 1 << 20;

/// Where an answer came from, as the host says it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Scores every call.
pub fn scoring(digits: Digits) -> Router {
    Router::new().route("/score", post(score)).with_state(Arc::new(digits))
}

/// Scores what was not asked before.
pub fn keeping(keeper: Keeper) -> Router {
    Router::new().route("/score", post(score_or_find)).with_state(Arc::new(keeper))
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, router: Router) {
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

async fn score(State(digits): State<Arc<Digits>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match read(&head.headers, body).await {
        Ok(body) => body,
        Err(status) => return answer(status, Body::empty()),
    };
    match digits.score(body) {
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
