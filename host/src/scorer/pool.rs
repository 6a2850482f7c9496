//! The pool of warm instances.
//!
//! Owns the idle instances, and when an instance is retired. Must not know what an instance
//! computes, or which call may take one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::manifest::{Instances, Isolation};

/// Instance that a pool keeps between calls: of a component, or of a script.
pub(super) trait Pooled {
    /// Returns true if the instance may serve another call.
    fn is_reusable(&self) -> bool;

    /// Returns the number of calls that the instance has served.
    fn invocations(&self) -> u64;

    /// Returns the time since the instance was created.
    fn age(&self) -> Duration;
}

/// Pool of the idle instances of one scorer.
pub(super) struct Pool<I> {
    /// Instances that serve no call now. The instance that was used last is taken first, because
    /// its memory is still in the CPU caches.
    idle: Mutex<Vec<I>>,
    isolation: Isolation,
    max_invocations: u64,
    max_age: Duration,
}

impl<I: Pooled> Pool<I> {
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
    pub(super) fn take(&self) -> Option<I> {
        loop {
            let instance = self.lock().pop()?;
            // An instance that is too old is dropped here, outside of the lock, because that takes
            // microseconds.
            if !self.is_due(&instance) {
                return Some(instance);
            }
        }
    }

    /// Returns an instance to the pool for the next call. Drops the instance if it may not serve
    /// another call.
    pub(super) fn put_back(&self, instance: I) {
        if self.is_warm() && instance.is_reusable() && !self.is_due(&instance) {
            self.lock().push(instance);
        }
    }

    fn is_due(&self, instance: &I) -> bool {
        instance.invocations() >= self.max_invocations
            || (self.max_age < Duration::MAX && instance.age() >= self.max_age)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<I>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
