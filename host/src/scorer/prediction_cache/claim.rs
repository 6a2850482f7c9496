//! Claims: which of several host processes computes an answer that calls in all of these processes
//! need.
//!
//! Owns the claim, its release, and the pauses between two checks of the store for an answer that
//! another process computes. Must not know how an answer is computed.

use std::time::{Duration, Instant};

use crate::capability::Answers;
use crate::scorer::output::Output;

/// First pause before the store is checked again for an answer that another process computes. The
/// pause doubles after each check, up to `LAST_LOOK`.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(2);
pub(super) const LAST_LOOK: Duration = Duration::from_millis(50);

/// Result of claiming the computation of an answer: which of several host processes computes it.
pub enum Claimed {
    /// This process has the claim on the answer, and computes the answer.
    Ours(Claim),
    /// Another process computed this answer and wrote it to the store, so nothing needs to be
    /// computed.
    Kept(Output),
    /// This process computes the answer without a claim, because the store did not respond, or
    /// because the process with the claim takes too long.
    Nobodys,
}

/// Claim of this process on the computation of an answer. Dropping this value releases the claim,
/// unless the claim may have expired: another process may have a claim on the answer then.
pub struct Claim {
    answers: Answers,
    name: String,
    release_before: Instant,
}

impl Claim {
    /// Returns the claim on the answer whose store entry has the name `name`. The store must have
    /// granted the claim to this process for `time`, after `started`.
    pub(super) fn new(answers: Answers, name: String, started: Instant, time: Duration) -> Self {
        Self {
            answers,
            name,
            // The release takes a while, too, and must not arrive after the claim has expired.
            release_before: started + time * 9 / 10,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if Instant::now() >= self.release_before {
            return;
        }
        let (answers, name) = (self.answers.clone(), std::mem::take(&mut self.name));
        // If the runtime has ended, the claim expires by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { answers.release(&name).await });
        }
    }
}
