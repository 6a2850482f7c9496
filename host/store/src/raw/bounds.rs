//! Limits on what a command may ask of the server: time and memory beyond the bytes that are sent.
//!
//! Owns the limits on one command and on one call. The modules below own a rule for every argument
//! by which a short command causes long work: counts, offsets, lists of keys that are combined,
//! sizes of filters, JSON paths. Must not know prefixes or connections. A server works for one
//! client at a time. All other clients of the server wait while it executes what one call asks for.
//!
//! Data that is already stored is not checked: `HGETALL` takes longer for a larger hash. The client
//! that wrote the hash sent it within these limits.

mod json;
mod rules;

use self::rules::RULES;
use super::commands::Row;
use super::{Command, CommandError};
use crate::{KEY_LIMIT_BYTES, VALUE_LIMIT_BYTES};

/// Maximum number of items that one raw command may ask for, such as the members of `SRANDMEMBER`
/// or the entries of `XRANGE`.
pub const COUNT_LIMIT: u64 = 1 << 16;

/// Maximum number of items that all raw commands of one call together may ask for. A reply cannot
/// hold more values.
pub const CALL_COUNT_LIMIT: u64 = 1 << 20;

/// Maximum size of the memory that all raw commands of one call together may make the server
/// reserve by offsets and sizes, such as the offset of `SETRANGE`, in bytes.
pub const CALL_GROWTH_BYTES: u64 = 64 << 20;

/// Maximum number of keys that one raw command may name.
pub const KEYS_LIMIT: usize = 4096;

/// Maximum number of keys whose data one raw command may combine, such as the sets of `SUNION`.
pub const COMBINED_KEYS_LIMIT: usize = 64;

/// Maximum number of raw commands in one call that combine or copy stored data.
pub const HEAVY_LIMIT: usize = 64;

/// Maximum size of a path or option in a JSON command, such as the indentation of `JSON.GET`, in
/// bytes. The limit also applies to the values that a command writes if its path may find many
/// places.
pub const PATH_LIMIT_BYTES: usize = 1024;

/// Sums over the raw commands of one call so far: the items that they ask for, the memory that they
/// make the server reserve, and the number of commands that combine or copy data.
#[derive(Debug, Default)]
pub struct Asked {
    items: u64,
    growth_bytes: u64,
    heavy: usize,
}

/// Checks that a raw command stays within the limits, and adds what the command asks for to
/// `asked`, the sums for its call. `keys` holds the positions of the command's keys among its
/// arguments.
///
/// # Errors
/// Fails with [`CommandError::Denied`] if the command asks for more than a limit allows. The text
/// names the limit.
pub fn check(
    row: &Row,
    command: &Command,
    keys: &[usize],
    asked: &mut Asked,
) -> Result<(), CommandError> {
    let name = row.name;
    if keys.len() > KEYS_LIMIT {
        return Err(CommandError::Denied(format!(
            "{name} names {} keys, and a command names at most {KEYS_LIMIT}",
            keys.len()
        )));
    }
    let of_key = |position: &usize| command.get(*position).map_or(&[][..], Vec::as_slice);
    if let Some(key) = keys
        .iter()
        .map(of_key)
        .find(|key| key.len() > KEY_LIMIT_BYTES)
    {
        return Err(CommandError::Denied(format!(
            "a key has at most {KEY_LIMIT_BYTES} bytes, and this one has {}",
            key.len()
        )));
    }
    if keys.len() > 2 {
        let mut sorted: Vec<_> = keys.iter().map(of_key).collect();
        sorted.sort_unstable();
        if sorted
            .windows(3)
            .any(|window| matches!(window, [a, b, c] if a == b && b == c))
        {
            return Err(CommandError::Denied(format!(
                "{name} names a key more than twice; name it once"
            )));
        }
    }
    if row.family == "@json" {
        return json::check(name, command);
    }
    let mut rules = RULES
        .iter()
        .filter(|(names, _)| names.contains(&name))
        .flat_map(|(_, rules)| *rules);
    rules.try_for_each(|rule| rule.check(name, command, keys.len(), asked))
}

impl Asked {
    fn items(&mut self, name: &str, count: Option<i64>) -> Result<(), CommandError> {
        let count = count.map_or(0, i64::unsigned_abs);
        if count > COUNT_LIMIT {
            return Err(CommandError::Denied(format!(
                "{name} asks for {count} items, and a command asks for at most {COUNT_LIMIT}"
            )));
        }
        self.items += count;
        if self.items > CALL_COUNT_LIMIT {
            return Err(CommandError::Denied(format!(
                "the commands of a call ask for at most {CALL_COUNT_LIMIT} items together"
            )));
        }
        Ok(())
    }

    fn grows(&mut self, name: &str, bytes: Option<u64>) -> Result<(), CommandError> {
        let bytes = bytes.unwrap_or_default();
        if bytes > VALUE_LIMIT_BYTES as u64 {
            return Err(CommandError::Denied(format!(
                "{name} makes a value of {bytes} bytes, and a value has at most {VALUE_LIMIT_BYTES}"
            )));
        }
        self.growth_bytes += bytes;
        if self.growth_bytes > CALL_GROWTH_BYTES {
            return Err(CommandError::Denied(format!(
                "the commands of a call reserve at most {CALL_GROWTH_BYTES} bytes together by offsets"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
