//! The retries of Service Bus, of storage queues and of the blob trigger: a failed invocation is
//! retried, and finally dead-lettered.
//!
//! Owns the number of attempts and what is kept in the end. Must not know why an invocation fails.

use serde_json::{Value, json};

use super::FunctionsHost;
use super::outputs::Bound;
use super::values::{base64, blob, envelope, wrapped};

/// Number of deliveries of a message before it is dead-lettered: the default of Service Bus.
pub const MAX_DELIVERY_COUNT: u32 = 10;

/// Number of deliveries of a message of a storage queue before it is moved to the poison queue: the
/// default of `extensions.queues.maxDequeueCount`.
pub const MAX_DEQUEUE_COUNT: u32 = 5;

/// Number of attempts for a blob before the Functions host gives up: the default of
/// `extensions.blobs.poisonBlobThreshold`.
pub const POISON_BLOB_THRESHOLD: u32 = 5;

/// Outcome of the delivery of messages or of a blob, after all retries.
#[derive(Debug)]
pub enum Delivered {
    /// An invocation succeeded: the number of the attempt, from 1, and the effects of its answer.
    Completed(u32, Bound),
    /// The platform gave up after this number of attempts, and moved the message to the dead-letter
    /// queue or to the poison queue, or the blob to the queue for poison blobs.
    Kept(u32),
}

impl Delivered {
    /// Returns the number of the attempt that succeeded, and the effects of its answer.
    ///
    /// # Panics
    /// Panics if the platform gave up.
    #[track_caller]
    #[must_use]
    pub fn completed(self) -> (u32, Bound) {
        match self {
            Self::Completed(attempt, bound) => (attempt, bound),
            Self::Kept(tries) => panic!("kept after {tries} tries"),
        }
    }
}

impl FunctionsHost {
    /// Delivers messages to a function in one batch. While the invocation fails, all of them are
    /// delivered again with a higher count.
    #[must_use]
    pub fn deliver_batch(&self, function: &str, messages: &[Value]) -> Delivered {
        let bodies: Vec<_> = messages
            .iter()
            .map(|message| base64(message.to_string()))
            .collect();
        let ids: Vec<_> = (0..messages.len())
            .map(|index| format!("m-{index}"))
            .collect();
        let body = |attempt: u32| {
            let counts = vec![attempt; messages.len()];
            let metadata = json!({"MessageIdArray": wrapped(ids.clone()), "DeliveryCountArray": wrapped(counts)});
            envelope("msgs", wrapped(bodies.clone()), metadata)
        };
        self.deliver(function, MAX_DELIVERY_COUNT, body)
    }

    /// Delivers one message to a function. While the invocation fails, the message is delivered
    /// again with a higher count.
    #[must_use]
    pub fn deliver_message(&self, function: &str, message: &Value) -> Delivered {
        let body = |attempt| {
            let metadata = super::values::message_metadata("m-1", attempt);
            envelope("msg", base64(message.to_string()), metadata)
        };
        self.deliver(function, MAX_DELIVERY_COUNT, body)
    }

    /// Delivers one message of a storage queue to a function whose trigger is binary. While the
    /// invocation fails, the message is delivered again with a higher count. The number of
    /// deliveries is that of `host.json`.
    #[must_use]
    pub fn deliver_from_queue(&self, function: &str, message: &Value) -> Delivered {
        let queues = &self.host_json()["extensions"]["queues"];
        let most = queues["maxDequeueCount"].as_u64();
        let most = most.and_then(|most| u32::try_from(most).ok());
        let body = |attempt| {
            let metadata = super::values::queue_metadata("q-1", attempt);
            envelope("message", base64(message.to_string()), metadata)
        };
        self.deliver(function, most.unwrap_or(MAX_DEQUEUE_COUNT), body)
    }

    /// Delivers a blob to a function. While the invocation fails, the blob is delivered again, in a
    /// request with an equal body.
    #[must_use]
    pub fn deliver_blob(&self, function: &str, content: &Value) -> Delivered {
        let body = |_| {
            blob(
                "blob",
                content.to_string().as_bytes(),
                json!({"blobname": wrapped("a")}),
            )
        };
        self.deliver(function, POISON_BLOB_THRESHOLD, body)
    }

    fn deliver(&self, function: &str, tries: u32, body: impl Fn(u32) -> Vec<u8>) -> Delivered {
        for attempt in 1..=tries {
            if let Ok(bound) = self.invoke(function, &body(attempt)) {
                return Delivered::Completed(attempt, bound);
            }
        }
        Delivered::Kept(tries)
    }
}
