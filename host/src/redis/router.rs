//! From a key to the node that has it: one server, or a cluster that tells which.
//!
//! Owns what is known of the topology, and following its changes: redirections, slots on their way from one node to
//! another, nodes that are gone. Must not know what a command means, nor how a node is connected to.

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

/// Redirections that one command follows: while slots move there may be two or three.
const REDIRECTIONS: u32 = 8;

/// The pause before a command is sent again to a cluster that is changing.
const SETTLING_PAUSE: Duration = Duration::from_millis(15);

/// Between two questions for the topology. A redirection names the new owner of its slot, so nothing waits for them.
const REFRESH_PAUSE: Duration = Duration::from_millis(250);

/// Whether a command may be sent again when nobody knows if it was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Twice is as good as once.
    Harmless,
    /// Twice is wrong.
    Wrong,
}

/// A command, and where it goes.
pub struct Routed {
    /// Of its keys.
    pub slot: u16,
    /// Keys are whole.
    pub command: Cmd,
    /// Of the command.
    pub repeat: Repeat,
}

/// The way to every node.
pub struct Router {
    seeds: Vec<Address>,
    dialer: Arc<Dialer>,
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    topology: Mutex<Topology>,
    /// Held by whoever asks for the topology.
    asking: tokio::sync::Mutex<()>,
}

struct Topology {
    known: Option<Known>,
    asked: Option<Instant>,
}

/// What a server is.
#[derive(Clone)]
enum Known {
    /// One for all keys, at this address.
    Single(Address),
    /// One of several.
    Cluster(Arc<Slots>),
}

