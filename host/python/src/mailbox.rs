//! Place where the host and an interpreter meet for a call: the request and its answer.
//!
//! Owns the order of the two. The interpreter rests in the mailbox between calls. Nobody is woken,
//! because whoever puts a request in polls the interpreter afterwards. Must not know messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use crate::door::Ending;
use crate::outside::Outside;

/// Request for an interpreter.
pub(crate) struct Job {
    /// Message with the request.
    pub(crate) message: Vec<u8>,
    /// Time at which the interpreter is interrupted.
    pub(crate) deadline: Instant,
    /// Host that answers the script during the call.
    pub(crate) outside: Arc<dyn Outside>,
}

/// Handle to the mailbox of one interpreter.
#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    job: Option<Job>,
    ending: Option<Ending>,
    contract: Option<String>,
    is_resting: bool,
    is_closed: bool,
}

impl Mailbox {
    /// Puts a request in. It replaces a request that the interpreter did not take, and the end of
    /// an earlier call.
    pub(crate) fn put(&self, job: Job) {
        let mut content = self.content();
        content.job = Some(job);
        content.ending = None;
        content.is_resting = false;
    }

    /// Closes the mailbox. The interpreter takes a request that is in the mailbox, and no more.
    #[cfg(any(test, feature = "compiler"))]
    pub(crate) fn close(&self) {
        self.content().is_closed = true;
    }

    /// Waits for a request. Returns `None` if the mailbox is closed.
    pub(crate) async fn next(&self) -> Option<Job> {
        std::future::poll_fn(|_| {
            let mut content = self.content();
            if let Some(job) = content.job.take() {
                return Poll::Ready(Some(job));
            }
            if content.is_closed {
                return Poll::Ready(None);
            }
            content.is_resting = true;
            Poll::Pending
        })
        .await
    }

    /// Returns true if the interpreter waits for a request.
    pub(crate) fn is_resting(&self) -> bool {
        self.content().is_resting
    }

    /// Records the end of the call. The first end of a call counts.
    pub(crate) fn end(&self, ending: Ending) {
        self.content().ending.get_or_insert(ending);
    }

    /// Takes the end of the call.
    pub(crate) fn take_ending(&self) -> Option<Ending> {
        self.content().ending.take()
    }

    /// Records the contract of the script.
    pub(crate) fn set_contract(&self, contract: String) {
        self.content().contract = Some(contract);
    }

    /// Takes the contract of the script.
    pub(crate) fn take_contract(&self) -> Option<String> {
        self.content().contract.take()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
