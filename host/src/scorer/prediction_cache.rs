//! The prediction cache: returns answers that were computed before. An answer that is in the cache
//! costs at most one round trip to the store, and no call of the guest.
//!
//! Owns which call computes an answer that several calls need at the same time, and where the
//! answer is looked up first: in this process, then in the store. An answer depends on nothing but
//! its key, so neither place can hold a stale one. Must not know how an answer is computed.

mod claim;
mod counts;
pub mod entry;
mod expected;
mod identity;
mod parts;
mod writes;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::claim::{Claim, Claimed, FIRST_LOOK, LAST_LOOK};
use self::counts::Counts;
pub use self::expected::{Expected, RefusedEntry};
pub use self::identity::Identity;

use self::entry::{ANSWER_COST_BYTES, Key};
use self::writes::{Kept, Writes};
use super::output::Output;
use crate::call::CacheStatus;
use crate::capability::Answers;
use crate::error::ScoreFailure;
use crate::manifest::PredictionCacheSection;
use crate::timer;

/// Maximum number of characters that are logged about a problem with a cache entry. The text is cut
/// because an entry can hold a text of any length.
const PROBLEM_CHARACTERS: usize = 300;

/// An answer that several calls with equal inputs share, or the reason why there is no answer.
type Answered = Result<Arc<Output>, ScoreFailure>;

/// Answers that are being computed, by cache key. The value is the sender that sends the answer to
/// other calls that wait for it, or `None` if no other call waits.
type Flights = HashMap<Key, Option<watch::Sender<Option<Answered>>>>;

/// Prediction cache of one scorer. It keeps answers in memory and in a store, and returns them for
/// equal inputs.
pub struct PredictionCache {
    /// Digest of the scorer's code, model and settings. The digest is part of every cache key.
    scorer: Key,
    answers: Answers,
    expected: Expected,
    section: PredictionCacheSection,
    near: Option<Arc<Memory>>,
    flights: Mutex<Flights>,
    writes: Arc<Writes>,
    counts: Counts,
}

type Memory = quick_cache::sync::Cache<Key, Near, Bytes>;

/// An answer in the memory of this process, with the time until which it is valid.
#[derive(Clone)]
struct Near {
    output: Arc<Output>,
    until: Instant,
}

/// Weighter of the cache in memory, which counts the bytes of each answer.
#[derive(Clone)]
struct Bytes;

impl quick_cache::Weighter<Key, Near> for Bytes {
    fn weight(&self, _key: &Key, near: &Near) -> u64 {
        near.output.held_bytes() as u64 + ANSWER_COST_BYTES
    }
}

impl PredictionCache {
    /// Creates the prediction cache of the scorer with the digest `scorer`. `answers` is the store
    /// of the cache, `expected` are the scorer's outputs, and `section` is `[prediction_cache]` of
    /// the manifest.
    #[must_use]
    pub fn new(
        scorer: Key,
        answers: Answers,
        expected: Expected,
        section: PredictionCacheSection,
    ) -> Self {
        let near = (section.memory_bytes > 0).then(|| {
            let entries = usize::try_from(section.memory_bytes / (4 * ANSWER_COST_BYTES))
                .unwrap_or(usize::MAX);
            Arc::new(Memory::with_weighter(
                entries.min(1 << 16),
                section.memory_bytes,
                Bytes,
            ))
        });
        if let Some(near) = &near {
            let near = Arc::clone(near);
            answers.watch(move |name| forget(&near, name));
        }
        let (writes, counts) = (Arc::new(Writes::default()), Counts::default());
        Self {
            scorer,
            answers,
            expected,
            section,
            near,
            flights: Mutex::default(),
            writes,
            counts,
        }
    }

    /// Returns the digest of the scorer's code, model and settings, which is part of every cache
    /// key.
    #[must_use]
    pub fn scorer(&self) -> &Key {
        &self.scorer
    }

    /// Returns the answer for `key`: from the cache, from another call that is computing it, or
    /// from `compute`. Also returns the cache status, which says from which of these the answer
    /// came.
    ///
    /// `compute` is called at most once, and only if neither the cache nor another call has the
    /// answer. `compute` is a closure so that its large future is created only then.
    ///
    /// # Errors
    /// Fails with the failure of `compute`, or of the `compute` of another call that this call
    /// waited for. If that other call timed out or was refused because the host is too busy, this
    /// call tries again. Fails with `timed_out` if the answer of another call did not come before
    /// `deadline`.
    pub async fn answer<F: Future<Output = Result<Output, ScoreFailure>>>(
        &self,
        key: Key,
        deadline: Instant,
        timed_out: impl Fn() -> ScoreFailure,
        compute: impl FnOnce() -> F,
    ) -> Result<(Arc<Output>, CacheStatus), ScoreFailure> {
        let answered = self
            .answer_uncounted(key, deadline, timed_out, compute)
            .await;
        if let Ok((_, status)) = &answered {
            self.counts.count(*status);
        }
        answered
    }

