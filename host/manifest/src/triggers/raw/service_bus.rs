//! Checks of a trigger of kind `service-bus`.
//!
//! Owns which queues and topics a trigger may take messages from and send messages to. Must not
//! know other kinds of triggers.

use scorebox_text::Problem;

use super::{Cardinality, RawTarget, RawTrigger};
use crate::azure_names::{Rule, SERVICE_BUS_QUEUE, SERVICE_BUS_SUBSCRIPTION, SERVICE_BUS_TOPIC};
use crate::triggers::names::{connection, endless_loop};
use crate::triggers::{DEFAULT_MAX_DELIVERY_COUNT, Entity, ServiceBusTrigger, Target};

impl RawTrigger {
    pub(super) fn into_service_bus(self) -> Result<ServiceBusTrigger, Problem> {
        let entity = match (self.queue, self.topic, self.subscription) {
            (Some(queue), None, None) => {
                Entity::Queue(checked_source(&SERVICE_BUS_QUEUE, "trigger.queue", queue)?)
            }
            (None, Some(topic), Some(subscription)) => Entity::Subscription {
                topic: checked(&SERVICE_BUS_TOPIC, "trigger.topic", topic)?,
                subscription: checked_source(
                    &SERVICE_BUS_SUBSCRIPTION,
                    "trigger.subscription",
                    subscription,
                )?,
            },
            _ => {
                return Err(Problem::new(
                    "`[[trigger]]` of kind `service-bus` has neither a queue nor a topic with its subscription",
                    "write `queue = \"NAME\"`, or `topic = \"NAME\"` and `subscription = \"NAME\"`",
                ));
            }
        };
        let target = |key: &str, target: Option<RawTarget>| match target {
            None => Ok(None),
            Some(RawTarget {
                queue: Some(queue),
                topic: None,
                blob: None,
            }) => {
                let key = format!("{key}.queue");
                let own = match &entity {
                    Entity::Queue(own) => Some(own),
                    Entity::Subscription { .. } => None,
                };
                // Service Bus compares names without case.
                if own.is_some_and(|own| own.eq_ignore_ascii_case(&queue)) {
                    return Err(endless_loop(&key));
                }
                Ok(Some(Target::Queue(checked(
                    &SERVICE_BUS_QUEUE,
                    &key,
                    queue,
                )?)))
            }
            Some(RawTarget {
                topic: Some(topic),
                queue: None,
                blob: None,
            }) => {
                let key = format!("{key}.topic");
                Ok(Some(Target::Topic(checked(
                    &SERVICE_BUS_TOPIC,
                    &key,
                    topic,
                )?)))
            }
            Some(_) => Err(Problem::new(
                format!("`{key}` of a service-bus trigger is neither a queue nor a topic"),
                format!(
                    "write `{} = {{ queue = \"NAME\" }}`",
                    key.trim_start_matches("trigger.")
                ),
            )),
        };
        let max_delivery_count = self
            .max_delivery_count
            .unwrap_or(DEFAULT_MAX_DELIVERY_COUNT);
        if !(1..=2000).contains(&max_delivery_count) {
            return Err(Problem::new(
                "`trigger.max_delivery_count` is not between 1 and 2000",
                "write the value that the queue or subscription itself has",
            ));
        }
        Ok(ServiceBusTrigger {
            output: target("trigger.output", self.output)?,
            park: target("trigger.park", self.park)?,
            entity,
            connection: connection(self.connection)?,
            sessions: self.sessions.unwrap_or(false),
            many: self.cardinality == Some(Cardinality::Many),
            max_delivery_count,
        })
    }
}

/// Suffix of the name of a dead-letter queue. The rest of the name is that of the queue or the
/// subscription whose undeliverable messages it holds.
const DEAD_LETTERS: &str = "/$DeadLetterQueue";

/// Returns `name`, the name of a queue or a subscription that messages are taken from, if it
/// follows `rule`. The name may end with [`DEAD_LETTERS`] in any case of letters, and only the text
/// before it must follow the rule. Otherwise fails. Placeholders such as `%SETTING%` are accepted,
/// and the values that they stand for are not checked. `key` is the setting with the name, for the
/// error.
fn checked_source(rule: &Rule, key: &str, name: String) -> Result<String, Problem> {
    let start = name.len().saturating_sub(DEAD_LETTERS.len());
    let own = match (name.get(..start), name.get(start..)) {
        (Some(own), Some(end)) if end.eq_ignore_ascii_case(DEAD_LETTERS) => own,
        _ => name.as_str(),
    };
    rule.check_pattern(key, own, false)?;
    Ok(name)
}

/// Returns `name`, the name of an entity of Service Bus, if it follows `rule`. Otherwise fails.
/// Placeholders such as `%SETTING%` are accepted, and the values that they stand for are not
/// checked. `key` is the setting with the name, for the error.
fn checked(rule: &Rule, key: &str, name: String) -> Result<String, Problem> {
    rule.check_pattern(key, &name, false).map(|()| name)
}
