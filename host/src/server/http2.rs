//! One connection that speaks HTTP/2 without TLS (h2c), from its preface to its end.
//!
//! Owns the limits of HTTP/2, and the way of each of its requests to the router. `frames` counts what
//! a peer sends, and `streams` tells the connection table what the host waits for. Must not know
//! bodies, or the requests of HTTP/1: those are in `connection`.

mod frames;
mod streams;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::activity::Activity;
use super::connection::Server;
use super::discard::Discarding;
use super::stream::Stream;

use self::streams::Call;

pub(super) use self::frames::Frames;
pub(super) use self::streams::Streams;

/// Bytes with which a client that speaks HTTP/2 begins (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Maximum number of unread bytes of one request's body that the host keeps. It is the smallest value
/// with which every client works.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;

/// Maximum number of unread bytes of the bodies of a connection together. A thousand connections hold
/// 128 MiB at most.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;

/// Maximum size of the header of a request, in bytes, as HTTP/2 counts it.
const HEADER_BYTES: u32 = 32 << 10;

/// Maximum number of requests of a connection that the client canceled before the host saw them.
const PENDING_RESETS: usize = 20;

/// Maximum number of streams of a connection that the host ended because of an error of the client.
const LOCAL_RESETS: usize = 256;

/// Time between two checks whether the client still responds.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Time after which a client that does not respond to a check counts as gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Answers the requests of one connection whose peer speaks HTTP/2, until the connection ends.
pub(super) async fn serve(
    server: &Server,
    stream: &mut Stream,
    activity: &Arc<Activity>,
) -> hyper::Result<()> {
    let streams = Arc::new(Streams::new(Arc::clone(activity)));
    stream.watch(Arc::clone(&streams));
    let service = service_fn(|request| answer(server, &streams, request));
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEADER_BYTES)
            .max_concurrent_streams(server.streams_per_connection)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    loop {
        tokio::select! {
            biased;
            // The peer must learn of the end before the stream reports its end.
            () = activity.condemned() => {
                if activity.is_cut_off() {
                    return Ok(());
                }
                connection.as_mut().graceful_shutdown();
            }
            () = streams.ending() => connection.as_mut().graceful_shutdown(),
            ended = connection.as_mut() => return ended,
        }
    }
}

fn answer(
    server: &Server,
    streams: &Arc<Streams>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    let place = server.try_take_place();
    let activity = Arc::clone(streams.activity());
    let refused = server.refused(
        activity.is_reserved || place.is_none(),
        request.version(),
        request.uri().path(),
        request.headers(),
    );
    let (call, mut ending) = Call::begin(Arc::clone(streams));
    let is_asked = request.headers().contains_key(EXPECT);
    let mut request = request.map(|incoming| StreamBody {
        incoming: Some(incoming),
        call,
        is_asked,
    });
    let answering = match refused {
        Some(refused) => Err(refused),
        None => {
            request.extensions_mut().insert(Arc::clone(&activity));
            Ok(server.router.call(request))
        }
    };
    let service = Arc::clone(&server.service);
    let is_pipelined = activity.is_pipelined();
    let streams = Arc::clone(streams);
    async move {
        // Hundreds of requests can come in one read. Other requests of this thread go in between.
        if is_pipelined {
            tokio::task::yield_now().await;
        }
        let answer = match answering {
            Ok(answering) => answering.await?,
            Err(refused) => refused,
        };
        if service.is_stopping() || activity.is_reserved || activity.is_condemned() {
            streams.end();
        }
        ending.set_ready();
        let ending = Arc::new((ending, place));
        Ok(answer.map(|body| Body::new(Answer { body, ending })))
    }
}

/// Body of a response. It counts as unread until its last bytes are dropped, which the HTTP library
/// does when they are written.
struct Answer {
    body: Body,
    ending: Arc<Ending>,
}

/// End of a response, and its place among the requests over HTTP/2 of the whole host. There was no
/// place if the request was refused.
type Ending = (streams::Response, Option<OwnedSemaphorePermit>);

/// Bytes of a response, with the end of the response.
struct Unread {
    bytes: Bytes,
    _ending: Arc<Ending>,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map(|frame| {
            frame.map(|frame| {
                frame.map(|frame| {
                    frame.map_data(|bytes| {
                        let ending = Arc::clone(&self.ending);
                        Bytes::from_owner(Unread {
                            bytes,
                            _ending: ending,
                        })
                    })
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Body of a request. While it is read, it records when the host waits for more bytes from the peer.
struct StreamBody {
    /// Body as the HTTP library gives it. `None` after the last byte, and after an error.
    incoming: Option<Incoming>,
    call: Arc<Call>,
    /// True if the client asks with `Expect` whether to send the body. Then there may be no body.
    is_asked: bool,
}

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(incoming).poll_frame(context);
        this.call.set_waiting(frame.is_pending());
        if let Poll::Ready(None | Some(Err(_))) = frame {
            this.incoming = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming
            .as_ref()
            .is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

impl Drop for StreamBody {
    /// Reads and drops the rest of a body that was not read to its end, slowly and within bounds. Some
    /// clients see no response if the host resets the stream before they have sent everything.
    fn drop(&mut self) {
        self.call.set_waiting(false);
        let rest = self.incoming.take();
        let rest = rest.filter(|rest| !self.is_asked && !rest.is_end_stream());
        let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) else {
            return;
        };
        if let Some(discarding) = Discarding::try_begin() {
            runtime.spawn(discarding.discard(rest));
        }
    }
}
