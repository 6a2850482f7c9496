//! Claims: which of several instances computes an answer that all of them are asked for.
//!
//! Owns the claim, its release, and the pauses between two looks at an entry that another instance
//! computes. Must not know how an answer is computed.

use std::time::Duration;

use crate::capability::Answers;
use crate::scorer::instance::Output;

/// First pause before the store is checked again for an entry that another process computes. The
/// pause doubles after each check, up to `LAST_LOOK`.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(2);
pub(super) const LAST_LOOK: Duration = Duration::from_millis(50);

/// Result of a claim: which of several host processes computes the answer.
pub enum Claimed {
    /// This process has the claim and computes the answer.
    Ours(Claim),
    /// Another process has computed this answer and written it to the store.
    Kept(Output),
    /// Each process computes the answer for itself: the store did not respond, or the process with
    /// the claim takes too long.
    Nobodys,
}

/// Right of this process to compute an answer. It is released when this value is dropped.
pub struct Claim {
    answers: Answers,
    name: String,
}

impl Claim {
    /// Returns the claim on the entry `name`, which the store has given to this process.
    pub(super) fn new(answers: Answers, name: String) -> Self {
        Self { answers, name }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (answers, name) = (self.answers.clone(), std::mem::take(&mut self.name));
        // If the runtime has ended, the claim expires by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { answers.release(&name).await });
        }
    }
}
