//! Clocks and random numbers that are the same in each run, so that the same inputs make the same
//! pack or state image.
//!
//! Owns their values. Must not know what is made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Time of the wall clock: 1 January 2000, in seconds since 1970. Some libraries refuse a clock
/// that is at 0.
const WALL_SECONDS: u64 = 946_684_800;

/// Time by which each reading of the monotonic clock moves the clock, in nanoseconds. A program
/// that waits for a time ends, and the clock stays behind the clocks of instances that start from
/// the pack or the state image.
const STEP_NS: u64 = 1_000;

/// Bytes that the sources of random numbers return over and over. They are not all zero, because a
/// generator that is seeded with zeros returns zeros.
const RANDOM: &[u8] = b"scorebox: not random";

struct StillClock;

impl HostWallClock for StillClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(WALL_SECONDS)
    }
}

#[derive(Default)]
struct CountingClock(AtomicU64);

impl HostMonotonicClock for CountingClock {
    fn resolution(&self) -> u64 {
        STEP_NS
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(STEP_NS, Ordering::Relaxed)
    }
}

/// Gives a WASI context clocks and random numbers that are the same in each run.
pub(super) fn fix(wasi: &mut WasiCtxBuilder) {
    let random = || Deterministic::new(RANDOM.to_vec());
    wasi.wall_clock(StillClock)
        .monotonic_clock(CountingClock::default())
        .secure_random(random())
        .insecure_random(random())
        .insecure_random_seed(u128::from(WALL_SECONDS));
}
