//! Tests of the limits on what Redis commands may ask of a server.

use super::super::commands::{COMMANDS, find};
use super::super::keys::positions;
use super::asked::HEAVY_LIMIT;
use super::*;

fn command(words: &str) -> Command {
    words
        .split_whitespace()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn checked(words: &str, asked: &mut Asked) -> Result<(), CommandError> {
    let command = command(words);
    let row = find(&command).unwrap();
    check(row, &command, &positions(row, &command).unwrap(), asked)
}

#[test]
fn arguments_above_a_bound_are_refused_with_the_bound() {
    #[track_caller]
    fn check(words: &str, expected: Result<(), &str>) {
        match (checked(words, &mut Asked::default()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(CommandError::Denied(text)), Err(part)) => {
                assert!(text.contains(part), "{words}: {text}")
            }
            (found, _) => panic!("{words}: {found:?}"),
        }
    }
    let (count, value) = (Err("at most 65536"), Err("at most 33554432"));
    check("SETRANGE k 33554431 x", Ok(()));
    check("SETRANGE k 33554432 x", value);
    check("setrange k 536870911 x", value);
    check("SETBIT k 268435456 1", value);
    check("SETBIT k 268435455 1", Ok(()));
    check("SETBIT k 4294967295 1", value);
    check("BITFIELD k SET u8 #4294967295 1", value);
    check("BITFIELD k GET u8 0 INCRBY i64 4294967295 1", value);
    check("BITFIELD k OVERFLOW SAT INCRBY u2 100 1 GET u4 0", Ok(()));
    for name in [
        "SRANDMEMBER",
        "HRANDFIELD",
        "ZRANDMEMBER",
        "SPOP",
        "LPOP",
        "RPOP",
        "ZPOPMIN",
        "ZPOPMAX",
    ] {
        check(&format!("{name} k 65536"), Ok(()));
        check(&format!("{name} k 65537"), count);
        check(&format!("{name} k -65537"), count);
        check(&format!("{name} k -9223372036854775808"), count);
        check(&format!("{name} k"), Ok(()));
    }
    for words in [
        "HSCAN k 0",
        "SSCAN k 0",
        "ZSCAN k 0",
        "XRANGE k - +",
        "XREVRANGE k + -",
        "LPOS k e",
    ] {
        check(&format!("{words} COUNT 1000"), Ok(()));
        check(&format!("{words} count 1000000000"), count);
    }
    check("XREAD COUNT 100000 STREAMS k 0", count);
    check("XREADGROUP GROUP g c COUNT 100000 STREAMS k >", count);
    check("XAUTOCLAIM k g c 0 0 COUNT 100000", count);
    check("XINFO STREAM k FULL COUNT 100000", count);
    check("XPENDING k g - + 100000", count);
    check("XPENDING k g IDLE 1 1700000000000 + 100000", count);
    check("XPENDING k g 1700000000000 + 10", Ok(()));
    check(
        "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 1 km COUNT 100000 ANY",
        count,
    );
    check("LMPOP 1 k LEFT COUNT 100000", count);
    check("ZMPOP 1 k MIN COUNT 100000", count);
    check("MEMORY USAGE k SAMPLES 100000", count);
    check("LRANGE k 0 -1", Ok(()));
    check("LRANGE k 0 65535", Ok(()));
    check("LRANGE k 0 65536", count);
    check("ZRANGE k 0 1700000000 BYSCORE", Ok(()));
    check("ZRANGE k 0 1700000000", count);
    check("ZRANGE k 0 1 BYSCORE LIMIT 0 -1", Ok(()));
    check("ZRANGEBYSCORE k 0 1 LIMIT 0 100000", count);
    check("ZRANGESTORE to k 0 100000", count);
    let keys = |count: usize| {
        (0..count)
            .map(|index| format!(" k{index}"))
            .collect::<String>()
    };
    check(&format!("SUNION{}", keys(64)), Ok(()));
    check(&format!("SUNION{}", keys(65)), Err("at most 64"));
    check(&format!("ZUNION 65{}", keys(65)), Err("at most 64"));
    check(&format!("BITOP OR to{}", keys(64)), Err("at most 64"));
    check(&format!("MGET{}", keys(4096)), Ok(()));
    check(&format!("MGET{}", keys(4097)), Err("at most 4096"));
    check("MGET k k", Ok(()));
    check("MGET k a k b k", Err("more than twice"));
    check(&format!("GET {}", "k".repeat(65_537)), Err("at most 65536"));
    check("BF.RESERVE k 0.01 5000000", Ok(()));
    check("BF.RESERVE k 0.01 1000000000000", value);
    check("BF.RESERVE k 1e-300 1000", Err("below"));
    check("BF.RESERVE k 0.01 1000 EXPANSION 65536", Err("at most 8"));
    check("BF.INSERT k CAPACITY 1000000000000 ITEMS a", value);
    check("BF.INSERT k ERROR 1e-300 ITEMS a", Err("below"));
    check("JSON.SET k $.a 1", Ok(()));
    check(&format!("JSON.SET k $.a \"{}\"", "x".repeat(2000)), Ok(()));
    check(
        &format!("JSON.SET k $..a \"{}\"", "x".repeat(2000)),
        Err("1024"),
    );
    check(
        &format!("JSON.MSET a $ 1 b $[*] \"{}\"", "x".repeat(2000)),
        Err("1024"),
    );
    check(
        &format!("JSON.GET k INDENT {}", "x".repeat(2000)),
        Err("1024"),
    );
    check(&format!("JSON.GET k{}", " $".repeat(65)), Err("at most 64"));
    check("JSON.GET k $..*..*", Err("once"));
    check("JSON.GET k $..a", Ok(()));
}

#[test]
fn the_commands_of_a_call_share_its_bounds() {
    #[track_caller]
    fn check(words: &str, at_most: usize) {
        let mut asked = Asked::default();
        let sent = (0..=at_most)
            .take_while(|_| checked(words, &mut asked).is_ok())
            .count();
        assert_eq!(sent, at_most, "{words}");
    }
    check("SRANDMEMBER k -65536", 16);
    check("SETRANGE k 33554431 x", 2);
    check("SETBIT k 100000000 1", 5);
    check("COPY a b", HEAVY_LIMIT);
    check("SUNIONSTORE to a b", HEAVY_LIMIT);
}

#[test]
fn every_rule_is_of_a_command_that_can_be_sent() {
    for name in RULES.iter().flat_map(|(names, _)| *names) {
        assert!(COMMANDS.iter().any(|row| row.name == *name), "{name}");
    }
}
