//! The pool of warm instances.
//!
//! Owns the idle instances, and when an instance is retired. Must not know what an instance
//! computes, or which call may take one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::instance::{Instance, Ready};
use crate::manifest::{Instances, Isolation};

/// Pool of the idle instances of one scorer.
pub(super) struct Pool<R> {
    /// Instances that serve no call now. The instance that was used last is taken first, because
    /// its memory is still in the CPU caches.
    idle: Mutex<Vec<Ready<R>>>,
    isolation: Isolation,
    max_invocations: u64,
    max_age: Duration,
}

impl<R> Pool<R> {
    /// Creates the empty pool of a scorer that executes at most `max_concurrency` calls at a time.
    /// `instances` is `[instances]` of the manifest.
    pub(super) fn new(max_concurrency: usize, instances: &Instances) -> Self {
        Self {
            idle: Mutex::new(Vec::with_capacity(max_concurrency)),
            isolation: instances.isolation,
            max_invocations: instances.max_invocations.unwrap_or(u64::MAX),
            max_age: instances.max_age.unwrap_or(Duration::MAX),
        }
    }

    /// Returns true if the instances of this pool may serve more than one call each.
    pub(super) fn is_warm(&self) -> bool {
        self.isolation == Isolation::Warm
    }

    /// Takes an idle instance from the pool, and drops instances that are too old. Returns `None`
    /// if no instance is left. Only a call with the permission to execute calls this function, so
    /// there are never more instances than calls that may execute.
    pub(super) fn take(&self) -> Option<Ready<R>> {
        loop {
            let ready = self.lock().pop()?;
            // An instance that is too old is dropped here, outside of the lock, because that takes
            // microseconds.
            if !self.is_due(&ready.instance) {
                return Some(ready);
            }
        }
    }

    /// Returns an instance to the pool for the next call. Drops the instance if it may not serve
    /// another call.
    pub(super) fn put_back(&self, ready: Ready<R>) {
        let instance = &ready.instance;
        if self.is_warm() && instance.is_reusable() && !self.is_due(instance) {
            self.lock().push(ready);
        }
    }

    fn is_due(&self, instance: &Instance) -> bool {
        instance.invocations() >= self.max_invocations
            || (self.max_age < Duration::MAX && instance.age() >= self.max_age)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ready<R>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