    async fn answer_uncounted<F: Future<Output = Result<Output, ScoreFailure>>>(
        &self,
        key: Key,
        deadline: Instant,
        timed_out: impl Fn() -> ScoreFailure,
        compute: impl FnOnce() -> F,
    ) -> Result<(Arc<Output>, CacheStatus), ScoreFailure> {
        let lead = loop {
            if let Some(output) = self.near(&key) {
                return Ok((output, CacheStatus::Hit));
            }
            let mut flight = match self.join(key) {
                Role::Lead(lead) => break lead,
                Role::Follow(flight) => flight,
            };
            let answered = timer::until(deadline, flight.wait_for(Option::is_some))
                .await
                .ok_or_else(&timed_out)?;
            match answered.ok().and_then(|answered| answered.clone()) {
                Some(Ok(output)) => return Ok((output, CacheStatus::Collapsed)),
                // The other call, which computed the answer, ran out of time, or was refused
                // because too many calls waited. This call may have more time, or be admitted now.
                Some(Err(ScoreFailure::TimedOut { .. } | ScoreFailure::Saturated)) | None => {}
                Some(Err(failure)) => return Err(failure),
            }
        };
        let mut is_refused = false;
        let stored = self.stored(&key, deadline, &mut is_refused).await;
        let mut kept = stored.map(|output| (output, CacheStatus::Hit));
        let mut claim = None;
        if let (None, Some(time)) = (&kept, self.section.claim) {
            match self.claim(key, time, deadline, &mut is_refused).await {
                Claimed::Ours(ours) => claim = Some(ours),
                Claimed::Kept(output) => kept = Some((output, CacheStatus::Collapsed)),
                Claimed::Nobodys => {}
            }
        }
        if let Some((output, status)) = kept {
            let output = Arc::new(output);
            self.keep_near(key, &output);
            lead.land(Ok(Arc::clone(&output)));
            return Ok((output, status));
        }
        let computed = compute().await.map(Arc::new);
        if let Ok(output) = &computed
            && output.bytes() <= entry::ANSWER_BYTES
            && self.expected.takes_back(output)
        {
            self.keep_near(key, output);
            self.store(key, Arc::clone(output), claim);
        }
        lead.land(computed.clone());
        computed.map(|output| (output, CacheStatus::Miss))
    }

