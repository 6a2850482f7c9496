//! The retries of Service Bus and of the blob trigger: a failed invocation is retried, and finally
//! dead-lettered.
//!
//! Owns the number of attempts and what is kept in the end. Must not know why an invocation fails.

use serde_json::{Value, json};

use super::FunctionsHost;
use super::outputs::Bound;
use super::values::{base64, blob, envelope, wrapped};

/// Deliveries of a message before it is dead-lettered, by Service Bus's default.
pub const MAX_DELIVERY_COUNT: u32 = 10;

/// Attempts for a blob before the host gives it up, `extensions.blobs.poisonBlobThreshold`.
pub const POISON_BLOB_THRESHOLD: u32 = 5;

/// The end of a delivery.
#[derive(Debug)]
pub enum Delivered {
    /// A delivery that was completed, with the number of the attempt and its result.
    Completed(u32, Bound),
    /// A delivery that the platform gave up after this number of attempts: dead letters, or the
    /// queue for poison blobs.
    Kept(u32),
}

impl Delivered {
    /// Returns the attempt that completed the delivery, and its result.
    ///
    /// # Panics
    /// If the platform gave up.
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
    /// Delivers messages in one batch. While the invocation fails, all of them are delivered again
    /// with a higher count.
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

    /// Delivers one message, with retries.
    #[must_use]
    pub fn deliver_message(&self, function: &str, message: &Value) -> Delivered {
        let body = |attempt| {
            let metadata = super::values::message_metadata("m-1", attempt);
            envelope("msg", base64(message.to_string()), metadata)
        };
        self.deliver(function, MAX_DELIVERY_COUNT, body)
    }

    /// Delivers a blob, with retries. Nothing distinguishes one attempt from the next.
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
