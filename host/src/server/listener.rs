//! Connections: how they are accepted, bounded, and ended.
//!
//! Owns the listening socket, the number of open connections, their timeouts, and the drain at the end of the process.
//! Must not know routes or bodies.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Service;
use crate::error::StartupError;

/// Connections that are open at a time; more wait to be accepted. Bounds what half-read bodies can hold.
const CONNECTIONS: usize = 1024;

/// Time for the headers of a request. A client that takes longer is lost or hostile.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until `stop` resolves; then takes no more connections and waits for calls in flight, for `limits.drain`.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = ()>,
) -> Result<(), StartupError> {
    let drain = service.limits.drain;
    let router = TowerToHyperService::new(super::router(service));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            // The semaphore is never closed.
            Ok(place) = Arc::clone(&places).acquire_owned() => place,
        };
        // Ends of earlier connections are of no interest; taking them keeps the set small.
        while connections.try_join_next().is_some() {}
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a client that is gone already: both pass.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for more to send with them. Failure only costs that.
        let _ = stream.set_nodelay(true);
        let mut stopping = stopping.subscribe();
        let router = router.clone();
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), router);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                // A value that changes, or a sender that is gone: both mean the end.
                _ = stopping.changed() => None,
            };
            let ended = match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.send_replace(true);
    tracing::info!(connections = connections.len(), "stopping");
    let drained = tokio::time::timeout(drain, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "calls in flight were cut off: limits.drain is over");
    }
    Ok(())
}
