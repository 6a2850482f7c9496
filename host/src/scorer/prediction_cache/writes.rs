//! Queue of the answers that wait to be written to the store.
//!
//! Owns the limit on their total size, and that answers which wait at the same time are written in
//! one round trip. Must not know what an entry looks like.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::claim::Claim;
use super::entry::{ANSWER_BYTES, ANSWER_COST_BYTES, Key};
use crate::scorer::output::Output;

/// Maximum total size of the answers that wait to be written to the store or are being written, in
/// bytes. Further answers are dropped.
///
/// This limits how much memory of the host is used because of a slow store. The limit is in bytes
/// and not in entries: on a busy machine the writer may not run for a while, and small answers
/// should not be lost because of that.
const WAITING_BYTES: u64 = 16 << 20;

/// Maximum number of cache entries that are written to the store in one round trip. The commands of
/// all other calls wait for the end of this round trip.
const BATCH: usize = 256;

/// An answer that is to be written to the store.
pub struct Kept {
    /// Cache key of the answer.
    pub key: Key,
    /// Answer to be written.
    pub output: Arc<Output>,
    /// Claim of this process on the computation of the answer. The claim is released when the
    /// answer is written or dropped. `None` if the answer was computed without a claim.
    pub claim: Option<Claim>,
}

/// Queue of the answers that wait to be written to the store.
///
/// Answers that arrive during a write are written together in the next round trip. If they were
/// written one by one, each of them would cost a task and a write to the socket.
#[derive(Default)]
pub struct Writes(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    waiting: Vec<Kept>,
    waiting_bytes: u64,
    /// Total size of the answers that are being written, in bytes. `None` if no [`Writer`] works.
    writing: Option<u64>,
}

impl Kept {
    /// Returns the approximate size of the memory that the answer takes, in bytes.
    fn bytes(&self) -> u64 {
        self.output.held_bytes() as u64 + ANSWER_COST_BYTES
    }
}

impl Writes {
    /// Adds an answer to the queue, unless the queue is full. If this function returns a writer,
    /// the caller must use the writer to write the answer and all answers that arrive meanwhile.
    /// Returns `None` if another writer writes the answer, or if the queue is full.
    pub fn add(self: &Arc<Self>, kept: Kept) -> Option<Writer> {
        let mut pending = self.lock();
        if pending.waiting_bytes + pending.writing.unwrap_or(0) + kept.bytes() > WAITING_BYTES {
            return None;
        }
        pending.waiting_bytes += kept.bytes();
        pending.waiting.push(kept);
        if pending.writing.is_some() {
            return None;
        }
        pending.writing = Some(0);
        Some(Writer {
            writes: Arc::clone(self),
            is_done: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // The state is consistent after each change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to write the answers of a queue to the store. At most one writer of a queue works at
/// a time.
pub struct Writer {
    writes: Arc<Writes>,
    is_done: bool,
}

impl Writer {
    /// Returns the answers to be written next, or `None` if no answer waits. After `None` this
    /// writer is done, and [`Writes::add`] returns a new writer for the next answer.
    ///
    /// Returns at most `BATCH` answers with at most `ANSWER_BYTES` bytes in total, because the
    /// commands of all other calls wait until they are written.
    pub fn next(&mut self) -> Option<Vec<Kept>> {
        let mut pending = self.writes.lock();
        let mut bytes = 0;
        let fits = pending.waiting.iter().take(BATCH).take_while(|kept| {
            bytes += kept.output.bytes();
            bytes <= ANSWER_BYTES
        });
        let count = fits.count().max(1).min(pending.waiting.len());
        let outputs = Some(pending.waiting.drain(..count).collect::<Vec<_>>())
            .filter(|outputs| !outputs.is_empty());
        pending.writing = outputs
            .as_ref()
            .map(|outputs| outputs.iter().map(Kept::bytes).sum());
        pending.waiting_bytes -= pending.writing.unwrap_or(0);
        self.is_done = outputs.is_none();
        outputs
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // If the writer ended early, for any reason, the next answer still gets a writer.
        if !self.is_done {
            self.writes.lock().writing = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry;
    use super::*;
    use crate::call::Payload;

    #[test]
    fn one_writes_what_comes_meanwhile_and_too_much_is_not_kept() {
        let writes = Arc::new(Writes::default());
        let add = |number: usize| {
            let key = entry::scorer([number.to_string().as_str()]);
            writes.add(Kept {
                key,
                output: Arc::new(Output::Tensors(Vec::new())),
                claim: None,
            })
        };
        let mut writer = add(0).unwrap();
        assert_eq!(writer.next().map(|outputs| outputs.len()), Some(1));
        let most = usize::try_from(WAITING_BYTES / ANSWER_COST_BYTES).unwrap();
        assert!(
            (1..2 * most).all(|number| add(number).is_none()),
            "there is a writer"
        );
        let batches: Vec<_> = std::iter::from_fn(|| writer.next())
            .map(|outputs| outputs.len())
            .collect();
        assert!(batches.iter().all(|count| *count <= BATCH), "{batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), most - 1);
        let cut_off = add(0).unwrap();
        drop(writer);
        assert!(
            add(1).is_none(),
            "the first writer was done, and the second is not"
        );
        drop(cut_off);
        let mut writer = add(2).unwrap();
        assert_eq!(writer.next().map(|outputs| outputs.len()), Some(3));

        let add = |bytes: usize| {
            let payload = Payload {
                content_type: String::new(),
                body: vec![0; bytes].into(),
            };
            let output = Arc::new(Output::Payload(payload));
            writes.add(Kept {
                key: entry::scorer(["large"]),
                output,
                claim: None,
            })
        };
        for bytes in [1, ANSWER_BYTES, ANSWER_BYTES - 1, 1, 1] {
            assert!(add(bytes).is_none());
        }
        let batches: Vec<_> = std::iter::from_fn(|| writer.next())
            .map(|outputs| outputs.len())
            .collect();
        assert_eq!(batches, [1, 1, 2, 1]);
    }
}
