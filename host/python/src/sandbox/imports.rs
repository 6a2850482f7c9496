//! Functions that the module of CPython imports: WASI preview 1, and `host.call`, the *door*
//! through which the script and the host exchange messages.
//!
//! Owns the copying of messages out of and into the interpreter's memory, and how the host handles
//! each message. Must not know what a call is for.

use std::ops::Range;

use wasmtime::{AsContextMut as _, Caller, Engine, Extern, Linker};

use super::{Sandbox, waiting};
use crate::door::{self, Ending, Frame, FrameError};
use crate::json;
use crate::outside::{GraphFailure, Level, RedisFailure};

/// Result of `host.call`, by which Python sends a message to the host, if the host does not serve
/// the script at the moment. Python raises `ConnectionRefusedError`.
const NO_HOST: i32 = -1;
/// Result of `host.call`, by which Python sends a message to the host, if the message is malformed
/// or cannot be copied. Python raises `OSError`.
const FAULT: i32 = -2;

/// Maximum size of a text in JSON that the host reads without yielding first, in bytes. Reading
/// such a text surely takes less than one tick of the epoch.
const TICK_BYTES: usize = 64 << 10;

/// First byte of the host's reply to a request of a script that succeeded.
const DONE: u8 = 0;
/// First byte of the host's reply to a request of a script that failed. The reason follows.
const FAILED: u8 = 1;
/// First byte of the host's reply to a request of a script that took too long. The reason follows.
const TIMED_OUT: u8 = 2;

/// Returns a linker with everything that the module of CPython may import.
///
/// # Errors
/// Fails only if Wasmtime has two functions of the same name.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |sandbox: &mut Sandbox| &mut sandbox.wasi)?;
    linker.func_wrap_async(
        "host",
        "call",
        |mut caller: Caller<'_, Sandbox>, places: (u32, u32, u32, u32)| {
            Box::new(async move { pass(&mut caller, places).await })
        },
    )?;
    waiting::replace(&mut linker)?;
    Ok(linker)
}

/// Passes a message of the interpreter to the host, and the reply back. The places are the address
/// and the size of the message, and the addresses to which the address and the size of the reply
/// are written.
async fn pass(
    caller: &mut Caller<'_, Sandbox>,
    (place, size, reply_place, reply_size): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let alloc = caller.get_export("host_alloc").and_then(Extern::into_func);
    let (Some(memory), Some(alloc)) = (memory, alloc) else {
        return Ok(FAULT);
    };
    let Some(message) = memory.data(&*caller).get(range(place, size)) else {
        return Ok(FAULT);
    };
    let frame = match Frame::read(message) {
        Ok(frame) => Ok(frame),
        Err(error) => Err((message.first().copied(), error)),
    };
    let reply = match frame {
        Ok(frame) => match answer(caller, frame).await {
            Some(reply) => reply,
            None => return Ok(NO_HOST),
        },
        Err((kind, error)) => match refuse(caller.data(), kind, &error) {
            Some(reply) => reply,
            None => return Ok(FAULT),
        },
    };
    let Ok(bytes) = u32::try_from(reply.len()) else {
        return Ok(FAULT);
    };
    let alloc = alloc.typed::<u32, u32>(&*caller)?;
    let address = alloc.call_async(&mut *caller, bytes).await?;
    let data = memory.data_mut(&mut *caller);
    for (to, bytes) in [
        (range(address, bytes), reply.as_slice()),
        (range(reply_place, 4), address.to_le_bytes().as_slice()),
        (range(reply_size, 4), bytes.to_le_bytes().as_slice()),
    ] {
        match data.get_mut(to) {
            Some(to) if address != 0 => to.copy_from_slice(bytes),
            _ => return Ok(FAULT),
        }
    }
    Ok(0)
}

/// Handles a message of the interpreter, and returns the reply. Returns `None` if the message needs
/// the services of the host and there are none at the moment, or if the interpreter asks for the
/// next request and the mailbox is closed.
async fn answer(caller: &mut Caller<'_, Sandbox>, frame: Frame) -> Option<Vec<u8>> {
    let mailbox = caller.data().mailbox.clone();
    let outside = caller.data().outside.clone();
    match frame {
        Frame::Next => {
            // The host of the previous call may be gone.
            outside.set(None);
            let job = mailbox.next().await?;
            outside.set(Some(job.outside));
            Sandbox::begin(caller.as_context_mut(), job.deadline);
            return Some(job.message);
        }
        Frame::Ending(mut ending) => {
            if let Ending::Raised { text, .. } = &mut ending {
                text.push_str(&caller.data().memory_note());
            }
            mailbox.end(ending);
        }
        Frame::Contract(contract) => mailbox.set_contract(contract),
        Frame::Redis(protocol, commands) => {
            let replies = outside.get()?.redis(protocol, commands).await;
            return Some(match replies {
                Ok(replies) => door::reply(DONE, &replies),
                Err(RedisFailure::Unreachable(text)) => door::reply(FAILED, text.as_bytes()),
                Err(RedisFailure::TimedOut(text)) => door::reply(TIMED_OUT, text.as_bytes()),
            });
        }
        Frame::Graph(request) => {
            let outputs = outside.get()?.graph(request).await;
            return Some(match outputs {
                Ok(outputs) => door::reply(DONE, &outputs),
                Err(GraphFailure(text)) => door::reply(FAILED, text.as_bytes()),
            });
        }
        Frame::Json(arrays, text) => {
            if text.len() > TICK_BYTES
                && let Some(outside) = outside.get()
            {
                // The host moves the call to another thread when it yields.
                outside.tick();
                tokio::task::yield_now().await;
            }
            // An empty reply says that the script reads the text itself.
            return Some(json::to_marshal(&text, &arrays).unwrap_or_default());
        }
        Frame::ModelInfo => return Some(outside.get()?.model_info().into_bytes()),
        Frame::Metric(json) => outside.get()?.metric(&json),
        Frame::Log(level, line) => outside.get()?.log(level, &line),
    }
    Some(Vec::new())
}

/// Refuses a message of the interpreter that cannot be used, and writes the reason to the log.
/// `kind` is the first byte of the message. Returns `None` if the message is malformed and does not
/// end a call.
fn refuse(sandbox: &Sandbox, kind: Option<u8>, error: &FrameError) -> Option<Vec<u8>> {
    let text = error.to_string();
    if let Some(outside) = sandbox.outside.get() {
        outside.log(Level::Error, &text);
    }
    match (kind, error) {
        // A call must have an end, whatever its answer is.
        (Some(b'A'), _) => sandbox.mailbox.end(Ending::Raised {
            text,
            is_input: false,
        }),
        (_, FrameError::Malformed) => return None,
        (Some(b'R' | b'G'), _) => return Some(door::reply(FAILED, text.as_bytes())),
        _ => {}
    }
    Some(Vec::new())
}

/// Returns the addresses of a part of a memory that begins at `place` and has `size` bytes.
pub(super) fn range(place: u32, size: u32) -> Range<usize> {
    let place = place as usize;
    place..place.saturating_add(size as usize)
}
