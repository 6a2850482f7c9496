//! What the host lends to a scorer, and the state of one instance.
//!
//! Owns [`Capabilities`] (shared by all instances), [`InstanceState`] (one for each), and [`link`], the one function
//! that joins them to a linker. Must not know which world a component exports, nor HTTP. The files below adapt one
//! interface each and hold no state.

mod answers;
pub(crate) mod bounds;
#[cfg_attr(not(feature = "graphs"), allow(dead_code, reason = "the bindings name it, and nothing links it"))]
mod graphs;
#[cfg_attr(not(feature = "graphs"), allow(dead_code, reason = "the bindings name it, and nothing links it"))]
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
use crate::graph::Graphs;
use crate::model::Model;
use crate::redis::Store;
use crate::scorer::bindings::capabilities::{scorebox, wasi};

/// What all instances of a scorer share.
pub struct Capabilities {
    /// The scorer's name, for logs.
    pub scorer: Arc<str>,
    /// What the manifest says of the model beside its files.
    pub model_version: String,
    /// What `model.info` tells the scorer.
    pub model_labels: BTreeMap<String, String>,
    /// The model, mapped.
    pub model: Arc<Model>,
    /// The model's graphs, loaded, where the component imports an interface that needs them.
    pub graphs: Option<Graphs>,
    /// Stores by the name that a scorer opens them by.
    pub stores: BTreeMap<String, Store>,
    /// What `wasi:config` gives.
    pub config: BTreeMap<String, String>,
    /// Linear memory of all instances.
    pub memory: Arc<SharedMemory>,
}

/// Most resource handles that one instance may hold open. A leak in a scorer ends as its error, not as the host's memory.
pub(crate) const HANDLE_LIMIT: usize = 10_000;

/// The state of one instance: its handles, its bounds, and the call it is in.
pub struct InstanceState {
    pub(crate) shared: Arc<Capabilities>,
    pub(crate) table: ResourceTable,
    pub(crate) log: LogSink,
    /// When the call in progress is interrupted.
    pub(crate) deadline: Instant,
    /// Bytes of values that handles hold for the scorer, in the host's memory.
    pub(crate) held_bytes: usize,
    /// The same of open tensors of `wasi:nn`: as many as the instance's own memory may have.
    pub(crate) tensor_bytes: u64,
    memory: MemoryLimit,
    /// Made when it is first asked for: most calls of a scorer need no WASI, and seeding its random numbers takes longer
    /// than the rest of this state together.
    wasi: Option<Box<WasiCtx>>,
}

impl InstanceState {
    /// The state of a new instance.
    #[must_use]
    pub fn new(shared: Arc<Capabilities>, memory_bytes: u64) -> Self {
        let log = LogSink::new(Arc::clone(&shared.scorer));
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLE_LIMIT);
        let memory = MemoryLimit::new(Arc::clone(&shared.memory), memory_bytes);
        Self { shared, table, log, deadline: Instant::now(), held_bytes: 0, tensor_bytes: 0, memory, wasi: None }
    }

    /// The state of the instance in a sandbox.
    #[expect(clippy::expect_used, reason = "`scorer::store` makes every sandbox, with this type")]
    pub(crate) fn of(sandbox: &Sandbox) -> &Self {
        sandbox.get().expect("a sandbox holds an instance's state")
    }

    /// The same, to change it.
    #[expect(clippy::expect_used, reason = "`scorer::store` makes every sandbox, with this type")]
    pub(crate) fn of_mut(sandbox: &mut Sandbox) -> &mut Self {
        sandbox.get_mut().expect("a sandbox holds an instance's state")
    }

    /// Bounds what follows and names it in the log.
    pub(crate) fn begin(&mut self, invocation: &str, deadline: Instant, lines: Option<Lines>) {
        self.deadline = deadline;
        self.memory.forget_refusal();
        self.log.begin(invocation, lines);
    }

    /// Ends a call: a line without its end is written all the same.
    pub(crate) fn end(&mut self) {
        self.log.end();
    }

    /// True if the instance asked for more memory than it may have.
    #[cfg(feature = "compiler")]
    pub(crate) fn memory_refused(&self) -> bool {
        self.memory.refusal().is_some()
    }

    /// Returns why the instance got no more memory in this call, if it asked for more than it may have.
    pub(crate) fn memory_refusal(&self) -> Option<Refusal> {
        self.memory.refusal()
    }

    /// What the handles that are open stand for.
    #[cfg(feature = "compiler")]
    pub(crate) fn open_handles(&mut self) -> Vec<String> {
        let name = |entry: &mut (dyn std::any::Any + Send)| {
            if entry.is::<TensorHandle>() { "a tensor of the model" } else { "a stream" }.to_owned()
        };
        self.table.iter_mut().map(name).collect()
    }

    /// What the instance may have.
    pub(crate) fn memory_limit_bytes(&self) -> u64 {
        self.memory.limit_bytes()
    }

    /// The limiter that the store asks.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Time that is left of the call.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Inhabitant for InstanceState {
    fn wasi(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, log, table, .. } = self;
        WasiCtxView { ctx: wasi.get_or_insert_with(|| Box::new(closed_wasi(log))), table }
    }
}

