//! The reader of a Redis command's arguments: it finds the keys, and refuses some options.
//!
//! Owns the reading of arguments, as strict as a server's or stricter: an argument that is not
//! understood for certain is refused. Must not know prefixes.

use super::commands::{Again, Keys, Row};
use super::{Command, CommandError};
use crate::router::Repeat;

/// Returns the positions of a command's keys among its arguments, in ascending order.
///
/// # Errors
/// Fails with [`CommandError::Denied`] if the positions of the keys cannot be determined, or if the
/// command has an option that is not allowed.
pub fn positions(row: &Row, command: &Command) -> Result<Vec<usize>, CommandError> {
    let name = row.name;
    let found = match row.keys {
        Keys::None => return Ok(Vec::new()),
        Keys::Range(first, last, step) => {
            let end = if last < 0 {
                command.len().saturating_add_signed(last)
            } else {
                last.unsigned_abs()
            };
            if end < first || end >= command.len() {
                return Err(CommandError::Denied(format!("{name} needs more arguments")));
            }
            (first..=end).step_by(step).collect()
        }
        Keys::Counted(at) => counted(name, command, at)?,
        Keys::Popped => counted(name, command, 1)?,
        Keys::Into(at) => {
            let mut found = vec![1];
            found.extend(counted(name, command, at)?);
            found
        }
        Keys::Streams => streams(name, command)?,
    };
    let is_replace = |option: &Vec<u8>| option.eq_ignore_ascii_case(b"REPLACE");
    if name == "COPY" && !command.iter().skip(3).all(is_replace) {
        return Err(CommandError::Denied(
            "COPY goes to the same database: its only option is REPLACE".to_owned(),
        ));
    }
    Ok(found)
}

/// Returns the repeat policy of a command with its arguments: says if the command may be sent again
/// when it is unknown whether the server executed it.
pub fn repeat(row: &Row, command: &Command) -> Repeat {
    let is_harmless = match row.again {
        Again::Read => return Repeat::Read,
        Again::Harmless => true,
        Again::Wrong => false,
        // Commands such as SET may be repeated with an expiry. Any other option may be a condition.
        Again::Plain => match command.get(3..).unwrap_or_default() {
            [] => true,
            [option, _] => [b"EX".as_slice(), b"PX", b"EXAT", b"PXAT"]
                .iter()
                .any(|known| option.eq_ignore_ascii_case(known)),
            _ => false,
        },
    };
    if is_harmless {
        Repeat::Harmless
    } else {
        Repeat::Wrong
    }
}

fn counted(name: &str, command: &Command, at: usize) -> Result<Vec<usize>, CommandError> {
    let bad = || {
        CommandError::Denied(format!(
            "{name}: its argument {at} is not the number of the keys that follow"
        ))
    };
    let count = command.get(at).ok_or_else(bad)?;
    // The number must look as a server reads it: no sign, no space, no leading zero.
    let is_number = count.iter().all(u8::is_ascii_digit) && !count.starts_with(b"0");
    let count: Option<usize> = std::str::from_utf8(count)
        .ok()
        .filter(|_| is_number)
        .and_then(|text| text.parse().ok());
    let rest = command.len() - 1 - at;
    let count = count
        .filter(|count| (1..=rest).contains(count))
        .ok_or_else(bad)?;
    Ok((at + 1..=at + count).collect())
}

/// Returns the positions of the keys of an `XREAD` or `XREADGROUP` command. Its options come first,
/// then the word `STREAMS`, then the keys, and then one ID for each key.
///
/// # Errors
/// Fails with [`CommandError::Denied`] if the command does not have this form, or has the option
/// `BLOCK` or an unknown option.
fn streams(name: &str, command: &Command) -> Result<Vec<usize>, CommandError> {
    let mut at = 1;
    loop {
        let option = command
            .get(at)
            .ok_or_else(|| CommandError::Denied(format!("{name} has no STREAMS")))?
            .to_ascii_uppercase();
        at += match (option.as_slice(), name) {
            (b"STREAMS", _) => break,
            (b"COUNT", _) | (b"CLAIM", "XREADGROUP") => 2,
            (b"GROUP", "XREADGROUP") => 3,
            (b"NOACK", "XREADGROUP") => 1,
            (b"BLOCK", _) => {
                return Err(CommandError::Denied(format!(
                    "{name} may not BLOCK: all calls share its connection; read again a little later"
                )));
            }
            _ => {
                return Err(CommandError::Denied(format!(
                    "{name}: its argument {at} is not a known option"
                )));
            }
        };
    }
    let rest = command.len() - 1 - at;
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(CommandError::Denied(format!(
            "{name}: STREAMS needs keys and as many ids"
        )));
    }
    Ok((at + 1..=at + rest / 2).collect())
}

