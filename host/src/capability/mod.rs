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

use scorebox_sandbox::{Inhabitant, Sandbox};
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
    /// Name of the scorer, for logs.
    pub scorer: Arc<str>,
    /// Version of the scorer in the manifest, which `model.info` returns.
    pub model_version: String,
    /// Labels of the scorer in the manifest, which `model.info` returns.
    pub model_labels: BTreeMap<String, String>,
    /// The model, mapped into memory.
    pub model: Arc<Model>,
    /// Graphs of the model, loaded. `None` if the component imports no interface that needs them.
    pub graphs: Option<Graphs>,
    /// Stores, by the name under which a scorer opens them.
    pub stores: BTreeMap<String, Store>,
    /// Settings that `wasi:config` returns.
    pub config: BTreeMap<String, String>,
    /// Linear memory of all instances, with its bound.
    pub memory: Arc<SharedMemory>,
}

/// Most resource handles that one instance may hold open. So a scorer that leaks handles gets an
/// error, and does not use up the host's memory.
pub(crate) const HANDLE_LIMIT: usize = 10_000;

/// State of one instance: its handles, its bounds, and its current call.
pub struct InstanceState {
    pub(crate) shared: Arc<Capabilities>,
    pub(crate) table: ResourceTable,
    pub(crate) log: LogSink,
    /// Time at which the current call is interrupted.
    pub(crate) deadline: Instant,
    /// Bytes of values in the host's memory that handles hold for the scorer.
    pub(crate) held_bytes: usize,
    /// Bytes in the host's memory that open tensors of `wasi:nn` hold. They may be as many as the
    /// instance's own memory may have.
    pub(crate) tensor_bytes: u64,
    memory: MemoryLimit,
    /// WASI context, which is created when it is first needed. Most calls of a scorer need no WASI,
    /// and seeding its random numbers takes longer than the rest of this state together.
    wasi: Option<Box<WasiCtx>>,
}

impl InstanceState {
    /// Creates the state of a new instance.
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

    /// Returns the state of the instance in a sandbox.
    #[expect(
        clippy::expect_used,
        reason = "`scorer::store` makes every sandbox, with this type"
    )]
    pub(crate) fn of(sandbox: &Sandbox) -> &Self {
        sandbox.get().expect("a sandbox holds an instance's state")
    }

    /// Returns the state of the instance in a sandbox, to change it.
    #[expect(
        clippy::expect_used,
        reason = "`scorer::store` makes every sandbox, with this type"
    )]
    pub(crate) fn of_mut(sandbox: &mut Sandbox) -> &mut Self {
        sandbox
            .get_mut()
            .expect("a sandbox holds an instance's state")
    }

    /// Begins a call: sets its deadline, and the name and the collector of its log lines.
    pub(crate) fn begin(&mut self, invocation: &str, deadline: Instant, lines: Option<Lines>) {
        self.deadline = deadline;
        self.memory.forget_refusal();
        self.log.begin(invocation, lines);
    }

    /// Ends a call. If a printed line has no line end, it is written now.
    pub(crate) fn end(&mut self) {
        self.log.end();
    }

    /// True if the instance asked for more memory than it may have.
    #[cfg(feature = "compiler")]
    pub(crate) fn memory_refused(&self) -> bool {
        self.memory.refusal().is_some()
    }

    /// Returns why the instance got no more memory in this call, if it asked for more than it may
    /// have.
    pub(crate) fn memory_refusal(&self) -> Option<Refusal> {
        self.memory.refusal()
    }

    /// Returns a description of each open handle.
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

    /// Returns the memory that the instance may have, in bytes.
    pub(crate) fn memory_limit_bytes(&self) -> u64 {
        self.memory.limit_bytes()
    }

    /// Returns the limiter that the store asks before a memory or a table grows.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Returns the time that is left of the current call.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Inhabitant for InstanceState {
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

/// Creates a WASI context without files, sockets, environment or arguments. What is printed becomes
/// log lines of the invocation.
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

/// Condition under which a scorer may import an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// No condition: every scorer may import the interface.
    Always,
    /// A graph in the model, and an engine for it.
    Graphs,
    /// At least one `[stores.<name>]` in the manifest.
    Stores,
    /// At least one `[stores.<name>]` with `commands` in the manifest.
    Commands,
}

/// Returns the condition for an import of an interface, or `None` if the host has no such
/// interface.
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

/// True for an interface that the standard libraries of toolchains import on their own. The host
/// has all of these interfaces, but closed.
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

/// Adds every capability to a linker. Capabilities that need graphs are added only in a host that
/// runs graphs.
///
/// # Errors
/// Two capabilities have one name, which would be a mistake in this file.
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

/// Adds what `init` may use when an image is built: the model, the log, and closed WASI. Interfaces
/// of closed WASI that [`lends_at_build`] denies must be shadowed.
///
/// # Errors
/// Two capabilities have one name, as with [`link`].
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

/// True if an interface may be used when an image is built, because nothing in it depends on when
/// or where that is.
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

/// Adds only closed WASI, which a standard library needs to start. `describe` runs with it.
///
/// # Errors
/// Two capabilities have one name, as with [`link`].
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
