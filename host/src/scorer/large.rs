//! Large calls: calls whose body or answer takes long to read, to score or to write.
//!
//! Owns how many large calls are in memory in decoded form, and how many execute, so that small
//! calls always find an instance. Also owns which calls are refused because they could not be
//! answered before their deadline. Must not know what a body means.
//!
//! A large call is judged by its bytes. The rate at which large calls are finished is measured
//! while there are any. If a call would be answered too late, it is refused before it costs
//! anything, instead of failing after it was computed.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::timer;

/// Fraction of the time until its deadline that a large call may be expected to take. A call that
/// is expected to take longer is not admitted. The rest of the time is a margin, because the
/// expectation, which comes from the measured rate of earlier calls, may be wrong.
const USABLE: f64 = 0.7;

/// Interval at which the host checks again whether a waiting large call can be answered before its
/// deadline. When the call was admitted, the measured rate of large calls may have been unknown or
/// different.
const JUDGE_AGAIN: Duration = Duration::from_millis(100);

/// Total size of the answered bodies at which the measurements of the rate of large calls are
/// halved, in bytes. Halving them gives older measurements less weight than newer ones.
const MEMORY_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// Measured time at which the measurements of the rate of large calls are halved. Halving them
/// gives older measurements less weight than newer ones, so a slow minute soon has no more effect.
const MEMORY_TIME: Duration = Duration::from_secs(10);

/// Limits on the large calls of one scorer: those whose body or answer exceeds 64 KiB. Only some
/// large calls are admitted, and only some of these are decoded and execute at a time.
pub(super) struct Large {
    /// Permits for large calls whose tensors or answer may be in memory at a time. There is one
    /// permit for each large call that may execute, and one more for each CPU core.
    decoded: Arc<Semaphore>,
    /// Permits for large calls to execute. There are half as many permits, rounded up, as calls
    /// that may execute at a time.
    executing: Arc<Semaphore>,
    load: Arc<Mutex<Load>>,
}

/// A large call that was admitted. The call counts as load until this value is dropped.
pub(super) struct Admitted {
    load: Arc<Mutex<Load>>,
    bytes: u64,
    /// Value that [`Load::departed_bytes`] will have when every earlier call has ended. Its
    /// difference from the current value of [`Load::departed_bytes`] is the number of bytes ahead
    /// of this call.
    turn: u64,
    finished: bool,
}

/// Reason why a large call was not allowed to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// The deadline of the call passed while the call waited.
    Late,
    /// At the rate that was measured while the call waited, the call would be answered after its
    /// deadline.
    Hopeless,
}

