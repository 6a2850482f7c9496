//! The store of one instance: its state, its memory bound, and the way it is interrupted.
//!
//! Must not know worlds, exports or what a call is for.

use std::sync::Arc;
use std::time::Instant;

use scorebox_sandbox::Sandbox;
use wasmtime::{Engine, Store, UpdateDeadline};

use super::lane;
use crate::capability::bounds::LIFTED_BYTES;
use crate::capability::{Capabilities, InstanceState};
use crate::engine;

/// A store whose guest is interrupted at `deadline`, and named `phase` in the log, until a call says otherwise.
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
        // Checked by the clock at every tick: counting ticks would drift with a busy machine. Yielding lets other work of
        // the same thread run in between, and lets the lane move this call off a thread that serves sockets.
        if InstanceState::of(context.data()).remaining().is_zero() {
            Ok(UpdateDeadline::Interrupt)
        } else {
            lane::long();
            Ok(UpdateDeadline::Yield(1))
        }
    });
    rearm(&mut store);
    store
}

/// To be called before each call: the epoch went on while the instance was idle, and without this its first tick would
/// come at once.
pub(super) fn rearm(store: &mut Store<Sandbox>) {
    engine::guest_runs();
    // The tick that is under way may end at any moment: one whole tick is the next one's.
    store.set_epoch_deadline(2);
}
