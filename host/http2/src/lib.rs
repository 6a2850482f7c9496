//! Connections that speak HTTP/2: hyper's server with the limits of the protocol.
//!
//! Owns the limits of HTTP/2, and the types for which hyper's generic code is compiled. Must not
//! know requests, or when a connection ends.
//!
//! This is a separate crate because of its size. Most code of HTTP/2 depends on the types of the
//! socket and of the responses. In this crate it is compiled for size. In the crate that defines
//! these types it would be compiled for speed, and be twice as large.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Maximum number of unread bytes of one request's body that the host keeps. The default of HTTP/2
/// is one byte less, and a client may send that many bytes before it knows the host's settings.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;

/// Maximum number of unread bytes that the host keeps of all request bodies of one connection
/// together. A thousand connections hold 128 MiB at most.
const CONNECTION_WINDOW_BYTES: u32 = 128 << 10;

/// Maximum size of the header fields of a request, in bytes. As in HTTP/2's own setting, the names
/// and values are counted uncompressed, with 32 bytes more for each field.
const HEADER_BYTES: u32 = 32 << 10;

/// Maximum number of requests of one connection that the client canceled before the host began to
/// answer them. The connection ends if there are more.
const PENDING_RESETS: usize = 20;

/// Maximum number of streams of one connection that the host reset because of an error of the
/// client. The connection ends if there are more.
const LOCAL_RESETS: usize = 256;

/// Socket of an HTTP/2 connection: a stream of bytes that can be read and written.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Response that is being computed. If the client cancels its request, this value is dropped.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Function that answers the requests of a connection.
pub type Answer<'a> = dyn Fn(Request<Incoming>) -> Answering + Sync + 'a;

/// Socket in the form that hyper takes.
type Io<'a> = TokioIo<&'a mut (dyn Socket + 'a)>;

/// Connection whose peer speaks HTTP/2. As a future, it ends when the connection ends.
pub struct Connection<'a>(Pin<Box<http2::Connection<Io<'a>, Calls<'a>, Tasks>>>);

impl<'a> Connection<'a> {
    /// Creates the connection on a socket whose peer has sent nothing before the preface of HTTP/2.
    /// The peer may have `streams` requests at a time.
    pub fn new(socket: &'a mut (dyn Socket + 'a), answer: &'a Answer<'a>, streams: u32) -> Self {
        let mut builder = http2::Builder::new(Tasks);
        builder
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEADER_BYTES)
            .max_concurrent_streams(streams)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS);
        let connection = builder.serve_connection(TokioIo::new(socket), Calls(answer));
        Self(Box::pin(connection))
    }

    /// Asks the peer to send no further requests (GOAWAY). The requests that it sent before are
    /// answered. Then the connection ends.
    pub fn shut_down(&mut self) {
        self.0.as_mut().graceful_shutdown();
    }
}

impl Future for Connection<'_> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.as_mut().poll(context)
    }
}

/// Service of a connection, in the one type for which hyper's generic code is compiled.
struct Calls<'a>(&'a Answer<'a>);

impl Service<Request<Incoming>> for Calls<'_> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        (self.0)(request)
    }
}

/// Executor of hyper that starts a task for each request. All tasks have one type, so that their
/// code is compiled only once.
#[derive(Clone)]
struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
        tokio::spawn(task);
    }
}