/// WASI with no files, sockets, environment or arguments; what is printed becomes log lines of the invocation.
fn closed_wasi(log: &LogSink) -> WasiCtx {
    WasiCtx::builder()
        .stdout(GuestOutput::new(log.clone(), "stdout"))
        .stderr(GuestOutput::new(log.clone(), "stderr"))
        // Nothing is preopened and no address is allowed; this only says it where the next reader looks.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(const { bounds::of("wasi:random/random#get-random-bytes") }.bytes as u64)
        .build()
}

/// Which capabilities an interface's import needs from the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Every scorer has it.
    Always,
    /// A graph in the model, and an engine for it.
    Graphs,
    /// At least one `[stores.<name>]`.
    Stores,
    /// At least one with `commands`.
    Commands,
}

/// What an imported interface needs, or `None` if the host has no such interface.
#[must_use]
pub fn grant(interface: &str) -> Option<Grant> {
    let (name, version) = interface.split_once('@')?;
    match (name, version) {
        ("scorebox:scoring/types" | "scorebox:scoring/model" | "scorebox:scoring/metrics", "0.1.0")
        | ("wasi:logging/logging", "0.1.0-draft")
        | ("wasi:config/store", "0.2.0-draft") => Some(Grant::Always),
        ("scorebox:scoring/graphs", "0.1.0")
        | ("wasi:nn/errors" | "wasi:nn/graph" | "wasi:nn/inference" | "wasi:nn/tensor", "0.2.0-rc-2024-10-28") => {
            Some(Grant::Graphs)
        }
        ("scorebox:scoring/cache", "0.1.0")
        | ("wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch", "0.2.0-draft2") => {
            Some(Grant::Stores)
        }
        ("scorebox:scoring/redis", "0.1.0") => Some(Grant::Commands),
        _ if is_closed_wasi(interface) => Some(Grant::Always),
        _ => None,
    }
}

/// True for an interface that the standard libraries of toolchains import on their own. The host has all of it, closed.
#[must_use]
pub(crate) fn is_closed_wasi(interface: &str) -> bool {
    let Some((name, version)) = interface.split_once('@') else { return false };
    version.starts_with("0.2.")
        && ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"]
            .iter()
            .any(|package| name.starts_with(package))
}

/// Joins every capability to a linker; those that need graphs, only in a host that runs some.
///
/// # Errors
/// Two of them have one name, which would be a mistake in this file.
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

/// Joins what `init` may use where an image is built: the model, the log, and closed WASI. What [`lends_at_build`] denies
/// of it must be shadowed.
///
/// # Errors
/// As [`link`].
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

/// True if an interface may be used where an image is built: nothing of it depends on when or where that is.
#[cfg(feature = "compiler")]
pub(crate) fn lends_at_build(interface: &str) -> bool {
    let name = interface.split_once('@').map_or(interface, |(name, _)| name);
    match name {
        "scorebox:scoring/types" | "scorebox:scoring/model" | "wasi:logging/logging" => true,
        _ => ["wasi:cli/", "wasi:filesystem/", "wasi:io/", "wasi:sockets/"]
            .iter()
            .any(|package| name.starts_with(package)),
    }
}

/// Joins only what a standard library needs to start: what `describe` runs with.
///
/// # Errors
/// As [`link`].
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
