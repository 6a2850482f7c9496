//! The table of commands that a scorer may be allowed to send, with one row per command.
//!
//! Owns the families of the commands, where their keys are, and whether a command may be sent
//! twice. Must not know who sends the commands. A test compares every row with what a server
//! reports (`COMMAND INFO`, `COMMAND GETKEYS`). Rows for commands that the server is too old for
//! follow <https://redis.io/commands>.

/// Row of the table of Redis commands that a scorer may be allowed to send: one command or one
/// subcommand.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the command in upper case. A subcommand is written as in Redis's access control
    /// lists: `XGROUP|CREATE`.
    pub name: &'static str,
    /// Family of the command: its category in Redis's access control lists, such as `@hash`.
    pub family: &'static str,
    /// Positions of the command's keys among its arguments.
    pub keys: Keys,
    /// Repeat policy of the command: says if it may be sent again when it is unknown whether the
    /// server executed it.
    pub again: Again,
}

/// Positions of the keys among the arguments of a command. Argument 0 is the command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The command does not have keys.
    None,
    /// The keys are at the positions from a first to a last position, with a step. The fields are
    /// the first position, the last position and the step. A last position below 0 counts from the
    /// end: -1 is the last argument.
    Range(usize, isize, usize),
    /// The argument at this position is the number of keys, and the keys follow it.
    Counted(usize),
    /// The argument at this position is the number of keys, and the keys follow it. Argument 1 is a
    /// key, too, to which the command writes.
    Into(usize),
    /// Argument 1 is the number of keys, and the keys follow it. The reply begins with the key that
    /// was found.
    Popped,
    /// The keys are the first half of the arguments after the word STREAMS. The reply names these
    /// keys.
    Streams,
}

/// Repeat policy of a command in the table of Redis commands. A repeat is harmless if the stored
/// data and the reply are the same as after one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The command only reads, so it may be repeated at any time.
    Read,
    /// The command writes, and may be repeated after its connection failed.
    Harmless,
    /// The command may be repeated if it has no options, or if an expiry is its only option. Any
    /// other option may be a condition.
    Plain,
    /// The command must not be repeated. The command counts, appends or removes, or its reply says
    /// how much it changed.
    Wrong,
}

use Again::{Harmless, Plain, Read, Wrong};

const NONE: Keys = Keys::None;
/// Keys of a command with one key: the first argument.
const ONE: Keys = Keys::Range(1, 1, 1);
/// Keys of a command with two keys: the first two arguments.
const TWO: Keys = Keys::Range(1, 2, 1);
/// Keys of a command whose arguments are all keys.
const ALL: Keys = Keys::Range(1, -1, 1);
/// Keys of a command whose arguments are pairs of a key and its value.
const PAIRS: Keys = Keys::Range(1, -1, 2);
/// Keys of a command with one key: the argument after the name of the subcommand.
const SUB: Keys = Keys::Range(2, 2, 1);

const BITMAP: &str = "@bitmap";
const BLOOM: &str = "@bloom";
const CONNECTION: &str = "@connection";
const GEO: &str = "@geo";
const HASH: &str = "@hash";
const HYPERLOGLOG: &str = "@hyperloglog";
const JSON: &str = "@json";
const KEYSPACE: &str = "@keyspace";
const LIST: &str = "@list";
const SET: &str = "@set";
const SORTED_SET: &str = "@sortedset";
const STREAM: &str = "@stream";
const STRING: &str = "@string";

/// Name of the family that contains all commands that a scorer may be allowed to send.
pub const EVERYTHING: &str = "@all";

