//! One connection: its protocol, its requests over HTTP/1, one after the other, and its close.
//!
//! Owns the order of the requests and the close, and the header that announces the close to the
//! peer. Reports what the peer does to `activity`; the connection table decides how long the peer
//! may take. Must not know what a body means.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::activity::{Activity, Phase};
use super::dialect::Dialect;
use super::discard::{self, Discarding};
use super::stream::{RequestBody, Stream};
use super::{Service, conformance, health, http2, routes};
use crate::access::Keys;
use crate::error::ScoreFailure;
use crate::sizing;
use crate::trigger::http::Ids;

/// Maximum size of the head of a request, and maximum number of bytes per read from the socket. Any
/// client can make each connection hold this much memory before the limits for bodies apply.
const BUFFER_BYTES: usize = 64 << 10;

/// Divisor by which the number of calls that may execute or wait is divided to get the maximum
/// number of requests of one HTTP/2 connection. So one connection cannot take the places of all
/// other connections.
const CONNECTIONS_OF_CALLS: usize = 4;

/// Smallest value for the maximum number of requests of one HTTP/2 connection at a time. The
/// largest value is `MOST_STREAMS`: gateways send about a hundred requests over a connection before
/// they open another one.
const FEWEST_STREAMS: usize = 8;
const MOST_STREAMS: usize = 100;

/// Value of the header `WWW-Authenticate` of a response to a request without a valid key (RFC 6750,
/// section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"scorebox\"");

/// Service and router that every connection of the server uses.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) service: Arc<Service>,
    pub(super) router: TowerToHyperService<Router>,
    /// API keys of the server. Every request but a probe must carry one of them. If the server has
    /// no keys, requests need none.
    keys: Arc<Keys>,
    /// Maximum number of requests of one HTTP/2 connection at a time.
    pub(super) streams_per_connection: u32,
    /// Permits for requests over HTTP/2. All connections of the host share these permits.
    places: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(service: Arc<Service>, keys: Keys) -> Self {
        let limits = &service.limits;
        let calls = sizing::most_instances(limits).saturating_add(limits.queue);
        let share = (calls / CONNECTIONS_OF_CALLS).clamp(FEWEST_STREAMS, MOST_STREAMS);
        let places = limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            router: TowerToHyperService::new(routes::router(Arc::clone(&service))),
            streams_per_connection: u32::try_from(share).unwrap_or(u32::MAX),
            places: Arc::new(Semaphore::new(places)),
            keys: Arc::new(keys),
            service,
        }
    }

    /// Answers the requests of one connection until the connection ends, and then closes the
    /// socket.
    pub(super) async fn serve(self, socket: TcpStream, peer: SocketAddr, activity: Arc<Activity>) {
        let mut stream = Stream::new(socket, Arc::clone(&activity));
        let ended = if stream.begins_http2().await {
            // This future is boxed, because most connections do not need its state.
            Box::pin(http2::serve(&self, &mut stream, &activity)).await
        } else {
            self.serve_http1(&mut stream, &activity).await
        };
        if let Err(error) = ended {
            crate::text::debug!(%error, %peer, "a connection ended early");
        }
        close(stream, &activity).await;
    }

    async fn serve_http1(
        &self,
        stream: &mut Stream,
        activity: &Arc<Activity>,
    ) -> hyper::Result<()> {
        let service = service_fn(|request| self.answer(activity, request));
        let mut connection = pin!(
            hyper::server::conn::http1::Builder::new()
                // The connection table enforces the timeout for the head of a request. hyper would
                // also count the time between two requests, and would create a timer per request.
                .header_read_timeout(None)
                .max_buf_size(BUFFER_BYTES)
                .serve_connection(TokioIo::new(stream), service)
        );
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                // When hyper polls the stream again, the stream reports its end.
                () = activity.condemned() => {}
            }
        }
    }

    /// Takes a permit for a request over HTTP/2. Returns `None` if no permit is free. There are as
    /// many permits as connections may be open, because each request over HTTP/2 costs as much as a
    /// connection.
    pub(super) fn try_take_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn answer(
        &self,
        activity: &Arc<Activity>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        activity.enter_untimed(Phase::Call);
        let refused = self.refused(activity.is_reserved, &request);
        let answering = match refused {
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
    /// is passed to the router. `is_reserved` is true if the connection was accepted although the
    /// connection table was full, or if there is no permit for a request over HTTP/2. Then only
    /// liveness and readiness probes are answered. Probes, which have the method GET or HEAD, need
    /// no key.
    pub(super) fn refused<B>(
        &self,
        is_reserved: bool,
        request: &Request<B>,
    ) -> Option<Response<Body>> {
        let (headers, path) = (request.headers(), request.uri().path());
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_probe = || is_read && health::is_probe(path);
        let mut challenge = None;
        let disposition = match conformance::check(request.version(), headers) {
            Err(failure) => failure.disposition(),
            Ok(()) if is_reserved && !is_probe() => ScoreFailure::Saturated.disposition(),
            Ok(()) if self.keys.is_empty() || is_probe() => return None,
            Ok(()) => match self.keys.check(headers, request.uri()) {
                Ok(()) => return None,
                Err(failure) => {
                    challenge = Some(CHALLENGE);
                    failure.disposition()
                }
            },
        };
        let ids = Ids::take(headers).unwrap_or_else(|_| Ids::made());
        let mut response = Dialect::of(path).failed(&ids, &disposition);
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        Some(response)
    }
}

/// Closes a connection in such a way that the peer can still read its last response.
///
/// If a socket with unread bytes were closed, the kernel would reset the connection, and the peer
/// might lose a response that it has not read yet. A connection is closed at once if the peer has
/// closed it, if it failed, was cut off or was flooded with frames, or if it was asked to end while
/// no request was being answered.
async fn close(mut stream: Stream, activity: &Activity) {
    if stream.is_ended() {
        return;
    }
    if stream.is_flooded() {
        stream.say_calm_down();
        return;
    }
    if stream.is_failed() || activity.is_cut_off() {
        // The peer does not read what is left, and the kernel would keep it for minutes.
        let _ = stream.socket().set_zero_linger();
        return;
    }
    if activity.is_leaving() || stream.shut_down().await.is_err() {
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
