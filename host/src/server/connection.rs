//! One connection: its requests, one after the other, and its close.
//!
//! Owns the order of the requests and the close, and the header that announces the close to the
//! peer. Reports what the peer does to `activity`; the connection table decides how long the peer
//! may take. Must not know bodies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;

use super::activity::{Activity, Phase};
use super::dialect::Dialect;
use super::discard::{self, Discarding};
use super::stream::{RequestBody, Stream};
use super::{Service, conformance, health, routes};
use crate::error::ScoreFailure;
use crate::trigger::http::Ids;

/// Maximum size of the head of a request, and maximum number of bytes per read from the socket. Any
/// client can make each connection hold this much memory before the limits for bodies apply.
const BUFFER_BYTES: usize = 64 << 10;

/// Service and router that every connection of the server uses.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) service: Arc<Service>,
    router: TowerToHyperService<Router>,
}

impl Server {
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self {
            router: TowerToHyperService::new(routes::router(Arc::clone(&service))),
            service,
        }
    }

    /// Answers the requests of one connection until the connection ends, and then closes the
    /// socket.
    pub(super) async fn serve(self, socket: TcpStream, peer: SocketAddr, activity: Arc<Activity>) {
        let mut stream = Stream::new(socket, Arc::clone(&activity));
        let ended = {
            let service = service_fn(|request| self.answer(&activity, request));
            let mut connection = pin!(
                hyper::server::conn::http1::Builder::new()
                    // The connection table enforces the timeout for the head of a request. hyper
                    // would also count the time between two requests, and would create a timer per
                    // request.
                    .header_read_timeout(None)
                    .max_buf_size(BUFFER_BYTES)
                    .serve_connection(TokioIo::new(&mut stream), service)
            );
            loop {
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => break ended,
                    // When hyper polls the stream again, the stream reports its end.
                    () = activity.condemned() => {}
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
        close(stream, &activity).await;
    }

    fn answer(
        &self,
        activity: &Arc<Activity>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        activity.enter_untimed(Phase::Call);
        let answering = match self.refused(activity.is_reserved, &request) {
            Some(refused) => Err(refused),
            None => {
                let mut request = request.map(|body| RequestBody::new(body, Arc::clone(activity)));
                request.extensions_mut().insert(Arc::clone(activity));
                Ok(self.router.call(request))
            }
        };
        let (service, activity) = (Arc::clone(&self.service), Arc::clone(activity));
        let is_pipelined = activity.is_pipelined();
        async move {
            // Hundreds of requests can come in one read. Other requests of this thread go in
            // between.
            if is_pipelined {
                tokio::task::yield_now().await;
            }
            let mut answer = match answering {
                Ok(answering) => answering.await?,
                Err(refused) => refused,
            };
            if service.is_stopping() || activity.is_reserved || activity.is_condemned() {
                answer
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            activity.enter_untimed(Phase::Answer);
            Ok(answer)
        }
    }

    /// Returns the response that refuses a request whose body is not read, or `None` if the request
    /// is for the router. `is_reserved` is true if the connection was accepted although the
    /// connection table was full. Only liveness and readiness probes are answered on such a
    /// connection.
    fn refused(&self, is_reserved: bool, request: &Request<Incoming>) -> Option<Response<Body>> {
        let path = request.uri().path();
        let disposition = match conformance::check(request.version(), request.headers()) {
            Err(failure) => failure.disposition(),
            Ok(()) if is_reserved && !health::is_probe(path) => {
                ScoreFailure::Saturated.disposition()
            }
            Ok(()) => return None,
        };
        let ids = Ids::take(request.headers()).unwrap_or_else(|_| Ids::made());
        Some(Dialect::of(path).failed(&ids, &disposition))
    }
}

/// Closes a connection in such a way that the peer can still read its last response.
///
/// If a socket with unread bytes were closed, the kernel would reset the connection, and the peer
/// might lose a response that it has not read yet.
async fn close(mut stream: Stream, activity: &Activity) {
    if stream.is_ended() {
        return;
    }
    if stream.is_failed() {
        // The peer does not read what is left, and the kernel would keep it for minutes.
        let _ = stream.socket().set_zero_linger();
        return;
    }
    if activity.is_condemned() || stream.shut_down().await.is_err() {
        return;
    }
    activity.enter(Phase::Closing);
    tokio::select! {
        biased;
        () = activity.condemned() => {}
        () = discard_rest(&stream, activity) => {}
    }
}

/// Reads and drops what a peer still sends until the peer closes its side of the connection, but at
/// most [`discard::MOST_BYTES`].
async fn discard_rest(stream: &Stream, activity: &Activity) {
    let (mut discarded, mut discarding) = (Vec::new(), None);
    let mut total = 0;
    while total < discard::MOST_BYTES {
        if stream.socket().readable().await.is_err() {
            return;
        }
        discarded.resize(discard::PIECE_BYTES, 0);
        match stream.socket().try_read(&mut discarded) {
            Ok(0) => return,
            Ok(bytes) => {
                total += bytes;
                activity.moved(Phase::Closing, bytes);
                // Most peers only close. They need neither a permit to discard nor a buffer.
                if discarding.is_none() {
                    discarded = Vec::new();
                    discarding = Discarding::begin().await;
                }
                let Some(discarding) = &discarding else {
                    return;
                };
                discarding.pause().await;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
