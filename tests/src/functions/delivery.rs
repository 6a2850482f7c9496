//! What Service Bus and the blob trigger do with an invocation that fails: they try again, and keep what cannot be done.
//!
//! Owns the number of tries and what is kept at last. Must not know why an invocation fails.

use serde_json::{Value, json};

use super::FunctionsHost;
use super::outputs::Bound;
use super::values::{base64, blob, envelope, wrapped};

/// Deliveries of a message before it is a dead letter, if nobody says otherwise to Service Bus.
pub const MAX_DELIVERY_COUNT: u32 = 10;

/// Tries of a blob before the host gives it up, `extensions.blobs.poisonBlobThreshold`.
pub const POISON_BLOB_THRESHOLD: u32 = 5;

/// How it ended.
#[derive(Debug)]
pub enum Delivered {
    /// Completed, at this try.
    Completed(u32, Bound),
    /// Kept by the platform, after so many tries: as dead letters, or in the queue for poison blobs.
    Kept(u32),
}

impl Delivered {
    /// The try that completed it, and what that wrote.
    ///
    /// # Panics
    /// It was kept.
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
    /// Delivers messages in one batch, all of them again with a higher count as long as the invocation fails.
    #[must_use]
    pub fn deliver_batch(&self, function: &str, messages: &[Value]) -> Delivered {
        let bodies: Vec<_> = messages.iter().map(|message| base64(message.to_string())).collect();
        let ids: Vec<_> = (0..messages.len()).map(|index| format!("m-{index}")).collect();
        let body = |attempt: u32| {
            let counts = vec![attempt; messages.len()];
            let metadata = json!({"MessageIdArray": wrapped(ids.clone()), "DeliveryCountArray": wrapped(counts)});
            envelope("msgs", wrapped(bodies.clone()), metadata)
        };
        self.deliver(function, MAX_DELIVERY_COUNT, body)
    }

    /// Delivers one message.
    #[must_use]
    pub fn deliver_message(&self, function: &str, message: &Value) -> Delivered {
        let body = |attempt| {
            let metadata = super::values::message_metadata("m-1", attempt);
            envelope("msg", base64(message.to_string()), metadata)
        };
        self.deliver(function, MAX_DELIVERY_COUNT, body)
    }

    /// Hands a blob over, which is told apart from its next try by nothing.
    #[must_use]
    pub fn deliver_blob(&self, function: &str, content: &Value) -> Delivered {
        let body = |_| blob("blob", content.to_string().as_bytes(), json!({"blobname": wrapped("a")}));
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
