//! The topology of an endpoint: which node has which slots, and the nodes that the host has
//! connections to.
//!
//! Owns the requests for the topology, and the changes that follow: slots that move from one node
//! to another, and nodes that leave the cluster. Must not know what a command means, nor when it is
//! sent again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::time::Instant;

use super::known::{Known, Router, Topology};
use crate::dialer::DialError;
use crate::endpoint::Address;
use crate::node::{Fault, Node};
use crate::slots::Slots;

/// Minimum time between two requests for the topology of a cluster. No command waits for these
/// requests, because a redirection names the new owner of its slot.
const REFRESH_PAUSE: Duration = Duration::from_millis(250);

impl Router {
    /// Returns true if the servers of the endpoint form a cluster, in which each node has keys of
    /// its own.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no server reports the topology.
    pub async fn is_cluster(self: &Arc<Self>) -> Result<bool, Fault> {
        Ok(matches!(
            self.known(self.deadline()).await?,
            Known::Cluster(_)
        ))
    }

    /// Returns the IDs of the nodes that have keys, in a stable order. Without a cluster, returns
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

    /// Returns the address of the master node whose ID is `master`, if a cluster announced it.
    /// Returns `None` if the address is in the URL, or if there is no such node.
    pub fn announced(&self, master: &str) -> Option<Address> {
        let topology = self.lock();
        let Known::Cluster(slots) = topology.known.as_ref()? else {
            return None;
        };
        let found = slots.masters().iter().find(|found| found.id == master)?;
        (!self.seeds.contains(&found.address)).then(|| found.address.clone())
    }

    pub(super) async fn owner(
        self: &Arc<Self>,
        slot: u16,
        deadline: Instant,
    ) -> Result<Arc<Node>, Fault> {
        if let Some(node) = self.settled_owner(slot) {
            return Ok(node);
        }
        let address = match self.known(deadline).await? {
            Known::Single(address) => address,
            Known::Cluster(slots) => slots.owner(slot).cloned().ok_or_else(|| {
                self.refresh();
                Fault::Unreachable(DialError::NoNode.into())
            })?,
        };
        Ok(self.node(&address))
    }

    /// Returns the node that owns a slot, if the owner is known and was used before. Otherwise
    /// returns `None`. Nearly every command finds its node in this way.
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

    pub(super) fn known_owner(&self, slot: u16) -> Option<Address> {
        match self.lock().known.as_ref()? {
            Known::Single(address) => Some(address.clone()),
            Known::Cluster(slots) => slots.owner(slot).cloned(),
        }
    }

    pub(super) fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let is_announced = !self.seeds.contains(address);
            let dialer = Arc::clone(&self.dialer);
            Arc::new(Node::new(address.clone(), is_announced, dialer))
        };
        Arc::clone(nodes.entry(address.clone()).or_insert_with(made))
    }

    /// Returns the topology of the endpoint's servers. If it is not known yet, requests it from the
    /// servers, until `deadline`.
    ///
    /// # Errors
    /// Fails with a [`Fault`] if no server reports the topology before the deadline.
    pub(super) async fn known(self: &Arc<Self>, deadline: Instant) -> Result<Known, Fault> {
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        let late = |_| Fault::Unreachable(DialError::NotYet.into());
        let _asking = tokio::time::timeout_at(deadline, self.asking.lock())
            .await
            .map_err(late)?;
        // Another task may have asked in the meantime.
        if let Some(known) = self.lock().known.clone() {
            return Ok(known);
        }
        self.ask(deadline).await
    }

    /// Requests the topology from the nodes, one after another, until one of them answers. Records
    /// the topology and returns it. If the endpoint has sentinels, the topology is one server, and
    /// no request is sent.
    ///
    /// # Errors
    /// Fails with the [`Fault`] of the last node if no node answers before the deadline.
    async fn ask(&self, deadline: Instant) -> Result<Known, Fault> {
        if let (true, Some(name)) = (self.dialer.has_sentinels(), self.seeds.first()) {
            let known = Known::Single(name.clone());
            self.learn(known.clone());
            return Ok(known);
        }
        self.lock().asked = Some(Instant::now());
        let mut problem = Fault::Unreachable(DialError::NoServer.into());
        for node in self.candidates() {
            let mut command = redis::cmd("CLUSTER");
            command.arg("SLOTS");
            let known = match node.send(&command, deadline, true).await {
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

    /// Returns the nodes from which the topology is requested, in this order: connected nodes, the
    /// servers in the URL, and all other nodes.
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

    /// Records that a node has announced `to` as the new owner of a slot. Then requests the whole
    /// topology in the background, unless it was requested less than [`REFRESH_PAUSE`] ago.
    pub(super) fn moved(self: &Arc<Self>, slot: u16, to: &Address) {
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

    /// Requests the topology in the background. Does nothing if the topology was requested less
    /// than [`REFRESH_PAUSE`] ago, if a request is in progress, or if the endpoint is known to be
    /// one server without a cluster.
    pub(super) fn refresh(self: &Arc<Self>) {
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

fn is_starting(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown};
    matches!(error.kind(), ErrorKind::Server(BusyLoading | MasterDown))
        || error.code() == Some("NOAUTH")
}