impl Router {
    /// Routes to the servers of an endpoint; nothing is connected to before the first command.
    #[must_use]
    pub fn new(seeds: Vec<Address>, dialer: Dialer) -> Arc<Self> {
        Arc::new(Self {
            seeds,
            dialer: Arc::new(dialer),
            nodes: Mutex::default(),
            topology: Mutex::new(Topology { known: None, asked: None }),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// Sends a command to the node that has its slot.
    ///
    /// # Errors
    /// [`Fault`]; never a redirection.
    pub async fn send(self: &Arc<Self>, slot: u16, command: &Cmd, repeat: Repeat) -> Result<Value, Fault> {
        self.send_until(self.deadline(), slot, Parcel::Command(command), repeat).await
    }

    /// Sends commands between MULTI and EXEC to the node that has their slot; the answer is that to EXEC. It follows the
    /// slot as a whole.
    ///
    /// # Errors
    /// [`Fault`]; never a redirection.
    pub async fn send_transaction(
        self: &Arc<Self>,
        slot: u16,
        commands: &[Cmd],
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        self.send_until(self.deadline(), slot, Parcel::Transaction(commands), repeat).await
    }

    async fn send_until(
        self: &Arc<Self>,
        deadline: Instant,
        slot: u16,
        parcel: Parcel<'_>,
        repeat: Repeat,
    ) -> Result<Value, Fault> {
        let mut target = Target { node: self.owner(slot, deadline).await?, is_asked: false };
        let mut hops = 0;
        loop {
            let fault = match target.send(parcel, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            // Nobody can execute it until its keys have come together: that ends with the move, or with the time.
            let is_split = matches!(&fault, Fault::Answer(error) if is_split(error));
            hops = if is_split { 1 } else { hops + 1 };
            // One more try that the time cuts short would look like a node that does not answer.
            let needed = if is_split { 2 * SETTLING_PAUSE } else { Duration::ZERO };
            if hops > REDIRECTIONS || Instant::now() + needed >= deadline {
                return Err(fault);
            }
            target = match self.next(fault, slot, &target.node, repeat, hops) {
                Next::To(target) => target,
                Next::Again => {
                    tokio::time::sleep(SETTLING_PAUSE.min(deadline - Instant::now())).await;
                    Target { node: self.owner(slot, deadline).await?, is_asked: false }
                }
                Next::GiveUp(fault) => return Err(fault),
            };
        }
    }

    /// Sends commands, each to the node that has its slot, in one round trip to each node. Their order holds for equal
    /// slots.
    pub async fn send_all(self: &Arc<Self>, commands: Vec<Routed>) -> Vec<Result<Value, Fault>> {
        let deadline = self.deadline();
        let mut by_node: BTreeMap<Address, (Arc<Node>, Vec<usize>)> = BTreeMap::new();
        let mut answers: Vec<Option<Result<Value, Fault>>> = Vec::with_capacity(commands.len());
        for (index, routed) in commands.iter().enumerate() {
            match self.owner(routed.slot, deadline).await {
                Ok(node) => {
                    let address = node.address().clone();
                    by_node.entry(address).or_insert_with(|| (node, Vec::new())).1.push(index);
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
                // Nothing was sent.
                Err(Fault::Unreachable(_)) => (Vec::new(), None),
                // One by one the replies would take as much.
                Err(fault @ Fault::TooLarge(PIPELINE_LIMIT_BYTES)) => (Vec::new(), Some(fault)),
                Err(_) if Instant::now() < deadline && of_node().all(|routed| routed.repeat == Repeat::Harmless) => {
                    (Vec::new(), None)
                }
                Err(fault) => (Vec::new(), Some(fault)),
            };
            // What did not arrive, or has moved, goes its own way, in order.
            for (place, index) in indices.iter().copied().enumerate() {
                let Some(routed) = commands.get(index) else { continue };
                let answer = sent.get_mut(place).map(|answer| std::mem::replace(answer, Ok(Value::Nil)));
                let answer = match (answer, &lost) {
                    (Some(Ok(answer)), _) => Ok(answer),
                    (Some(Err(error)), _) if !is_passing(&error) => Err(Fault::Answer(error)),
                    // A later command of its slot was executed: it may not come after that one.
                    (Some(Err(error)), _) if is_split(&error) && is_overtaken(place, &sent, of_node()) => {
                        Err(Fault::Answer(error))
                    }
                    (None, Some(fault)) => Err(fault.clone()),
                    (_, _) => {
                        let parcel = Parcel::Command(&routed.command);
                        self.send_until(deadline, routed.slot, parcel, routed.repeat).await
                    }
                };
                if let Some(slot) = answers.get_mut(index) {
                    *slot = Some(answer);
                }
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Whether there are several nodes, each with keys of its own.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn is_cluster(self: &Arc<Self>) -> Result<bool, Fault> {
        Ok(matches!(self.known(self.deadline()).await?, Known::Cluster(_)))
    }

    /// Ids of the nodes that have keys, in an order that stays; one without a name if there is no cluster.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn masters(self: &Arc<Self>) -> Result<Vec<String>, Fault> {
        Ok(match self.known(self.deadline()).await? {
            Known::Single(_) => vec![String::new()],
            Known::Cluster(slots) => slots.masters().iter().map(|master| master.id.clone()).collect(),
        })
    }

    /// Sends a command to a node by its id.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn send_to(self: &Arc<Self>, master: &str, command: &Cmd) -> Result<Value, Fault> {
        let deadline = self.deadline();
        let address = match self.known(deadline).await? {
            Known::Single(address) => address,
            Known::Cluster(slots) => {
                let mut masters = slots.masters().iter();
                let found = masters.find(|found| found.id == master);
                found.ok_or_else(|| Fault::Unreachable("a node of the cluster is gone".into()))?.address.clone()
            }
        };
        let answer = self.node(&address).send(command, deadline).await;
        if matches!(answer, Err(Fault::Lost(_) | Fault::Unreachable(_))) {
            self.refresh();
        }
        answer
    }

    /// Asks each server to tell of changed keys, from its next connection on.
    pub fn watch(&self, watch: Watch) {
        self.dialer.watch(watch);
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.dialer.timeout()
    }

    /// Where a command goes after a fault.
    fn next(self: &Arc<Self>, fault: Fault, slot: u16, from: &Node, repeat: Repeat, hops: u32) -> Next {
        let error = match fault {
            Fault::Answer(error) => error,
            // The node may be gone for good, and another have its slots by now.
            Fault::Unreachable(_) => {
                self.refresh();
                return match self.known_owner(slot) {
                    Some(owner) if owner != *from.address() => Next::To(Target::of(self.node(&owner))),
                    _ => Next::GiveUp(fault),
                };
            }
            Fault::TooLarge(_) => return Next::GiveUp(fault),
            Fault::Lost(_) => {
                self.refresh();
                let may = repeat == Repeat::Harmless && hops == 1;
                return if may { Next::Again } else { Next::GiveUp(fault) };
            }
        };
        let ErrorKind::Server(kind) = error.kind() else { return Next::GiveUp(Fault::Answer(error)) };
        let address = error.redirect_node().and_then(|(address, _)| Address::announced(address, from.address()));
        match (kind, address) {
            (ServerErrorKind::Moved, Some(address)) => {
                self.moved(slot, &address);
                Next::To(Target::of(self.node(&address)))
            }
            (ServerErrorKind::Ask, Some(address)) => Next::To(Target { node: self.node(&address), is_asked: true }),
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

    /// Whoever has a slot, where that is known and the node has been asked before: what nearly every command finds.
    fn settled_owner(&self, slot: u16) -> Option<Arc<Node>> {
        let topology = self.lock();
        let address = match topology.known.as_ref()? {
            Known::Single(address) => address,
            Known::Cluster(slots) => slots.owner(slot)?,
        };
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(address).map(Arc::clone)
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

    /// What the servers are; asked for once.
    async fn known(self: &Arc<Self>, deadline: Instant) -> Result<Known, Fault> {
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        let late = |_| Fault::Unreachable("no connection yet".into());
        let _asking = tokio::time::timeout_at(deadline, self.asking.lock()).await.map_err(late)?;
        // Somebody else has asked meanwhile.
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        self.ask(deadline).await
    }

    /// Asks the nodes one after another until one says what it is.
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
                // It is no cluster, does not let us ask, or is a proxy that hides its nodes.
                Err(Fault::Answer(error)) if !is_starting(&error) => Known::Single(node.address().clone()),
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

    /// Nodes to ask: those that are connected first.
    fn candidates(&self) -> Vec<Arc<Node>> {
        let seeds: Vec<_> = self.seeds.iter().map(|seed| self.node(seed)).collect();
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut connected, away): (Vec<_>, Vec<_>) = nodes.values().cloned().partition(|node| node.is_connected());
        drop(nodes);
        connected.extend(seeds.into_iter().filter(|seed| !seed.is_connected()));
        let rest: Vec<_> = away.into_iter().filter(|node| !self.seeds.contains(node.address())).collect();
        connected.extend(rest);
        connected
    }

    fn learn(&self, known: Known) {
        if let Known::Cluster(slots) = &known {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let is_master = |address: &Address| slots.masters().iter().any(|master| master.address == *address);
            // Whoever still uses one that is dropped has a share of it.
            nodes.retain(|address, _| is_master(address) || self.seeds.contains(address));
        }
        self.lock().known = Some(known);
    }

    /// Notes what a node has said of one slot, and asks for the others.
    fn moved(self: &Arc<Self>, slot: u16, to: &Address) {
        {
            let mut topology = self.lock();
            let known = match &topology.known {
                Some(Known::Cluster(slots)) => Known::Cluster(Arc::new(slots.moved(slot, to))),
                // A cluster after all.
                Some(Known::Single(_)) | None => Known::Cluster(Arc::new(Slots::default().moved(slot, to))),
            };
            topology.known = Some(known);
        }
        self.refresh();
    }

    /// Asks for the topology in the background, if that has not just been done.
    fn refresh(self: &Arc<Self>) {
        {
            let mut topology = self.lock();
            // One server without a cluster has nothing to tell.
            let is_single = matches!(topology.known, Some(Known::Single(_)))
                && (self.seeds.len() == 1 || self.dialer.has_sentinels());
            if is_single || topology.asked.is_some_and(|asked| asked.elapsed() < REFRESH_PAUSE) {
                return;
            }
            topology.asked = Some(Instant::now());
        }
        let router = Arc::downgrade(self);
        tokio::spawn(async move {
            let Some(router) = router.upgrade() else { return };
            let Ok(_asking) = router.asking.try_lock() else { return };
            let deadline = router.deadline();
            // A failure is noticed by whoever needs the node.
            let _ = router.ask(deadline).await;
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Topology> {
        // What is known is replaced as a whole.
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    To(Target),
    /// To whoever has the key after a pause.
    Again,
    GiveUp(Fault),
}

/// Whether a command that follows in the same slot was executed.
fn is_overtaken<'a>(
    place: usize,
    answers: &[Result<Value, RedisError>],
    commands: impl Iterator<Item = &'a Routed>,
) -> bool {
    let mut later = commands.zip(answers).skip(place);
    let Some((this, _)) = later.next() else { return false };
    later.any(|(other, answer)| answer.is_ok() && other.slot == this.slot)
}

fn is_starting(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown};
    matches!(error.kind(), ErrorKind::Server(BusyLoading | MasterDown)) || error.code() == Some("NOAUTH")
}
