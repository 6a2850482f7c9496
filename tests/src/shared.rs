//! Servers that several tests of one topic use at the same time.
//!
//! Owns their lifetime: a server ends with the last test that uses it, since a static value is
//! never dropped. Must not know the servers.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A place for one shared server.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// Creates an empty place.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Returns the server. If no test uses it, it is started.
    pub fn get(&self, start: impl FnOnce() -> T) -> Arc<T> {
        // A test that panicked while starting leaves the place empty, and the next one tries again.
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
