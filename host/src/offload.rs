//! The thread that a call runs on: the thread on which it arrived while it is short, and a scoring
//! thread once it is long. A short call that waits may continue on another thread that serves
//! sockets.
//!
//! Owns the decision which thread a call runs on. Handing a call to another thread and back costs
//! more than scoring a small model does. But a long call on a thread that serves sockets would
//! block all other callers. So a call starts where it is. It is moved at its first tick of the
//! epoch (`engine::TICK`), or as soon as it is known to be long. Scoring threads have a lower
//! priority, so that long computations yield to calls that are answered at once. Must not know what
//! a call does.

use std::cell::Cell;
use std::pin::Pin;
use std::task::Poll;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinError;

use crate::panics::{Caught, Panic};

/// Size above which decoding a body or encoding an answer counts as long, in bytes. For JSON of
/// this size it takes about half a tick of the engine's epoch.
pub(crate) const LONG_BYTES: usize = 64 << 10;

thread_local! {
    /// True if the call that this thread polls is marked as long. The flag is set while a call is
    /// polled, and read after the poll.
    static LONG: Cell<bool> = const { Cell::new(false) };
}

/// Marks the call that this thread polls as long. The call moves to a scoring thread at its next
/// await that does not complete at once.
pub(crate) fn mark_long() {
    LONG.set(true);
}

/// Marks the current call as long and yields, so that the rest of the call runs on a scoring
/// thread.
pub(crate) async fn offload() {
    mark_long();
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Reason why a call does not have an outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallLost {
    /// The call panicked.
    #[error(transparent)]
    Panicked(#[from] Panic),
    /// The task of the call ended before the call did, because its async runtime was shut down.
    #[error(transparent)]
    TaskEnded(#[from] JoinError),
}

/// Outcome of a call: its output, or the panic that ended it.
type Ended<T> = Result<T, Panic>;

/// Boxed future of a call. The future is boxed from the start, because its state has about 5 KB.
/// Everything that takes the future by value, such as an async function, would copy the state and
/// grow by its size.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Future of a call whose panics are caught.
type Call<T> = Caught<Boxed<T>>;

/// Runs a call to its end, and returns its output. The call starts on this thread. It runs on
/// threads of the current async runtime as long as it is short, and on a thread of `scoring` as
/// soon as it is long.
///
/// The call continues even if the returned future is dropped after its first poll. An instance must
/// not be left in the middle of a call because a client disconnected.
///
/// # Errors
/// Fails if the call panicked, or if the async runtime that ran it was shut down.
pub(crate) async fn run<T: Send + 'static>(
    scoring: &Handle,
    call: Boxed<T>,
) -> Result<T, CallLost> {
    let mut call: Call<T> = Caught(call);
    LONG.set(false);
    if let Some(ended) = (&mut call).now_or_never() {
        return Ok(ended?);
    }
    let joined = if LONG.get() {
        scoring.spawn(call).await
    } else {
        // The call waits, e.g. for a store. The answer wakes this thread anyway, and the rest of
        // the call may be short. A separate task also lets calls that have come meanwhile send
        // their commands first. Then these go to Redis in one write, which saves a tenth of the
        // time of a call that the prediction cache answers, as measured.
        let scoring = scoring.clone();
        tokio::spawn(async move {
            match while_short(&mut call).await {
                Some(ended) => Ok(ended),
                None => scoring.spawn(call).await,
            }
        })
        .await
        .flatten()
    };
    Ok(joined??)
}

/// Polls a call until it ends, and returns its outcome. Returns `None` as soon as the call is
/// marked as long, unless it has ended.
async fn while_short<T>(call: &mut Call<T>) -> Option<Ended<T>> {
    std::future::poll_fn(|context| {
        LONG.set(false);
        match call.poll_unpin(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if LONG.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn here() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    fn runtime(name: &str) -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn short_calls_stay_and_long_ones_move() {
        let (serving, scoring) = (runtime("serving"), runtime("scoring"));
        let handle = scoring.handle().clone();
        let found = serving.spawn(async move {
            let short = run(&handle, Box::pin(async { here() })).await;
            let waits = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                here()
            };
            let waits = run(&handle, Box::pin(waits)).await;
            let long = async {
                offload().await;
                here()
            };
            let long = run(&handle, Box::pin(long)).await;
            let late = async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                offload().await;
                here()
            };
            let late = run(&handle, Box::pin(late)).await;
            let panics = run::<()>(&handle, Box::pin(async { panic!("a test's") }))
                .await
                .map(|()| String::new());
            [short, waits, long, late, panics]
        });
        let found = serving
            .block_on(found)
            .unwrap()
            .map(|found| found.unwrap_or_else(|error| error.to_string()));
        assert_eq!(found[..4], ["serving", "serving", "scoring", "scoring"]);
        assert!(
            found[4].starts_with("panicked") && found[4].ends_with(": a test's"),
            "{}",
            found[4]
        );
    }
}
