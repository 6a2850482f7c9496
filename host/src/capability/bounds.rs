//! Limits on one call of each host function: items, bytes and time.
//!
//! Owns the table [`BOUNDS`], which has a row for every function that a scorer can import, and the
//! check at the start of a function. Must not know what a function does. A test walks the contract
//! and WASI, and fails if a function has no row.
//!
//! A guest's arguments are copied to the host's memory before a host function runs.
//! [`LIFTED_BYTES`] limits that copy for every function. A list of small items takes much more
//! memory on the host than in the guest, so `lists.rs` counts the items before the copy.

use crate::model::READ_LIMIT_BYTES;
use crate::redis::raw::{ARGUMENT_BYTES, ARGUMENTS, COMMANDS_AT_ONCE, REPLY_BYTES};
use crate::redis::{BATCH_BYTES, BATCH_KEYS, KEY_LIMIT_BYTES, VALUE_LIMIT_BYTES};

/// Maximum size that the arguments of one call of a host function may take in the host's memory, in
/// bytes.
///
/// A call with larger arguments ends the scorer's call with a trap. The input tensors of a graph
/// are the largest arguments.
pub(crate) const LIFTED_BYTES: usize = 128 << 20;

/// Maximum length of a key of a store, in bytes.
pub(crate) const KEY_BYTES: usize = KEY_LIMIT_BYTES;

/// Maximum number of resource handles that one instance may hold open. The number is limited so
/// that the call of a scorer that leaks handles ends with a trap, before the handles use up the
/// host's memory.
pub(crate) const HANDLE_LIMIT: usize = 10_000;

/// Maximum number of random bytes that one call of a host function gives to a scorer. The limit is
/// that of the Web Crypto API. More bytes would block a thread for longer than one tick of the
/// epoch.
const RANDOM_BYTES: usize = 64 << 10;

/// Maximum size of one write of a scorer to standard output or standard error, in bytes.
const WRITE_BYTES: usize = 64 << 10;

/// Maximum number of dimensions of a tensor that a scorer creates through `wasi:nn`. A tensor with
/// more dimensions ends the scorer's call with a trap.
///
/// The limit is high because the dimensions are checked against a port later, in the function that
/// uses the tensor. That function can return an error.
const DIMENSIONS: usize = 1 << 20;

/// Maximum number of input tensors of one run of a graph.
const TENSORS: usize = 4096;

/// Maximum number of rows of a model's tensor that one call of a host function may read.
const ROWS: usize = 1 << 20;

/// Maximum number of attributes of a measurement that the host reads. Only the first 8 are logged.
const ATTRIBUTES: usize = 64;

/// Time within which a call of a host function ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// The function ends within one tick of the epoch, because the limits on its items and bytes
    /// keep its work short.
    Tick,
    /// The function copies or converts many bytes, on a scoring thread if there are more than 64
    /// KiB. It ends at the deadline of the scorer's call at the latest.
    Copies,
    /// The function waits for a store, a graph, a clock or a stream. It ends at the deadline of the
    /// scorer's call at the latest.
    Waits,
}

/// Limits on one call of a host function: one row of [`BOUNDS`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Name of the host function: the interface without its version, `#`, and the function's name
    /// in the component model.
    ///
    /// `#*` stands for every function of an interface whose functions have no effect, because a
    /// scorer has neither folders nor a network.
    pub(crate) function: &'static str,
    /// Maximum number of items in the lists that the host function takes. 1 if the function does
    /// not take a list, and 0 if it refuses every call.
    pub(crate) items: usize,
    /// Maximum size of the host function's arguments or of its result, whichever is larger, in
    /// bytes. 0 for a function that takes no bytes and whose result is not limited.
    pub(crate) bytes: usize,
    /// Time within which a call of the host function ends.
    pub(crate) time: Time,
}

use Time::{Copies, Tick, Waits};

