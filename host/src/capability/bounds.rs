//! Limits on one call of each host function: items, bytes and time.
//!
//! Owns the table [`BOUNDS`], which has a row for every function that a scorer can import, and the
//! check at the start of a function. Must not know what a function does. A test walks the contract
//! and WASI, and fails if a function has no row.
//!
//! A guest's arguments are copied to the host's memory before a host function runs.
//! [`LIFTED_BYTES`] limits that copy for every function. Lists of small items take a multiple of
//! their bytes, so `lists.rs` counts the items before the copy.

use crate::model::READ_LIMIT_BYTES;
use crate::redis::raw::{ARGUMENT_BYTES, ARGUMENTS, COMMANDS_AT_ONCE, REPLY_BYTES};
use crate::redis::{BATCH_BYTES, BATCH_KEYS, KEY_LIMIT_BYTES, VALUE_LIMIT_BYTES};

/// Maximum size of the arguments of one call of a host function in the host's memory, in bytes.
///
/// A call with larger arguments ends the scorer with a trap. The input tensors of a graph are the
/// largest arguments.
pub(crate) const LIFTED_BYTES: usize = 128 << 20;

/// Maximum length of a key of a store, in bytes.
pub(crate) const KEY_BYTES: usize = KEY_LIMIT_BYTES;

/// Maximum number of resource handles that one instance may hold open. Because of this limit, a
/// scorer that leaks handles gets an error and does not use up the host's memory.
pub(crate) const HANDLE_LIMIT: usize = 10_000;

/// Maximum number of random bytes per call, which is that of the Web Crypto API. More would block a
/// thread for longer than one tick of the epoch.
const RANDOM_BYTES: usize = 64 << 10;

/// Maximum size of one write to standard output or standard error, in bytes.
const WRITE_BYTES: usize = 64 << 10;

/// Maximum number of dimensions of a tensor that a scorer creates for `wasi:nn`. More dimensions
/// end the scorer with a trap.
///
/// The function that uses the tensor checks whether its dimensions fit a port, because that
/// function can return an error.
const DIMENSIONS: usize = 1 << 20;

/// Maximum number of tensors that one run of a graph takes.
const TENSORS: usize = 4096;

/// Maximum number of rows of a model's tensor that one call may read.
const ROWS: usize = 1 << 20;

/// Maximum number of attributes of a measurement that are read. Only the first 8 are kept.
const ATTRIBUTES: usize = 64;

/// Time within which a host function ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// The function ends within one tick of the epoch, because its items and bytes are too few for
    /// more.
    Tick,
    /// The function ends at the call's deadline at the latest. It copies or converts many bytes, on
    /// a scoring thread if there are more than 64 KiB.
    Copies,
    /// The function ends at the call's deadline at the latest. It waits for a store, a graph, a
    /// clock or a stream.
    Waits,
}

/// Limits on one call of a host function: one row of [`BOUNDS`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Name of the function: the interface without its version, `#`, and the function's name in the
    /// component model.
    ///
    /// `#*` stands for every function of an interface that gives a scorer nothing to use, because
    /// there is no folder and no network.
    pub(crate) function: &'static str,
    /// Maximum number of items in the function's lists. 1 if the function takes no list.
    pub(crate) items: usize,
    /// Maximum size of the function's arguments or of its result, whichever is larger, in bytes.
    pub(crate) bytes: usize,
    /// Time within which the function ends.
    pub(crate) time: Time,
}

use Time::{Copies, Tick, Waits};

#[expect(clippy::cast_possible_truncation, reason = "it is 64 MiB")]
const READ_BYTES: usize = READ_LIMIT_BYTES as usize;
const PAIR_BYTES: usize = KEY_BYTES + VALUE_LIMIT_BYTES;
/// Limit for a text or name that the host does not keep, in bytes. Only [`LIFTED_BYTES`] applies.
const TEXT_BYTES: usize = LIFTED_BYTES;

/// Maximum length of a cursor for the keys of a store, in bytes. A cursor may be a key with the
/// store's prefix.
const CURSOR_BYTES: usize = 2 * KEY_BYTES;
/// Limit for bytes that the host holds for the scorer. They count towards `limits.memory` and so
/// need no limit per call.
const HELD: usize = usize::MAX;

