//! Capabilities: what the host provides to a scorer, and the state of one instance.
//!
//! Owns [`Capabilities`] (shared by all instances), [`InstanceState`] (one for each instance), and
//! [`link`], the function that adds all capabilities to a linker. Must not know which world a
//! component exports, or HTTP. The files below adapt one interface each and hold no state.

mod answers;
pub(crate) mod bindings;
pub(crate) mod bounds;
#[cfg_attr(
    not(feature = "graphs"),
    allow(dead_code, reason = "the bindings name it, and nothing links it")
)]
mod graphs;
#[cfg_attr(
    not(feature = "graphs"),
    allow(dead_code, reason = "the bindings name it, and nothing links it")
)]
pub(crate) mod inference;
mod keyvalue;
mod lists;
mod memory;
mod model;
mod output;
mod redis;
pub(crate) mod refusal;
mod settings;
mod telemetry;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorebox_sandbox::{Sandbox, SandboxState};
use wasmtime::ResourceLimiter;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView};

pub use self::answers::Answers;
pub use self::inference::{ContextHandle, ErrorHandle, GraphHandle};
pub use self::keyvalue::CasHandle;
pub(crate) use self::memory::Refusal;
pub use self::memory::SharedMemory;
pub use self::model::TensorHandle;
pub(crate) use self::telemetry::LogSink;
pub use self::telemetry::{LOGS_BYTES, Lines};
pub use crate::redis::Store as BucketHandle;
pub use crate::redis::raw::Connection as ConnectionHandle;
pub use crate::tensor::Tensor as ValueHandle;

use self::memory::MemoryLimit;
use self::output::GuestOutput;
use crate::capability::bindings::capabilities::{scorebox, wasi};
use crate::graph::Graphs;
use crate::model::Model;
use crate::redis::Store;

/// Everything that all instances of a scorer share.
pub struct Capabilities {
    /// Name of the scorer, which every line of its log has.
    pub scorer: Arc<str>,
    /// Version of the scorer in the manifest, which `model.info` returns.
    pub model_version: String,
    /// Labels of the scorer in the manifest, which `model.info` returns.
    pub model_labels: BTreeMap<String, String>,
    /// The scorer's model, mapped into memory.
    pub model: Arc<Model>,
    /// Loaded graphs of the model. `None` if the component imports no interface that needs graphs.
    pub graphs: Option<Graphs>,
    /// Stores of the manifest, by the name under which a scorer opens them.
    pub stores: BTreeMap<String, Store>,
    /// Settings of the manifest that `wasi:config` returns.
    pub config: BTreeMap<String, String>,
    /// Limit on the linear memory of all instances together.
    pub memory: Arc<SharedMemory>,
}

/// Maximum number of resource handles that one instance may hold open. Because of this limit, a
/// scorer that leaks handles gets an error and does not use up the host's memory.
pub(crate) const HANDLE_LIMIT: usize = 10_000;

/// State of one instance: its handles, its limits, and its current call.
pub struct InstanceState {
    pub(crate) shared: Arc<Capabilities>,
    pub(crate) table: ResourceTable,
    pub(crate) log: LogSink,
    /// Time at which the current call of the instance is interrupted.
    pub(crate) deadline: Instant,
    /// Size of the keys and values that open `cas` handles hold in the host's memory, in bytes.
    pub(crate) held_bytes: usize,
    /// Size of the open tensors of `wasi:nn` in the host's memory, in bytes. It is limited to the
    /// memory that the instance itself may have.
    pub(crate) tensor_bytes: u64,
    memory: MemoryLimit,
    /// WASI context, which is created on first use. Most calls of a scorer need no WASI, and
    /// seeding its random numbers takes longer than creating the rest of this state.
    wasi: Option<Box<WasiCtx>>,
}

