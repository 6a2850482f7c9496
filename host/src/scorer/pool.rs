//! Warm instances, and how many calls may run and wait.
//!
//! Owns admission, the shelf of idle instances, and when one is retired. Must not know what an instance does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::instance::Instance;
use crate::manifest::{Instances, Isolation};
use crate::timer;

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

/// A place for one call, running or waiting; given back when it is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// A call's turn to have an instance; given back when it is dropped.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Pool {
    /// For `most` calls that run, and `queue` that wait.
    pub(super) fn new(most: usize, queue: usize, instances: &Instances) -> Self {
        Self {
            running: Arc::new(Semaphore::new(most)),
            admitted: Arc::new(Semaphore::new(most.saturating_add(queue).min(Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::with_capacity(most)),
            isolation: instances.isolation,
            max_invocations: instances.max_invocations.unwrap_or(u64::MAX),
            max_age: instances.max_age.unwrap_or(Duration::MAX),
        }
    }

    /// A place, unless as many calls wait already as may.
    pub(super) fn enter(&self) -> Option<Place> {
        Arc::clone(&self.admitted).try_acquire_owned().ok().map(Place)
    }

    /// Waits, in order of arrival, for a turn; `None` if the deadline passes before.
    pub(super) async fn turn(&self, deadline: Instant) -> Option<Turn> {
        let waiting = Arc::clone(&self.running).acquire_owned();
        // The semaphore is never closed.
        timer::until(deadline, waiting).await?.ok().map(Turn)
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
