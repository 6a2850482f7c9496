//! Warm instances, and how many calls may run and wait.
//!
//! Owns admission and the shelf of idle instances. Must not know what an instance does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::instance::Instance;
use crate::deployment;
use crate::manifest::Limits;

/// The pool of one scorer.
pub(super) struct Pool {
    /// One permit for each call that may run.
    running: Arc<Semaphore>,
    /// One permit for each call that may run or wait.
    admitted: Arc<Semaphore>,
    /// Used last, taken first: its memory is still in the caches.
    idle: Mutex<Vec<Instance>>,
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
    pub(super) fn new(limits: &Limits) -> Self {
        let instances = limits.instances.unwrap_or_else(deployment::cores);
        Self {
            running: Arc::new(Semaphore::new(instances)),
            admitted: Arc::new(Semaphore::new(instances.saturating_add(limits.queue).min(Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::with_capacity(instances)),
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

    /// An idle instance, if there is one.
    pub(super) fn take(&self) -> Option<Instance> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps an instance for the next call.
    pub(super) fn put_back(&self, instance: Instance) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }
}
