//! Functions of WASI for waiting and for sockets, which replace those of Wasmtime.
//!
//! Owns `poll_oneoff` and the functions for sockets. Wasmtime's `poll_oneoff` puts the thread of
//! the host to sleep, so that no deadline would end a script that sleeps. Its functions for sockets
//! write a line to the log of the host for each call. Must not know why a script waits.

use std::time::Duration;

use wasmtime::{Caller, Extern, Linker};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};

use super::Sandbox;
use super::imports::range;

/// Module from which the interpreter imports the functions of WASI.
pub(super) const WASI: &str = "wasi_snapshot_preview1";

/// Error of WASI: an address is outside of the memory.
pub(super) const FAULT: i32 = 21;
/// Error of WASI: an argument is invalid.
const INVALID: i32 = 28;
/// Error of WASI: the descriptor is not that of a socket.
const NOT_A_SOCKET: i32 = 57;
/// Error of WASI: the system does not support the operation.
const NOT_SUPPORTED: i32 = 58;

/// Size of a subscription of `poll_oneoff`, in bytes.
const SUBSCRIPTION_BYTES: u32 = 48;
/// Size of an event of `poll_oneoff`, in bytes.
const EVENT_BYTES: u32 = 32;
/// Maximum number of subscriptions that a call of `poll_oneoff` may have.
const SUBSCRIPTIONS: u32 = 64;

/// Replaces `poll_oneoff` and the functions for sockets in a linker that has those of Wasmtime.
///
/// # Errors
/// Fails only if a function has another type than the one that it replaces.
pub(super) fn replace(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        WASI,
        "poll_oneoff",
        |mut caller: Caller<'_, Sandbox>, places: (u32, u32, u32, u32)| {
            Box::new(async move { poll(&mut caller, places).await })
        },
    )?;
    linker.func_wrap(WASI, "sock_accept", |_: u32, _: u32, _: u32| NOT_A_SOCKET)?;
    linker.func_wrap(
        WASI,
        "sock_recv",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32| NOT_A_SOCKET,
    )?;
    linker.func_wrap(
        WASI,
        "sock_send",
        |_: u32, _: u32, _: u32, _: u32, _: u32| NOT_A_SOCKET,
    )?;
    linker.func_wrap(WASI, "sock_shutdown", |_: u32, _: u32| NOT_A_SOCKET)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Waits until the first of several times, and writes an event for each time that has come. The
/// places are the addresses of the subscriptions and of the events, the number of subscriptions,
/// and the address for the number of events.
async fn poll(
    caller: &mut Caller<'_, Sandbox>,
    (subscriptions, events, count, ready_place): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let Some(memory) = memory else {
        return Ok(FAULT);
    };
    if count == 0 || count > SUBSCRIPTIONS {
        return Ok(INVALID);
    }
    let mut clocks = caller.data_mut().wasi.clocks();
    let now = Now {
        monotonic_ns: monotonic_clock::Host::now(&mut clocks)?,
        wall: wall_clock::Host::now(&mut clocks)
            .map(|now| Duration::new(now.seconds, now.nanoseconds))?,
    };
    let mut waits = Vec::new();
    for number in 0..count {
        let place = subscriptions.saturating_add(number * SUBSCRIPTION_BYTES);
        let subscription = memory.data(&*caller);
        let subscription = subscription.get(range(place, SUBSCRIPTION_BYTES));
        match subscription.and_then(Subscription::read) {
            Some(subscription) => match subscription.left(&now) {
                Ok(left) => waits.push((left, subscription.user_data)),
                Err(error) => return Ok(error),
            },
            None => return Ok(FAULT),
        }
    }
    let shortest = waits.iter().map(|(left, _)| *left).min();
    let shortest = shortest.unwrap_or_default();
    tokio::time::sleep(shortest).await;
    let data = memory.data_mut(&mut *caller);
    let mut ready = 0;
    for (_, user_data) in waits.iter().filter(|(left, _)| *left == shortest) {
        let place = events.saturating_add(ready * EVENT_BYTES);
        let Some(event) = data.get_mut(range(place, EVENT_BYTES)) else {
            return Ok(FAULT);
        };
        // An event of a clock without an error is the user's number and zeros.
        event.fill(0);
        if let Some((number, _)) = event.split_first_chunk_mut() {
            *number = user_data.to_le_bytes();
        }
        ready += 1;
    }
    match data.get_mut(range(ready_place, 4)) {
        Some(place) => place.copy_from_slice(&ready.to_le_bytes()),
        None => return Ok(FAULT),
    }
    Ok(0)
}

/// Times of the monotonic clock and of the wall clock at one moment.
struct Now {
    monotonic_ns: u64,
    wall: Duration,
}

/// Subscription of `poll_oneoff`: an event for which the interpreter waits, such as a time.
struct Subscription {
    user_data: u64,
    kind: u8,
    clock: u32,
    timeout: Duration,
    is_absolute: bool,
}

impl Subscription {
    /// Kind of a subscription that waits for a time of a clock. The other kinds wait for files.
    const CLOCK: u8 = 0;
    /// Number by which WASI names the clock that shows the time of day.
    const WALL: u32 = 0;
    /// Number by which WASI names the clock that never goes back.
    const MONOTONIC: u32 = 1;

    fn read(bytes: &[u8]) -> Option<Self> {
        let flags = u16::from_le_bytes(part(bytes, 40)?);
        Some(Self {
            user_data: u64::from_le_bytes(part(bytes, 0)?),
            kind: *bytes.get(8)?,
            clock: u32::from_le_bytes(part(bytes, 16)?),
            timeout: Duration::from_nanos(u64::from_le_bytes(part(bytes, 24)?)),
            is_absolute: flags & 1 != 0,
        })
    }

