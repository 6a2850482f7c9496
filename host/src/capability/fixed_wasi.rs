//! Clocks and random numbers that never change, for the phases of a guest whose outcome must not
//! depend on them.
//!
//! Owns their values. Must not know which phases use them.

use std::time::Duration;

#[cfg(feature = "compiler")]
use wasmtime::component::Val;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Time of the wall clock: 1 January 2000, in seconds since 1970. Some libraries refuse a clock
/// that is at 0.
const WALL_SECONDS: u64 = 946_684_800;

/// Time of the monotonic clock, in nanoseconds. An instance that starts from a snapshot has a clock
/// that starts at 0, so a time that was kept in the snapshot is never in its future.
const MONOTONIC_NS: u64 = 0;

/// Random numbers, which repeat after these bytes. They are not all zero, because a generator that
/// is seeded with zeros returns zeros.
const RANDOM: &[u8] = b"scorebox: not random";

/// Clock that stands still.
struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(WALL_SECONDS)
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        MONOTONIC_NS
    }
}

/// Gives a WASI context clocks that stand still, and random numbers that repeat.
pub(super) fn fix(wasi: &mut WasiCtxBuilder) {
    let random = || Deterministic::new(RANDOM.to_vec());
    wasi.wall_clock(Still)
        .monotonic_clock(Still)
        .secure_random(random())
        .insecure_random(random())
        .insecure_random_seed(u128::from(WALL_SECONDS));
}

/// Returns the result of a function of the monotonic clock, which stands still. `function` is the
/// name in the form of `BOUNDS`. Returns `None` for any other function.
#[cfg(feature = "compiler")]
pub(crate) fn standing_clock(function: &str) -> Option<Val> {
    match function {
        "wasi:clocks/monotonic-clock#now" => Some(Val::U64(MONOTONIC_NS)),
        "wasi:clocks/monotonic-clock#resolution" => Some(Val::U64(1)),
        _ => None,
    }
}
