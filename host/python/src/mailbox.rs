//! Mailbox of an interpreter: the host puts the request of a call in, and takes the end of the call
//! out.
//!
//! Owns the order of requests and ends. Between calls the interpreter waits in [`Mailbox::next`].
//! It needs no waker, because a caller that puts a request in polls the interpreter afterwards.
//! Must not know the form of messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use crate::door::Ending;
use crate::outside::Outside;

/// Request that an interpreter takes out of its mailbox.
pub(crate) struct Job {
    /// Message with the request, in the form that the script reads.
    pub(crate) message: Vec<u8>,
    /// Time at which the host interrupts the interpreter.
    pub(crate) deadline: Instant,
    /// Services of the host that the script may use during the call.
    pub(crate) outside: Arc<dyn Outside>,
}

/// Handle to the mailbox of one interpreter. The mailbox holds the next request to the script and
/// the end of the last call.
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
    /// Puts a request into the mailbox. Removes an earlier request that the interpreter did not
    /// take, and the end of an earlier call.
    pub(crate) fn put(&self, job: Job) {
        let mut content = self.content();
        content.job = Some(job);
        content.ending = None;
        content.is_resting = false;
    }

    /// Closes the mailbox. The interpreter can still take a request that is in the mailbox, but
    /// waits for no other.
    #[cfg(any(test, feature = "compiler"))]
    pub(crate) fn close(&self) {
        self.content().is_closed = true;
    }

    /// Waits for a request, and takes it out of the mailbox. Returns `None` if the mailbox is
    /// closed and has no request.
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

    /// Records the end of the call. If an end is recorded already, the new one is ignored.
    pub(crate) fn end(&self, ending: Ending) {
        self.content().ending.get_or_insert(ending);
    }

    /// Removes the end of the call from the mailbox, and returns it.
    pub(crate) fn take_ending(&self) -> Option<Ending> {
        self.content().ending.take()
    }

    /// Records the contract of the script.
    pub(crate) fn set_contract(&self, contract: String) {
        self.content().contract = Some(contract);
    }

    /// Removes the contract of the script from the mailbox, and returns it.
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
