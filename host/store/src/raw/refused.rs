//! The Redis commands that no manifest can allow.
//!
//! Owns the reasons, and the advice what to use instead. Must not know the commands that can be
//! allowed.

/// Group of Redis commands that are always refused, for one reason.
#[derive(Debug)]
pub struct Refused {
    /// Names of the commands, in upper case. A name also stands for all subcommands of the command.
    pub names: &'static [&'static str],
    /// Reason for the refusal, as the end of a sentence that begins with "… is never allowed: ".
    pub why: &'static str,
    /// Instruction that says what to use instead of the refused commands.
    pub instead: &'static str,
}

/// Every Redis command that is always refused, grouped by reason.
pub static REFUSED: &[Refused] = &[
    Refused {
        names: &[
            "BLMOVE",
            "BLMPOP",
            "BLPOP",
            "BRPOP",
            "BRPOPLPUSH",
            "BZMPOP",
            "BZPOPMAX",
            "BZPOPMIN",
            "WAIT",
            "WAITAOF",
        ],
        why: "it holds up the connection that all calls share",
        instead: "use the same command without B (LPOP, LMOVE, LMPOP, ZPOPMIN, …) and ask again later",
    },
    Refused {
        names: &[
            "EVAL",
            "EVALSHA",
            "EVALSHA_RO",
            "EVAL_RO",
            "FCALL",
            "FCALL_RO",
            "FUNCTION",
            "SCRIPT",
        ],
        why: "a script can reach keys of others",
        instead: "use a transaction, or wasi:keyvalue's compare-and-swap",
    },
    Refused {
        names: &[
            "PSUBSCRIBE",
            "PUBLISH",
            "PUBSUB",
            "PUNSUBSCRIBE",
            "SPUBLISH",
            "SSUBSCRIBE",
            "SUBSCRIBE",
            "SUNSUBSCRIBE",
            "UNSUBSCRIBE",
        ],
        why: "channels are shared by all clients of the server",
        instead: "use a stream: XADD and XREAD",
    },
    Refused {
        names: &[
            "DBSIZE",
            "FLUSHALL",
            "FLUSHDB",
            "KEYS",
            "RANDOMKEY",
            "SCAN",
            "SWAPDB",
        ],
        why: "it reaches the keys of others",
        instead: "use list-keys of wasi:keyvalue, or keep the names in a set of your own",
    },
    Refused {
        names: &["MIGRATE", "MOVE", "RESTORE", "RESTORE-ASKING", "SELECT"],
        why: "it reaches another database or server, or writes what Redis does not check",
        instead: "use COPY or RENAME within the store",
    },
    Refused {
        names: &["LCS"],
        why: "its time grows with the product of the two values' lengths, and no argument bounds it",
        instead: "use GET, and compare in the scorer",
    },
    Refused {
        names: &["SORT", "SORT_RO"],
        why: "its BY and GET reach keys that are not among its arguments",
        instead: "use a sorted set (ZRANGE), or sort in the scorer",
    },
    Refused {
        names: &["GEORADIUS", "GEORADIUSBYMEMBER"],
        why: "its STORE hides a key among options, and Redis has deprecated it",
        instead: "use GEOSEARCH, GEOSEARCHSTORE or GEORADIUS_RO",
    },
    Refused {
        names: &["DISCARD", "EXEC", "MULTI", "UNWATCH", "WATCH"],
        why: "its effect is on the connection, which all calls share",
        instead: "use the connection's transaction, which needs no entry here",
    },
    Refused {
        names: &[
            "ASKING",
            "AUTH",
            "CLIENT",
            "ECHO",
            "HELLO",
            "QUIT",
            "READONLY",
            "READWRITE",
            "RESET",
        ],
        why: "the connection belongs to the host",
        instead: "remove it: the host connects, logs in and finds the node by itself",
    },
    Refused {
        names: &[
            "ACL",
            "BF.DEBUG",
            "BF.LOADCHUNK",
            "BF.SCANDUMP",
            "BGREWRITEAOF",
            "BGSAVE",
            "CLUSTER",
            "COMMAND",
            "CONFIG",
            "DEBUG",
            "FAILOVER",
            "INFO",
            "JSON.DEBUG",
            "LASTSAVE",
            "LATENCY",
            "LOLWUT",
            "MODULE",
            "MONITOR",
            "PFDEBUG",
            "PFSELFTEST",
            "PSYNC",
            "REPLCONF",
            "REPLICAOF",
            "ROLE",
            "SAVE",
            "SHUTDOWN",
            "SLAVEOF",
            "SLOWLOG",
            "SYNC",
        ],
        why: "it administers the server, or shows more than the store",
        instead: "run it outside the scorer, with redis-cli",
    },
];

/// Returns the group of always refused commands to which the command with the name `name` belongs.
/// Returns `None` if the command is not always refused.
pub fn find(name: &[u8]) -> Option<&'static Refused> {
    REFUSED.iter().find(|group| {
        group
            .names
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    })
}