/// Limits on one call of every function that a scorer can import.
#[rustfmt::skip]
pub(crate) const BOUNDS: &[Bound] = &[
    row("scorebox:scoring/model#info", 1, 0, Tick),
    row("scorebox:scoring/model#tensors", 1, 0, Tick),
    row("scorebox:scoring/model#files", 1, 0, Tick),
    row("scorebox:scoring/model#read-file", 1, READ_BYTES, Copies),
    row("scorebox:scoring/model#[static]tensor.open", 1, TEXT_BYTES, Tick),
    row("scorebox:scoring/model#[method]tensor.info", 1, 0, Tick),
    row("scorebox:scoring/model#[method]tensor.bytes", 1, READ_BYTES, Copies),
    row("scorebox:scoring/model#[method]tensor.floats", 1, READ_BYTES, Copies),
    row("scorebox:scoring/model#[method]tensor.rows", ROWS, READ_BYTES, Copies),
    row("scorebox:scoring/graphs#list", 1, 0, Tick),
    row("scorebox:scoring/graphs#compute", TENSORS, HELD, Waits),
    row("scorebox:scoring/cache#set", 1, PAIR_BYTES, Waits),
    row("scorebox:scoring/cache#set-many", BATCH_KEYS, BATCH_BYTES, Waits),
    row("scorebox:scoring/cache#increment", 1, KEY_BYTES, Waits),
    row("scorebox:scoring/cache#lifetime-of", 1, KEY_BYTES, Waits),
    row("scorebox:scoring/cache#touch", 1, KEY_BYTES, Waits),
    row("scorebox:scoring/redis#[static]connection.open", 1, TEXT_BYTES, Tick),
    row("scorebox:scoring/redis#[method]connection.execute", ARGUMENTS, larger(ARGUMENT_BYTES, REPLY_BYTES), Waits),
    row("scorebox:scoring/redis#[method]connection.pipeline", ARGUMENTS, larger(ARGUMENT_BYTES, REPLY_BYTES), Waits),
    row("scorebox:scoring/redis#[method]connection.transaction", ARGUMENTS, larger(ARGUMENT_BYTES, REPLY_BYTES), Waits),
    row("scorebox:scoring/metrics#count", ATTRIBUTES, TEXT_BYTES, Tick),
    row("scorebox:scoring/metrics#record-value", ATTRIBUTES, TEXT_BYTES, Tick),
    row("wasi:nn/tensor#[constructor]tensor", DIMENSIONS, LIFTED_BYTES, Copies),
    row("wasi:nn/tensor#[method]tensor.dimensions", 1, 0, Tick),
    row("wasi:nn/tensor#[method]tensor.ty", 1, 0, Tick),
    row("wasi:nn/tensor#[method]tensor.data", 1, HELD, Copies),
    row("wasi:nn/errors#[method]error.code", 1, 0, Tick),
    row("wasi:nn/errors#[method]error.data", 1, 0, Tick),
    // The call is refused before a byte of the graph is copied.
    row("wasi:nn/graph#load", 0, 0, Tick),
    row("wasi:nn/graph#load-by-name", 1, TEXT_BYTES, Tick),
    row("wasi:nn/graph#[method]graph.init-execution-context", 1, 0, Tick),
    row("wasi:nn/inference#[method]graph-execution-context.compute", TENSORS, HELD, Waits),
    row("wasi:keyvalue/store#open", 1, TEXT_BYTES, Tick),
    row("wasi:keyvalue/store#[method]bucket.get", 1, PAIR_BYTES, Waits),
    row("wasi:keyvalue/store#[method]bucket.set", 1, PAIR_BYTES, Waits),
    row("wasi:keyvalue/store#[method]bucket.delete", 1, KEY_BYTES, Waits),
    row("wasi:keyvalue/store#[method]bucket.exists", 1, KEY_BYTES, Waits),
    row("wasi:keyvalue/store#[method]bucket.list-keys", 1, CURSOR_BYTES, Waits),
    row("wasi:keyvalue/atomics#[static]cas.new", 1, PAIR_BYTES, Waits),
    row("wasi:keyvalue/atomics#[method]cas.current", 1, PAIR_BYTES, Copies),
    row("wasi:keyvalue/atomics#increment", 1, KEY_BYTES, Waits),
    row("wasi:keyvalue/atomics#swap", 1, PAIR_BYTES, Waits),
    row("wasi:keyvalue/batch#get-many", BATCH_KEYS, BATCH_BYTES, Waits),
    row("wasi:keyvalue/batch#set-many", BATCH_KEYS, BATCH_BYTES, Waits),
    row("wasi:keyvalue/batch#delete-many", BATCH_KEYS, BATCH_BYTES, Waits),
    // `telemetry.rs` cuts the text, and counts the bytes of all lines of a call.
    row("wasi:logging/logging#log", 1, TEXT_BYTES, Tick),
    row("wasi:config/store#get", 1, TEXT_BYTES, Tick),
    row("wasi:config/store#get-all", 1, 0, Tick),
    row("wasi:random/random#get-random-bytes", 1, RANDOM_BYTES, Tick),
    row("wasi:random/random#get-random-u64", 1, 0, Tick),
    row("wasi:random/insecure#get-insecure-random-bytes", 1, RANDOM_BYTES, Tick),
    row("wasi:random/insecure#get-insecure-random-u64", 1, 0, Tick),
    row("wasi:random/insecure-seed#insecure-seed", 1, 0, Tick),
    row("wasi:clocks/wall-clock#now", 1, 0, Tick),
    row("wasi:clocks/wall-clock#resolution", 1, 0, Tick),
    row("wasi:clocks/monotonic-clock#now", 1, 0, Tick),
    row("wasi:clocks/monotonic-clock#resolution", 1, 0, Tick),
    // These two are bounded by the number of handles that an instance may hold.
    row("wasi:clocks/monotonic-clock#subscribe-instant", 1, 0, Tick),
    row("wasi:clocks/monotonic-clock#subscribe-duration", 1, 0, Tick),
    row("wasi:io/poll#[method]pollable.ready", 1, 0, Tick),
    row("wasi:io/poll#[method]pollable.block", 1, 0, Waits),
    row("wasi:io/poll#poll", HANDLE_LIMIT, 0, Waits),
    row("wasi:io/error#[method]error.to-debug-string", 1, 0, Tick),
    // Standard input is closed, and returns nothing.
    row("wasi:io/streams#[method]input-stream.read", 1, 0, Tick),
    row("wasi:io/streams#[method]input-stream.blocking-read", 1, 0, Waits),
    row("wasi:io/streams#[method]input-stream.skip", 1, 0, Tick),
    row("wasi:io/streams#[method]input-stream.blocking-skip", 1, 0, Waits),
    row("wasi:io/streams#[method]input-stream.subscribe", 1, 0, Tick),
    row("wasi:io/streams#[method]output-stream.check-write", 1, 0, Tick),
    row("wasi:io/streams#[method]output-stream.write", 1, WRITE_BYTES, Tick),
    row("wasi:io/streams#[method]output-stream.blocking-write-and-flush", 1, 4096, Waits),
    row("wasi:io/streams#[method]output-stream.flush", 1, 0, Tick),
    row("wasi:io/streams#[method]output-stream.blocking-flush", 1, 0, Waits),
    row("wasi:io/streams#[method]output-stream.subscribe", 1, 0, Tick),
    row("wasi:io/streams#[method]output-stream.write-zeroes", 1, WRITE_BYTES, Tick),
    row("wasi:io/streams#[method]output-stream.blocking-write-zeroes-and-flush", 1, 4096, Waits),
    row("wasi:io/streams#[method]output-stream.splice", 1, WRITE_BYTES, Tick),
    row("wasi:io/streams#[method]output-stream.blocking-splice", 1, WRITE_BYTES, Waits),
    row("wasi:cli/environment#get-environment", 1, 0, Tick),
    row("wasi:cli/environment#get-arguments", 1, 0, Tick),
    row("wasi:cli/environment#initial-cwd", 1, 0, Tick),
    row("wasi:cli/exit#exit", 1, 0, Tick),
    row("wasi:cli/exit#exit-with-code", 1, 0, Tick),
    row("wasi:cli/stdin#get-stdin", 1, 0, Tick),
    row("wasi:cli/stdout#get-stdout", 1, 0, Tick),
    row("wasi:cli/stderr#get-stderr", 1, 0, Tick),
    row("wasi:cli/terminal-stdin#get-terminal-stdin", 1, 0, Tick),
    row("wasi:cli/terminal-stdout#get-terminal-stdout", 1, 0, Tick),
    row("wasi:cli/terminal-stderr#get-terminal-stderr", 1, 0, Tick),
    row("wasi:filesystem/preopens#get-directories", 1, 0, Tick),
    row("wasi:filesystem/types#*", 1, TEXT_BYTES, Tick),
    row("wasi:sockets/instance-network#instance-network", 1, 0, Tick),
    row("wasi:sockets/ip-name-lookup#*", 1, TEXT_BYTES, Tick),
    row("wasi:sockets/tcp-create-socket#*", 1, 0, Tick),
    row("wasi:sockets/tcp#*", 1, 0, Tick),
    row("wasi:sockets/udp-create-socket#*", 1, 0, Tick),
    row("wasi:sockets/udp#*", 1, LIFTED_BYTES, Tick),
];

