//! Warm instances, and how many calls may run and wait.
//!
//! Owns admission, the shelf of idle instances, and when one is retired. Must not know what an instance does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::instance::Instance;
use crate::deployment;
use crate::manifest::{Instances, Isolation, Limits};

/// The pool of one scorer.
pub(super) struct Pool {
    /// One permit for each call that may run.
    running: Arc<Semaphore>,
    /// One permit for each call that may run or wait.
    admitted: Arc<Semaphore>,
    /// Used last, taken first: its memory is still in the caches.
    idle: Mutex<Vec<Instance>>,
    isolation: Isolation,
    max_invocations: u64,
    max_age: Duration,
}

/// A place for one call; given back when it is dropped.
pub(super) struct Admission {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

/// Why there is no place.
pub(super) enum Refusal {
    /// As many calls wait already as may.
    Full,
    /// The deadline passed while waiting.
    TooLate,
}

impl Pool {
    pub(super) fn new(limits: &Limits, instances: &Instances) -> Self {
        let most = deployment::most_instances(limits);
        Self {
            running: Arc::new(Semaphore::new(most)),
            admitted: Arc::new(Semaphore::new(most.saturating_add(limits.queue).min(Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::with_capacity(most)),
            isolation: instances.isolation,
            max_invocations: instances.max_invocations.unwrap_or(u64::MAX),
            max_age: instances.max_age.unwrap_or(Duration::MAX),
        }
    }

    /// Waits, in order of arrival, for a place.
    pub(super) async fn admit(&self, deadline: Instant) -> Result<Admission, Refusal> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Refusal::Full)?;
        let waiting = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout_at(deadline.into(), waiting).await {
            Ok(Ok(running)) => Ok(Admission { _running: running, _admitted: admitted }),
            // The semaphore is never closed.
            Ok(Err(_)) => Err(Refusal::Full),
            Err(_) => Err(Refusal::TooLate),
        }
    }

    /// True if instances are used again.
    pub(super) fn is_warm(&self) -> bool {
        self.isolation == Isolation::Warm
    }

    /// An idle instance, if there is one. Whoever takes one holds a place, so there are never more than places.
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
