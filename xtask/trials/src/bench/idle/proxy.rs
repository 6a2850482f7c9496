//! A TCP proxy that forgets connections without telling either side, as load balancers do.
//!
//! Owns the forwarding of bytes. Must not know which protocol is forwarded.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Size of the buffer of one direction of a connection, in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// A running proxy. It forwards connections until its runtime ends.
pub(super) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Number of connections that were accepted.
    accepted: AtomicUsize,
    /// Number of the first connection whose bytes are still forwarded, counted from 0. The bytes of
    /// earlier connections are dropped.
    remembered: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy on a free port of this machine, which forwards to the port `target`. Fails if
    /// no port is free.
    pub(super) async fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::<Shared>::default();
        let for_task = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = for_task.accepted.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&for_task);
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
                        return;
                    };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((near_read, near_write), (far_read, far_write)) =
                        (near.into_split(), far.into_split());
                    tokio::join!(
                        forward(&shared, number, near_read, far_write),
                        forward(&shared, number, far_read, near_write),
                    );
                });
            }
        });
        Ok(Self { port, shared })
    }

    /// Returns the port on which the proxy listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Drops all bytes of the connections that exist now, and keeps these connections open. New
    /// connections are forwarded.
    pub(super) fn forget(&self) {
        let accepted = self.shared.accepted.load(Ordering::SeqCst);
        self.shared.remembered.store(accepted, Ordering::SeqCst);
    }
}

async fn forward(
    shared: &Shared,
    number: usize,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let is_forgotten = || number < shared.remembered.load(Ordering::SeqCst);
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_forgotten() {
            continue;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    // The end of a forgotten connection is not forwarded either.
    if !is_forgotten() {
        let _ = to.shutdown().await;
    }
}