impl InstanceState {
    /// Creates the state of a new instance, which may have `memory_bytes` bytes of linear memory.
    #[must_use]
    pub fn new(shared: Arc<Capabilities>, memory_bytes: u64) -> Self {
        let log = LogSink::new(Arc::clone(&shared.scorer));
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLE_LIMIT);
        let memory = MemoryLimit::new(Arc::clone(&shared.memory), memory_bytes);
        Self {
            shared,
            table,
            log,
            deadline: Instant::now(),
            held_bytes: 0,
            tensor_bytes: 0,
            memory,
            wasi: None,
        }
    }

    /// Returns the state of the instance that a sandbox holds.
    #[expect(
        clippy::expect_used,
        reason = "`scorer::store` makes every sandbox, with this type"
    )]
    pub(crate) fn of(sandbox: &Sandbox) -> &Self {
        sandbox.get().expect("a sandbox holds an instance's state")
    }

    /// Returns the state of the instance that a sandbox holds, to change it.
    #[expect(
        clippy::expect_used,
        reason = "`scorer::store` makes every sandbox, with this type"
    )]
    pub(crate) fn of_mut(sandbox: &mut Sandbox) -> &mut Self {
        sandbox
            .get_mut()
            .expect("a sandbox holds an instance's state")
    }

    /// Begins a call of the guest: sets the deadline of the call, and the id and the collector of
    /// its log lines.
    pub(crate) fn begin(&mut self, invocation: &str, deadline: Instant, lines: Option<Lines>) {
        self.deadline = deadline;
        self.memory.forget_refusal();
        self.log.begin(invocation, lines);
    }

    /// Ends a call of the guest. Writes a printed line that has no line end yet to the log.
    pub(crate) fn end(&mut self) {
        self.log.end();
    }

    /// Returns true if the instance asked for more memory than it may have.
    #[cfg(feature = "compiler")]
    pub(crate) fn memory_refused(&self) -> bool {
        self.memory.refusal().is_some()
    }

    /// Returns why the instance was refused memory in the current call. Returns `None` if no memory
    /// was refused.
    pub(crate) fn memory_refusal(&self) -> Option<Refusal> {
        self.memory.refusal()
    }

    /// Returns a description of each handle that the instance holds open, for an error message.
    #[cfg(feature = "compiler")]
    pub(crate) fn open_handles(&mut self) -> Vec<String> {
        let name = |entry: &mut (dyn std::any::Any + Send)| {
            if entry.is::<TensorHandle>() {
                "a tensor of the model"
            } else {
                "a stream"
            }
            .to_owned()
        };
        self.table.iter_mut().map(name).collect()
    }

    /// Returns the size of the linear memory that the instance may have, in bytes.
    pub(crate) fn memory_limit_bytes(&self) -> u64 {
        self.memory.limit_bytes()
    }

    /// Returns the limiter that the wasmtime store asks before a memory or a table grows.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Returns the time until the deadline of the current call.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl SandboxState for InstanceState {
    fn wasi(&mut self) -> WasiCtxView<'_> {
        let Self {
            wasi, log, table, ..
        } = self;
        WasiCtxView {
            ctx: wasi.get_or_insert_with(|| Box::new(closed_wasi(log))),
            table,
        }
    }
}

/// Creates a WASI context without files, sockets, environment or arguments. What the guest prints
/// becomes log lines of the current call.
fn closed_wasi(log: &LogSink) -> WasiCtx {
    WasiCtx::builder()
        .stdout(GuestOutput::new(log.clone(), "stdout"))
        .stderr(GuestOutput::new(log.clone(), "stderr"))
        // Nothing is preopened and no address is allowed by default. This only says so to the next
        // reader.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(const { bounds::of("wasi:random/random#get-random-bytes") }.bytes as u64)
        .build()
}

/// Condition under which the host lets a scorer import an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// No condition: every scorer may import the interface.
    Always,
    /// The model holds a graph, and this host has an engine for graphs.
    Graphs,
    /// The manifest has at least one `[stores.<name>]`.
    Stores,
    /// The manifest has at least one `[stores.<name>]` with `commands`.
    Commands,
}

/// Returns the condition under which a scorer may import an interface. Returns `None` if the host
/// has no such interface.
#[must_use]
pub fn grant(interface: &str) -> Option<Grant> {
    let (name, version) = interface.split_once('@')?;
    match (name, version) {
        (
            "scorebox:scoring/types" | "scorebox:scoring/model" | "scorebox:scoring/metrics",
            "0.1.0",
        )
        | ("wasi:logging/logging", "0.1.0-draft")
        | ("wasi:config/store", "0.2.0-draft") => Some(Grant::Always),
        ("scorebox:scoring/graphs", "0.1.0")
        | (
            "wasi:nn/errors" | "wasi:nn/graph" | "wasi:nn/inference" | "wasi:nn/tensor",
            "0.2.0-rc-2024-10-28",
        ) => Some(Grant::Graphs),
        ("scorebox:scoring/cache", "0.1.0")
        | (
            "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch",
            "0.2.0-draft2",
        ) => Some(Grant::Stores),
        ("scorebox:scoring/redis", "0.1.0") => Some(Grant::Commands),
        _ if is_closed_wasi(interface) => Some(Grant::Always),
        _ => None,
    }
}