/// Every command that the host can let a scorer send, sorted by family and name.
pub static COMMANDS: &[Row] = &[
    row("BITCOUNT", BITMAP, ONE, Read),
    row("BITFIELD", BITMAP, ONE, Wrong),
    row("BITFIELD_RO", BITMAP, ONE, Read),
    row("BITOP", BITMAP, Keys::Range(2, -1, 1), Wrong),
    row("BITPOS", BITMAP, ONE, Read),
    row("GETBIT", BITMAP, ONE, Read),
    row("SETBIT", BITMAP, ONE, Wrong),
    row("BF.ADD", BLOOM, ONE, Wrong),
    row("BF.CARD", BLOOM, ONE, Read),
    row("BF.EXISTS", BLOOM, ONE, Read),
    row("BF.INFO", BLOOM, ONE, Read),
    row("BF.INSERT", BLOOM, ONE, Wrong),
    row("BF.MADD", BLOOM, ONE, Wrong),
    row("BF.MEXISTS", BLOOM, ONE, Read),
    row("BF.RESERVE", BLOOM, ONE, Wrong),
    row("PING", CONNECTION, NONE, Read),
    // TIME is in none of Redis's categories. It reads the server's clock.
    row("TIME", CONNECTION, NONE, Read),
    row("GEOADD", GEO, ONE, Wrong),
    row("GEODIST", GEO, ONE, Read),
    row("GEOHASH", GEO, ONE, Read),
    row("GEOPOS", GEO, ONE, Read),
    row("GEORADIUSBYMEMBER_RO", GEO, ONE, Read),
    row("GEORADIUS_RO", GEO, ONE, Read),
    row("GEOSEARCH", GEO, ONE, Read),
    row("GEOSEARCHSTORE", GEO, TWO, Wrong),
    row("HDEL", HASH, ONE, Wrong),
    row("HEXISTS", HASH, ONE, Read),
    row("HEXPIRE", HASH, ONE, Wrong),
    row("HEXPIREAT", HASH, ONE, Wrong),
    row("HEXPIRETIME", HASH, ONE, Read),
    row("HGET", HASH, ONE, Read),
    row("HGETALL", HASH, ONE, Read),
    row("HGETDEL", HASH, ONE, Wrong),
    row("HGETEX", HASH, ONE, Wrong),
    row("HINCRBY", HASH, ONE, Wrong),
    row("HINCRBYFLOAT", HASH, ONE, Wrong),
    row("HKEYS", HASH, ONE, Read),
    row("HLEN", HASH, ONE, Read),
    row("HMGET", HASH, ONE, Read),
    row("HMSET", HASH, ONE, Harmless),
    row("HPERSIST", HASH, ONE, Wrong),
    row("HPEXPIRE", HASH, ONE, Wrong),
    row("HPEXPIREAT", HASH, ONE, Wrong),
    row("HPEXPIRETIME", HASH, ONE, Read),
    row("HPTTL", HASH, ONE, Read),
    row("HRANDFIELD", HASH, ONE, Read),
    row("HSCAN", HASH, ONE, Read),
    row("HSET", HASH, ONE, Wrong),
    row("HSETEX", HASH, ONE, Wrong),
    row("HSETNX", HASH, ONE, Wrong),
    row("HSTRLEN", HASH, ONE, Read),
    row("HTTL", HASH, ONE, Read),
    row("HVALS", HASH, ONE, Read),
    row("PFADD", HYPERLOGLOG, ONE, Wrong),
    row("PFCOUNT", HYPERLOGLOG, ALL, Read),
    row("PFMERGE", HYPERLOGLOG, ALL, Harmless),
    row("JSON.ARRAPPEND", JSON, ONE, Wrong),
    row("JSON.ARRINDEX", JSON, ONE, Read),
    row("JSON.ARRINSERT", JSON, ONE, Wrong),
    row("JSON.ARRLEN", JSON, ONE, Read),
    row("JSON.ARRPOP", JSON, ONE, Wrong),
    row("JSON.ARRTRIM", JSON, ONE, Wrong),
    row("JSON.CLEAR", JSON, ONE, Wrong),
    row("JSON.DEL", JSON, ONE, Wrong),
    row("JSON.FORGET", JSON, ONE, Wrong),
    row("JSON.GET", JSON, ONE, Read),
    row("JSON.MERGE", JSON, ONE, Wrong),
    // The last argument of JSON.MGET is the path.
    row("JSON.MGET", JSON, Keys::Range(1, -2, 1), Read),
    // In JSON.MSET each key is followed by its path and its value.
    row("JSON.MSET", JSON, Keys::Range(1, -1, 3), Wrong),
    row("JSON.NUMINCRBY", JSON, ONE, Wrong),
    row("JSON.NUMMULTBY", JSON, ONE, Wrong),
    row("JSON.OBJKEYS", JSON, ONE, Read),
    row("JSON.OBJLEN", JSON, ONE, Read),
    row("JSON.RESP", JSON, ONE, Read),
    row("JSON.SET", JSON, ONE, Wrong),
    row("JSON.STRAPPEND", JSON, ONE, Wrong),
    row("JSON.STRLEN", JSON, ONE, Read),
    row("JSON.TOGGLE", JSON, ONE, Wrong),
    row("JSON.TYPE", JSON, ONE, Read),
    row("COPY", KEYSPACE, TWO, Wrong),
    row("DEL", KEYSPACE, ALL, Wrong),
    row("DUMP", KEYSPACE, ONE, Read),
    row("EXISTS", KEYSPACE, ALL, Read),
    row("EXPIRE", KEYSPACE, ONE, Plain),
    row("EXPIREAT", KEYSPACE, ONE, Plain),
    row("EXPIRETIME", KEYSPACE, ONE, Read),
    // MEMORY USAGE is in none of Redis's categories.
    row("MEMORY|USAGE", KEYSPACE, SUB, Read),
    row("OBJECT|ENCODING", KEYSPACE, SUB, Read),
    row("OBJECT|FREQ", KEYSPACE, SUB, Read),
    row("OBJECT|IDLETIME", KEYSPACE, SUB, Read),
    row("OBJECT|REFCOUNT", KEYSPACE, SUB, Read),
    row("PERSIST", KEYSPACE, ONE, Wrong),
    row("PEXPIRE", KEYSPACE, ONE, Plain),
    row("PEXPIREAT", KEYSPACE, ONE, Plain),
    row("PEXPIRETIME", KEYSPACE, ONE, Read),
    row("PTTL", KEYSPACE, ONE, Read),
    row("RENAME", KEYSPACE, TWO, Wrong),
    row("RENAMENX", KEYSPACE, TWO, Wrong),
    row("TOUCH", KEYSPACE, ALL, Read),
    row("TTL", KEYSPACE, ONE, Read),
    row("TYPE", KEYSPACE, ONE, Read),
    row("UNLINK", KEYSPACE, ALL, Wrong),
    row("LINDEX", LIST, ONE, Read),
    row("LINSERT", LIST, ONE, Wrong),
    row("LLEN", LIST, ONE, Read),
    row("LMOVE", LIST, TWO, Wrong),
    row("LMPOP", LIST, Keys::Popped, Wrong),
    row("LPOP", LIST, ONE, Wrong),
    row("LPOS", LIST, ONE, Read),
    row("LPUSH", LIST, ONE, Wrong),
    row("LPUSHX", LIST, ONE, Wrong),
    row("LRANGE", LIST, ONE, Read),
    row("LREM", LIST, ONE, Wrong),
    row("LSET", LIST, ONE, Harmless),
    row("LTRIM", LIST, ONE, Wrong),
    row("RPOP", LIST, ONE, Wrong),
    row("RPOPLPUSH", LIST, TWO, Wrong),
    row("RPUSH", LIST, ONE, Wrong),
    row("RPUSHX", LIST, ONE, Wrong),
    row("SADD", SET, ONE, Wrong),
    row("SCARD", SET, ONE, Read),
    row("SDIFF", SET, ALL, Read),
    row("SDIFFSTORE", SET, ALL, Wrong),
    row("SINTER", SET, ALL, Read),
    row("SINTERCARD", SET, Keys::Counted(1), Read),
    row("SINTERSTORE", SET, ALL, Wrong),
    row("SISMEMBER", SET, ONE, Read),
    row("SMEMBERS", SET, ONE, Read),
    row("SMISMEMBER", SET, ONE, Read),
    row("SMOVE", SET, TWO, Wrong),
    row("SPOP", SET, ONE, Wrong),
    row("SRANDMEMBER", SET, ONE, Read),
    row("SREM", SET, ONE, Wrong),
    row("SSCAN", SET, ONE, Read),
    row("SUNION", SET, ALL, Read),
    row("SUNIONSTORE", SET, ALL, Wrong),
    row("ZADD", SORTED_SET, ONE, Wrong),
    row("ZCARD", SORTED_SET, ONE, Read),
    row("ZCOUNT", SORTED_SET, ONE, Read),
    row("ZDIFF", SORTED_SET, Keys::Counted(1), Read),
    row("ZDIFFSTORE", SORTED_SET, Keys::Into(2), Wrong),
    row("ZINCRBY", SORTED_SET, ONE, Wrong),
    row("ZINTER", SORTED_SET, Keys::Counted(1), Read),
    row("ZINTERCARD", SORTED_SET, Keys::Counted(1), Read),
    row("ZINTERSTORE", SORTED_SET, Keys::Into(2), Wrong),
    row("ZLEXCOUNT", SORTED_SET, ONE, Read),
    row("ZMPOP", SORTED_SET, Keys::Popped, Wrong),
    row("ZMSCORE", SORTED_SET, ONE, Read),
    row("ZPOPMAX", SORTED_SET, ONE, Wrong),
    row("ZPOPMIN", SORTED_SET, ONE, Wrong),
    row("ZRANDMEMBER", SORTED_SET, ONE, Read),
    row("ZRANGE", SORTED_SET, ONE, Read),
    row("ZRANGEBYLEX", SORTED_SET, ONE, Read),
    row("ZRANGEBYSCORE", SORTED_SET, ONE, Read),
    row("ZRANGESTORE", SORTED_SET, TWO, Wrong),
    row("ZRANK", SORTED_SET, ONE, Read),
    row("ZREM", SORTED_SET, ONE, Wrong),
    row("ZREMRANGEBYLEX", SORTED_SET, ONE, Wrong),
    row("ZREMRANGEBYRANK", SORTED_SET, ONE, Wrong),
    row("ZREMRANGEBYSCORE", SORTED_SET, ONE, Wrong),
    row("ZREVRANGE", SORTED_SET, ONE, Read),
    row("ZREVRANGEBYLEX", SORTED_SET, ONE, Read),
    row("ZREVRANGEBYSCORE", SORTED_SET, ONE, Read),
    row("ZREVRANK", SORTED_SET, ONE, Read),
    row("ZSCAN", SORTED_SET, ONE, Read),
    row("ZSCORE", SORTED_SET, ONE, Read),
    row("ZUNION", SORTED_SET, Keys::Counted(1), Read),
    row("ZUNIONSTORE", SORTED_SET, Keys::Into(2), Wrong),
    row("XACK", STREAM, ONE, Wrong),
    row("XADD", STREAM, ONE, Wrong),
    row("XAUTOCLAIM", STREAM, ONE, Wrong),
    row("XCLAIM", STREAM, ONE, Wrong),
    row("XDEL", STREAM, ONE, Wrong),
    row("XGROUP|CREATE", STREAM, SUB, Wrong),
    row("XGROUP|CREATECONSUMER", STREAM, SUB, Wrong),
    row("XGROUP|DELCONSUMER", STREAM, SUB, Wrong),
    row("XGROUP|DESTROY", STREAM, SUB, Wrong),
    row("XGROUP|SETID", STREAM, SUB, Wrong),
    row("XINFO|CONSUMERS", STREAM, SUB, Read),
    row("XINFO|GROUPS", STREAM, SUB, Read),
    row("XINFO|STREAM", STREAM, SUB, Read),
    row("XLEN", STREAM, ONE, Read),
    row("XPENDING", STREAM, ONE, Read),
    row("XRANGE", STREAM, ONE, Read),
    row("XREAD", STREAM, Keys::Streams, Read),
    row("XREADGROUP", STREAM, Keys::Streams, Wrong),
    row("XREVRANGE", STREAM, ONE, Read),
    row("XSETID", STREAM, ONE, Wrong),
    row("XTRIM", STREAM, ONE, Wrong),
    row("APPEND", STRING, ONE, Wrong),
    row("DECR", STRING, ONE, Wrong),
    row("DECRBY", STRING, ONE, Wrong),
    row("GET", STRING, ONE, Read),
    row("GETDEL", STRING, ONE, Wrong),
    row("GETEX", STRING, ONE, Wrong),
    row("GETRANGE", STRING, ONE, Read),
    row("GETSET", STRING, ONE, Wrong),
    row("INCR", STRING, ONE, Wrong),
    row("INCRBY", STRING, ONE, Wrong),
    row("INCRBYFLOAT", STRING, ONE, Wrong),
    row("MGET", STRING, ALL, Read),
    row("MSET", STRING, PAIRS, Harmless),
    row("MSETNX", STRING, PAIRS, Wrong),
    row("PSETEX", STRING, ONE, Harmless),
    row("SET", STRING, ONE, Plain),
    row("SETEX", STRING, ONE, Harmless),
    row("SETNX", STRING, ONE, Wrong),
    row("SETRANGE", STRING, ONE, Harmless),
    row("STRLEN", STRING, ONE, Read),
    row("SUBSTR", STRING, ONE, Read),
];