/// Permit for one large call to decode its body, to execute, or to encode its answer. Dropping this
/// value releases the permit.
pub(super) struct Slot(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Large calls that are in progress, and the rate at which large calls have been answered.
#[derive(Debug, Default)]
struct Load {
    calls: u64,
    bytes: u64,
    /// Total size of the bodies of all large calls that have ended, whether they were answered or
    /// not, in bytes.
    departed_bytes: u64,
    /// Time up to which the duration of the large calls in progress was added to `busy`. `None` if
    /// no large call is in progress.
    since: Option<Instant>,
    busy: Duration,
    finished_bytes: f64,
}

impl Large {
    /// Creates the limits on large calls for a machine with `cores` CPU cores and a scorer that
    /// executes at most `max_concurrency` calls at a time.
    pub(super) fn new(cores: usize, max_concurrency: usize) -> Self {
        let executing = max_concurrency.div_ceil(2).max(1);
        let slots = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            decoded: slots(executing.saturating_add(cores)),
            executing: slots(executing),
            load: Arc::default(),
        }
    }

    /// Returns true if a call with a body of `bytes` bytes is expected to be answered within
    /// `time`, with a margin. Calls with bodies of `waiting_bytes` bytes in total are answered
    /// first. Always returns true while no large call is in progress, and while no rate was
    /// measured.
    pub(super) fn is_in_time(&self, bytes: u64, waiting_bytes: u64, time: Duration) -> bool {
        self.load()
            .is_in_time(bytes.saturating_add(waiting_bytes), time)
    }

    /// Admits a large call with a body of `bytes` bytes. Returns `None` if the call is not expected
    /// to be answered within `time`, with a margin. Always admits the call if no other large call
    /// is in progress, or if no rate was measured yet.
    pub(super) fn enter(&self, bytes: u64, time: Duration) -> Option<Admitted> {
        let mut load = self.load();
        if !load.is_in_time(bytes, time) {
            return None;
        }
        load.count();
        let turn = load.departed_bytes.saturating_add(load.bytes);
        load.calls += 1;
        load.bytes = load.bytes.saturating_add(bytes);
        load.since = Some(Instant::now());
        Some(Admitted {
            load: Arc::clone(&self.load),
            bytes,
            turn,
            finished: false,
        })
    }

    /// Waits for a permit to decode a large call. Permits are given in order of arrival. The call
    /// must hold the permit until its answer is encoded.
    ///
    /// # Errors
    /// Fails if the deadline passes during the wait, or if the call is no longer expected to be
    /// answered before the deadline.
    pub(super) async fn decode(
        &self,
        admitted: &Admitted,
        deadline: Instant,
    ) -> Result<Slot, NoTurn> {
        let mut turn = pin!(Arc::clone(&self.decoded).acquire_owned());
        loop {
            let until = deadline.min(Instant::now() + JUDGE_AGAIN);
            if let Some(permit) = timer::until(until, turn.as_mut()).await {
                // The semaphore is never closed, so this is never an error.
                return permit.map(Slot).map_err(|_| NoTurn::Late);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoTurn::Late);
            }
            if !admitted.is_still_in_time(left) {
                return Err(NoTurn::Hopeless);
            }
        }
    }

    /// Waits for a permit to encode a large answer to a small call. Permits are given in order of
    /// arrival. Returns `None` if the deadline passes first.
    pub(super) async fn encode(&self, deadline: Instant) -> Option<Slot> {
        slot(&self.decoded, deadline).await
    }

    /// Waits for a permit to execute a large call. Permits are given in order of arrival. Returns
    /// `None` if the deadline passes first.
    pub(super) async fn execute(&self, deadline: Instant) -> Option<Slot> {
        slot(&self.executing, deadline).await
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        lock(&self.load)
    }
}

async fn slot(slots: &Arc<Semaphore>, deadline: Instant) -> Option<Slot> {
    // The semaphore is never closed, so this is never an error.
    timer::until(deadline, Arc::clone(slots).acquire_owned())
        .await?
        .ok()
        .map(Slot)
}

fn lock(load: &Mutex<Load>) -> MutexGuard<'_, Load> {
    // The state consists of numbers that are consistent after every statement.
    load.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Admitted {
    /// Returns true if this call, and all large calls that were admitted before it, are expected to
    /// be answered within `time`.
    fn is_still_in_time(&self, time: Duration) -> bool {
        let load = lock(&self.load);
        let ahead = self.turn.saturating_sub(load.departed_bytes);
        load.seconds(ahead.saturating_add(self.bytes))
            .is_none_or(|seconds| seconds <= time.as_secs_f64())
    }

    /// Records that the call was answered, so that its bytes count towards the measured rate.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut load = lock(&self.load);
        load.count();
        load.calls = load.calls.saturating_sub(1);
        load.bytes = load.bytes.saturating_sub(self.bytes);
        load.departed_bytes = load.departed_bytes.saturating_add(self.bytes);
        load.since = (load.calls > 0).then(Instant::now);
        if self.finished {
            load.finished(self.bytes);
        }
    }
}