#[cfg(test)]
mod tests {
    use super::super::commands::find;
    use super::*;

    fn command(words: &str) -> Command {
        words
            .split_whitespace()
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn keys_are_found_or_the_command_is_refused() {
        #[track_caller]
        fn check(words: &str, expected: Result<&[usize], &str>) {
            let command = command(words);
            let found = positions(find(&command).expect("a command"), &command);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{words}"),
                (Err(CommandError::Denied(why)), Err(part)) => {
                    assert!(why.contains(part), "{words}: {why}")
                }
                (found, _) => panic!("{words}: {found:?}"),
            }
        }
        check("PING", Ok(&[]));
        check("GET k", Ok(&[1]));
        check("GET", Err("more arguments"));
        check("RENAME a", Err("more arguments"));
        check("RENAME a b", Ok(&[1, 2]));
        check("DEL a b c", Ok(&[1, 2, 3]));
        check("MSET a 1 b 2", Ok(&[1, 3]));
        check("BITOP AND to a b", Ok(&[2, 3, 4]));
        check("JSON.MGET a b $.x", Ok(&[1, 2]));
        check("JSON.MGET a", Err("more arguments"));
        check("JSON.MSET a $ 1 b $ 2", Ok(&[1, 4]));
        check("OBJECT ENCODING k", Ok(&[2]));
        check("XGROUP CREATE k g $ MKSTREAM", Ok(&[2]));
        check("ZUNIONSTORE to 2 a b WEIGHTS 1 2", Ok(&[1, 3, 4]));
        check("ZINTERCARD 2 a b LIMIT 1", Ok(&[2, 3]));
        check("LMPOP 1 a LEFT", Ok(&[2]));
        for count in ["0", "-1", "+1", "01", "1x", "9", "99999999999999999999", ""] {
            check(&format!("ZUNION {count}"), Err("number of the keys"));
            check(
                &format!("SINTERCARD {count} a b"),
                if count.is_empty() {
                    Err("argument 1")
                } else {
                    Err("number")
                },
            );
        }
        check("COPY a b REPLACE", Ok(&[1, 2]));
        check("COPY a b replace DB 1", Err("same database"));
        check("XREAD COUNT 1 STREAMS a b 0 0", Ok(&[4, 5]));
        check("XREAD count 1 streams a 0", Ok(&[4]));
        check("XREAD STREAMS a 0 b", Err("as many ids"));
        check("XREAD STREAMS", Err("as many ids"));
        check("XREAD COUNT STREAMS STREAMS a 0", Ok(&[4]));
        check("XREAD BLOCK 0 STREAMS a 0", Err("BLOCK"));
        check("XREAD COUNT 1 block 0 STREAMS a 0", Err("BLOCK"));
        check("XREAD GROUP g c STREAMS a 0", Err("not a known option"));
        check("XREAD COUNT 1", Err("no STREAMS"));
        check(
            "XREADGROUP GROUP STREAMS STREAMS NOACK STREAMS a >",
            Ok(&[6]),
        );
        check("XREADGROUP GROUP g c BLOCK 1 STREAMS a >", Err("BLOCK"));
    }

    #[test]
    fn only_what_gives_the_same_again_is_repeated() {
        #[track_caller]
        fn check(words: &str, expected: Repeat) {
            let command = command(words);
            assert_eq!(
                repeat(find(&command).expect("a command"), &command),
                expected,
                "{words}"
            );
        }
        check("HGETALL k", Repeat::Read);
        check("TIME", Repeat::Read);
        check("MSET k v", Repeat::Harmless);
        check("SET k v", Repeat::Harmless);
        check("SET k v px 10", Repeat::Harmless);
        check("SET k v NX", Repeat::Wrong);
        check("SET k v EX 10 XX", Repeat::Wrong);
        check("SET k v NX GET", Repeat::Wrong);
        check("EXPIRE k 1", Repeat::Harmless);
        check("EXPIRE k 1 GT", Repeat::Wrong);
        check("HINCRBY k f 1", Repeat::Wrong);
        check("XADD k * f v", Repeat::Wrong);
    }
}
