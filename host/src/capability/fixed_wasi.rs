//! Clocks and random numbers that never change, for the phases of a guest whose outcome must not
//! depend on them.
//!
//! Owns their values. Must not know which phase it is.

use std::time::Duration;

#[cfg(feature = "compiler")]
use wasmtime::component::Val;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Time of the wall clock: 1 January 2000, in seconds since 1970. Some libraries refuse a clock that
/// is at 0.
const WALL_SECONDS: u64 = 946_684_800;

/// Time of the monotonic clock, in nanoseconds. Some libraries subtract from their first reading.
const MONOTONIC_NS: u64 = 1_000_000_000;

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

/// Returns the result of a function of the clocks or of random numbers, with the values of this
/// file. `function` is the name in the form of `BOUNDS`. Returns `None` for any other function.
#[cfg(feature = "compiler")]
pub(super) fn answer(function: &str, arguments: &[Val]) -> Option<Val> {
    let time = |seconds: u64, nanoseconds: u32| {
        let seconds = ("seconds".to_owned(), Val::U64(seconds));
        let nanoseconds = ("nanoseconds".to_owned(), Val::U32(nanoseconds));
        Some(Val::Record(vec![seconds, nanoseconds]))
    };
    match function {
        "wasi:clocks/monotonic-clock#now" => Some(Val::U64(MONOTONIC_NS)),
        "wasi:clocks/monotonic-clock#resolution" => Some(Val::U64(1)),
        "wasi:clocks/wall-clock#now" => time(WALL_SECONDS, 0),
        "wasi:clocks/wall-clock#resolution" => time(0, 1),
        "wasi:random/random#get-random-u64" | "wasi:random/insecure#get-insecure-random-u64" => {
            Some(Val::U64(WALL_SECONDS))
        }
        "wasi:random/insecure-seed#insecure-seed" => Some(Val::Tuple(vec![
            Val::U64(WALL_SECONDS),
            Val::U64(MONOTONIC_NS),
        ])),
        "wasi:random/random#get-random-bytes"
        | "wasi:random/insecure#get-insecure-random-bytes" => {
            let [Val::U64(count)] = arguments else {
                return None;
            };
            let count = usize::try_from(*count).ok();
            let count = count.filter(|count| *count <= super::bounds::RANDOM_BYTES)?;
            let bytes = RANDOM.iter().cycle().take(count);
            Some(Val::List(bytes.map(|byte| Val::U8(*byte)).collect()))
        }
        _ => None,
    }
}
