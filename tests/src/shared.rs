//! Servers that several tests of one topic use at the same time.
//!
//! Owns their lifetime: a server ends with the last test that uses it, since a static value is
//! never dropped. Must not know the servers.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Holder of one server that several tests share. The holder does not keep the server running.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// Creates a holder without a server.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Returns the shared server. If no test uses it at the moment, `start` is called to start it.
    pub fn get(&self, start: impl FnOnce() -> T) -> Arc<T> {
        // If a test panics while it starts the server, the next test starts it.
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.upgrade().unwrap_or_else(|| {
            let started = Arc::new(start());
            *place = Arc::downgrade(&started);
            started
        })
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}
