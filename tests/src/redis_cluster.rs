//! A real Redis Cluster for one test: three masters, each with a replica.
//!
//! Owns the processes, the distribution of the slots, and moving them. Must not know what the host
//! keeps in it.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, Connection, FromRedisValue, Pipeline};
use tempfile::TempDir;

use crate::redis::free_port;
use crate::{run, wait};

/// Number of masters in the cluster. Each master has a third of the slots.
pub const MASTERS: usize = 3;

/// Number of slots in a cluster.
pub const SLOTS: u16 = 16384;

/// Time after which a silent node counts as failed. It is longer than the pauses of a busy machine.
const NODE_TIMEOUT: Duration = Duration::from_secs(10);

/// A running Redis Cluster. All its nodes are killed when this value is dropped.
///
/// Nodes are identified by an index. The masters have the first indices, and their replicas the
/// next ones.
pub struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    port: u16,
    bus_port: u16,
    child: Option<Child>,
    timeout_ms: String,
    dir: TempDir,
}

impl Cluster {
    /// Starts the nodes and joins them to a cluster.
    #[must_use]
    pub fn start() -> Self {
        Self::with_node_timeout(NODE_TIMEOUT)
    }

    /// Starts a cluster in which a silent node counts as failed after the time `node_timeout`.
    #[must_use]
    pub fn with_node_timeout(node_timeout: Duration) -> Self {
        let cluster = Self {
            nodes: (0..2 * MASTERS)
                .map(|_| Node::start(node_timeout))
                .collect(),
        };
        // The epochs must be set before the nodes meet. A node that knows others refuses the
        // command.
        for number in 1..cluster.nodes.len() {
            cluster.command::<String>(
                number,
                &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()],
            );
        }
        for node in cluster.nodes.iter().skip(1) {
            let (port, bus_port) = (node.port.to_string(), node.bus_port.to_string());
            cluster.command::<String>(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]);
        }
        for master in 0..MASTERS {
            let (first, last) = Self::third(master);
            let (first, last) = (first.to_string(), last.to_string());
            cluster.command::<String>(master, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
        }
        for master in 0..MASTERS {
            let id = cluster.id(master);
            wait::until("a replica to know its master", || {
                cluster
                    .try_command::<String>(MASTERS + master, &["CLUSTER", "REPLICATE", &id])
                    .ok()
            });
        }
        cluster.wait_until_whole();
        cluster
    }

    /// Returns the first and the last slot that the master with the index `master` has at the
    /// start.
    #[must_use]
    pub fn third(master: usize) -> (u16, u16) {
        let start =
            |master: usize| u16::try_from(usize::from(SLOTS) * master / MASTERS).expect("a slot");
        (start(master), start(master + 1) - 1)
    }

    /// Waits until every node reports a healthy cluster, and all masters have replicas that are in
    /// sync.
    pub fn wait_until_whole(&self) {
        let replicas = |number: usize| {
            let role: Vec<redis::Value> = self.try_command(number, &["ROLE"]).ok()?;
            redis::from_redis_value::<String>(role.first()?.clone()).ok()
        };
        let whole = wait::within(Duration::from_secs(30), || {
            let all_ok = (0..self.nodes.len()).all(|number| {
                let info: Result<String, _> = self.try_command(number, &["CLUSTER", "INFO"]);
                info.is_ok_and(|info| {
                    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
                })
            });
            let masters = (0..self.nodes.len())
                .filter(|number| replicas(*number).as_deref() == Some("master"))
                .count();
            let in_step = (0..self.nodes.len()).all(|number| {
                let info: Result<String, _> = self.try_command(number, &["INFO", "replication"]);
                info.is_ok_and(|info| {
                    info.contains("role:master") || info.contains("master_link_status:up")
                })
            });
            (all_ok && in_step && masters == MASTERS).then_some(())
        });
        assert!(
            whole.is_some(),
            "the cluster is not whole: {:?}",
            self.try_command::<String>(0, &["CLUSTER", "NODES"])
        );
    }

    /// Returns the URLs of two nodes, as an operator would write them.
    #[must_use]
    pub fn url(&self) -> String {
        let url = |node: &Node| format!("redis://127.0.0.1:{}", node.port);
        self.nodes
            .iter()
            .take(2)
            .map(url)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Sends a command to the node with the index `node`, and returns the reply.
    #[track_caller]
    pub fn command<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> T {
        self.try_command(node, words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn try_command<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = Cmd::new();
        command.arg(words);
        command.query(&mut self.nodes[node].connection()?)
    }

    fn id(&self, node: usize) -> String {
        self.command(node, &["CLUSTER", "MYID"])
    }

    /// Moves the first third of the slots from each master to the next, a few slots at a time,
    /// until `stop` is true.
    ///
    /// Returns how many times all of these slots have moved to another master.
    pub fn keep_moving(&self, stop: &AtomicBool) -> usize {
        let (mut from, mut moves) = (0, 0);
        let (first, last) = Self::third(0);
        while !stop.load(Ordering::Relaxed) {
            let to = (from + 1) % MASTERS;
            for start in (first..=last).step_by(500) {
                let slots = start..=(start + 499).min(last);
                self.begin_moving(slots.clone(), from, to);
                self.finish_moving(slots, from, to);
            }
            from = to;
            moves += 1;
        }
        moves
    }

    /// Declares slots as moving from the master `from` to the master `to`. Existing keys stay on
    /// `from`, and new keys are created on `to`.
    pub fn begin_moving(&self, slots: impl IntoIterator<Item = u16>, from: usize, to: usize) {
        let (source, destination) = (self.id(from), self.id(to));
        let (mut importing, mut migrating) = (Pipeline::new(), Pipeline::new());
        for slot in slots {
            importing
                .cmd("CLUSTER")
                .arg("SETSLOT")
                .arg(slot)
                .arg("IMPORTING")
                .arg(&source)
                .ignore();
            migrating
                .cmd("CLUSTER")
                .arg("SETSLOT")
                .arg(slot)
                .arg("MIGRATING")
                .arg(&destination)
                .ignore();
        }
        importing
            .query::<()>(&mut self.nodes[to].connection().expect("a node"))
            .expect("slots can be imported");
        migrating
            .query::<()>(&mut self.nodes[from].connection().expect("a node"))
            .expect("slots can be migrated");
    }

    /// Moves the keys of moving slots, and then the slots themselves.
    pub fn finish_moving(&self, slots: impl IntoIterator<Item = u16>, from: usize, to: usize) {
        let destination = self.id(to);
        let mut source = self.nodes[from].connection().expect("a node");
        let mut others: Vec<Connection> = [to, from]
            .map(|number| self.nodes[number].connection().expect("a node"))
            .into();
        let port = self.nodes[to].port.to_string();
        let mut nodes = Pipeline::new();
        for slot in slots {
            loop {
                let mut command = redis::cmd("CLUSTER");
                let keys: Vec<Vec<u8>> = command
                    .arg("GETKEYSINSLOT")
                    .arg(slot)
                    .arg(100)
                    .query(&mut source)
                    .expect("a list");
                if keys.is_empty() {
                    break;
                }
                let mut migrate = redis::cmd("MIGRATE");
                migrate
                    .arg(&["127.0.0.1", &port, "", "0", "5000", "KEYS"])
                    .arg(keys);
                migrate
                    .query::<String>(&mut source)
                    .expect("keys can be moved");
            }
            nodes
                .cmd("CLUSTER")
                .arg("SETSLOT")
                .arg(slot)
                .arg("NODE")
                .arg(&destination)
                .ignore();
        }
        for other in &mut others {
            nodes.query::<()>(other).expect("slots can be given");
        }
    }

    /// Kills the node with the index `node`. The keys on this node are lost.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].stop();
    }

    /// Starts the killed node with the index `node` again, on its old ports.
    pub fn restart(&mut self, node: usize) {
        self.nodes[node].run();
    }

    /// Returns the id of the process of the node with the index `node`. Returns `None` if the node
    /// does not run.
    #[must_use]
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes[node].child.as_ref().map(Child::id)
    }
}

