//! Which of several instances computes an answer that all are asked for.
//!
//! Owns the claim and the waiting for another's. Must not know how an answer is computed.

use std::time::{Duration, Instant};

use super::PredictionCache;
use super::entry::Key;
use crate::capability::Answers;
use crate::scorer::instance::Output;
use crate::timer;

/// Between two looks for an entry that another instance computes, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Who computes, among instances.
pub enum Claimed {
    /// This one.
    Ours(Claim),
    /// Another did meanwhile.
    Kept(Output),
    /// Each for itself: nobody can tell, or whoever claimed it takes too long.
    Nobodys,
}

/// This instance's right to compute an answer; given back when it is dropped.
pub struct Claim {
    answers: Answers,
    name: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (answers, name) = (self.answers.clone(), std::mem::take(&mut self.name));
        // Where the runtime ends, the claim ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { answers.release(&name).await });
        }
    }
}

impl PredictionCache {
    /// Asks to compute an answer for all instances, or waits for the one that does: not longer than it may.
    pub(super) async fn claim(&self, key: Key, time: Duration, deadline: Instant, is_refused: &mut bool) -> Claimed {
        let name = hex::encode(key);
        let patience = (Instant::now() + time).min(deadline);
        let mut pause = FIRST_LOOK;
        loop {
            let asked = timer::until(Instant::now() + self.section.timeout, self.answers.claim(&name, time)).await;
            match asked.flatten() {
                Some(true) => {
                    let ours = Claim { answers: self.answers.clone(), name };
                    // Whoever had the claim may have kept its entry after we looked.
                    return match self.stored(&key, deadline, is_refused).await {
                        Some(output) => Claimed::Kept(output),
                        None => Claimed::Ours(ours),
                    };
                }
                Some(false) if Instant::now() < patience => {}
                Some(false) | None => return Claimed::Nobodys,
            }
            timer::until((Instant::now() + pause).min(patience), std::future::pending::<()>()).await;
            pause = (pause * 2).min(LAST_LOOK);
            if let Some(output) = self.stored(&key, deadline, is_refused).await {
                return Claimed::Kept(output);
            }
        }
    }
}
