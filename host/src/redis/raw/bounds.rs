//! Limits on what a command may ask of the server: time and memory beyond the bytes that are sent.
//!
//! Owns a rule for every argument by which a short command causes long work: counts, offsets, lists
//! of keys that are combined, sizes of filters, JSON paths. Must not know prefixes or connections.
//! A server works for one client at a time. All other clients of the server wait while it executes
//! what one call asks for.
//!
//! Data that is already stored is not checked: `HGETALL` takes longer for a larger hash. The client
//! that wrote the hash sent it within these limits.

use super::Command;
use super::commands::Row;
use crate::redis::{KEY_LIMIT_BYTES, VALUE_LIMIT_BYTES};

/// Maximum number of items that one command asks for, e.g. the members of `SRANDMEMBER` or the
/// entries of `XRANGE`.
pub const COUNT_LIMIT: u64 = 1 << 16;

/// Maximum number of items that all commands of one call ask for. A reply cannot hold more values.
pub const CALL_COUNT_LIMIT: u64 = 1 << 20;

/// Maximum memory that the commands of one call make the server reserve by offsets and sizes, in
/// bytes.
pub const CALL_GROWTH_BYTES: u64 = 64 << 20;

/// Maximum number of keys in one command.
pub const KEYS_LIMIT: usize = 4096;

/// Maximum number of keys that one command combines, e.g. the sets of `SUNION`.
pub const COMBINED_KEYS_LIMIT: usize = 64;

/// Maximum number of commands in one call that combine or copy stored data.
pub const HEAVY_LIMIT: usize = 64;

/// Maximum size of a JSON path or option in bytes, e.g. of the indentation of `JSON.GET`. It also
/// limits the values that are written where a path may find many places.
pub const PATH_LIMIT_BYTES: usize = 1024;

/// Maximum number of paths and options of `JSON.GET`.
const PATHS_LIMIT: usize = 64;

/// Size of a Bloom filter per item at the smallest error rate that is allowed, in bytes.
const FILTER_ITEM_BYTES: u64 = 6;
const FILTER_ERROR: f64 = 1e-9;
const FILTER_EXPANSION: u64 = 8;

/// Sum of what the commands of one call have asked for so far.
#[derive(Debug, Default)]
pub struct Asked {
    items: u64,
    growth_bytes: u64,
    heavy: usize,
}

