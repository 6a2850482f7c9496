//! A connectivity check for the server of a store.
//!
//! Owns the commands that `scorebox check --connect` sends, which any user of a server may send.
//! Must not know how the result is shown.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use redis::Value;
use scorebox_text::{NAME_BYTES, bounded, quoted};
use serde::Serialize;
use tokio::time::Instant;

use super::dialer::{DialError, allow, refused_command};
use super::endpoint::Address;
use super::node::Fault;
use super::server::{Server, translate};

/// Role that a server which accepts no writes reports.
pub const REPLICA: &str = "replica";

/// Result of a successful connectivity check of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Mode that the server reports: `standalone` or `cluster`. `unknown` if it reports none.
    pub mode: String,
    /// Version that the server reports. `unknown` if it reports none.
    pub version: String,
    /// Role that the server reports: `master` or `replica`. `unknown` if it reports none. With
    /// several servers, it is `replica` if one of them is a replica.
    pub role: String,
    /// Number of servers that have keys of the store. The number is 1 without a cluster.
    pub masters: usize,
    /// Round-trip time of one command, in microseconds. With several servers, it is the time of the
    /// slowest server.
    pub round_trip_us: u64,
}

/// Reason why a connectivity check of a store failed, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// Reason why the connectivity check failed. The text holds an address only if a cluster
    /// announced the address.
    pub problem: String,
    /// Instruction that makes the connectivity check succeed. Empty if no fix is known, e.g.
    /// because the problem ends by itself.
    pub fix: String,
}

impl Server {
    /// Checks that every server that has keys of the store answers. Returns facts about these
    /// servers. The future is boxed, so that its code is compiled once and not in each crate that
    /// awaits it.
    ///
    /// # Errors
    /// Fails with the problem and its fix if one of these servers does not answer, or is a
    /// sentinel.
    pub fn reach(&self) -> BoxFuture<'_, Result<Reached, Unreached>> {
        Box::pin(async move {
            let router = self.router();
            let masters = match router.masters().await {
                // The first attempt to connect ends a little later than the command that waits for
                // it, and then the reason is known.
                Err(fault) if is_not_yet(&fault) => router.masters().await,
                masters => masters,
            };
            let masters = masters.map_err(|fault| explain(fault, None))?;
            let mut reached = Reached {
                mode: String::new(),
                version: String::new(),
                role: String::new(),
                masters: masters.len(),
                round_trip_us: 0,
            };
            for master in &masters {
                let announced = || router.announced(master);
                let hello = redis::cmd("HELLO");
                let hello = match router.send_to(master, &hello).await {
                    Err(fault) if is_not_yet(&fault) => router.send_to(master, &hello).await,
                    answer => answer,
                };
                let hello = hello.map_err(|fault| explain(fault, announced()))?;
                let told: HashMap<String, Value> =
                    redis::from_redis_value(hello).unwrap_or_default();
                let text = |name: &str| {
                    told.get(name)
                        .and_then(|value| redis::from_redis_value::<String>(value.clone()).ok())
                };
                let text = |name: &str| {
                    text(name)
                        .map_or_else(|| "unknown".to_owned(), |text| bounded(text, NAME_BYTES))
                };
                reached.mode = text("mode");
                reached.version = text("version");
                // If one server is a replica, the result is `replica`, whatever the other servers
                // are.
                if reached.role != REPLICA {
                    reached.role = text("role");
                }
                if reached.mode == "sentinel" {
                    let fault = Fault::Unreachable(DialError::IsSentinel.into());
                    return Err(explain(fault, None));
                }
                let started = Instant::now();
                router
                    .send_to(master, &redis::cmd("PING"))
                    .await
                    .map_err(|fault| explain(fault, announced()))?;
                let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                reached.round_trip_us = reached.round_trip_us.max(took);
            }
            Ok(reached)
        })
    }
}

fn is_not_yet(fault: &Fault) -> bool {
    matches!(fault, Fault::Unreachable(why) if **why == DialError::NotYet)
}

/// Describes a fault for an operator. `announced` is the address of the server that did not answer,
/// if a cluster announced it.
fn explain(fault: Fault, announced: Option<Address>) -> Unreached {
    let fix = match &fault {
        Fault::Unreachable(why) => why.fix(),
        Fault::Answer(error) => {
            let command = error.detail().and_then(refused_command);
            command.map(allow).unwrap_or_default()
        }
        Fault::Lost(_) => DialError::NoAnswer.fix(),
        Fault::TooLarge(_) => String::new(),
    };
    let problem = translate(fault).to_string();
    match announced {
        None => Unreached { problem, fix },
        Some(address) => {
            let address = address.to_string();
            Unreached {
                problem: format!(
                    "the cluster announces the node {}: {problem}",
                    quoted(&address, NAME_BYTES)
                ),
                fix: format!(
                    "let this machine reach that address, or set `cluster-announce-ip` and `cluster-announce-port` \
                     on the node to what this machine reaches{}{fix}",
                    if fix.is_empty() { "" } else { "; " }
                ),
            }
        }
    }
}
