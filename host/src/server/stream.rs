//! Bytes of a connection and of a request's body, as they are read and written.
//!
//! Owns the places where bytes that are read or written are reported to `activity`, and how the
//! stream ends if the connection is asked to end. Must not know requests.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::activity::{Activity, Phase, later, now};
use super::http2::{Frames, PREFACE, Streams};

/// Socket of a connection. The stream records in the connection's [`Activity`] when the peer sends
/// or reads bytes.
///
/// If the connection is asked to end, the stream reports its end as soon as no more bytes can be
/// read. Every request that has arrived thus gets a response.
pub(super) struct Stream {
    socket: TcpStream,
    activity: Arc<Activity>,
    /// True after the peer has closed its side of the connection.
    is_ended: bool,
    /// True after a write failed, or after the peer took too long to read a response.
    is_failed: bool,
    /// True if bytes were written to the socket after the last flush.
    has_written: bool,
    /// Bytes that were read from the socket to find out the protocol, and were not passed on yet.
    ahead: Vec<u8>,
    /// Observer of an HTTP/2 connection. `None` for HTTP/1.
    watch: Option<Watch>,
    /// True after the peer has sent too many frames that cost work and ask for nothing.
    is_flooded: bool,
}

/// Observer of the bytes of an HTTP/2 connection.
struct Watch {
    frames: Frames,
    streams: Arc<Streams>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            activity,
            is_ended: false,
            is_failed: false,
            has_written: false,
            ahead: Vec::new(),
            watch: None,
            is_flooded: false,
        }
    }

    /// Waits for the first bytes of the connection, and returns true if they are the preface of
    /// HTTP/2. Returns false if the connection ends, or is asked to end, before that. The bytes are
    /// read again afterwards.
    pub(super) async fn begins_http2(&mut self) -> bool {
        let mut seen = [0; PREFACE.len()];
        // The bytes of an HTTP/1 request stay in the socket, so that they are read at once.
        let peeked = tokio::select! {
            biased;
            () = self.activity.condemned() => return false,
            peeked = self.socket.peek(&mut seen) => peeked.unwrap_or(0),
        };
        if peeked == 0 || peeked == seen.len() || !begins(&seen, peeked) {
            return peeked == seen.len() && seen == *PREFACE;
        }
        // A part of the preface is read from the socket: if it stayed there, the socket would be
        // readable at once, and the wait for the rest would use up the CPU.
        while self.ahead.len() < seen.len() {
            tokio::select! {
                biased;
                () = self.activity.condemned() => return false,
                readable = self.socket.readable() => if readable.is_err() { return false },
            }
            let have = self.ahead.len();
            let read = match seen.get_mut(have..) {
                Some(free) => self.socket.try_read(free),
                None => return false,
            };
            match read {
                Ok(0) => return false,
                Ok(bytes) => {
                    self.note_read();
                    let read = have + bytes;
                    self.ahead
                        .extend_from_slice(seen.get(have..read).unwrap_or_default());
                    if !begins(&seen, read) {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Observes the frames of this HTTP/2 connection from now on. Must be called before the HTTP
    /// library reads the preface of the connection.
    pub(super) fn watch(&mut self, streams: Arc<Streams>) {
        let frames = Frames::new(u32::try_from(PREFACE.len()).unwrap_or_default());
        self.watch = Some(Watch { frames, streams });
    }

    /// Returns true after the peer has sent too many frames that cost work and ask for nothing.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded
    }

    /// Tells the peer of an HTTP/2 connection that its frames cause too much work (GOAWAY with
    /// ENHANCE_YOUR_CALM). Does nothing if the socket takes no bytes now.
    pub(super) fn say_calm_down(&self) {
        if let Some(watch) = &self.watch {
            let _ = self.socket.try_write(&watch.frames.goaway());
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub(super) fn is_failed(&self) -> bool {
        self.is_failed
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Closes the host's side of the connection: the peer can still read what was sent, but the
    /// host sends nothing more.
    ///
    /// # Errors
    /// Fails if the operating system cannot shut down the socket, e.g. because the connection is
    /// lost.
    pub(super) async fn shut_down(&mut self) -> Result<()> {
        self.socket.shutdown().await
    }

    /// Records that bytes arrived from the socket.
    fn note_read(&self) {
        self.activity.note_read();
        if self.watch.is_none() && matches!(self.activity.phase(), Phase::New | Phase::Idle) {
            self.activity.enter(Phase::Head);
        }
    }

    fn written(&mut self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.has_written = true;
                if let Some(watch) = &mut self.watch {
                    watch.frames.wrote(*bytes);
                    watch.streams.wrote(*bytes);
                } else if self.activity.phase() == Phase::Unread {
                    self.activity.moved(Phase::Unread, *bytes);
                }
            }
            Poll::Ready(Err(_)) => self.is_failed = true,
            Poll::Pending => match self.activity.phase() {
                Phase::Answer => self.activity.enter(Phase::Unread),
                Phase::Unread if self.activity.is_leaving() => {
                    self.is_failed = true;
                    return Poll::Ready(Err(Error::new(
                        ErrorKind::TimedOut,
                        "the answer was not read",
                    )));
                }
                _ => {}
            },
        }
        written
    }
}

impl Watch {
    /// Observes bytes that the peer sent. Returns false if the frames of the peer cause too much
    /// work.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let was_in_head = self.frames.is_in_head();
        self.frames.answered(self.streams.take_answered());
        let is_calm = self.frames.read(bytes);
        if self.frames.is_in_head() != was_in_head {
            self.streams.set_in_head(!was_in_head);
        }
        is_calm
    }
}

/// Returns true if the first `count` bytes of `seen` begin the preface of HTTP/2.
fn begins(seen: &[u8; PREFACE.len()], count: usize) -> bool {
    seen.get(..count) == PREFACE.get(..count)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = if this.ahead.is_empty() {
            Pin::new(&mut this.socket).poll_read(context, buffer)
        } else {
            let bytes = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(this.ahead.get(..bytes).unwrap_or_default());
            this.ahead.drain(..bytes);
            Poll::Ready(Ok(()))
        };
        match &read {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => this.is_ended = true,
            Poll::Ready(Ok(())) => {
                this.note_read();
                if let Some(watch) = &mut this.watch {
                    let bytes = buffer.filled().get(before..).unwrap_or_default();
                    if !watch.read(bytes) {
                        this.is_flooded = true;
                        return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
                    }
                }
            }
            Poll::Pending if this.activity.is_leaving() => return Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(context, slices);
        this.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_flush(context))?;
        // hyper flushes when it has written everything. A response in several pieces would count as
        // idle between two of them, but the host sends no response in pieces.
        if std::mem::take(&mut this.has_written)
            && this.watch.is_none()
            && matches!(this.activity.phase(), Phase::Answer | Phase::Unread)
        {
            this.activity.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

/// Body of a request. While it is read, it records in the connection's [`Activity`] when the host
/// waits for more bytes from the peer.
pub(super) struct RequestBody {
    incoming: Incoming,
    activity: Arc<Activity>,
    /// Time for which the peer has been silent so far while the host waited for bytes of this body,
    /// in microseconds.
    silent: u64,
    /// Time since which the peer has been silent, in microseconds of the clock [`now`]. `None`
    /// while the host does not wait for the peer.
    since: Option<u64>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, activity: Arc<Activity>) -> Self {
        Self {
            incoming,
            activity,
            silent: 0,
            since: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.incoming).poll_frame(context);
        match &frame {
            Poll::Pending if this.since.is_some() => {}
            Poll::Pending => {
                let since = now().saturating_sub(this.silent);
                this.since = Some(since);
                this.activity.set(Phase::Body, since);
            }
            Poll::Ready(frame) => {
                this.activity.enter_untimed(Phase::Call);
                let since = this.since.take().filter(|_| !this.incoming.is_end_stream());
                if let (Some(Ok(frame)), Some(since)) = (frame, since) {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    this.silent = now().saturating_sub(later(since, bytes));
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // The reader that waited for more of the body is gone.
        if self.activity.phase() == Phase::Body {
            self.activity.enter_untimed(Phase::Call);
        }
    }
}
