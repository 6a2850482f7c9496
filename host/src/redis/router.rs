//! A router that finds the node for a key: the only server, or a node of a cluster.
//!
//! Owns the known topology and following its changes: redirections, slots that move from one node
//! to another, and nodes that are gone. Must not know what a command means, nor how a node is
//! connected to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use super::dialer::Dialer;
use super::endpoint::Address;
use super::node::{Fault, Node};
use super::parcel::{Parcel, Target, is_passing, is_split};
use super::reply_limit::PIPELINE_LIMIT_BYTES;
use super::slots::Slots;
use super::watching::Watch;

/// Maximum number of redirections that one command follows. While slots move there may be two or
/// three.
const REDIRECTIONS: u32 = 8;

/// Pause before a command is sent again to a cluster that is changing.
const SETTLING_PAUSE: Duration = Duration::from_millis(15);

/// Shortest time between two requests for the topology. No command waits for them, because a
/// redirection names the new owner of its slot.
const REFRESH_PAUSE: Duration = Duration::from_millis(250);

/// Repeat policy of a command: says if it may be sent again when it is unknown whether it was
/// executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A command that may be executed twice without harm.
    Harmless,
    /// A command that must not be executed twice.
    Wrong,
}

/// A command with the slot that decides which node gets it.
pub struct Routed {
    /// Slot of the command's keys.
    pub slot: u16,
    /// The command itself. Its keys are complete, with the store's prefix.
    pub command: Cmd,
    /// Rule for sending this command again.
    pub repeat: Repeat,
}

/// Router of commands to every node of an endpoint.
pub struct Router {
    seeds: Vec<Address>,
    dialer: Arc<Dialer>,
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    topology: Mutex<Topology>,
    /// Lock that a task holds while it asks for the topology.
    asking: tokio::sync::Mutex<()>,
}

struct Topology {
    known: Option<Known>,
    asked: Option<Instant>,
}

/// Known topology of the servers.
#[derive(Clone)]
enum Known {
    /// One server at this address has all keys.
    Single(Address),
    /// The servers form a cluster with these slots.
    Cluster(Arc<Slots>),
}

