//! The wasmtime store of one instance: its state, its memory bound, and the way it is interrupted.
//!
//! Must not know worlds, exports or what a call is for.

use std::sync::Arc;
use std::time::Instant;

use scorebox_sandbox::Sandbox;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::capability::bounds::LIFTED_BYTES;
use crate::capability::{Capabilities, InstanceState};
use crate::engine;
use crate::offload;

/// Creates the Wasmtime store of an instance with at most `memory_bytes` bytes of memory. The guest
/// is interrupted at `deadline`, and its log lines have `phase` as their invocation. Both values
/// hold until [`InstanceState::begin`] replaces them.
pub(super) fn new(
    engine: &Engine,
    capabilities: Arc<Capabilities>,
    memory_bytes: u64,
    deadline: Instant,
    phase: &str,
) -> Store<Sandbox> {
    let mut state = InstanceState::new(capabilities, memory_bytes);
    state.begin(phase, deadline, None);
    let mut store = Store::new(engine, Sandbox::new(state));
    store.set_hostcall_fuel(LIFTED_BYTES);
    store.limiter(|sandbox| InstanceState::of_mut(sandbox).limiter());
    store.epoch_deadline_callback(|context| {
        engine::guest_runs();
        // The clock is checked at every tick, because a count of ticks would drift on a busy
        // machine. Yielding lets other work of this thread run in between. It also lets `offload`
        // move this call off a thread that serves sockets.
        if InstanceState::of(context.data()).remaining().is_zero() {
            Ok(UpdateDeadline::Interrupt)
        } else {
            offload::mark_long();
            Ok(UpdateDeadline::Yield(1))
        }
    });
    rearm(&mut store);
    store
}

/// Sets the epoch deadline of the store to two ticks from now. When the epoch reaches it, the host
/// interrupts the guest if the deadline of the call has passed. Otherwise the guest continues, and
/// the next epoch deadline is one tick later.
///
/// This function must be called before each call of the guest. The epoch advances while an instance
/// is idle, so the previous epoch deadline would be reached at once.
pub(super) fn rearm(store: &mut Store<Sandbox>) {
    engine::guest_runs();
    // The current tick may end at any moment, so the first whole tick is the next one.
    store.set_epoch_deadline(2);
}