    fn join(&self, key: Key) -> Role<'_> {
        match self.lock().entry(key) {
            Entry::Occupied(mut flight) => {
                let waiting = flight
                    .get_mut()
                    .get_or_insert_with(|| watch::Sender::new(None));
                Role::Follow(waiting.subscribe())
            }
            Entry::Vacant(flight) => {
                flight.insert(None);
                Role::Lead(Lead {
                    cache: self,
                    key,
                    answered: None,
                })
            }
        }
    }

    /// Claims the computation of an answer among all host processes that share the store, or waits
    /// for the process that has the claim. The wait ends after `time`, or at the deadline if that
    /// is earlier. `is_refused` is set to true when the refusal of a store entry is logged, so that
    /// one call logs it only once.
    async fn claim(
        &self,
        key: Key,
        time: Duration,
        deadline: Instant,
        is_refused: &mut bool,
    ) -> Claimed {
        let name = hex::encode(key);
        let patience = (Instant::now() + time).min(deadline);
        let mut pause = FIRST_LOOK;
        loop {
            let started = Instant::now();
            let asked = timer::until(
                started + self.section.timeout,
                self.answers.claim(&name, time),
            )
            .await;
            match asked.flatten() {
                Some(true) => {
                    let ours = Claim::new(self.answers.clone(), name, started, time);
                    // The process that had the claim before may have written its entry after the
                    // last check of the store.
                    return match self.stored(&key, deadline, is_refused).await {
                        Some(output) => Claimed::Kept(output),
                        None => Claimed::Ours(ours),
                    };
                }
                Some(false) if Instant::now() < patience => {}
                Some(false) | None => return Claimed::Nobodys,
            }
            let next_look = (Instant::now() + pause).min(patience);
            timer::until(next_look, std::future::pending::<()>()).await;
            pause = (pause * 2).min(LAST_LOOK);
            if let Some(output) = self.stored(&key, deadline, is_refused).await {
                return Claimed::Kept(output);
            }
        }
    }

    /// Returns the answer for `key` from the store. Returns `None` if the store does not respond in
    /// time, or does not have an answer that this scorer could have given.
    ///
    /// Others can write to the store, so an entry is checked like an answer of the scorer. A
    /// refused entry counts as absent, and the computed answer replaces it. `is_refused` is set to
    /// true when a refusal is logged, so that a call that looks into the store several times logs
    /// the refusal only once.
    async fn stored(&self, key: &Key, deadline: Instant, is_refused: &mut bool) -> Option<Output> {
        let patience = Instant::now() + self.section.timeout;
        let name = hex::encode(key);
        let found = self.answers.get(&name, entry::ENTRY_BYTES + 1);
        let found = timer::until(patience.min(deadline), found).await??;
        let output = entry::read(key, found).ok_or(RefusedEntry::Damaged);
        match output.and_then(|output| self.expected.checked(output)) {
            Ok(output) => Some(output),
            Err(refusal) => {
                if !std::mem::replace(is_refused, true) {
                    let problem = refusal.to_string();
                    let problem: String = problem.chars().take(PROBLEM_CHARACTERS).collect();
                    tracing::warn!(
                        problem,
                        "an entry of the prediction cache is refused; its answer is computed again"
                    );
                }
                None
            }
        }
    }

    /// Writes an answer to the store in the background, so that the caller does not wait for the
    /// store. Drops the answer if the queue of writes is full, or if its entry would be refused
    /// when it is read. `claim` is released when the answer is written or dropped.
    fn store(&self, key: Key, output: Arc<Output>, claim: Option<Claim>) {
        let Some(mut writer) = self.writes.add(Kept { key, output, claim }) else {
            return;
        };
        let (answers, ttl) = (self.answers.clone(), self.section.ttl);
        tokio::spawn(async move {
            while let Some(kept) = writer.next() {
                let entry = |Kept { key, output, .. }: &Kept| {
                    Some((hex::encode(key), entry::write(key, output)?))
                };
                let entries = kept.iter().filter_map(entry);
                answers.put(entries.collect(), ttl).await;
                // The claim is released only after the write, so that other processes that wait for
                // the entry find the entry first.
                kept.into_iter().for_each(|Kept { claim, .. }| drop(claim));
            }
        });
    }

    fn near(&self, key: &Key) -> Option<Arc<Output>> {
        let near = self.near.as_ref()?.get(key)?;
        (Instant::now() < near.until).then_some(near.output)
    }

    fn keep_near(&self, key: Key, output: &Arc<Output>) {
        /// Maximum time for which an answer is returned from memory. If an operator removes an
        /// entry from a store that does not report changes, its answer is not returned after this
        /// time.
        const LONGEST: Duration = Duration::from_secs(60);
        if let Some(near) = &self.near {
            let until = Instant::now() + self.section.ttl.min(LONGEST);
            near.insert(
                key,
                Near {
                    output: Arc::clone(output),
                    until,
                },
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flights> {
        // Insertions and removals are never half done.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the answer whose store entry has the name `name` from memory, or all answers if `name`
/// is `None`. An answer that an operator removed from the store must not be returned from memory.
fn forget(near: &Memory, name: Option<&str>) {
    match name {
        None => near.clear(),
        Some(name) => {
            let mut key = Key::default();
            // Names of claims are not keys.
            if hex::decode_to_slice(name, &mut key).is_ok() {
                near.remove(&key);
            }
        }
    }
}

enum Role<'a> {
    Lead(Lead<'a>),
    Follow(watch::Receiver<Option<Answered>>),
}

/// Role of the call that computes an answer for all calls with the same cache key. After this value
/// is dropped, another call may take the role.
struct Lead<'a> {
    cache: &'a PredictionCache,
    key: Key,
    answered: Option<Answered>,
}

impl Lead<'_> {
    fn land(mut self, answered: Answered) {
        self.answered = Some(answered);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let waiting = self.cache.lock().remove(&self.key).flatten();
        // If there is no answer, the calls that wait notice that the sender was dropped, and one of
        // them computes the answer.
        if let (Some(waiting), Some(answered)) = (waiting, self.answered.take()) {
            waiting.send_replace(Some(answered));
        }
    }
}
