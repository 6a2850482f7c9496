//! Place where the host and an interpreter meet for a call: the request and its answer.
//!
//! Owns the order of the two. The interpreter rests in the mailbox between calls. Nobody is woken,
//! because anyone who puts a request in polls the interpreter afterwards. Must not know messages.

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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::outside::{GraphFailure, RedisFailure};

    struct Nobody;

    impl Outside for Nobody {
        fn redis(
            &self,
            _: u8,
            _: Vec<u8>,
        ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, RedisFailure>> {
            std::future::ready(Err(RedisFailure::Unreachable(String::new()))).boxed()
        }

        fn log(&self, _: crate::outside::Level, _: &str) {}

        fn metric(&self, _: &[u8]) {}

        fn graph(
            &self,
            _: Vec<u8>,
        ) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
            std::future::ready(Err(GraphFailure(String::new()))).boxed()
        }

        fn model_info(&self) -> String {
            String::new()
        }
    }

    fn job(message: &[u8]) -> Job {
        Job {
            message: message.to_vec(),
            deadline: Instant::now(),
            outside: Arc::new(Nobody),
        }
    }

    fn raised(text: &str) -> Ending {
        Ending::Raised {
            text: text.to_owned(),
            is_input: false,
        }
    }

    #[test]
    fn an_interpreter_rests_until_there_is_a_request() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.is_resting());
        assert!(mailbox.next().now_or_never().is_none());
        assert!(mailbox.is_resting());
        mailbox.put(job(b"1"));
        assert!(!mailbox.is_resting());
        let taken = mailbox.next().now_or_never().flatten().unwrap();
        assert_eq!(taken.message, b"1");
        mailbox.end(raised("first"));
        mailbox.end(raised("second"));
        assert_eq!(mailbox.take_ending(), Some(raised("first")));
        assert_eq!(mailbox.take_ending(), None);
    }

    #[test]
    fn a_closed_mailbox_gives_its_last_request() {
        let mailbox = Mailbox::default();
        mailbox.put(job(b"1"));
        mailbox.close();
        assert!(mailbox.next().now_or_never().flatten().is_some());
        assert!(mailbox.next().now_or_never().unwrap().is_none());
    }
}
