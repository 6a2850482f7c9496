//! State of one instance, and what all instances of a scorer share.
//!
//! Owns [`Capabilities`] and [`InstanceState`]. Must not know what the functions of an interface
//! do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorebox_sandbox::{Sandbox, SandboxState};
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView};

#[cfg(feature = "compiler")]
use super::bindings::TensorHandle;
use super::bounds::{self, Bound, Exceeded, HANDLE_LIMIT, Size, Time};
use super::fixed_wasi;
use super::memory::{MemoryLimit, Refusal, SharedMemory};
use super::output::GuestOutput;
use super::telemetry::{Lines, LogSink};
use crate::graph::Graphs;
use crate::model::Model;
use crate::offload;
use crate::redis::Store;

/// Data that all instances of a scorer share: its model, graphs, stores and settings.
pub struct Capabilities {
    /// Name of the scorer, which is in every log line of the scorer.
    pub scorer: Arc<str>,
    /// Version of the scorer in the manifest, which `model.info` returns.
    pub model_version: String,
    /// Labels of the scorer in the manifest, which `model.info` returns.
    pub model_labels: BTreeMap<String, String>,
    /// The scorer's model, mapped into memory.
    pub model: Arc<Model>,
    /// Loaded graphs of the model, which a component or a script can run. `None` if the component
    /// does not import an interface that runs graphs, if the model of a script does not have a
    /// graph, or if the scorer itself is a graph.
    pub graphs: Option<Graphs>,
    /// Stores of the manifest, by the name under which a scorer opens them.
    pub stores: BTreeMap<String, Store>,
    /// Settings in the manifest that a scorer reads through `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Limit on the linear memory of all instances together.
    pub memory: Arc<SharedMemory>,
}

/// State of one instance of a scorer: its handles, its limits, and its current call.
pub struct InstanceState {
    pub(crate) shared: Arc<Capabilities>,
    pub(crate) table: ResourceTable,
    pub(crate) log: LogSink,
    /// Time at which the current call of the instance is interrupted.
    pub(crate) deadline: Instant,
    /// Total size of the keys and values that the instance's open `cas` handles hold in the host's
    /// memory, in bytes.
    pub(crate) held_bytes: usize,
    /// Total size of the instance's open tensors of `wasi:nn` in the host's memory, in bytes. This
    /// size may not exceed the maximum size of the instance's linear memory.
    pub(crate) tensor_bytes: u64,
    pub(super) memory: MemoryLimit,
    /// WASI context, which is created on first use. Most scorers do not use WASI, and seeding its
    /// random numbers takes longer than creating the rest of this state.
    wasi: Option<Box<WasiCtx>>,
}

impl InstanceState {
    /// Creates the state of a new instance with at most `memory_bytes` bytes of linear memory.
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

    /// Returns a mutable reference to the state of the instance that a sandbox holds.
    #[expect(
        clippy::expect_used,
        reason = "`scorer::store` makes every sandbox, with this type"
    )]
    pub(crate) fn of_mut(sandbox: &mut Sandbox) -> &mut Self {
        sandbox
            .get_mut()
            .expect("a sandbox holds an instance's state")
    }

    /// Begins a call of the guest. Sets the deadline of the call, the id `invocation` in its log
    /// lines, and the collector `lines` of its log lines for the caller. `lines` is `None` if the
    /// caller does not get log lines.
    pub(crate) fn begin(&mut self, invocation: &str, deadline: Instant, lines: Option<Lines>) {
        self.deadline = deadline;
        self.memory.forget_refusal();
        self.log.begin(invocation, lines);
    }

    /// Ends a call of the guest. Logs what the guest printed after its last line end.
    pub(crate) fn end(&mut self) {
        self.log.end();
    }

    /// Makes the clocks of the instance stand still, and its random numbers repeat. Must be called
    /// before the guest runs.
    pub(crate) fn fix_wasi(&mut self) {
        let mut wasi = closed_wasi(&self.log);
        fixed_wasi::fix(&mut wasi);
        self.wasi = Some(Box::new(wasi.build()));
    }

    /// Returns true if the instance was refused memory in the current call.
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

    /// Returns the maximum size of the instance's linear memory, in bytes.
    pub(crate) fn memory_limit_bytes(&self) -> u64 {
        self.memory.limit_bytes()
    }

    /// Returns the limiter that the instance's Wasmtime store asks before a linear memory or a
    /// table grows.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Returns the time until the deadline of the current call.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl InstanceState {
    /// Checks a call of a host function before its work starts. `size` is the size of the
    /// arguments. The inner error, which is returned to the scorer, says that the arguments exceed
    /// the function's limits `bound`. If the function may take long and the deadline of the
    /// scorer's call has passed, the scorer's call ends with a trap.
    ///
    /// A call with arguments of more than 64 KiB is moved off the threads that serve sockets.
    pub(crate) async fn enter(
        &mut self,
        bound: &'static Bound,
        size: Size,
    ) -> wasmtime::Result<Result<(), Exceeded>> {
        if let Some(exceeded) = bound.exceeded(size) {
            return Ok(Err(exceeded));
        }
        if bound.time != Time::Tick && self.remaining().is_zero() {
            return Err(Trap::Interrupt.into());
        }
        if size.bytes > offload::LONG_BYTES {
            offload::offload().await;
        }
        Ok(Ok(()))
    }
}

impl SandboxState for InstanceState {
    fn wasi(&mut self) -> WasiCtxView<'_> {
        let Self {
            wasi, log, table, ..
        } = self;
        WasiCtxView {
            ctx: wasi.get_or_insert_with(|| Box::new(closed_wasi(log).build())),
            table,
        }
    }
}

/// Returns the builder of a WASI context without files, sockets, environment or arguments. Lines
/// that the guest prints become log lines of the current call in `log`.
fn closed_wasi(log: &LogSink) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(GuestOutput::new(log.clone(), "stdout"))
        .stderr(GuestOutput::new(log.clone(), "stderr"))
        // By default no folder is preopened, and no address is allowed. These calls only make it
        // explicit.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(const { bounds::of("wasi:random/random#get-random-bytes") }.bytes as u64);
    wasi
}
