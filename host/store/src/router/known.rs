//! Topology as a router knows it: the endpoint's servers, its nodes, and the slots of each node.
//!
//! Owns the form in which the topology is stored. Must not know how the topology is requested, or
//! where a command is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::dialer::Dialer;
use crate::endpoint::Address;
use crate::node::Node;
use crate::slots::Slots;

/// Router of one endpoint. It sends each command to the node that has the command's keys.
pub struct Router {
    pub(super) seeds: Vec<Address>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    pub(super) topology: Mutex<Topology>,
    /// Lock that a task holds while it requests the topology of the servers.
    pub(super) asking: tokio::sync::Mutex<()>,
}

/// Knowledge about the servers of an endpoint, and the time at which it was last requested.
pub(super) struct Topology {
    pub(super) known: Option<Known>,
    pub(super) asked: Option<Instant>,
}

/// Known topology of an endpoint's servers.
#[derive(Clone)]
pub(super) enum Known {
    /// One server, at this address, has all keys.
    Single(Address),
    /// The servers form a cluster, with this map from slots to nodes.
    Cluster(Arc<Slots>),
}

impl Router {
    /// Creates a router for the servers of an endpoint. `seeds` are the addresses in its URL. The
    /// router connects when the first command is sent.
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

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.dialer.timeout()
    }
}
