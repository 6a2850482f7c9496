//! Warm instances.
//!
//! Owns the shelf of idle instances, and when one is retired. Must not know what an instance does, or who may have one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::instance::Instance;
use crate::manifest::{Instances, Isolation};

/// The pool of one scorer.
pub(super) struct Pool {
    /// Used last, taken first: its memory is still in the caches.
    idle: Mutex<Vec<Instance>>,
    isolation: Isolation,
    max_invocations: u64,
    max_age: Duration,
}

impl Pool {
    /// Makes the pool of a scorer of which `most` calls may execute at a time.
    pub(super) fn new(most: usize, instances: &Instances) -> Self {
        Self {
            idle: Mutex::new(Vec::with_capacity(most)),
            isolation: instances.isolation,
            max_invocations: instances.max_invocations.unwrap_or(u64::MAX),
            max_age: instances.max_age.unwrap_or(Duration::MAX),
        }
    }

    /// True if instances are used again.
    pub(super) fn is_warm(&self) -> bool {
        self.isolation == Isolation::Warm
    }

    /// An idle instance, if there is one. Whoever takes one has a turn, so there are never more than turns.
    pub(super) fn take(&self) -> Option<Instance> {
        loop {
            let instance = self.lock().pop()?;
            // Dropped here if it is too old: outside the lock, for that takes microseconds.
            if !self.is_due(&instance) {
                return Some(instance);
            }
        }
    }

    /// Keeps an instance for the next call, or retires it.
    pub(super) fn put_back(&self, instance: Instance) {
        if self.is_warm() && instance.is_reusable() && !self.is_due(&instance) {
            self.lock().push(instance);
        }
    }

    fn is_due(&self, instance: &Instance) -> bool {
        instance.invocations() >= self.max_invocations
            || (self.max_age < Duration::MAX && instance.age() >= self.max_age)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
