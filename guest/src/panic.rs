//! The panic hook, which writes one line with the panic's message and location.
//!
//! Owns the hook. Must not try to continue after a panic: a panic aborts the call, the host sees a
//! trap, and only the line of the hook says why.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::{self, Level};

/// True if the export that is running may call the host's capabilities, such as the log.
///
/// The panic hook reads this value. `describe` runs without capabilities: if the hook called the
/// log during `describe`, the call would trap and hide the panic.
static CAPABLE: AtomicBool = AtomicBool::new(false);

/// Installs the panic hook in a component. Every export calls this function before the author's
/// code runs. `capable` is true if the export may call the host's capabilities, such as the log.
///
/// In a native test, nothing is installed. All tests of a program share one hook, and a mock host
/// may panic when the hook writes to the log.
pub(crate) fn install(capable: bool) {
    static INSTALL: Once = Once::new();

    CAPABLE.store(capable, Ordering::Relaxed);
    if cfg!(target_family = "wasm") {
        INSTALL.call_once(|| panic::set_hook(Box::new(report)));
    }
}

fn report(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    if CAPABLE.load(Ordering::Relaxed) {
        log::write(
            Level::Critical,
            "panic",
            format_args!("{message} ({place})"),
        );
    } else {
        eprintln!("panic: {message} ({place})");
    }
}
