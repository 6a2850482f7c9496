//! A router that finds the node for a key: the only server, or a node of a cluster.
//!
//! Owns where one command goes, and where it goes after a redirection or another fault. Submodules
//! own batches of commands, and the known topology. Must not know what a command means, nor how a
//! node is connected to.

mod batch;
mod known;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};
use tokio::time::Instant;

use self::known::Known;
pub use self::known::Router;
use super::dialer::DialError;
use super::endpoint::Address;
use super::node::{Fault, Node, is_about_connection};
use super::parcel::{Parcel, Target, is_split};
use super::watching::Watch;

/// Maximum number of redirections that one command follows. While slots of a cluster are being
/// moved, there may be two or three redirections.
const REDIRECTIONS: u32 = 8;

/// Pause before a command is sent again to a cluster whose slots are being moved.
const SETTLING_PAUSE: Duration = Duration::from_millis(15);

/// Repeat policy of one command with its arguments: says if the command may be sent again when it
/// is unknown whether the server executed it.
///
/// The policies are in ascending order: the policy of several commands together is the greatest of
/// their policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeat {
    /// The command only reads, so it may be sent again at any time.
    Read,
    /// The command writes, and may be executed twice without harm. It may be sent again only after
    /// the connection failed: over a living connection, the server could still execute the command
    /// that was sent first, after a later write of another client.
    Harmless,
    /// The command must not be executed twice.
    Wrong,
}

/// Command with the slot that determines the node of a cluster to which the command is sent.
pub struct Routed {
    /// Slot that the keys of the command belong to, or the slot of the store's prefix if the
    /// command does not have keys.
    pub slot: u16,
    /// Command to send. Its keys are complete, with the store's prefix.
    pub command: Cmd,
    /// Repeat policy of the command: says if it may be sent again when it is unknown whether the
    /// server executed it.
    pub repeat: Repeat,
}

impl Router {
    /// Sends a command to the node that owns `slot`, follows redirections, and returns the answer.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no node answers, or if the answer is an error. The error is a
    /// redirection only if there were too many of them, if the deadline has passed, or if the
    /// redirection does not name an address.
    pub async fn send(
        self: &Arc<Self>,
        slot: u16,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        self.send_until(self.deadline(), slot, Parcel::Command(command), repeat)
            .await
    }

    /// Sends commands between MULTI and EXEC to the node that owns `slot`, and returns the answer
    /// to EXEC. If the node redirects, the whole transaction is sent again.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no node answers, or if the answer is an error. The error is a
    /// redirection only if there were too many of them, if the deadline has passed, or if the
    /// redirection does not name an address.
    pub async fn send_transaction(
        self: &Arc<Self>,
        slot: u16,
        commands: &[Cmd],
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        self.send_until(self.deadline(), slot, Parcel::Transaction(commands), repeat)
            .await
    }

    async fn send_until(
        self: &Arc<Self>,
        deadline: Instant,
        slot: u16,
        parcel: Parcel<'_>,
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        let mut target = Target {
            node: self.owner(slot, deadline).await?,
            is_asked: false,
        };
        let mut hops = 0;
        loop {
            let only_reads = repeat == Repeat::Read && hops == 0;
            let fault = match target.send(parcel, deadline, only_reads).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            // No node can execute the command until its keys are together again. This wait ends
            // when the move ends or when the deadline passes.
            let is_split = matches!(&fault, Fault::Answer(error) if is_split(error));
            hops = if is_split { 1 } else { hops + 1 };
            // A further attempt that the deadline cuts short would look like a node that does not
            // answer.
            let needed = if is_split {
                2 * SETTLING_PAUSE
            } else {
                Duration::ZERO
            };
            if hops > REDIRECTIONS || Instant::now() + needed >= deadline {
                return Err(fault);
            }
            target = match self.next(fault, slot, &target.node, repeat, hops) {
                Next::To(target) => target,
                Next::Again => {
                    tokio::time::sleep(SETTLING_PAUSE.min(deadline - Instant::now())).await;
                    Target {
                        node: self.owner(slot, deadline).await?,
                        is_asked: false,
                    }
                }
                Next::GiveUp(fault) => return Err(fault),
            };
        }
    }

    /// Sends a command that only reads to the master node whose ID is `master`, and returns the
    /// answer. The ID is ignored if there is no cluster.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if the node is no longer in the cluster, does not answer, or answers
    /// with an error.
    pub async fn send_to(self: &Arc<Self>, master: &str, command: &Cmd) -> Result<Value, Fault> {
        let deadline = self.deadline();
        let address = match self.known(deadline).await? {
            Known::Single(address) => address,
            Known::Cluster(slots) => {
                let mut masters = slots.masters().iter();
                let found = masters.find(|found| found.id == master);
                found
                    .ok_or_else(|| Fault::Unreachable(DialError::NodeGone.into()))?
                    .address
                    .clone()
            }
        };
        let node = self.node(&address);
        let mut answer = node.send(command, deadline, true).await;
        if matches!(answer, Err(Fault::Lost(_) | Fault::Unreachable(_))) {
            self.refresh();
        }
        if matches!(answer, Err(Fault::Lost(_))) && Instant::now() < deadline {
            answer = node.send(command, deadline, false).await;
        }
        answer
    }

    /// Asks each server to report changed keys, as `watch` states. Takes effect with the next
    /// connection to a server. Only the first call of this function has an effect.
    pub fn watch(&self, watch: Watch) {
        self.dialer.watch(watch);
    }

    /// Decides whether a command with the slot `slot` is sent again after the fault `fault` of the
    /// node `from`, and to which node. `hops` is the number of attempts since the last answer
    /// TRYAGAIN, including the attempt that got this answer. Without such an answer, `hops` is the
    /// number of all attempts so far.
    fn next(
        self: &Arc<Self>,
        fault: Fault,
        slot: u16,
        from: &Node,
        repeat: Repeat,
        hops: u32,
    ) -> Next {
        let error = match fault {
            Fault::Answer(error) => error,
            // The node may be gone for good, and another node may have its slots by now.
            Fault::Unreachable(_) => {
                self.refresh();
                return match self.known_owner(slot) {
                    Some(owner) if owner != *from.address() => {
                        Next::To(Target::of(self.node(&owner)))
                    }
                    _ => Next::GiveUp(fault),
                };
            }
            Fault::TooLarge(_) => return Next::GiveUp(fault),
            Fault::Lost(_) => {
                self.refresh();
                let may = repeat != Repeat::Wrong && hops == 1;
                return if may {
                    Next::Again
                } else {
                    Next::GiveUp(fault)
                };
            }
        };
        // The command was not executed, and the node is connecting again.
        if is_about_connection(&error) && hops == 1 {
            self.refresh();
            return Next::Again;
        }
        let ErrorKind::Server(kind) = error.kind() else {
            return Next::GiveUp(Fault::Answer(error));
        };
        let address = error
            .redirect_node()
            .and_then(|(address, _)| Address::announced(address, from.address()));
        match (kind, address) {
            (ServerErrorKind::Moved, Some(address)) => {
                self.moved(slot, &address);
                Next::To(Target::of(self.node(&address)))
            }
            (ServerErrorKind::Ask, Some(address)) => Next::To(Target {
                node: self.node(&address),
                is_asked: true,
            }),
            (ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown, _) => {
                self.refresh();
                Next::Again
            }
            _ => Next::GiveUp(Fault::Answer(error)),
        }
    }
}

enum Next {
    To(Target),
    /// The command is sent to the owner of its slot again, after a pause.
    Again,
    GiveUp(Fault),
}
