//! Answers that have been given before: one round trip and no guest.
//!
//! Owns who computes an answer that several ask for at a time, and where it is looked for before: in this process, then in
//! the store. An answer depends on nothing but its key, so neither can be stale. Must not know what a call is.

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

use self::claim::{Claim, Claimed};
use self::counts::Counts;
pub use self::expected::Expected;
pub use self::identity::Identity;

use self::entry::Key;
use self::writes::{Kept, Writes};
use super::instance::Output;
use crate::capability::Answers;
use crate::error::ScoreFailure;
use crate::manifest::PredictionCacheSection;
use crate::timer;

/// What an answer costs in memory beside its bytes, about.
const ANSWER_COST_BYTES: u64 = 256;

/// Most of a problem with an entry that is logged: an entry can say anything, at any length.
const PROBLEM_CHARACTERS: usize = 300;

/// Where an answer came from, in the words of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// It was kept.
    Hit,
    /// It was computed for this call.
    Miss,
    /// It was computed for another that came a little earlier.
    Collapsed,
}

impl CacheStatus {
    /// The value of the header `Cache-Status`.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Hit => "scorebox; hit",
            Self::Miss => "scorebox; fwd=miss",
            Self::Collapsed => "scorebox; fwd=miss; collapsed",
        }
    }
}

/// An answer, shared by those who asked for it, or why there is none.
type Answered = Result<Arc<Output>, ScoreFailure>;

/// What is being computed; with those who wait for it too, of whom there are none as a rule.
type Flights = HashMap<Key, Option<watch::Sender<Option<Answered>>>>;

/// The cache of one scorer.
pub struct PredictionCache {
    /// Of code, model and settings.
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

/// An answer in this process's memory.
#[derive(Clone)]
struct Near {
    output: Arc<Output>,
    until: Instant,
}

/// Counts what answers in memory take.
#[derive(Clone)]
struct Bytes;

impl quick_cache::Weighter<Key, Near> for Bytes {
    fn weight(&self, _key: &Key, near: &Near) -> u64 {
        near.output.held_bytes() as u64 + ANSWER_COST_BYTES
    }
}

impl PredictionCache {
    /// A cache for the scorer with this digest.
    #[must_use]
    pub fn new(scorer: Key, answers: Answers, expected: Expected, section: PredictionCacheSection) -> Self {
        let near = (section.memory_bytes > 0).then(|| {
            let entries = usize::try_from(section.memory_bytes / (4 * ANSWER_COST_BYTES)).unwrap_or(usize::MAX);
            Arc::new(Memory::with_weighter(entries.min(1 << 16), section.memory_bytes, Bytes))
        });
        if let Some(near) = &near {
            let near = Arc::clone(near);
            answers.watch(move |name| forget(&near, name));
        }
        let (writes, counts) = (Arc::new(Writes::default()), Counts::default());
        Self { scorer, answers, expected, section, near, flights: Mutex::default(), writes, counts }
    }

    /// The digest of the scorer, for keys.
    #[must_use]
    pub fn scorer(&self) -> &Key {
        &self.scorer
    }

    /// An answer from the cache, or from another call that is computing it, or computed now: `compute` is called at most
    /// once, and only then makes its future, which is large.
    ///
    /// # Errors
    /// What `compute` gave, also for those who waited for it; `late` where its answer did not come before `deadline`.
    pub async fn answer<F: Future<Output = Result<Output, ScoreFailure>>>(
        &self,
        key: Key,
        deadline: Instant,
        late: impl Fn() -> ScoreFailure,
        compute: impl FnOnce() -> F,
    ) -> Result<(Arc<Output>, CacheStatus), ScoreFailure> {
        let answered = self.answer_uncounted(key, deadline, late, compute).await;
        if let Ok((_, status)) = &answered {
            self.counts.count(*status);
        }
        answered
    }

    async fn answer_uncounted<F: Future<Output = Result<Output, ScoreFailure>>>(
        &self,
        key: Key,
        deadline: Instant,
        late: impl Fn() -> ScoreFailure,
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
            let answered = timer::until(deadline, flight.wait_for(Option::is_some)).await.ok_or_else(&late)?;
            match answered.ok().and_then(|answered| answered.clone()) {
                Some(Ok(output)) => return Ok((output, CacheStatus::Collapsed)),
                // Whoever led had less time, or no place; there may be some left for this call.
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
                let waiting = flight.get_mut().get_or_insert_with(|| watch::Sender::new(None));
                Role::Follow(waiting.subscribe())
            }
            Entry::Vacant(flight) => {
                flight.insert(None);
                Role::Lead(Lead { cache: self, key, answered: None })
            }
        }
    }

    /// The answer in the store, if there is one that this scorer could have given. Others can write there, so an entry is
    /// checked as an answer of the scorer is; one that is refused counts as absent, and the computed answer replaces it.
    /// `is_refused` keeps a call that looks several times from logging this several times.
    async fn stored(&self, key: &Key, deadline: Instant, is_refused: &mut bool) -> Option<Output> {
        let patience = Instant::now() + self.section.timeout;
        let name = hex::encode(key);
        let found = self.answers.get(&name, entry::ENTRY_BYTES + 1);
        let found = timer::until(patience.min(deadline), found).await??;
        let output = entry::read(key, found).ok_or_else(|| "it is damaged, or written for another key".to_owned());
        match output.and_then(|output| self.expected.checked(output)) {
            Ok(output) => Some(output),
            Err(problem) => {
                if !std::mem::replace(is_refused, true) {
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

    /// In the background: the caller has its answer.
    fn store(&self, key: Key, output: Arc<Output>, claim: Option<Claim>) {
        let Some(mut writer) = self.writes.add(Kept { key, output, claim }) else { return };
        let (answers, ttl) = (self.answers.clone(), self.section.ttl);
        tokio::spawn(async move {
            while let Some(kept) = writer.next() {
                let entry = |Kept { key, output, .. }: &Kept| (hex::encode(key), entry::write(key, output));
                // What would not be read again is not written.
                let entries = kept.iter().map(entry).filter(|(_, entry)| entry.len() <= entry::ENTRY_BYTES);
                answers.put(entries.collect(), ttl).await;
                // Other instances that wait for an entry find it before its claim is given back.
                kept.into_iter().for_each(|Kept { claim, .. }| drop(claim));
            }
        });
    }

    fn near(&self, key: &Key) -> Option<Arc<Output>> {
        let near = self.near.as_ref()?.get(key)?;
        (Instant::now() < near.until).then_some(near.output)
    }

    fn keep_near(&self, key: Key, output: &Arc<Output>) {
        /// What an operator removes from a store that does not tell of it is gone after so long.
        const LONGEST: Duration = Duration::from_secs(60);
        if let Some(near) = &self.near {
            let until = Instant::now() + self.section.ttl.min(LONGEST);
            near.insert(key, Near { output: Arc::clone(output), until });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flights> {
        // An insertion or a removal is never half done.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operator removes from the store is not to be answered from memory.
fn forget(near: &Memory, name: Option<&str>) {
    match name {
        None => near.clear(),
        Some(name) => {
            let mut key = Key::default();
            // Names of claims are no keys.
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

/// Whoever computes; when it ends, however it ends, others may.
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
        // Without an answer, those who wait see the sender go, and one of them leads.
        if let (Some(waiting), Some(answered)) = (waiting, self.answered.take()) {
            waiting.send_replace(Some(answered));
        }
    }
}
