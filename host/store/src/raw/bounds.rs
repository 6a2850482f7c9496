//! Limits on what a Redis command may ask of the server: time and memory beyond the bytes that are
//! sent.
//!
//! Owns the limits on the keys of one command. Submodules own the limits on the commands of one
//! call together, and a rule for every argument by which a short command causes long work: counts,
//! offsets, lists of keys that are combined, sizes of filters, JSON paths. Must not know prefixes
//! or connections. A server executes commands of one client at a time. All other clients wait while
//! it executes the commands of one call.
//!
//! Data that is already stored is not checked: `HGETALL` takes longer for a larger hash. The client
//! that wrote the hash sent it within these limits.

mod asked;
mod json;
mod rules;

pub use self::asked::Asked;
use self::rules::RULES;
use super::commands::Row;
use super::{Command, CommandError};
use crate::KEY_LIMIT_BYTES;

/// Maximum number of keys that one Redis command of a scorer may name.
pub const KEYS_LIMIT: usize = 4096;

/// Checks that a Redis command of a scorer stays within the limits, and adds what the command asks
/// for to `asked`, the sums for its call. `keys` holds the positions of the command's keys among
/// its arguments.
///
/// # Errors
/// Fails with [`CommandError::Denied`] if the command asks for more than a limit allows, names a
/// key more than twice, or has a key that is too long. The text of the error says what is wrong.
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

#[cfg(test)]
mod tests;
