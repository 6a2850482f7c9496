//! Batches of commands, in one round trip per node.
//!
//! Owns the grouping of commands by their nodes, and which of them are sent again one by one. Must
//! not know how the node of a slot is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use redis::{Pipeline, RedisError, Value};
use tokio::time::Instant;

use super::known::Router;
use super::{Repeat, Routed};
use crate::endpoint::Address;
use crate::node::{Fault, Node, is_about_connection};
use crate::parcel::{Parcel, is_passing, is_split};
use crate::reply_limit::PIPELINE_LIMIT_BYTES;

impl Router {
    /// Sends each command to the node that owns its slot, in one round trip per node. Returns the
    /// answers in the order of the commands. Commands with the same slot are executed in their
    /// order.
    pub async fn send_all(self: &Arc<Self>, commands: Vec<Routed>) -> Vec<Result<Value, Fault>> {
        let deadline = self.deadline();
        let (shares, mut answers) = self.group(&commands, deadline).await;
        for share in dispatch(shares, &commands, deadline).await {
            self.complete(share, &commands, &mut answers, deadline)
                .await;
        }
        answers.into_iter().flatten().collect()
    }

    /// Groups the commands of a batch by the node to which they are sent. Also returns one entry
    /// for the answer to each command. An entry already holds a fault if no node can be found for
    /// its command. All other entries are `None`.
    async fn group(
        self: &Arc<Self>,
        commands: &[Routed],
        deadline: Instant,
    ) -> (Vec<Share>, Vec<Option<Answer>>) {
        let mut by_node: BTreeMap<Address, Share> = BTreeMap::new();
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(commands.len());
        for (index, routed) in commands.iter().enumerate() {
            match self.owner(routed.slot, deadline).await {
                Ok(node) => {
                    let address = node.address().clone();
                    by_node
                        .entry(address)
                        .or_insert_with(|| Share {
                            node,
                            indices: Vec::new(),
                        })
                        .indices
                        .push(index);
                    answers.push(None);
                }
                Err(fault) => answers.push(Some(Err(fault))),
            }
        }
        (by_node.into_values().collect(), answers)
    }

    /// Writes the answers to the commands of one node into `answers`, which has one entry for each
    /// command of the batch. Commands that failed and may be sent again are sent again.
    async fn complete(
        self: &Arc<Self>,
        share: Dispatched,
        commands: &[Routed],
        answers: &mut [Option<Answer>],
        deadline: Instant,
    ) {
        let indices = share.indices;
        let (mut sent, lost) = replies(share.sent, commands, &indices, deadline);
        // Commands that got no reply, or whose slot has moved, are sent again one by one, in order.
        for (place, index) in indices.iter().copied().enumerate() {
            let Some(routed) = commands.get(index) else {
                continue;
            };
            let answer = sent
                .get_mut(place)
                .map(|answer| std::mem::replace(answer, Ok(Value::Nil)));
            let answer = match (answer, &lost) {
                (Some(Ok(answer)), _) => Ok(answer),
                (Some(Err(error)), _) if !is_passing(&error) && !is_about_connection(&error) => {
                    Err(Fault::Answer(error))
                }
                // A later command in the same slot was executed. This command must not run after
                // that one.
                (Some(Err(error)), _)
                    if is_split(&error)
                        && is_overtaken(place, &sent, of_share(commands, &indices)) =>
                {
                    Err(Fault::Answer(error))
                }
                (None, Some(fault)) => Err(fault.clone()),
                (_, _) => {
                    let parcel = Parcel::Command(&routed.command);
                    self.send_until(deadline, routed.slot, parcel, routed.repeat)
                        .await
                }
            };
            if let Some(slot) = answers.get_mut(index) {
                *slot = Some(answer);
            }
        }
    }
}

/// Answer to one command of a batch, or the reason why the command does not have an answer.
type Answer = Result<Value, Fault>;

/// Commands of a batch that are sent to one node.
struct Share {
    node: Arc<Node>,
    /// Positions in the batch of the commands that are sent to this node, in ascending order.
    indices: Vec<usize>,
}

/// Commands of a batch that were sent to one node, with their replies.
struct Dispatched {
    /// Replies to the commands that were sent to the node. If the node did not return replies, this
    /// is the reason, which applies to all of these commands.
    sent: Result<Vec<Result<Value, RedisError>>, Fault>,
    /// Positions in the batch of the commands that were sent to this node, in ascending order.
    indices: Vec<usize>,
}

/// Sends the commands of a batch to their nodes, to all nodes at the same time. Returns the replies
/// of each node.
async fn dispatch(shares: Vec<Share>, commands: &[Routed], deadline: Instant) -> Vec<Dispatched> {
    let sent = shares.into_iter().map(async |Share { node, indices }| {
        let only_reads = of_share(commands, &indices).all(|routed| routed.repeat == Repeat::Read);
        let mut pipeline = Pipeline::with_capacity(indices.len());
        for routed in of_share(commands, &indices) {
            pipeline.add_command(routed.command.clone());
        }
        Dispatched {
            sent: node.send_all(&pipeline, deadline, only_reads).await,
            indices,
        }
    });
    join_all(sent).await
}

/// Returns the commands at the positions `indices` of a batch.
fn of_share<'a>(commands: &'a [Routed], indices: &'a [usize]) -> impl Iterator<Item = &'a Routed> {
    indices.iter().filter_map(move |index| commands.get(*index))
}

/// Returns the replies to the commands at the positions `indices` of a batch, which were sent to
/// one node, and the fault of those that do not have a reply. If the fault is `None`, the commands
/// without a reply may be sent again.
fn replies(
    sent: Result<Vec<Result<Value, RedisError>>, Fault>,
    commands: &[Routed],
    indices: &[usize],
    deadline: Instant,
) -> (Vec<Result<Value, RedisError>>, Option<Fault>) {
    match sent {
        Ok(sent) => (sent, None),
        // Nothing was sent, so every command can be sent again.
        Err(Fault::Unreachable(_)) => (Vec::new(), None),
        // Sent one by one, the commands would get replies of the same size.
        Err(fault @ Fault::TooLarge(PIPELINE_LIMIT_BYTES)) => (Vec::new(), Some(fault)),
        Err(_)
            if Instant::now() < deadline
                && of_share(commands, indices).all(|routed| routed.repeat != Repeat::Wrong) =>
        {
            (Vec::new(), None)
        }
        Err(fault) => (Vec::new(), Some(fault)),
    }
}

/// Returns true if a command that comes after the command at `place`, and has the same slot, was
/// already executed. `commands` are those that were sent to one node, and `answers` are their
/// replies.
fn is_overtaken<'a>(
    place: usize,
    answers: &[Result<Value, RedisError>],
    commands: impl Iterator<Item = &'a Routed>,
) -> bool {
    let mut later = commands.zip(answers).skip(place);
    let Some((this, _)) = later.next() else {
        return false;
    };
    later.any(|(other, answer)| answer.is_ok() && other.slot == this.slot)
}