/// Meaning of a number in a command, which decides the limit that applies to it.
enum Rule {
    /// The argument at this position is a number of items. A negative number asks for as many
    /// items, with repeats.
    Count(usize),
    /// The argument after each occurrence of this word is a number of items.
    After(&'static str),
    /// The two arguments after the word `LIMIT` are an offset and a number of items.
    Limit,
    /// The arguments from this position on are a first and a last index.
    Span(usize),
    /// The last number of `XPENDING` is a number of items.
    Pending,
    /// The argument at this position is an offset in bytes that a value is extended to.
    Bytes(usize),
    /// The argument at this position is an offset in bits that a value is extended to.
    Bit(usize),
    /// The arguments of `BITFIELD` are bit fields, each with its offset.
    Fields,
    /// The command combines or copies stored data.
    Heavy,
    /// The command creates a Bloom filter for a number of items. With a position, the error rate is
    /// there and the number follows; otherwise both are named options.
    Filter(Option<usize>),
}

use Rule::{After, Bit, Bytes, Count, Fields, Filter, Heavy, Limit, Pending, Span};

/// Rules of the commands that have some. The JSON commands have one rule for all, which is in
/// `json`.
static RULES: &[(&[&str], &[Rule])] = &[
    (
        &[
            "HRANDFIELD",
            "LPOP",
            "RPOP",
            "SPOP",
            "SRANDMEMBER",
            "ZPOPMAX",
            "ZPOPMIN",
            "ZRANDMEMBER",
        ],
        &[Count(2)],
    ),
    (
        &[
            "GEORADIUSBYMEMBER_RO",
            "GEORADIUS_RO",
            "GEOSEARCH",
            "LMPOP",
            "LPOS",
            "ZMPOP",
        ],
        &[After("COUNT")],
    ),
    (&["HSCAN", "SSCAN", "ZSCAN"], &[After("COUNT")]),
    (
        &[
            "XAUTOCLAIM",
            "XINFO|STREAM",
            "XRANGE",
            "XREAD",
            "XREADGROUP",
            "XREVRANGE",
        ],
        &[After("COUNT")],
    ),
    (&["XPENDING"], &[Pending]),
    (&["MEMORY|USAGE"], &[After("SAMPLES")]),
    (&["LRANGE", "ZREVRANGE"], &[Span(2)]),
    (&["ZRANGE"], &[Span(2), Limit]),
    (&["ZRANGESTORE"], &[Span(3), Limit, Heavy]),
    (
        &[
            "ZRANGEBYLEX",
            "ZRANGEBYSCORE",
            "ZREVRANGEBYLEX",
            "ZREVRANGEBYSCORE",
        ],
        &[Limit],
    ),
    (&["SETRANGE"], &[Bytes(2)]),
    (&["SETBIT"], &[Bit(2)]),
    (&["BITFIELD"], &[Fields]),
    (&["GEOSEARCHSTORE"], &[After("COUNT"), Heavy]),
    (
        &[
            "BITOP",
            "SDIFF",
            "SDIFFSTORE",
            "SINTER",
            "SINTERCARD",
            "SINTERSTORE",
            "SUNION",
            "SUNIONSTORE",
        ],
        &[Heavy],
    ),
    (
        &[
            "ZDIFF",
            "ZDIFFSTORE",
            "ZINTER",
            "ZINTERCARD",
            "ZINTERSTORE",
            "ZUNION",
            "ZUNIONSTORE",
        ],
        &[Heavy],
    ),
    (&["COPY"], &[Heavy]),
    (&["BF.RESERVE"], &[Filter(Some(2))]),
    (&["BF.INSERT"], &[Filter(None)]),
];

/// Checks a command whose keys are at these positions, and adds it to the sum of its call.
///
/// # Errors
/// Fails if the command asks for more than a limit. The text names the limit.
pub fn check(
    row: &Row,
    command: &Command,
    keys: &[usize],
    asked: &mut Asked,
) -> Result<(), String> {
    let name = row.name;
    if keys.len() > KEYS_LIMIT {
        return Err(format!(
            "{name} names {} keys, and a command names at most {KEYS_LIMIT}",
            keys.len()
        ));
    }
    let of_key = |position: &usize| command.get(*position).map_or(&[][..], Vec::as_slice);
    if let Some(key) = keys
        .iter()
        .map(of_key)
        .find(|key| key.len() > KEY_LIMIT_BYTES)
    {
        return Err(format!(
            "a key has at most {KEY_LIMIT_BYTES} bytes, and here is one of {}",
            key.len()
        ));
    }
    if keys.len() > 2 {
        let mut sorted: Vec<_> = keys.iter().map(of_key).collect();
        sorted.sort_unstable();
        if sorted
            .windows(3)
            .any(|window| matches!(window, [a, b, c] if a == b && b == c))
        {
            return Err(format!("{name} names a key more than twice; name it once"));
        }
    }
    if row.family == "@json" {
        return json(name, command);
    }
    let mut rules = RULES
        .iter()
        .filter(|(names, _)| names.contains(&name))
        .flat_map(|(_, rules)| *rules);
    rules.try_for_each(|rule| rule.check(name, command, keys.len(), asked))
}

impl Rule {
    fn check(
        &self,
        name: &str,
        command: &Command,
        keys: usize,
        asked: &mut Asked,
    ) -> Result<(), String> {
        match self {
            Count(at) => asked.items(name, number(command, *at)),
            After(word) => after(command, word)
                .try_for_each(|position| asked.items(name, number(command, position))),
            Limit => after(command, "LIMIT").try_for_each(|position| {
                // A negative number means no limit, as if the option were not given.
                asked.items(
                    name,
                    number(command, position + 1).filter(|count| *count >= 0),
                )
            }),
            Span(at) => {
                // With BYSCORE or BYLEX the two arguments are not indices.
                let is_other = |word| after(command, word).next().is_some();
                let span = (number(command, *at), number(command, at + 1));
                match span {
                    (Some(first @ 0..), Some(last))
                        if !is_other("BYSCORE") && !is_other("BYLEX") =>
                    {
                        asked.items(
                            name,
                            Some(last.saturating_sub(first).saturating_add(1))
                                .filter(|span| *span > 0),
                        )
                    }
                    _ => Ok(()),
                }
            }
            Pending => {
                let has_idle = command
                    .get(3)
                    .is_some_and(|option| option.eq_ignore_ascii_case(b"IDLE"));
                asked.items(name, number(command, if has_idle { 7 } else { 5 }))
            }
            Bytes(at) => {
                let added = command.get(at + 1).map_or(0, Vec::len);
                asked.grows(
                    name,
                    number(command, *at)
                        .map(|offset| offset.unsigned_abs().saturating_add(added as u64)),
                )
            }
            Bit(at) => asked.grows(
                name,
                number(command, *at).map(|bit| bit.unsigned_abs() / 8 + 1),
            ),
            Fields => fields(command).try_for_each(|bytes| asked.grows(name, Some(bytes))),
            Heavy => {
                asked.heavy += 1;
                if keys > COMBINED_KEYS_LIMIT {
                    return Err(format!(
                        "{name} names {keys} keys, and it combines at most {COMBINED_KEYS_LIMIT}"
                    ));
                }
                if asked.heavy > HEAVY_LIMIT {
                    return Err(format!(
                        "a call sends at most {HEAVY_LIMIT} commands that combine or copy, such as {name}"
                    ));
                }
                Ok(())
            }
            Filter(error) => filter(name, command, *error, asked),
        }
    }
}

impl Asked {
    fn items(&mut self, name: &str, count: Option<i64>) -> Result<(), String> {
        let count = count.map_or(0, i64::unsigned_abs);
        if count > COUNT_LIMIT {
            return Err(format!(
                "{name} asks for {count} items, and a command asks for at most {COUNT_LIMIT}"
            ));
        }
        self.items += count;
        if self.items > CALL_COUNT_LIMIT {
            return Err(format!(
                "the commands of a call ask for at most {CALL_COUNT_LIMIT} items together"
            ));
        }
        Ok(())
    }

