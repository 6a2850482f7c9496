//! Timeouts for futures. A timeout costs nothing if its future is ready at once, as most futures in
//! a call are.
//!
//! Owns the check of a future before a timer of tokio is created for it. Creating a timer reads the
//! clock and needs a handle to the runtime, and each call has four timeouts. Must not know what is
//! waited for.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Runs a future, and returns its output. Returns `None` if the future takes longer than `limit`. A
/// future that is ready at once counts as in time.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    {
        return Some(output);
    }
    tokio::time::timeout(limit, future).await.ok()
}

/// Runs a future, and returns its output. Returns `None` if the deadline passes before the future
/// ends. A future that is ready at once counts as in time.
pub async fn until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    {
        return Some(output);
    }
    tokio::time::timeout_at(deadline.into(), future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ready_passes_and_what_is_not_is_bounded() {
        let (past, short, long) = (
            Instant::now(),
            Duration::from_millis(5),
            Duration::from_secs(5),
        );
        assert_eq!(until(past, async { 1 }).await, Some(1));
        assert_eq!(
            within(long, async { tokio::time::sleep(short).await }).await,
            Some(())
        );
        assert_eq!(within(short, std::future::pending::<()>()).await, None);
        assert_eq!(
            until(past + short, std::future::pending::<()>()).await,
            None
        );
    }
}