impl Router {
    /// Returns a router for the servers of an endpoint. It connects to nothing before the first
    /// command.
    #[must_use]
    pub fn new(seeds: Vec<Address>, dialer: Dialer) -> Arc<Self> {
        Arc::new(Self {
            seeds,
            dialer: Arc::new(dialer),
            nodes: Mutex::default(),
            topology: Mutex::new(Topology {
                known: None,
                asked: None,
            }),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// Sends a command to the node that has its slot.
    ///
    /// # Errors
    /// Fails with a [`Fault`], which is never a redirection.
    pub async fn send(
        self: &Arc<Self>,
        slot: u16,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        self.send_until(self.deadline(), slot, Parcel::Command(command), repeat)
            .await
    }

    /// Sends commands between MULTI and EXEC to the node that has their slot, and returns the
    /// answer to EXEC. Redirections apply to the transaction as a whole.
    ///
    /// # Errors
    /// Fails with a [`Fault`], which is never a redirection.
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
            let fault = match target.send(parcel, deadline).await {
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

    /// Sends each command to the node that has its slot, in one round trip per node. Commands with
    /// equal slots keep their order.
    pub async fn send_all(self: &Arc<Self>, commands: Vec<Routed>) -> Vec<Result<Value, Fault>> {
        let deadline = self.deadline();
        let mut by_node: BTreeMap<Address, (Arc<Node>, Vec<usize>)> = BTreeMap::new();
        let mut answers: Vec<Option<Result<Value, Fault>>> = Vec::with_capacity(commands.len());
        for (index, routed) in commands.iter().enumerate() {
            match self.owner(routed.slot, deadline).await {
                Ok(node) => {
                    let address = node.address().clone();
                    by_node
                        .entry(address)
                        .or_insert_with(|| (node, Vec::new()))
                        .1
                        .push(index);
                    answers.push(None);
                }
                Err(fault) => answers.push(Some(Err(fault))),
            }
        }
        let sent = by_node.into_values().map(async |(node, indices)| {
            let mut pipeline = Pipeline::with_capacity(indices.len());
            for routed in indices.iter().filter_map(|index| commands.get(*index)) {
                pipeline.add_command(routed.command.clone());
            }
            (node.send_all(&pipeline, deadline).await, indices)
        });
        for (sent, indices) in join_all(sent).await {
            let of_node = || indices.iter().filter_map(|index| commands.get(*index));
            let (mut sent, lost) = match sent {
                Ok(sent) => (sent, None),
                // Nothing was sent, so every command can be sent again.
                Err(Fault::Unreachable(_)) => (Vec::new(), None),
                // Sent one by one, the commands would get replies of the same size.
                Err(fault @ Fault::TooLarge(PIPELINE_LIMIT_BYTES)) => (Vec::new(), Some(fault)),
                Err(_)
                    if Instant::now() < deadline
                        && of_node().all(|routed| routed.repeat == Repeat::Harmless) =>
                {
                    (Vec::new(), None)
                }
                Err(fault) => (Vec::new(), Some(fault)),
            };
            // Commands that got no reply, or whose slot has moved, are sent again one by one, in
            // order.
            for (place, index) in indices.iter().copied().enumerate() {
                let Some(routed) = commands.get(index) else {
                    continue;
                };
                let answer = sent
                    .get_mut(place)
                    .map(|answer| std::mem::replace(answer, Ok(Value::Nil)));
                let answer = match (answer, &lost) {
                    (Some(Ok(answer)), _) => Ok(answer),
                    (Some(Err(error)), _) if !is_passing(&error) => Err(Fault::Answer(error)),
                    // A later command in the same slot was executed. This command must not run
                    // after that one.
                    (Some(Err(error)), _)
                        if is_split(&error) && is_overtaken(place, &sent, of_node()) =>
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
        answers.into_iter().flatten().collect()
    }

    /// Returns true if there are several nodes, each with keys of its own.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no server reports the topology.
    pub async fn is_cluster(self: &Arc<Self>) -> Result<bool, Fault> {
        Ok(matches!(
            self.known(self.deadline()).await?,
            Known::Cluster(_)
        ))
    }

    /// Returns the IDs of the nodes that have keys, in a stable order. Without a cluster there is
    /// one ID, which is empty.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no server reports the topology.
    pub async fn masters(self: &Arc<Self>) -> Result<Vec<String>, Fault> {
        Ok(match self.known(self.deadline()).await? {
            Known::Single(_) => vec![String::new()],
            Known::Cluster(slots) => slots
                .masters()
                .iter()
                .map(|master| master.id.clone())
                .collect(),
        })
    }

    /// Sends a command to the node with an ID.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if the node is gone or does not execute the command.
    pub async fn send_to(self: &Arc<Self>, master: &str, command: &Cmd) -> Result<Value, Fault> {
        let deadline = self.deadline();
        let address = match self.known(deadline).await? {
            Known::Single(address) => address,
            Known::Cluster(slots) => {
                let mut masters = slots.masters().iter();
                let found = masters.find(|found| found.id == master);
                found
                    .ok_or_else(|| Fault::Unreachable("a node of the cluster is gone".into()))?
                    .address
                    .clone()
            }
        };
        let answer = self.node(&address).send(command, deadline).await;
        if matches!(answer, Err(Fault::Lost(_) | Fault::Unreachable(_))) {
            self.refresh();
        }
        answer
    }

    /// Asks each server to report changed keys, from its next connection on.
    pub fn watch(&self, watch: Watch) {
        self.dialer.watch(watch);
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.dialer.timeout()
    }

    /// Decides where a command goes after a fault.
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
                let may = repeat == Repeat::Harmless && hops == 1;
                return if may {
                    Next::Again
                } else {
                    Next::GiveUp(fault)
                };
            }
        };
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

    async fn owner(self: &Arc<Self>, slot: u16, deadline: Instant) -> Result<Arc<Node>, Fault> {
        if let Some(node) = self.settled_owner(slot) {
            return Ok(node);
        }
        let address = match self.known(deadline).await? {
            Known::Single(address) => address,
            Known::Cluster(slots) => slots.owner(slot).cloned().ok_or_else(|| {
                self.refresh();
                Fault::Unreachable("no node of the cluster has this key".into())
            })?,
        };
        Ok(self.node(&address))
    }

    /// Returns the owner of a slot if it is known and has been used before. Nearly every command
    /// finds its node here.
    fn settled_owner(&self, slot: u16) -> Option<Arc<Node>> {
        let topology = self.lock();
        let address = match topology.known.as_ref()? {
            Known::Single(address) => address,
            Known::Cluster(slots) => slots.owner(slot)?,
        };
        self.nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(address)
            .map(Arc::clone)
    }

    fn known_owner(&self, slot: u16) -> Option<Address> {
        match self.lock().known.as_ref()? {
            Known::Single(address) => Some(address.clone()),
            Known::Cluster(slots) => slots.owner(slot).cloned(),
        }
    }

    fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Node::new(address.clone(), Arc::clone(&self.dialer)));
        Arc::clone(nodes.entry(address.clone()).or_insert_with(made))
    }

    /// Returns the topology, and asks for it if it is not known yet.
    async fn known(self: &Arc<Self>, deadline: Instant) -> Result<Known, Fault> {
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        let late = |_| Fault::Unreachable("no connection yet".into());
        let _asking = tokio::time::timeout_at(deadline, self.asking.lock())
            .await
            .map_err(late)?;
        // Another task may have asked in the meantime.
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        self.ask(deadline).await
    }

    /// Asks the nodes for the topology, one after another, until one answers.
    async fn ask(&self, deadline: Instant) -> Result<Known, Fault> {
        if let (true, Some(name)) = (self.dialer.has_sentinels(), self.seeds.first()) {
            let known = Known::Single(name.clone());
            self.learn(known.clone());
            return Ok(known);
        }
        self.lock().asked = Some(Instant::now());
        let mut problem = Fault::Unreachable("no server".into());
        for node in self.candidates() {
            let mut command = redis::cmd("CLUSTER");
            command.arg("SLOTS");
            let known = match node.send(&command, deadline).await {
                Ok(answer) => match Slots::read(&answer, node.address()) {
                    Some(slots) => Known::Cluster(Arc::new(slots)),
                    None => Known::Single(node.address().clone()),
                },
                // The server is not a cluster, does not allow the question, or is a proxy that
                // hides its nodes.
                Err(Fault::Answer(error)) if !is_starting(&error) => {
                    Known::Single(node.address().clone())
                }
                Err(fault) => {
                    problem = fault;
                    continue;
                }
            };
            self.learn(known.clone());
            return Ok(known);
        }
        Err(problem)
    }

    /// Returns the nodes to ask for the topology, connected ones first.
    fn candidates(&self) -> Vec<Arc<Node>> {
        let seeds: Vec<_> = self.seeds.iter().map(|seed| self.node(seed)).collect();
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut connected, away): (Vec<_>, Vec<_>) = nodes
            .values()
            .cloned()
            .partition(|node| node.is_connected());
        drop(nodes);
        connected.extend(seeds.into_iter().filter(|seed| !seed.is_connected()));
        let rest: Vec<_> = away
            .into_iter()
            .filter(|node| !self.seeds.contains(node.address()))
            .collect();
        connected.extend(rest);
        connected
    }

    fn learn(&self, known: Known) {
        if let Known::Cluster(slots) = &known {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let is_master = |address: &Address| {
                slots
                    .masters()
                    .iter()
                    .any(|master| master.address == *address)
            };
            // A caller that still uses a dropped node holds a reference to it.
            nodes.retain(|address, _| is_master(address) || self.seeds.contains(address));
        }
        self.lock().known = Some(known);
    }

    /// Records the new owner of one slot that a node has announced, and asks for the whole
    /// topology.
    fn moved(self: &Arc<Self>, slot: u16, to: &Address) {
        {
            let mut topology = self.lock();
            let known = match &topology.known {
                Some(Known::Cluster(slots)) => Known::Cluster(Arc::new(slots.moved(slot, to))),
                // The server is a cluster after all.
                Some(Known::Single(_)) | None => {
                    Known::Cluster(Arc::new(Slots::default().moved(slot, to)))
                }
            };
            topology.known = Some(known);
        }
        self.refresh();
    }

    /// Asks for the topology in the background, unless that was done a moment ago.
    fn refresh(self: &Arc<Self>) {
        {
            let mut topology = self.lock();
            // One server without a cluster has no topology to report.
            let is_single = matches!(topology.known, Some(Known::Single(_)))
                && (self.seeds.len() == 1 || self.dialer.has_sentinels());
            if is_single
                || topology
                    .asked
                    .is_some_and(|asked| asked.elapsed() < REFRESH_PAUSE)
            {
                return;
            }
            topology.asked = Some(Instant::now());
        }
        let router = Arc::downgrade(self);
        tokio::spawn(async move {
            let Some(router) = router.upgrade() else {
                return;
            };
            let Ok(_asking) = router.asking.try_lock() else {
                return;
            };
            let deadline = router.deadline();
            // A failure is ignored here: the next command that needs the node reports it.
            let _ = router.ask(deadline).await;
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Topology> {
        // A poisoned lock still guards a usable topology, because `known` is replaced as a whole.
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    To(Target),
    /// Sends the command to the owner of the slot after a pause.
    Again,
    GiveUp(Fault),
}

/// Returns true if a later command in the same slot was executed.
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

fn is_starting(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown};
    matches!(error.kind(), ErrorKind::Server(BusyLoading | MasterDown))
        || error.code() == Some("NOAUTH")
}