    /// Returns the time that is left until the subscription has an event.
    ///
    /// # Errors
    /// Fails with an error of WASI if the subscription is not one to a clock that the host has.
    fn left(&self, now: &Now) -> Result<Duration, i32> {
        if self.kind != Self::CLOCK {
            return Err(NOT_SUPPORTED);
        }
        let now = match self.clock {
            Self::WALL => now.wall,
            Self::MONOTONIC => Duration::from_nanos(now.monotonic_ns),
            _ => return Err(INVALID),
        };
        Ok(match self.is_absolute {
            true => self.timeout.saturating_sub(now),
            false => self.timeout,
        })
    }
}

/// Returns the bytes of a number at a place in a subscription.
fn part<const BYTES: usize>(bytes: &[u8], place: usize) -> Option<[u8; BYTES]> {
    bytes.get(place..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(kind: u8, clock: u32, timeout_ns: u64, flags: u16) -> Vec<u8> {
        let mut bytes = vec![0; SUBSCRIPTION_BYTES as usize];
        bytes[..8].copy_from_slice(&7u64.to_le_bytes());
        bytes[8] = kind;
        bytes[16..20].copy_from_slice(&clock.to_le_bytes());
        bytes[24..32].copy_from_slice(&timeout_ns.to_le_bytes());
        bytes[40..42].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn a_time_is_one_of_a_clock_or_from_now_on() {
        let now = Now {
            monotonic_ns: 100,
            wall: Duration::from_nanos(5_000),
        };
        let cases = [
            (subscription(0, 1, 30, 0), Ok(30)),
            (subscription(0, 0, 30, 0), Ok(30)),
            (subscription(0, 1, 130, 1), Ok(30)),
            (subscription(0, 1, 99, 1), Ok(0)),
            (subscription(0, 0, 5_007, 1), Ok(7)),
            (subscription(0, 2, 30, 0), Err(INVALID)),
            (subscription(1, 0, 0, 0), Err(NOT_SUPPORTED)),
        ];
        for (bytes, expected) in cases {
            let read = Subscription::read(&bytes).unwrap();
            assert_eq!(read.user_data, 7);
            let left = read.left(&now);
            assert_eq!(left, expected.map(Duration::from_nanos), "{bytes:?}");
        }
        assert!(Subscription::read(&[0; 47][..41]).is_none());
    }

    /// Returns a module that waits for the subscription at the start of its memory.
    #[cfg(feature = "compiler")]
    fn module(subscription: &[u8]) -> Vec<u8> {
        use wasm_encoder::{
            CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
            FunctionSection, ImportSection, MemorySection, MemoryType, Module, TypeSection,
            ValType,
        };
        let mut module = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        types.ty().function([], [ValType::I32]);
        module.section(&types);
        let mut imports = ImportSection::new();
        imports.import(WASI, "poll_oneoff", EntityType::Function(0));
        module.section(&imports);
        let mut functions = FunctionSection::new();
        functions.function(1);
        module.section(&functions);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        module.section(&memories);
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("wait", ExportKind::Func, 1);
        module.section(&exports);
        let mut body = Function::new([]);
        for argument in [0, 64, 1, 128] {
            body.instructions().i32_const(argument);
        }
        body.instructions().call(0).end();
        let mut code = CodeSection::new();
        code.function(&body);
        module.section(&code);
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), subscription.to_vec());
        module.section(&data);
        module.finish()
    }

    #[cfg(feature = "compiler")]
    #[tokio::test]
    async fn a_wait_ends_with_its_time_or_with_its_future() {
        use std::time::Instant;

        use crate::mailbox::Mailbox;
        use crate::outside::Current;
        use crate::sandbox::{Limit, linker};

        let engine = wasmtime::Engine::new(&crate::engine::config()).unwrap();
        let hour_ns = 3_600_000_000_000;
        for (timeout_ns, flags, ends) in
            [(1_000, 0, true), (hour_ns, 0, false), (hour_ns, 1, false)]
        {
            let code = module(&subscription(0, 1, timeout_ns, flags));
            let module = wasmtime::Module::new(&engine, code).unwrap();
            let mut wasi = wasmtime_wasi::WasiCtxBuilder::new();
            wasi.allow_blocking_current_thread(true);
            let far = Instant::now() + Duration::from_secs(60);
            let limit = Limit::new(1 << 30, None);
            let (current, mailbox) = (Current::default(), Mailbox::default());
            let mut store = Sandbox::store(&engine, wasi, current, mailbox, limit, far);
            let linker = linker(&engine).unwrap();
            let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
            let wait = instance
                .get_typed_func::<(), i32>(&mut store, "wait")
                .unwrap();
            let begun = Instant::now();
            let waited = wait.call_async(&mut store, ());
            let waited = tokio::time::timeout(Duration::from_millis(20), waited).await;
            assert!(begun.elapsed() < Duration::from_secs(30));
            assert_eq!(waited.is_ok(), ends, "{timeout_ns} {flags}");
            if let Ok(waited) = waited {
                assert_eq!(waited.unwrap(), 0);
                let memory = instance.get_memory(&mut store, "memory").unwrap();
                let data = memory.data(&store);
                assert_eq!((data[64], &data[65..96]), (7, &[0; 31][..]));
                assert_eq!(data[128], 1);
            }
        }
    }
}
