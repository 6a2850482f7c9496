//! The host's table of raw commands, compared with a real server's description of its commands.
//!
//! Owns the comparison, of every row and of every command that a server knows. Must not know what a
//! command does.

use std::collections::BTreeMap;

use redis::Value;
use scorebox_host::redis::raw::{Again, COMMANDS, Command, Keys, REFUSED, Row, positions};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::require;

/// Rows that are in no category on a server.
const WITHOUT_CATEGORY: &[&str] = &["MEMORY|USAGE", "TIME"];

/// Rows that may be retried although they write: their effect and their reply are equal each time.
const SAME_EACH_TIME: &[&str] = &[
    "HMSET", "LSET", "MSET", "PFMERGE", "PSETEX", "SETEX", "SETRANGE",
];

/// Rows that only read, although a server does not say so: they read no key.
const READS: &[&str] = &["PING", "TIME"];

/// Commands in which arguments determine the positions of the keys.
const MOVABLE: &[&str] = &[
    "SINTERCARD 2 a b LIMIT 1",
    "ZDIFF 2 a b WITHSCORES",
    "ZDIFFSTORE to 2 a b",
    "ZINTER 2 a b WEIGHTS 1 2",
    "ZINTERCARD 3 a b c",
    "ZINTERSTORE to 2 a b AGGREGATE MAX",
    "ZUNION 1 a",
    "ZUNIONSTORE to 3 a b c WEIGHTS 1 2 3",
    "LMPOP 2 a b LEFT COUNT 10",
    "ZMPOP 1 a MIN",
    "XREAD STREAMS a b 0 0",
    "XREAD COUNT 2 STREAMS streams 0",
    "XREADGROUP GROUP g c NOACK STREAMS a b > >",
    "XREADGROUP GROUP streams count COUNT 1 STREAMS a >",
];

struct Info {
    arity: i64,
    flags: Vec<String>,
    categories: Vec<String>,
}

fn info(redis: &Redis, row: &Row) -> Option<Info> {
    let rows: Vec<Value> = redis.command(&["COMMAND", "INFO", row.name]);
    let Some(Value::Array(fields)) = rows.into_iter().next() else {
        return None;
    };
    let texts = |at: usize| {
        redis::from_redis_value::<Vec<String>>(fields[at].clone()).expect("a list of words")
    };
    let arity = redis::from_redis_value(fields[1].clone()).expect("a number");
    Some(Info {
        arity,
        flags: texts(2),
        categories: texts(6),
    })
}

/// Returns the keys of a command according to the server.
fn server_keys(redis: &Redis, words: &[String]) -> Vec<String> {
    let words: Vec<&str> = ["COMMAND", "GETKEYS"]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    redis.command(&words)
}

fn our_keys(row: &Row, words: &[String]) -> Vec<String> {
    let command: Command = words.iter().map(|word| word.clone().into_bytes()).collect();
    let found = positions(row, &command).unwrap_or_else(|why| panic!("{words:?}: {why}"));
    found
        .into_iter()
        .map(|position| words[position].clone())
        .collect()
}

#[test]
fn every_row_is_what_a_server_says() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let (mut known, mut unknown) = (0, Vec::new());
    for row in COMMANDS {
        let Some(info) = info(&redis, row) else {
            unknown.push(row.name);
            continue;
        };
        known += 1;
        let has = |list: &[String], word: &str| list.iter().any(|found| found == word);
        let category = has(&info.categories, row.family) || WITHOUT_CATEGORY.contains(&row.name);
        assert!(category, "{}: {:?}", row.name, info.categories);
        for never in ["admin", "noscript", "pubsub", "no_multi"] {
            assert!(!has(&info.flags, never), "{} is {never}", row.name);
        }
        // Only `XREAD` and `XREADGROUP` can block, with BLOCK, which is refused.
        assert!(
            !has(&info.flags, "blocking") || row.keys == Keys::Streams,
            "{} blocks",
            row.name
        );
        let reads = has(&info.flags, "readonly") || READS.contains(&row.name);
        let is_right = match row.again {
            Again::Read => reads,
            Again::Harmless => SAME_EACH_TIME.contains(&row.name),
            Again::Plain | Again::Wrong => true,
        };
        assert!(is_right, "{}: {:?}", row.name, row.again);
        if !matches!(row.keys, Keys::Range(..)) {
            continue;
        }
        // Each row is checked with the fewest arguments, and with more.
        let least = usize::try_from(info.arity.unsigned_abs()).expect("a small number");
        // The sources of PFMERGE are optional. Without one the server reports no key.
        let least = if row.name == "PFMERGE" {
            least + 1
        } else {
            least
        };
        let counts = if info.arity > 0 {
            least..=least
        } else {
            least..=least + 5
        };
        for count in counts {
            let mut words: Vec<String> = row.name.split('|').map(str::to_owned).collect();
            words.extend((words.len()..count).map(|number| format!("argument-{number}")));
            if row.name == "COPY" {
                words.truncate(3);
            }
            assert_eq!(
                our_keys(row, &words),
                server_keys(&redis, &words),
                "{words:?}"
            );
        }
    }
    println!(
        "{known} rows compared; the server is too old for {}",
        unknown.join(", ")
    );
    assert!(known > 160, "{known}");
}

#[test]
fn keys_that_stand_where_arguments_say_are_those_of_a_server() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let mut tried = BTreeMap::new();
    for text in MOVABLE {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let row = COMMANDS
            .iter()
            .find(|row| row.name == words[0])
            .expect("a row");
        assert_eq!(our_keys(row, &words), server_keys(&redis, &words), "{text}");
        tried.insert(row.name, ());
    }
    for row in COMMANDS {
        let is_movable = info(&redis, row)
            .is_some_and(|info| info.flags.iter().any(|flag| flag == "movablekeys"));
        assert!(
            !is_movable || tried.contains_key(row.name),
            "{} is not tried",
            row.name
        );
        assert!(
            matches!(row.keys, Keys::Range(..) | Keys::None) || tried.contains_key(row.name),
            "{}",
            row.name
        );
    }
}

#[test]
fn every_command_of_a_server_is_a_row_or_refused() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let version: String = redis.command(&["INFO", "server"]);
    let names: Vec<String> = redis.command(&["COMMAND", "LIST"]);
    // A newer server has commands that are unknown to the table. Unknown commands are not sent.
    let is_known_version = ["redis_version:6.", "redis_version:7.0."]
        .iter()
        .any(|known| version.contains(known));
    for name in names
        .iter()
        .map(|name| name.to_ascii_uppercase())
        .filter(|_| is_known_version)
    {
        let word = name.split('|').next().expect("a word");
        let is_row = COMMANDS
            .iter()
            .any(|row| row.name == name || row.name.split('|').next() == Some(word));
        let is_refused = REFUSED.iter().any(|group| group.names.contains(&word));
        assert!(
            is_row != is_refused,
            "{name} is a row: {is_row}, and refused: {is_refused}"
        );
    }
}