    fn grows(&mut self, name: &str, bytes: Option<u64>) -> Result<(), String> {
        let bytes = bytes.unwrap_or_default();
        if bytes > VALUE_LIMIT_BYTES as u64 {
            return Err(format!(
                "{name} makes a value of {bytes} bytes, and a value has at most {VALUE_LIMIT_BYTES}"
            ));
        }
        self.growth_bytes += bytes;
        if self.growth_bytes > CALL_GROWTH_BYTES {
            return Err(format!(
                "the commands of a call reserve at most {CALL_GROWTH_BYTES} bytes together by offsets"
            ));
        }
        Ok(())
    }
}

/// Reads an argument as a whole number. `None` if it is not one; the server will refuse it.
fn number(command: &Command, at: usize) -> Option<i64> {
    std::str::from_utf8(command.get(at)?).ok()?.parse().ok()
}

/// Returns the position after each occurrence of a word.
fn after<'a>(command: &'a Command, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_it =
        move |(_, argument): &(usize, &Vec<u8>)| argument.eq_ignore_ascii_case(word.as_bytes());
    // Only XREAD has an option at the position where other commands have their key.
    let is_xread = command
        .first()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"XREAD"));
    command
        .iter()
        .enumerate()
        .skip(if is_xread { 1 } else { 2 })
        .filter(is_it)
        .map(|(position, _)| position + 1)
}

