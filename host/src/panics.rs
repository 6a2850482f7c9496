//! Panics, whose messages are kept for the log line of the affected request.
//!
//! Owns the process's panic hook, the future that survives a panic, and `Panic`, the error that
//! describes a panic. Must not know calls, requests or answers.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::text::{REASON_BYTES, quoted};

thread_local! {
    /// True while this thread runs code whose panics are caught by [`attempt`], such as a
    /// [`Caught`] future.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// Source location of the last panic on this thread that was caught by [`attempt`]. `None` if
    /// there was no such panic yet, or if its location is unknown or was already taken.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook in place of Rust's default hook, which reports a panic in several lines on
/// standard error. A server writes log lines only.
///
/// A panic that is not caught is logged. A panic that is caught is reported by the code that
/// catches it, because this code knows the request.
pub fn log() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        if IS_CAUGHT.get() {
            return PLACE.set(place);
        }
        let thread = std::thread::current();
        let thread = quoted(thread.name().unwrap_or("unnamed"), REASON_BYTES);
        let panic = Panic::new(text(info.payload()), place.as_deref());
        tracing::error!(thread, "{panic}");
    }));
}

/// Panic that was caught, with its message and its source location.
///
/// The text of the panic is limited in length and on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panic {
    /// Message of the panic, printable and limited in length.
    message: String,
    /// Source location of the panic, printable and limited in length. `None` if the location is
    /// unknown.
    place: Option<String>,
}

impl Panic {
    fn new(message: &str, place: Option<&str>) -> Self {
        Self {
            message: quoted(message, REASON_BYTES),
            place: place.map(|place| quoted(place, REASON_BYTES)),
        }
    }

    /// Returns the message of the panic, for an error that does not come from a fault in this
    /// program.
    pub(crate) fn into_message(self) -> String {
        self.message
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, place } = self;
        match place {
            Some(place) => write!(f, "panicked at {place}: {message}"),
            None => write!(f, "panicked: {message}"),
        }
    }
}

impl Error for Panic {}

/// Runs a function, returns its result, and catches a panic in it.
///
/// # Errors
/// Fails if the function panicked.
pub(crate) fn attempt<T>(what: impl FnOnce() -> T) -> Result<T, Panic> {
    let was_caught = IS_CAUGHT.replace(true);
    // State that the function shares is behind locks and channels, which stay usable after a panic.
    let ended = catch_unwind(AssertUnwindSafe(what));
    IS_CAUGHT.set(was_caught);
    ended.map_err(|payload| Panic::new(text(&*payload), PLACE.take().as_deref()))
}

/// Runs a future to its end, returns its output, and catches a panic in it.
///
/// # Errors
/// Fails if the future panicked.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panic> {
    Caught(pin!(future)).await
}

/// Future that ends with an error if the inner future panics. This future must not be polled again
/// after it has ended.
pub(crate) struct Caught<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match attempt(|| Pin::new(&mut self.0).poll(context)) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Returns the message of a panic from its payload, or a fixed text if the payload is not a text.
fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of the panic that ended a future.
    fn said<T>(ended: Result<T, Panic>) -> String {
        ended
            .err()
            .map(|panic| panic.to_string())
            .unwrap_or_default()
    }

    #[tokio::test]
    async fn a_panic_becomes_one_bounded_line_with_its_place() {
        log();
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let line = line!() + 1;
        let planted = said(caught(async { panic!("planted\nhere") }).await);
        assert!(
            planted.starts_with("panicked at ") && planted.ends_with(": planted\\nhere"),
            "{planted}"
        );
        assert!(planted.contains(&format!("panics.rs:{line}:")), "{planted}");
        let long = said(caught(async { panic!("{}", "x".repeat(5 << 20)) }).await);
        assert!(
            long.len() < 2 * REASON_BYTES && long.ends_with('…'),
            "{}",
            long.len()
        );
        let none = said(caught(async { std::panic::panic_any(7) }).await);
        assert!(none.ends_with("a panic without a message"), "{none}");
    }

    #[tokio::test]
    async fn a_panic_after_a_wait_is_caught_too() {
        let waits = async {
            tokio::task::yield_now().await;
            panic!("late");
        };
        assert!(said(caught(waits).await).ends_with(": late"));
    }
}
