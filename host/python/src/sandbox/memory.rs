//! Limits on the memory of an interpreter: one of its own, and one that it shares with others.
//!
//! Owns the check of both limits, and which of them was reached. Must not know which other
//! interpreters share the limit.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

/// Maximum number of elements of the table of functions in an interpreter.
const TABLE_ELEMENTS: usize = 100_000;

/// Function that returns an instance's part in a memory limit that several instances share.
///
/// The shared limit counts only what an instance needs beyond the memory of the pack, because the
/// instances share the pages of the pack until they write to them.
pub type SharedLimit = Arc<dyn Fn() -> Box<dyn ResourceLimiter + Send + Sync> + Send + Sync>;

/// Limit on the memory of an interpreter, with the reason why it was last refused memory.
pub(crate) struct Limit {
    most_bytes: usize,
    shared: Option<Box<dyn ResourceLimiter + Send + Sync>>,
    /// Size of the linear memory and of the heap for exceptions together, in bytes.
    ///
    /// Bytes that were granted are never taken off, even if the system then does not have them.
    /// Wasmtime reports a failure also where nothing was granted, so a script could use such
    /// failures to lower this number.
    used_bytes: usize,
    refusal: Option<Refusal>,
}

/// Limit that an interpreter reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Limit on the memory of this interpreter alone.
    Own,
    /// Limit on the memory that this interpreter and others have together.
    Shared,
}

impl Limit {
    /// Creates a limit of `most_bytes` bytes.
    pub(crate) fn new(most_bytes: u64, shared: Option<&SharedLimit>) -> Self {
        Self {
            most_bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX),
            shared: shared.map(|shared| shared()),
            used_bytes: 0,
            refusal: None,
        }
    }

    pub(super) fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub(super) fn forget_refusal(&mut self) {
        self.refusal = None;
    }

    #[cfg(feature = "compiler")]
    pub(super) fn forbid_growth(&mut self) {
        self.most_bytes = self.used_bytes;
    }
}

impl ResourceLimiter for Limit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more_bytes = desired.saturating_sub(current);
        let used_bytes = self.used_bytes.saturating_add(more_bytes);
        if used_bytes > self.most_bytes {
            self.refusal = Some(Refusal::Own);
            return Ok(false);
        }
        // A memory begins with what all instances have.
        if let Some(shared) = self.shared.as_mut().filter(|_| current > 0)
            && !shared.memory_growing(current, desired, maximum)?
        {
            self.refusal = Some(Refusal::Shared);
            return Ok(false);
        }
        self.used_bytes = used_bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limit that grants growth up to a size.
    struct UpTo(usize);

    impl ResourceLimiter for UpTo {
        fn memory_growing(
            &mut self,
            _: usize,
            to: usize,
            _: Option<usize>,
        ) -> wasmtime::Result<bool> {
            Ok(to <= self.0)
        }

        fn table_growing(
            &mut self,
            _: usize,
            _: usize,
            _: Option<usize>,
        ) -> wasmtime::Result<bool> {
            Ok(true)
        }
    }

    fn grows(limit: &mut Limit, from: usize, to: usize) -> bool {
        limit.memory_growing(from, to, None).unwrap()
    }

    #[test]
    fn all_memories_of_an_interpreter_count_together() {
        let mut limit = Limit::new(100, None);
        assert!(grows(&mut limit, 0, 60));
        // The heap for exceptions is a memory of its own.
        assert!(grows(&mut limit, 0, 30));
        assert!(!grows(&mut limit, 60, 80));
        assert_eq!(limit.refusal(), Some(Refusal::Own));
        limit.forget_refusal();
        assert!(grows(&mut limit, 60, 70));
        // A failure that Wasmtime reports after a growth does not undo it.
        let failure = wasmtime::Error::msg("memory growth exceeds the type");
        limit.memory_grow_failed(failure).unwrap();
        assert!(!grows(&mut limit, 70, 71));
        assert!(!limit.memory_growing(0, 10, Some(5)).unwrap());
        assert!(!limit.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
    }

    #[test]
    fn the_shared_limit_is_for_what_is_beyond_the_pack() {
        let shared: SharedLimit = Arc::new(|| Box::new(UpTo(50)));
        let mut limit = Limit::new(100, Some(&shared));
        assert!(grows(&mut limit, 0, 60), "the memory of the pack");
        assert!(!grows(&mut limit, 60, 70));
        assert_eq!(limit.refusal(), Some(Refusal::Shared));
        assert!(!grows(&mut limit, 60, 200));
        assert_eq!(limit.refusal(), Some(Refusal::Own));
    }
}
