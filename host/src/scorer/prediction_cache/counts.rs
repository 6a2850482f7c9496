//! Counts of answers by their origin, as measurements in the log.
//!
//! Owns the counting, and when the counts are logged: at most once a minute, because a line for
//! each call would cost more than reading an answer from the cache. Must not know what an answer
//! is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::call::CacheStatus;

/// Minimum time between two reports of the prediction cache's counts in the log, until the cache is
/// dropped.
const PERIOD: Duration = Duration::from_secs(60);

/// Number of answers of the prediction cache since the counts were last logged, by cache status.
pub struct Counts {
    by_status: [AtomicU64; 3],
    started: Instant,
    /// Time from `started` until the counts are logged next, in seconds.
    due_s: AtomicU64,
    telling: Mutex<()>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            by_status: Default::default(),
            started: Instant::now(),
            due_s: AtomicU64::new(PERIOD.as_secs()),
            telling: Mutex::default(),
        }
    }
}

impl Counts {
    /// Counts an answer with the given cache status. Logs the counts if they were last logged at
    /// least a minute ago.
    pub fn count(&self, status: CacheStatus) {
        let [hits, misses, collapsed] = &self.by_status;
        let count = match status {
            CacheStatus::Hit => hits,
            CacheStatus::Miss => misses,
            CacheStatus::Collapsed => collapsed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let now = self.started.elapsed().as_secs();
        if now >= self.due_s.load(Ordering::Relaxed)
            // If another thread logs at this moment, there is nothing left to log.
            && let Ok(_telling) = self.telling.try_lock()
        {
            self.due_s.store(now + PERIOD.as_secs(), Ordering::Relaxed);
            self.tell();
        }
    }

    fn tell(&self) {
        for (count, status) in self.by_status.iter().zip(["hit", "miss", "collapsed"]) {
            let count = count.swap(0, Ordering::Relaxed);
            if count > 0 {
                tracing::info!(
                    metric = "prediction_cache.answers",
                    count,
                    status,
                    "measured"
                );
            }
        }
    }
}

/// Logs the remaining counts when the prediction cache is dropped.
impl Drop for Counts {
    fn drop(&mut self) {
        self.tell();
    }
}
