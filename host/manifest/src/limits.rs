//! The section `[limits]`: limits on a call, on an instance, on the instance pool and on
//! connections.
//!
//! Owns this section and its checks. Must not know which code enforces the limits.

use std::time::Duration;

use scorebox_text::Problem;
use serde::Deserialize;

use super::settings::default_of;
use super::{LIMIT_MOST, bytes, duration};

/// Section `[limits]` of the manifest: limits on a call, on an instance, on the instance pool and
/// on connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Maximum duration of a call, including the wait for an instance.
    pub deadline: Duration,
    /// Maximum size of the linear memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// Maximum size of the linear memory of all instances together, in bytes. `None` if the host
    /// derives the maximum from the memory that it may use.
    pub instances_bytes: Option<u64>,
    /// Maximum number of instances at a time, which is also the maximum number of calls that run at
    /// a time. `None` if the host derives the number from the number of CPU cores.
    pub instances: Option<usize>,
    /// Maximum number of calls that may wait for an instance. Further calls are refused.
    pub queue: usize,
    /// Maximum size of a request's body, in bytes.
    pub body_bytes: u64,
    /// Maximum total size of the request bodies over 64 KiB that are read or scored at a time, in
    /// bytes. Smaller bodies do not count. `None` if the host derives the maximum from the memory
    /// that it may use.
    pub bodies_bytes: Option<u64>,
    /// Maximum duration of an instance's `init`.
    pub init_deadline: Duration,
    /// Maximum time for which a stopping host waits for calls in flight.
    pub drain: Duration,
    /// Time for which a stopping host still accepts connections: the lame-duck phase. `None` if the
    /// manifest does not set this time.
    pub lame_duck: Option<Duration>,
    /// Maximum time for which an open connection may wait for its next request.
    pub keep_alive: Duration,
    /// Maximum number of incoming connections that may be open at a time.
    pub connections: usize,
    /// Maximum number of incoming connections that one peer may have open. `None` if this number is
    /// not limited.
    pub connections_per_peer: Option<usize>,
}

impl Limits {
    /// Returns the time for which a stopping host still accepts connections: the lame-duck phase.
    /// `is_custom_handler` is true if the Functions host runs this host as its custom handler. In
    /// this case, the default is 0.
    #[must_use]
    pub fn lame_duck(&self, is_custom_handler: bool) -> Duration {
        // The Functions host asks no probe, and sends no more requests once it stops its handler.
        let default = if is_custom_handler {
            Duration::ZERO
        } else {
            LAME_DUCK
        };
        self.lame_duck.unwrap_or(default)
    }
}

/// Default of `limits.lame_duck`, the time for which a stopping host still accepts connections.
/// This default applies if the host is not a custom handler of the Functions host.
const LAME_DUCK: Duration = Duration::from_secs(5);

/// Maximum value of `limits.connections`, which is the number of ports that one peer has.
const CONNECTIONS_MOST: usize = 65_536;

#[derive(Default, Deserialize)]
pub(super) struct RawLimits {
    deadline: Option<String>,
    memory: Option<String>,
    total_memory: Option<String>,
    instances: Option<toml::Value>,
    queue: Option<usize>,
    body: Option<String>,
    bodies: Option<String>,
    init_deadline: Option<String>,
    drain: Option<String>,
    lame_duck: Option<String>,
    keep_alive: Option<String>,
    connections: Option<usize>,
    connections_per_peer: Option<usize>,
}

impl RawLimits {
    pub(super) fn into_limits(self) -> Result<Limits, Problem> {
        let time = |key: &str, value: Option<String>| {
            duration(
                key,
                &value.unwrap_or_else(|| default_of(key).to_owned()),
                LIMIT_MOST,
            )
        };
        let size = |key: &str, value: Option<String>| {
            bytes(key, &value.unwrap_or_else(|| default_of(key).to_owned()))
        };
        let instances = match self.instances {
            None => None,
            Some(toml::Value::String(word)) if word == "auto" => None,
            Some(toml::Value::Integer(count)) if (1..=1024).contains(&count) => {
                usize::try_from(count).ok()
            }
            Some(other) => {
                return Err(Problem::new(
                    format!(
                        "`limits.instances`: {other} is neither \"auto\" nor a number from 1 to 1024"
                    ),
                    "write `instances = \"auto\"` or e.g. `instances = 4`",
                ));
            }
        };
        let memory_bytes = size("limits.memory", self.memory)?;
        if !(1 << 20..=4 << 30).contains(&memory_bytes) {
            return Err(Problem::new(
                "`limits.memory` is not between 1MiB and 4GiB",
                "write a size from 1MiB to 4GiB: a 32-bit component addresses at most 4GiB, and a \
                 small one needs at least 1MiB",
            ));
        }
        let body_bytes = size("limits.body", self.body)?;
        if body_bytes > 1 << 30 {
            return Err(Problem::new(
                "`limits.body` is over 1GiB",
                "write at most 1GiB; for larger data, send a reference, e.g. a key in a store",
            ));
        }
        let instances_bytes = match self.total_memory.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(bytes("limits.total_memory", text)?),
        };
        if instances_bytes.is_some_and(|instances_bytes| instances_bytes < memory_bytes) {
            return Err(Problem::new(
                "`limits.total_memory` is less than `limits.memory`",
                "write at least the memory of one instance, several times as much for several, or \"auto\"",
            ));
        }
        let bodies_bytes = match self.bodies.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(bytes("limits.bodies", text)?),
        };
        if bodies_bytes.is_some_and(|bodies_bytes| bodies_bytes < body_bytes) {
            return Err(Problem::new(
                "`limits.bodies` is less than `limits.body`",
                "write at least the size of one body, several times as much for several at a time, or \"auto\"",
            ));
        }
        let connections = self
            .connections
            .unwrap_or_else(|| default_of("limits.connections").parse().unwrap_or_default());
        if !(1..=CONNECTIONS_MOST).contains(&connections) {
            return Err(Problem::new(
                format!(
                    "`limits.connections`: {connections} is not a number from 1 to {CONNECTIONS_MOST}"
                ),
                "write e.g. `connections = 1024`",
            ));
        }
        let lame_duck = self.lame_duck.map(|text| match text.as_str() {
            "0" => Ok(Duration::ZERO),
            _ => duration("limits.lame_duck", &text, LIMIT_MOST),
        });
        Ok(Limits {
            deadline: time("limits.deadline", self.deadline)?,
            memory_bytes,
            instances_bytes,
            instances,
            queue: self
                .queue
                .unwrap_or_else(|| default_of("limits.queue").parse().unwrap_or_default()),
            body_bytes,
            bodies_bytes,
            init_deadline: time("limits.init_deadline", self.init_deadline)?,
            drain: time("limits.drain", self.drain)?,
            lame_duck: lame_duck.transpose()?,
            keep_alive: time("limits.keep_alive", self.keep_alive)?,
            connections,
            connections_per_peer: self.connections_per_peer.filter(|most| *most > 0),
        })
    }
}