impl Load {
    /// Adds the time since the last change of the load to the busy time, if large calls were in
    /// progress during this time. Halves the measurements if they have reached `MEMORY_TIME` or
    /// `MEMORY_BYTES`.
    fn count(&mut self) {
        if let Some(since) = self.since.take() {
            self.busy += since.elapsed();
        }
        if self.busy > MEMORY_TIME || self.finished_bytes > MEMORY_BYTES {
            self.finished_bytes /= 2.0;
            self.busy /= 2;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn finished(&mut self, bytes: u64) {
        self.finished_bytes += bytes as f64;
    }

    fn is_in_time(&self, more: u64, time: Duration) -> bool {
        // One call has to be admitted, or nothing would ever be measured.
        let seconds = self
            .seconds(self.bytes.saturating_add(more))
            .filter(|_| self.calls > 0);
        seconds.is_none_or(|seconds| seconds <= time.as_secs_f64() * USABLE)
    }

    /// Returns the time that calls with bodies of `bytes` bytes in total take at the measured rate,
    /// in seconds. Returns `None` if no rate was measured yet.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn seconds(&self, bytes: u64) -> Option<f64> {
        let busy = self.busy + self.since.map_or(Duration::ZERO, |since| since.elapsed());
        (self.finished_bytes > 0.0).then(|| bytes as f64 * busy.as_secs_f64() / self.finished_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns limits on large calls with a measured rate of 10 MB per second.
    fn measured() -> Large {
        let large = Large::new(2, 8);
        *large.load() = Load {
            busy: Duration::from_secs(1),
            finished_bytes: 10e6,
            ..Load::default()
        };
        large
    }

    #[test]
    fn a_call_that_would_be_late_is_refused_at_once() {
        let large = measured();
        let second = Duration::from_secs(1);
        // The first call is always admitted, or a slow scorer would never answer again.
        let first = large.enter(9_000_000, second).unwrap();
        assert!(!large.is_in_time(1, 0, second));
        assert!(large.enter(1, second).is_none());
        assert!(large.is_in_time(9_000_000, 0, 4 * second));
        assert!(!large.is_in_time(9_000_000, 20_000_000, 4 * second));
        drop(first);
        assert!(large.enter(1, second).is_some());
    }

    #[test]
    fn nothing_is_refused_before_a_rate_is_known() {
        let large = Large::new(2, 8);
        let _many: Vec<_> = (0..100)
            .map(|_| large.enter(8 << 20, Duration::from_millis(1)).unwrap())
            .collect();
    }

    #[test]
    fn failed_calls_take_time_and_give_nothing() {
        let large = measured();
        large
            .enter(1_000_000, Duration::from_secs(1))
            .unwrap()
            .finish();
        let after_success = large.load().finished_bytes;
        drop(large.enter(1_000_000, Duration::from_secs(1)));
        assert!((large.load().finished_bytes - after_success).abs() < 1.0);
        assert!((after_success - 11e6).abs() < 1.0);
    }

    #[tokio::test]
    async fn half_of_the_instances_stay_for_small_calls() {
        let large = Large::new(2, 8);
        let soon = Instant::now() + Duration::from_millis(20);
        let mut held = Vec::new();
        while let Some(slot) = large.execute(soon).await {
            held.push(slot);
        }
        assert_eq!(held.len(), 4);
        let mut held = Vec::new();
        while let Some(slot) = large.encode(soon).await {
            held.push(slot);
        }
        assert_eq!(held.len(), 6);
    }

    #[tokio::test]
    async fn a_call_that_waits_in_vain_is_refused_when_that_is_known() {
        let large = Large::new(0, 1);
        let time = Duration::from_secs(15);
        let enter = || large.enter(10_000_000, time).unwrap();
        let (first, second, third) = (enter(), enter(), enter());
        let slot = large.decode(&first, Instant::now() + time).await.unwrap();
        let wait = large.decode(&third, Instant::now() + time);
        let learn = async {
            // Ten megabytes took nine seconds: the second call is in time, and the third is not.
            large.load().busy = Duration::from_secs(9);
            first.finish();
        };
        let (waited, ()) = tokio::join!(wait, learn);
        assert_eq!(waited.err(), Some(NoTurn::Hopeless));
        drop(slot);
        assert!(large.decode(&second, Instant::now() + time).await.is_ok());
    }
}