const fn row(name: &'static str, family: &'static str, keys: Keys, again: Again) -> Row {
    Row {
        name,
        family,
        keys,
        again,
    }
}

/// Returns the row of a command in the table of Redis commands. A subcommand is found by the name
/// of the command and its first argument. Returns `None` if the table does not have the command.
pub fn find(command: &[Vec<u8>]) -> Option<&'static Row> {
    let mut words = command.iter().map(Vec::as_slice);
    let (name, sub) = (words.next()?, words.next().unwrap_or_default());
    COMMANDS.iter().find(|row| {
        let parts = row.name.as_bytes().split_at_checked(name.len());
        parts.is_some_and(|(head, tail)| {
            let is_it = match tail.split_first() {
                // The name of a subcommand's row is not a command name by itself.
                None => !head.contains(&b'|'),
                Some((b'|', row_sub)) => row_sub.eq_ignore_ascii_case(sub),
                Some(_) => false,
            };
            is_it && head.eq_ignore_ascii_case(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn commands_are_found_in_any_case_and_by_their_whole_name() {
        #[track_caller]
        fn check(words: &str, expected: Option<&str>) {
            let command: Vec<Vec<u8>> = words
                .split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            assert_eq!(find(&command).map(|row| row.name), expected, "{words}");
        }
        check("HGET k f", Some("HGET"));
        check("hgetall k", Some("HGETALL"));
        check("HGE k", None);
        check("xgroup create k g $", Some("XGROUP|CREATE"));
        check("XGROUP CREATECONSUMER k g c", Some("XGROUP|CREATECONSUMER"));
        check("XGROUP HELP", None);
        check("XGROUP|CREATE k g $", None);
        check("XGROUP", None);
        check("OBJECT", None);
        check("EVAL x 0", None);
        check("", None);
    }

    #[test]
    fn every_name_is_in_capitals_and_there_once() {
        let names: BTreeSet<_> = COMMANDS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), COMMANDS.len());
        assert!(names.iter().all(|name| **name == name.to_ascii_uppercase()));
        let families: BTreeSet<_> = COMMANDS.iter().map(|row| row.family).collect();
        assert!(
            families.iter().all(|family| family.starts_with('@')) && families.len() == 13,
            "{families:?}"
        );
    }
}
