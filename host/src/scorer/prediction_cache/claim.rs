//! Claims: which of several instances computes an answer that all of them are asked for.
//!
//! Owns the claim, and the wait for an answer that another instance computes. Must not know how an
//! answer is computed.

use std::time::{Duration, Instant};

use super::PredictionCache;
use super::entry::Key;
use crate::capability::Answers;
use crate::scorer::instance::Output;
use crate::timer;

/// First pause before the store is checked again for an entry that another process computes. The
/// pause doubles after each check, up to `LAST_LOOK`.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Result of a claim: which of several host processes computes the answer.
pub enum Claimed {
    /// This process has the claim and computes the answer.
    Ours(Claim),
    /// Another process has computed the answer meanwhile.
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

impl Drop for Claim {
    fn drop(&mut self) {
        let (answers, name) = (self.answers.clone(), std::mem::take(&mut self.name));
        // If the runtime has ended, the claim expires by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { answers.release(&name).await });
        }
    }
}

impl PredictionCache {
    /// Claims the computation of an answer among all host processes that share the store, or waits
    /// for the process that has the claim. The wait ends after `time`, or at the deadline if that
    /// is earlier.
    pub(super) async fn claim(
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
            let asked = timer::until(
                Instant::now() + self.section.timeout,
                self.answers.claim(&name, time),
            )
            .await;
            match asked.flatten() {
                Some(true) => {
                    let ours = Claim {
                        answers: self.answers.clone(),
                        name,
                    };
                    // The instance that had the claim may have written its entry after our last
                    // look.
                    return match self.stored(&key, deadline, is_refused).await {
                        Some(output) => Claimed::Kept(output),
                        None => Claimed::Ours(ours),
                    };
                }
                Some(false) if Instant::now() < patience => {}
                Some(false) | None => return Claimed::Nobodys,
            }
            timer::until(
                (Instant::now() + pause).min(patience),
                std::future::pending::<()>(),
            )
            .await;
            pause = (pause * 2).min(LAST_LOOK);
            if let Some(output) = self.stored(&key, deadline, is_refused).await {
                return Claimed::Kept(output);
            }
        }
    }
}
