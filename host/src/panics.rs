//! Panics, whose messages are kept for the log line of the affected request.
//!
//! Owns the process's panic hook, the future that survives a panic, and the text that describes a
//! panic. Must not know calls, requests or answers.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::text::{REASON_BYTES, quoted};

thread_local! {
    /// True while this thread runs code whose panics are caught, such as a [`Caught`] future.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// Source location of this thread's last caught panic. `None` if it is unknown or was taken.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook in place of Rust's panic report on standard error, which a server leaves
/// empty.
///
/// A panic that is not caught becomes a log line. A panic that is caught is reported by the code
/// that catches it, because this code knows the request.
pub fn log() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        if IS_CAUGHT.get() {
            return PLACE.set(place);
        }
        let thread = std::thread::current();
        let thread = quoted(thread.name().unwrap_or("unnamed"), REASON_BYTES);
        tracing::error!(thread, "{}", said(message(info), place.as_deref()));
    }));
}

/// Runs a function, and catches a panic in it.
///
/// # Errors
/// Fails if the function panicked. The text is the panic's message and source location, limited in
/// length and on one line.
pub(crate) fn attempt<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    let was_caught = IS_CAUGHT.replace(true);
    // State that the function shares is behind locks and channels, which stay usable after a panic.
    let ended = catch_unwind(AssertUnwindSafe(what));
    IS_CAUGHT.set(was_caught);
    ended.map_err(|payload| said(text(&*payload), PLACE.take().as_deref()))
}

/// Runs a future to its end, and catches a panic in it.
///
/// # Errors
/// Fails if the future panicked. The text is the panic's message and source location, limited in
/// length and on one line.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    Caught(pin!(future)).await
}

/// Future that ends with an error if the inner future panics. It must not be polled again after it
/// has ended.
pub(crate) struct Caught<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match attempt(|| Pin::new(&mut self.0).poll(context)) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

fn message<'info>(info: &'info PanicHookInfo<'_>) -> &'info str {
    text(info.payload())
}

/// Returns the message of a panic, or a fixed text if the panic's payload is not text.
fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

fn said(message: &str, place: Option<&str>) -> String {
    let message = quoted(message, REASON_BYTES);
    match place {
        Some(place) => format!("panicked at {}: {message}", quoted(place, REASON_BYTES)),
        None => format!("panicked: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_one_bounded_line_with_its_place() {
        log();
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let line = line!() + 1;
        let said = caught(async { panic!("planted\nhere") })
            .await
            .err()
            .unwrap_or_default();
        assert!(
            said.starts_with("panicked at ") && said.ends_with(": planted\\nhere"),
            "{said}"
        );
        assert!(said.contains(&format!("panics.rs:{line}:")), "{said}");
        let long = caught(async { panic!("{}", "x".repeat(5 << 20)) })
            .await
            .err()
            .unwrap_or_default();
        assert!(
            long.len() < 2 * REASON_BYTES && long.ends_with('…'),
            "{}",
            long.len()
        );
        let none = caught(async { std::panic::panic_any(7) })
            .await
            .err()
            .unwrap_or_default();
        assert!(none.ends_with("a panic without a message"), "{none}");
    }

    #[tokio::test]
    async fn a_panic_after_a_wait_is_caught_too() {
        let waits = async {
            tokio::task::yield_now().await;
            panic!("late");
        };
        assert!(
            caught(waits)
                .await
                .err()
                .unwrap_or_default()
                .ends_with(": late")
        );
    }
}