const fn row(function: &'static str, items: usize, bytes: usize, time: Time) -> Bound {
    Bound {
        function,
        items,
        bytes,
        time,
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Returns the row of [`BOUNDS`] for a function. The lookup happens while the host is compiled.
#[expect(clippy::panic, reason = "a function without a row does not compile")]
pub(crate) const fn of(function: &str) -> &'static Bound {
    let mut rows = BOUNDS;
    while let [row, rest @ ..] = rows {
        if is_same(row.function.as_bytes(), function.as_bytes()) {
            return row;
        }
        rows = rest;
    }
    panic!("a host function without a row in BOUNDS")
}

const fn is_same(mut a: &[u8], mut b: &[u8]) -> bool {
    loop {
        match (a, b) {
            ([], []) => return true,
            ([x, rest_of_a @ ..], [y, rest_of_b @ ..]) if *x == *y => {
                (a, b) = (rest_of_a, rest_of_b)
            }
            _ => return false,
        }
    }
}

/// Size of the arguments of one call of a host function.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    /// Length of the longest key among the arguments, in bytes. 0 if there is no key.
    pub(crate) key: usize,
}

impl Size {
    /// Returns the size of arguments that are a key and a value of `value_bytes` bytes.
    pub(crate) fn of_pair(key: &str, value_bytes: usize) -> Self {
        Self {
            items: 1,
            bytes: key.len() + value_bytes,
            key: key.len(),
        }
    }