#[expect(clippy::cast_possible_truncation, reason = "it is 64 MiB")]
const READ_BYTES: usize = READ_LIMIT_BYTES as usize;
const PAIR_BYTES: usize = KEY_BYTES + VALUE_LIMIT_BYTES;
/// Maximum size of a text or name that the host does not keep, in bytes. Such a text needs no limit
/// of its own, so the value is [`LIFTED_BYTES`].
const TEXT_BYTES: usize = LIFTED_BYTES;

/// Maximum length of a cursor in the list of a store's keys, in bytes. A cursor may be a key with
/// the store's prefix.
const CURSOR_BYTES: usize = 2 * KEY_BYTES;
/// Maximum number of bytes in one call of a host function that keeps these bytes for the scorer.
/// The function does not need a limit of its own, because the kept bytes count towards
/// `limits.memory`.
const HELD: usize = usize::MAX;

/// Limits on one call of each host function that a scorer can import.
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
    // The calls of `subscribe-instant` and `subscribe-duration` are bounded by the number of
    // handles that an instance may hold.
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

/// Returns the row of [`BOUNDS`] for a host function. The lookup happens while the host is
/// compiled.
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
    /// Returns the size of arguments that consist of a key and a value of `value_bytes` bytes.
    pub(crate) fn of_pair(key: &str, value_bytes: usize) -> Self {
        Self {
            items: 1,
            bytes: key.len() + value_bytes,
            key: key.len(),
        }
    }

    /// Returns the size of arguments that consist of several keys and values. `pairs` has each key
    /// with the size of the key's value, in bytes.
    pub(crate) fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, usize)>) -> Self {
        pairs.fold(Self::default(), |size, (key, value_bytes)| Self {
            items: size.items + 1,
            bytes: size.bytes + key.len() + value_bytes,
            key: size.key.max(key.len()),
        })
    }

    /// Returns the size of arguments that consist of `bytes` bytes and no key.
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self {
            items: 1,
            bytes,
            key: 0,
        }
    }
}

/// Limit of a host function that the arguments of a call exceed. The scorer gets the text of the
/// error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// The lists in the arguments have more items than the function accepts.
    #[error("{function} takes at most {limit} items in one call, and this call has {found}")]
    Items {
        /// Name of the host function, as in [`BOUNDS`].
        function: &'static str,
        /// Maximum number of items in the lists that the host function takes.
        limit: usize,
        /// Number of items in the lists of the refused call.
        found: usize,
    },
    /// The arguments have more bytes than the function accepts.
    #[error("{function} takes at most {limit} bytes in one call, and this call has {found}")]
    Bytes {
        /// Name of the host function, as in [`BOUNDS`].
        function: &'static str,
        /// Maximum size of the host function's arguments, in bytes.
        limit: usize,
        /// Size of the arguments of the refused call, in bytes.
        found: usize,
    },
    /// A key is longer than a store accepts. The number is the length of the key in bytes.
    #[error("a key has at most {KEY_BYTES} bytes, and this one has {0}")]
    Key(usize),
    /// The call sends more Redis commands than the host accepts per call.
    #[error("a call sends {COMMANDS_AT_ONCE} commands at most")]
    Commands,
    /// The Redis commands together have too many arguments. The number is the maximum number of
    /// arguments.
    #[error("a call sends {0} arguments at most")]
    Arguments(usize),
    /// An argument of a Redis command is larger than a value of a store may be.
    #[error("an argument has {VALUE_LIMIT_BYTES} bytes at most")]
    Argument,
    /// The arguments of all Redis commands of the call together are too large.
    #[error("a call sends {ARGUMENT_BYTES} bytes at most")]
    ArgumentBytes,
}

impl Bound {
    /// Returns the limit on items, if a call with `items` items exceeds it. Returns `None` if it
    /// does not.
    pub(crate) fn too_many(&self, items: usize) -> Option<Exceeded> {
        (items > self.items).then_some(Exceeded::Items {
            function: self.function,
            limit: self.items,
            found: items,
        })
    }

    /// Returns the limit that arguments of the given size exceed. Returns `None` if they exceed no
    /// limit.
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