/// Returns true for an interface that the standard libraries of toolchains import on their own. The
/// host provides all of these interfaces, but without files, network or environment.
#[must_use]
pub(crate) fn is_closed_wasi(interface: &str) -> bool {
    let Some((name, version)) = interface.split_once('@') else {
        return false;
    };
    version.starts_with("0.2.")
        && [
            "wasi:cli/",
            "wasi:clocks/",
            "wasi:filesystem/",
            "wasi:io/",
            "wasi:random/",
            "wasi:sockets/",
        ]
        .iter()
        .any(|package| name.starts_with(package))
}

/// Adds every capability to a linker. Capabilities that need graphs are added only if this host is
/// built to run graphs.
///
/// # Errors
/// Fails if two capabilities have the same name, which would be a mistake in this file.
pub fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type State = HasSelf<InstanceState>;
    link_closed_wasi(linker)?;
    scorebox::scoring::types::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    scorebox::scoring::model::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    scorebox::scoring::cache::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    scorebox::scoring::redis::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    scorebox::scoring::metrics::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    wasi::keyvalue::store::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    wasi::keyvalue::atomics::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    wasi::logging::logging::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    lists::link(linker)?;
    #[cfg(feature = "graphs")]
    {
        scorebox::scoring::graphs::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
        wasi::nn::tensor::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
        wasi::nn::errors::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
        wasi::nn::graph::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
        wasi::nn::inference::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
        lists::link_graphs(linker)?;
    }
    wasi::config::store::add_to_linker::<_, State>(linker, InstanceState::of_mut)
}

/// Adds what `init` may use when an image is built to a linker: the model, the log, and closed
/// WASI. The caller must then redefine the interfaces of closed WASI for which [`lends_at_build`]
/// returns false.
///
/// # Errors
/// Fails if two capabilities have the same name, which would be a mistake in this file.
#[cfg(feature = "compiler")]
pub(crate) fn link_for_snapshot(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type State = HasSelf<InstanceState>;
    link_closed_wasi(linker)?;
    scorebox::scoring::types::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    scorebox::scoring::model::add_to_linker::<_, State>(linker, InstanceState::of_mut)?;
    linker.allow_shadowing(true);
    lists::link_model(linker)?;
    linker.allow_shadowing(false);
    wasi::logging::logging::add_to_linker::<_, State>(linker, InstanceState::of_mut)
}

/// Returns true if `init` may use an interface when an image is built, because nothing in the
/// interface depends on the time or place of the build.
#[cfg(feature = "compiler")]
pub(crate) fn lends_at_build(interface: &str) -> bool {
    let name = interface
        .split_once('@')
        .map_or(interface, |(name, _)| name);
    match name {
        "scorebox:scoring/types" | "scorebox:scoring/model" | "wasi:logging/logging" => true,
        _ => ["wasi:cli/", "wasi:filesystem/", "wasi:io/", "wasi:sockets/"]
            .iter()
            .any(|package| name.starts_with(package)),
    }
}

/// Adds only closed WASI to a linker, which a standard library needs to start. `describe` runs with
/// this linker.
///
/// # Errors
/// Fails if two capabilities have the same name, which would be a mistake in this file.
pub fn link_closed_wasi(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    scorebox_sandbox::link(linker, const { bounds::of("wasi:io/poll#poll") }.items)
}

impl scorebox::scoring::types::Host for InstanceState {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contract_and_closed_wasi_are_granted() {
        #[track_caller]
        fn check(interface: &str, expected: Option<Grant>) {
            assert_eq!(grant(interface), expected, "{interface}");
        }
        check("scorebox:scoring/model@0.1.0", Some(Grant::Always));
        check("scorebox:scoring/model@0.2.0", None);
        check("wasi:keyvalue/store@0.2.0-draft2", Some(Grant::Stores));
        check("wasi:keyvalue/store@0.2.0-draft", None);
        check("scorebox:scoring/redis@0.1.0", Some(Grant::Commands));
        check("scorebox:scoring/graphs@0.1.0", Some(Grant::Graphs));
        check("wasi:nn/inference@0.2.0-rc-2024-10-28", Some(Grant::Graphs));
        check("wasi:nn/inference@0.2.0-rc-2024-06-25", None);
        check("wasi:cli/environment@0.2.6", Some(Grant::Always));
        check("wasi:cli/environment@0.3.0", None);
        check("wasi:http/outgoing-handler@0.2.0", None);
        check("intruder:host/secrets@0.1.0", None);
    }
}
