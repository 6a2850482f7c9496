//! Rules for the numbers in Redis commands: the meaning of each number, and the commands that have
//! it.
//!
//! Owns the table of the rules, and reading the numbers that they apply to. Must not know keys, or
//! what the commands of one call ask for together.

use super::asked::{Asked, HEAVY_LIMIT};
use crate::raw::{Command, CommandError};

/// Maximum number of keys whose data one Redis command may combine, such as the sets of `SUNION`.
pub const COMBINED_KEYS_LIMIT: usize = 64;

/// Meaning of numbers among the arguments of a command. The meaning decides which limit applies to
/// a number.
pub(super) enum Rule {
    /// The argument at this position is a number of items. A negative number asks for as many items
    /// as its absolute value, and an item may then be returned several times.
    Count(usize),
    /// The argument after each occurrence of this word in the command is a number of items.
    After(&'static str),
    /// The two arguments after the word `LIMIT` are an offset and a number of items.
    Limit,
    /// The argument at this position is a first index, and the next argument is a last index.
    Span(usize),
    /// Argument 5 of `XPENDING` is a number of items, or argument 7 if the option `IDLE` is given.
    Pending,
    /// The argument at this position is an offset in bytes. The server extends the value up to this
    /// offset.
    Bytes(usize),
    /// The argument at this position is an offset in bits. The server extends the value up to this
    /// offset.
    Bit(usize),
    /// The arguments of `BITFIELD` are bit fields. The server extends the value up to the offset of
    /// each field.
    Fields,
    /// The command combines or copies stored data, so the number of its keys is limited.
    Heavy,
    /// The command creates a Bloom filter for a number of items. The error rate is at this
    /// position, and the number of items follows it. If the position is `None`, both are named
    /// options.
    Filter(Option<usize>),
}

use Rule::{After, Bit, Bytes, Count, Fields, Filter, Heavy, Limit, Pending, Span};

/// Rules for the numbers among the arguments of commands, each list of rules with the commands that
/// it applies to. The limits on JSON commands are in the module `json`.
pub(super) static RULES: &[(&[&str], &[Rule])] = &[
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

/// Size of a Bloom filter per item at the lowest error rate that is allowed, in bytes.
const FILTER_ITEM_BYTES: u64 = 6;
const FILTER_ERROR: f64 = 1e-9;
const FILTER_EXPANSION: u64 = 8;

impl Rule {
    pub(super) fn check(
        &self,
        name: &str,
        command: &Command,
        keys: usize,
        asked: &mut Asked,
    ) -> Result<(), CommandError> {
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
                    return Err(CommandError::Denied(format!(
                        "{name} names {keys} keys, and it combines at most {COMBINED_KEYS_LIMIT}"
                    )));
                }
                if asked.heavy > HEAVY_LIMIT {
                    return Err(CommandError::Denied(format!(
                        "a call sends at most {HEAVY_LIMIT} commands that combine or copy, such as {name}"
                    )));
                }
                Ok(())
            }
            Filter(error) => filter(name, command, *error, asked),
        }
    }
}

/// Parses the argument at position `at` of a command as an integer. Returns `None` for any other
/// argument, because the server will refuse the command.
fn number(command: &Command, at: usize) -> Option<i64> {
    std::str::from_utf8(command.get(at)?).ok()?.parse().ok()
}

/// Returns the position after each occurrence of an option word in a command, ignoring case. The
/// position of the command's name is 0. The first argument is skipped because it is the key, except
/// for XREAD.
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

/// Returns, for each field of a `BITFIELD` command, the size that a value needs in order to contain
/// the field, in bytes. A type and an offset follow each GET, SET and INCRBY. An offset that begins
/// with `#` counts in fields.
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
) -> Result<(), CommandError> {
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
        return Err(CommandError::Denied(format!(
            "{name} asks for a share of errors below {FILTER_ERROR}"
        )));
    }
    let expansion = after(command, "EXPANSION")
        .filter_map(|at| number(command, at))
        .max()
        .unwrap_or_default();
    if expansion.unsigned_abs() > FILTER_EXPANSION {
        return Err(CommandError::Denied(format!(
            "{name} asks for an EXPANSION of {expansion}, and it is at most {FILTER_EXPANSION}"
        )));
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