    /// Returns the size of arguments that are several keys and values. `pairs` has each key with
    /// the size of the key's value, in bytes.
    pub(crate) fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, usize)>) -> Self {
        pairs.fold(Self::default(), |size, (key, value_bytes)| Self {
            items: size.items + 1,
            bytes: size.bytes + key.len() + value_bytes,
            key: size.key.max(key.len()),
        })
    }

    /// Returns the size of arguments that are `bytes` bytes without a key.
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self {
            items: 1,
            bytes,
            key: 0,
        }
    }
}

/// Limit of a host function that a call exceeds. The text is for the scorer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// The call has more items than the function accepts.
    #[error("{function} takes at most {limit} items in one call, and this call has {found}")]
    Items {
        /// Name of the function, as in [`BOUNDS`].
        function: &'static str,
        /// Maximum number of items.
        limit: usize,
        /// Number of items of the call.
        found: usize,
    },
    /// The arguments have more bytes than the function accepts.
    #[error("{function} takes at most {limit} bytes in one call, and this call has {found}")]
    Bytes {
        /// Name of the function, as in [`BOUNDS`].
        function: &'static str,
        /// Maximum size of the arguments, in bytes.
        limit: usize,
        /// Size of the arguments of the call, in bytes.
        found: usize,
    },
    /// A key has more bytes than a store accepts. The number is the length of the key.
    #[error("a key has at most {KEY_BYTES} bytes, and this one has {0}")]
    Key(usize),
    /// The call has more Redis commands than a store accepts at a time.
    #[error("a call sends {COMMANDS_AT_ONCE} commands at most")]
    Commands,
    /// The Redis commands have more arguments than this number, which is the limit.
    #[error("a call sends {0} arguments at most")]
    Arguments(usize),
    /// An argument of a Redis command has more bytes than a value may have.
    #[error("an argument has {VALUE_LIMIT_BYTES} bytes at most")]
    Argument,
    /// The arguments of all Redis commands together have too many bytes.
    #[error("a call sends {ARGUMENT_BYTES} bytes at most")]
    ArgumentBytes,
}

impl Bound {
    /// Returns the limit that a call exceeds if it has more items than the function accepts.
    pub(crate) fn too_many(&self, items: usize) -> Option<Exceeded> {
        (items > self.items).then_some(Exceeded::Items {
            function: self.function,
            limit: self.items,
            found: items,
        })
    }

    /// Returns the limit that arguments of this size exceed. Returns `None` if they exceed none.
    pub(super) fn exceeded(&self, size: Size) -> Option<Exceeded> {
        if size.key > KEY_BYTES {
            return Some(Exceeded::Key(size.key));
        }
        let too_large = Exceeded::Bytes {
            function: self.function,
            limit: self.bytes,
            found: size.bytes,
        };
        self.too_many(size.items)
            .or_else(|| (size.bytes > self.bytes).then_some(too_large))
    }
}

#[cfg(test)]
mod tests;
