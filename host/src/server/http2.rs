//! One connection that speaks HTTP/2 without TLS (h2c), from its preface to its end.
//!
//! Owns how each request is passed to the router, and how a connection ends. `frames` counts what a
//! peer sends, and `streams` tells the connection table what the host waits for. The crate
//! `scorebox-http2` has the limits of the protocol. Must not know what a body means, or the
//! requests of HTTP/1: those are in `connection`.

mod frames;
mod streams;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service as _;
use scorebox_http2::{Answering, Connection};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::activity::Activity;
use super::connection::Server;
use super::discard::Discarding;
use super::stream::Stream;

use self::streams::Call;

pub(super) use self::frames::Frames;
pub(super) use self::streams::Streams;

/// Connection preface of HTTP/2: the first bytes that a client sends (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Answers the requests of one connection whose peer speaks HTTP/2, until the connection ends.
pub(super) async fn serve(
    server: &Server,
    stream: &mut Stream,
    activity: &Arc<Activity>,
) -> hyper::Result<()> {
    let streams = Arc::new(Streams::new(Arc::clone(activity)));
    stream.watch(Arc::clone(&streams));
    let answer = |request| -> Answering { Box::pin(answer(server, &streams, request)) };
    let mut connection = Connection::new(stream, &answer, server.streams_per_connection);
    loop {
        tokio::select! {
            biased;
            // The peer must learn of the end before the stream reports its end.
            () = activity.condemned() => {
                if activity.is_cut_off() {
                    return Ok(());
                }
                connection.shut_down();
                if activity.may_take_leave() {
                    streams.take_leave();
                }
            }
            () = streams.ending() => {
                connection.shut_down();
                streams.take_leave();
            }
            ended = &mut connection => return ended,
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
    let refused = server.refused(activity.is_reserved || place.is_none(), &request);
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

/// Body of a response. The body counts as unread until the HTTP library has written its last bytes,
/// and drops them.
struct Answer {
    body: Body,
    ending: Arc<Ending>,
}

/// Guard that records the end of a response when it is dropped, with the request's permit for
/// HTTP/2. The permit is `None` if the request was refused because no permit was free.
type Ending = (streams::Response, Option<OwnedSemaphorePermit>);

/// Bytes of a response, with the guard that records the end of the response.
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

/// Body of a request. While it is read, it records when the host waits for more bytes from the
/// peer.
struct StreamBody {
    /// Body as the HTTP library gives it. `None` after the last byte, and after an error.
    incoming: Option<Incoming>,
    call: Arc<Call>,
    /// True if the client asks, with the header `Expect`, whether it should send the body. Such a
    /// client may send no body at all.
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
    /// Reads and drops the rest of a body that was not read to its end, slowly and within bounds.
    /// Some clients see no response if the host resets the stream before they have sent everything.
    /// Does nothing if the client sent `Expect`, or if too many bodies are being discarded already.
    fn drop(&mut self) {
        self.call.set_waiting(false);
        let rest = self.incoming.take();
        let rest = rest.filter(|rest| !self.is_asked && !rest.is_end_stream());
        let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) else {
            return;
        };
        if let Some(discarding) = Discarding::try_begin() {
            runtime.spawn(discarding.discard(Body::new(rest)));
        }
    }
}
