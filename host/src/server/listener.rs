//! Listening socket of the server, and the steps of a shutdown.
//!
//! Owns how connections are accepted, the lame-duck phase, and the drain at the end of the process.
//! Must not know what is sent on a connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::Service;
use super::connection::Server;
use super::descriptors;
use super::patience::Patience;
use super::table::{RESERVE, Table};
use crate::access::Keys;
use crate::error::StartupError;

/// Time for which the listener stays open after new connections are refused, so that TCP handshakes
/// that have started can finish.
const HANDSHAKES: Duration = Duration::from_millis(250);

/// Maximum number of connections in the kernel's queue that the host has not accepted yet.
///
/// The kernel has its own limit on the queue, which is usually 4096, too. If the queue is full, a
/// client retries after a second.
const HANDSHAKES_WAITING: i32 = 4096;

/// Maximum number of unsent response bytes that the kernel keeps for one connection.
///
/// Further bytes wait in the host, so that the host notices a response that the client does not
/// read.
const UNSENT_BYTES: u32 = 256 << 10;

/// Minimum time between two log lines about connections that could not be accepted.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Serves the connections of `listener` to the callers who have one of `keys`, or to all callers if
/// there are no keys. When `stop` resolves to the length of the lame-duck phase, shuts down.
///
/// In the lame-duck phase, readiness probes fail, but new connections are still accepted. After
/// this phase, only connections whose handshake has begun are still accepted, and calls in flight
/// have the time `limits.drain` to end.
///
/// # Errors
/// Never fails at present: failures to accept a connection are logged and retried.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    keys: Keys,
    stop: impl Future<Output = Duration>,
) -> Result<(), StartupError> {
    let limits = &service.limits;
    let (drain, keep_alive) = (limits.drain, limits.keep_alive);
    let places = descriptors::places(limits.connections, RESERVE);
    let _ = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES);
    // If this fails, the queue only stays shorter.
    let _ = SockRef::from(&listener).listen(HANDSHAKES_WAITING);
    let mut accepting = Accepting {
        table: Table::new(places, limits.connections_per_peer),
        server: Server::new(Arc::clone(&service), keys),
        patience: Patience::serving(keep_alive),
        // The period is short enough for the shortest timeout, and long enough to cost nothing.
        sweep: ticks((keep_alive / 8).clamp(Duration::from_millis(10), Duration::from_millis(500))),
        logged: None,
    };

    let lame_duck = accepting.accept_until(&listener, stop).await;
    service.set_stopping();
    let connections = accepting.table.len();
    tracing::info!(
        connections,
        lame_duck_ms = lame_duck.as_millis(),
        "stopping"
    );
    accepting.accept_until(&listener, sleep(lame_duck)).await;

    refuse_handshakes(&listener);
    accepting.patience = Patience::ending();
    accepting.sweep = ticks(Duration::from_millis(50));
    accepting.accept_until(&listener, sleep(HANDSHAKES)).await;
    accepting.accept_rest(listener);

    if timeout(drain, accepting.drain()).await.is_err() {
        let connections = accepting.table.len();
        tracing::warn!(
            connections,
            "calls in flight were cut off: limits.drain is over"
        );
    }
    Ok(())
}

/// Acceptor of new connections, with the table of the open connections.
struct Accepting {
    table: Table,
    server: Server,
    patience: Patience,
    sweep: Interval,
    /// Time of the last log line about a connection that could not be accepted. `None` before the
    /// first such line.
    logged: Option<Instant>,
}

impl Accepting {
    async fn accept_until<T>(&mut self, listener: &TcpListener, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                biased;
                end = end.as_mut() => return end,
                () = self.table.ended(), if !self.table.is_empty() => {}
                _ = self.sweep.tick(), if !self.table.is_empty() => self.table.sweep(&self.patience),
                accepted = listener.accept(), if self.table.has_room() => match accepted {
                    Ok((socket, peer)) => self.add(socket, peer),
                    Err(error) => self.wait_for_place(&error).await,
                },
            }
        }
    }

    /// Accepts the connections that wait in the kernel's queue, and closes the listener when the
    /// queue is empty. Otherwise a client could be connected without ever getting a response.
    fn accept_rest(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok((socket, peer)) = listener.accept() {
            if let Ok(socket) = socket
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(socket))
            {
                self.add(socket, peer);
            }
        }
    }

    async fn drain(&mut self) {
        while !self.table.is_empty() {
            tokio::select! {
                biased;
                () = self.table.ended() => {}
                _ = self.sweep.tick() => self.table.sweep(&self.patience),
            }
        }
    }

    fn add(&mut self, socket: TcpStream, peer: SocketAddr) {
        // A small response must not wait for more bytes to be sent with it. If this fails, only
        // that delay remains.
        let _ = socket.set_nodelay(true);
        if let Some(activity) = self.table.admit(peer.ip()) {
            self.table.spawn(
                Arc::clone(&activity),
                self.server.clone().serve(socket, peer, activity),
            );
        }
    }

    /// Waits after a connection could not be accepted. The cause is that file descriptors are
    /// exhausted, or that the client has closed the connection already.
    ///
    /// Either problem goes away with time. To free a file descriptor sooner, the connection whose
    /// peer has been silent longest is closed.
    async fn wait_for_place(&mut self, error: &std::io::Error) {
        if self
            .logged
            .is_none_or(|logged| logged.elapsed() > LOG_PAUSE)
        {
            tracing::warn!(%error, "a connection could not be accepted");
            self.logged = Some(Instant::now());
        }
        self.table.close_any();
        let pause = Duration::from_millis(50);
        if self.table.is_empty() {
            sleep(pause).await;
        } else {
            let _ = timeout(pause, self.table.ended()).await;
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Makes the kernel drop the first packet of each new connection, so that no client gets connected
/// that will not be answered.
///
/// The queue of the listener can then be emptied before the listener is closed. A client that
/// connects in the meantime retries, and is refused when the listener is closed. If the kernel does
/// not support packet filters, connections that arrive in the last moment are reset.
fn refuse_handshakes(listener: &TcpListener) {
    // Instructions of the classic Berkeley packet filter: load the flags of the TCP header, and
    // drop packets that have SYN set.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&filter) {
        crate::text::debug!(%error, "new connections cannot be kept out of the listener's queue");
    }
}