/// Returns the number of bytes that a value needs for each field of `BITFIELD`. After GET, SET and
/// INCRBY come a type and an offset. An offset with `#` counts in fields.
fn fields(command: &Command) -> impl Iterator<Item = u64> + '_ {
    let words: &[&[u8]] = &[b"GET", b"SET", b"INCRBY"];
    let is_field = |word: &Vec<u8>| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    command
        .iter()
        .enumerate()
        .filter(move |(_, word)| is_field(word))
        .filter_map(|(position, _)| {
            let width: u64 = std::str::from_utf8(command.get(position + 1)?.get(1..)?)
                .ok()?
                .parse()
                .ok()?;
            let offset = std::str::from_utf8(command.get(position + 2)?).ok()?;
            let bits = match offset.strip_prefix('#') {
                Some(fields) => fields.parse::<u64>().ok()?.saturating_mul(width),
                None => offset.parse().ok()?,
            };
            Some(bits.saturating_add(width) / 8 + 1)
        })
}

fn filter(
    name: &str,
    command: &Command,
    error: Option<usize>,
    asked: &mut Asked,
) -> Result<(), String> {
    let text = |at: usize| {
        command
            .get(at)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    };
    let errors = error.into_iter().chain(after(command, "ERROR"));
    if errors
        .filter_map(|at| text(at)?.parse::<f64>().ok())
        .any(|share| share < FILTER_ERROR)
    {
        return Err(format!(
            "{name} asks for a share of errors below {FILTER_ERROR}"
        ));
    }
    let expansion = after(command, "EXPANSION")
        .filter_map(|at| number(command, at))
        .max()
        .unwrap_or_default();
    if expansion.unsigned_abs() > FILTER_EXPANSION {
        return Err(format!(
            "{name} asks for an EXPANSION of {expansion}, and it is at most {FILTER_EXPANSION}"
        ));
    }
    let capacities = error
        .map(|at| at + 1)
        .into_iter()
        .chain(after(command, "CAPACITY"));
    let capacities = capacities.filter_map(|at| number(command, at));
    capacities.into_iter().try_for_each(|capacity| {
        asked.grows(
            name,
            Some(capacity.unsigned_abs().saturating_mul(FILTER_ITEM_BYTES)),
        )
    })
}

/// Checks a JSON command. A path that finds many places multiplies the bytes that are written to
/// them or read from them.
fn json(name: &str, command: &Command) -> Result<(), String> {
    let last = command.len().saturating_sub(1);
    let (paths, values): (Vec<usize>, Vec<usize>) = match name {
        "JSON.GET" => ((2..=last).collect(), Vec::new()),
        "JSON.MGET" => (vec![last], Vec::new()),
        "JSON.MSET" => (
            (2..=last).step_by(3).collect(),
            (3..=last).step_by(3).collect(),
        ),
        // Without a path the value is at the path's position.
        "JSON.STRAPPEND" if last == 2 => (Vec::new(), Vec::new()),
        _ => (vec![2], (3..=last).collect()),
    };
    if name == "JSON.GET" && paths.len() > PATHS_LIMIT {
        return Err(format!(
            "{name} has at most {PATHS_LIMIT} paths and options"
        ));
    }
    let of = |positions: &[usize]| -> Vec<&[u8]> {
        positions
            .iter()
            .filter_map(|position| command.get(*position))
            .map(Vec::as_slice)
            .collect()
    };
    let (paths, values) = (of(&paths), of(&values));
    if paths.iter().any(|path| path.len() > PATH_LIMIT_BYTES) {
        return Err(format!(
            "a path or an option of {name} has at most {PATH_LIMIT_BYTES} bytes"
        ));
    }
    if paths
        .iter()
        .any(|path| path.windows(2).filter(|pair| *pair == b"..").count() > 1)
    {
        return Err(format!("a path of {name} has `..` at most once"));
    }
    let finds_many = |path: &&[u8]| {
        path.iter().any(|byte| b"*?:,".contains(byte)) || path.windows(2).any(|p| p == b"..")
    };
    if paths.iter().any(finds_many)
        && values.iter().map(|value| value.len()).sum::<usize>() > PATH_LIMIT_BYTES
    {
        return Err(format!(
            "{name} writes at most {PATH_LIMIT_BYTES} bytes where its path may find many places; name one place"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
