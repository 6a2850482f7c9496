//! The listening socket, and the order of a stop.
//!
//! Owns how connections are accepted, the lame-duck phase, and the drain at the end of the process. Must not know what is
//! sent on a connection.

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
use super::table::{Patience, RESERVE, Table};
use crate::error::StartupError;

/// How long the listener is kept after new connections are refused, for those whose handshake is under way.
const HANDSHAKES: Duration = Duration::from_millis(250);

/// Connections that the kernel accepts before the host does; the kernel has a bound of its own, usually this one. When the queue
/// is full, whoever connects tries again after a second.
const HANDSHAKES_WAITING: i32 = 4096;

/// Bytes of answers that the kernel keeps for one connection beyond what the network carries; more waits in the host, where
/// an answer that nobody reads is noticed.
const UNSENT_BYTES: u32 = 256 << 10;

/// Between two lines of the log about connections that could not be accepted.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Serves until `stop` resolves, with the length of the lame-duck phase; then takes no more connections and waits for calls
/// in flight, for `limits.drain`.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = Duration>,
) -> Result<(), StartupError> {
    let limits = &service.limits;
    let (drain, keep_alive) = (limits.drain, limits.keep_alive);
    let places = descriptors::places(limits.connections, RESERVE);
    let _ = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES);
    // Failure only leaves the shorter queue.
    let _ = SockRef::from(&listener).listen(HANDSHAKES_WAITING);
    let mut accepting = Accepting {
        table: Table::new(places, limits.connections_per_peer),
        server: Server::new(Arc::clone(&service)),
        patience: Patience::serving(keep_alive),
        // Often enough for the shortest time, and seldom enough to cost nothing.
        sweep: ticks((keep_alive / 8).clamp(Duration::from_millis(10), Duration::from_millis(500))),
        logged: None,
    };

    let lame_duck = accepting.accept_until(&listener, stop).await;
    service.set_stopping();
    let connections = accepting.table.len();
    tracing::info!(connections, lame_duck_ms = lame_duck.as_millis(), "stopping");
    accepting.accept_until(&listener, sleep(lame_duck)).await;

    refuse_handshakes(&listener);
    accepting.patience = Patience::ending();
    accepting.sweep = ticks(Duration::from_millis(50));
    accepting.accept_until(&listener, sleep(HANDSHAKES)).await;
    accepting.accept_rest(listener);

    if timeout(drain, accepting.drain()).await.is_err() {
        let connections = accepting.table.len();
        tracing::warn!(connections, "calls in flight were cut off: limits.drain is over");
    }
    Ok(())
}

/// What accepts connections, and holds the open ones.
struct Accepting {
    table: Table,
    server: Server,
    patience: Patience,
    sweep: Interval,
    /// When it was last logged that a connection could not be accepted.
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

    /// Accepts what the kernel has accepted, and closes the listener. If there is nothing more in its queue, no peer believes
    /// to be connected.
    fn accept_rest(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((socket, peer)) = listener.accept() {
            if let Ok(socket) = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket)) {
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
        // Small answers must not wait for more to send with them. Failure only costs that.
        let _ = socket.set_nodelay(true);
        if let Some(activity) = self.table.admit(peer.ip()) {
            self.table.spawn(Arc::clone(&activity), self.server.clone().serve(socket, peer, activity));
        }
    }

    /// Out of file descriptors, or a client that is gone already: both pass, the first sooner if a connection is closed.
    async fn wait_for_place(&mut self, error: &std::io::Error) {
        if self.logged.is_none_or(|logged| logged.elapsed() > LOG_PAUSE) {
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

/// Makes the kernel drop the first packet of each new connection, so that nobody is accepted who could not be answered: the
/// queue of the listener can be emptied before the listener is closed. Whoever connects now tries again, and is refused.
///
/// Where the kernel knows no filters, connections that come in the last moment are reset.
fn refuse_handshakes(listener: &TcpListener) {
    // Instructions of the classic Berkeley packet filter: load the flags of the TCP header, and drop what has SYN.
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
        tracing::debug!(%error, "new connections cannot be kept out of the listener's queue");
    }
}