impl Node {
    /// Starts a node on free ports. If another process has taken one of the ports meanwhile, other
    /// ports are tried.
    fn start(node_timeout: Duration) -> Self {
        let made = (0..5).find_map(|_| {
            let mut node = Self {
                port: free_port(),
                bus_port: free_port(),
                child: None,
                timeout_ms: node_timeout.as_millis().to_string(),
                dir: tempfile::tempdir().expect("a folder can be made"),
            };
            node.try_to_run().then_some(node)
        });
        made.expect("there are free ports")
    }

    fn run(&mut self) {
        assert!(self.try_to_run(), "the node ended at once");
    }

    /// Starts the node's process and waits until it answers. Returns false if the process ended.
    fn try_to_run(&mut self) -> bool {
        let mut command: Command = run::tool("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
            &self.port.to_string(),
        ]);
        command.args([
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
        ]);
        command.args([
            "--cluster-port",
            &self.bus_port.to_string(),
            "--cluster-node-timeout",
            &self.timeout_ms,
        ]);
        // A master that has given all its slots away stays a master.
        command.args([
            "--cluster-allow-replica-migration",
            "no",
            "--cluster-replica-validity-factor",
            "0",
        ]);
        command.args(["--repl-diskless-sync-delay", "0"]);
        command
            .arg("--dir")
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("redis-server can be started");
        let runs = wait::until("a node", || {
            if child
                .try_wait()
                .expect("a child can be waited for")
                .is_some()
            {
                return Some(false);
            }
            let mut connection = self.connection().ok()?;
            redis::cmd("PING")
                .query::<String>(&mut connection)
                .ok()
                .map(|_| true)
        });
        self.child = Some(child);
        runs
    }

    fn connection(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(("127.0.0.1", self.port))?.get_connection()
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
