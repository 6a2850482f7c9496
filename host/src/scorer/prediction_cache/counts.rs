//! How answers came about, as measurements in the log.
//!
//! Owns the counting and when it is told: at most once a minute, since a line for each call would cost more than a hit.
//! Must not know what an answer is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::CacheStatus;

/// Between two measurements.
const PERIOD: Duration = Duration::from_secs(60);

/// Answers since the last measurement.
pub struct Counts {
    by_status: [AtomicU64; 3],
    started: Instant,
    /// Seconds from `started` to the next measurement.
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
    /// Counts an answer.
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
            // Whoever comes meanwhile has nothing to tell.
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
                tracing::info!(metric = "prediction_cache.answers", count, status, "measured");
            }
        }
    }
}

/// What is left when the cache ends.
impl Drop for Counts {
    fn drop(&mut self) {
        self.tell();
    }
}
