//! The section `[limits]`: bounds of a call, of an instance and of the pool.
//!
//! Owns this section and its checks. Must not know which code keeps the bounds.

use std::time::Duration;

use serde::Deserialize;

use super::settings::default_of;
use super::{LIMIT_MOST, Misfit, bytes, duration};

/// The section `[limits]`: bounds of a call, of an instance and of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of a call, including the wait for an instance.
    pub deadline: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// Linear memory of all instances together, in bytes. `None` if the host derives it from its
    /// memory.
    pub instances_bytes: Option<u64>,
    /// Most instances at a time, and most calls in them. `None` for as many as suit the machine.
    pub instances: Option<usize>,
    /// Most calls that may wait for an instance. One more is refused.
    pub queue: usize,
    /// Largest size of a request's body, in bytes.
    pub body_bytes: u64,
    /// Largest size of all bodies that are read or scored at a time, in bytes.
    ///
    /// `None` if the host derives it from its memory.
    pub bodies_bytes: Option<u64>,
    /// Time that `init` may take.
    pub init_deadline: Duration,
    /// Time that a stop waits for calls in flight.
    pub drain: Duration,
    /// Time that a stop keeps accepting connections. `None` if the manifest does not say it.
    pub lame_duck: Option<Duration>,
    /// Time that a connection may wait for its next request.
    pub keep_alive: Duration,
    /// Most connections that may be open at a time.
    pub connections: usize,
    /// Most connections that one peer may have. `None` for as many as may be open.
    pub connections_per_peer: Option<usize>,
}

impl Limits {
    /// Returns the length of the lame-duck phase of a stop.
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

/// Length of the lame-duck phase if the manifest does not say it and the Functions host is not the
/// caller.
const LAME_DUCK: Duration = Duration::from_secs(5);

/// Largest number of connections that the manifest can allow: as many as one peer has ports.
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
    pub(super) fn into_limits(self) -> Result<Limits, Misfit> {
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
                return Err((
                    format!(
                        "`limits.instances`: {other} is neither \"auto\" nor a number from 1 to 1024"
                    ),
                    "write `instances = \"auto\"` or e.g. `instances = 4`".to_owned(),
                ));
            }
        };
        let memory_bytes = size("limits.memory", self.memory)?;
        if !(1 << 20..=4 << 30).contains(&memory_bytes) {
            return Err((
                "`limits.memory` is not between 1MiB and 4GiB".to_owned(),
                "write a size from 1MiB to 4GiB: a 32-bit component addresses at most 4GiB, and a \
                 small one needs at least 1MiB"
                    .to_owned(),
            ));
        }
        let body_bytes = size("limits.body", self.body)?;
        if body_bytes > 1 << 30 {
            return Err((
                "`limits.body` is over 1GiB".to_owned(),
                "write at most 1GiB; for larger data, send a reference, e.g. a key in a store"
                    .to_owned(),
            ));
        }
        let instances_bytes = match self.total_memory.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(bytes("limits.total_memory", text)?),
        };
        if instances_bytes.is_some_and(|instances_bytes| instances_bytes < memory_bytes) {
            return Err((
                "`limits.total_memory` is less than `limits.memory`".to_owned(),
                "write at least the memory of one instance, several times as much for several, or \"auto\"".to_owned(),
            ));
        }
        let bodies_bytes = match self.bodies.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(bytes("limits.bodies", text)?),
        };
        if bodies_bytes.is_some_and(|bodies_bytes| bodies_bytes < body_bytes) {
            return Err((
                "`limits.bodies` is less than `limits.body`".to_owned(),
                "write at least the size of one body, several times as much for several at a time, or \"auto\""
                    .to_owned(),
            ));
        }
        let connections = self
            .connections
            .unwrap_or_else(|| default_of("limits.connections").parse().unwrap_or_default());
        if !(1..=CONNECTIONS_MOST).contains(&connections) {
            return Err((
                format!(
                    "`limits.connections`: {connections} is not a number from 1 to {CONNECTIONS_MOST}"
                ),
                "write e.g. `connections = 1024`".to_owned(),
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
