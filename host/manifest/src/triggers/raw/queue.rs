//! Checks of a trigger of kind `queue`.
//!
//! Owns which queues of a storage account a trigger may take messages from and send messages to,
//! and the limits on retries. Must not know other kinds of triggers.

use std::time::Duration;

use scorebox_text::Problem;

use super::{RawTarget, RawTrigger};
use crate::azure_names::{STORAGE_QUEUE, TRIGGER_QUEUE};
use crate::triggers::names::connection;
use crate::triggers::{DEFAULT_MAX_DEQUEUE_COUNT, MessageEncoding, QueueTrigger};
use crate::{duration, triggers};

/// Maximum of `trigger.visibility_timeout`: a storage account hides a message for at most 7 days.
const LONGEST_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

impl RawTrigger {
    pub(super) fn into_queue(self) -> Result<QueueTrigger, Problem> {
        let queue = self.queue.ok_or_else(|| {
            Problem::new(
                "`[[trigger]]` of kind `queue` has no queue",
                "write `queue = \"NAME\"`, the queue of the storage account",
            )
        })?;
        TRIGGER_QUEUE
            .check_pattern("trigger.queue", &queue, false)
            .map_err(with_poison_queue)?;
        let target = |key: &str, target: Option<RawTarget>| match target {
            None => Ok(None),
            Some(RawTarget {
                queue: Some(target),
                topic: None,
                blob: None,
            }) => {
                let key = format!("{key}.queue");
                STORAGE_QUEUE.check_pattern(&key, &target, false)?;
                if target == queue {
                    return Err(triggers::names::endless_loop(&key));
                }
                Ok(Some(target))
            }
            Some(_) => Err(Problem::new(
                format!("`{key}` of a queue trigger is not a queue"),
                format!(
                    "write `{} = {{ queue = \"NAME\" }}`, a queue of the same storage account",
                    key.trim_start_matches("trigger.")
                ),
            )),
        };
        let visibility_timeout = match self.visibility_timeout.as_deref() {
            None | Some("0") => Duration::ZERO,
            Some(text) => duration(
                "trigger.visibility_timeout",
                text,
                LONGEST_VISIBILITY_TIMEOUT,
            )?,
        };
        let max_delivery_count = self.max_delivery_count.unwrap_or(DEFAULT_MAX_DEQUEUE_COUNT);
        if !(1..=2000).contains(&max_delivery_count) {
            return Err(Problem::new(
                "`trigger.max_delivery_count` is not between 1 and 2000",
                "write the number of deliveries after which a message is parked, or moved to the \
                 poison queue",
            ));
        }
        Ok(QueueTrigger {
            output: target("trigger.output", self.output)?,
            park: target("trigger.park", self.park)?,
            queue,
            connection: connection(self.connection)?,
            max_delivery_count,
            message_encoding: self.message_encoding.unwrap_or(MessageEncoding::Base64),
            visibility_timeout,
        })
    }
}

/// Adds a reason to an error about the name of a trigger's queue. The reason says why this name
/// must be shorter than the names of other queues: the name of its poison queue is longer.
fn with_poison_queue(Problem { problem, fix }: Problem) -> Problem {
    Problem::new(
        problem,
        format!(
            "{fix}; the Functions host moves failed messages to the queue `NAME-poison`, which may have 63"
        ),
    )
}
