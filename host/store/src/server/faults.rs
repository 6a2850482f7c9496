//! Texts that a scorer sees when a command has no answer, or not the expected one.
//!
//! Owns which parts of a server's message are passed on, and which errors are temporary. No address
//! or credential ever reaches a text. Must not know which command was sent.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use scorebox_text::{NAME_BYTES, REASON_BYTES, cut};

use crate::dialer::refused_command;
use crate::node::Fault;
use crate::operations::{NOT_AN_INTEGER, OVERFLOW, StoreError};

/// Codes of errors of a Redis server that end by themselves, or after an operator acts, each with
/// its meaning. A command with such an error was not executed.
const PASSING: [(&str, &str); 4] = [
    ("BUSY", "the server is busy with a script (BUSY)"),
    (
        "MISCONF",
        "the server accepts no writes, because it cannot save its data (MISCONF)",
    ),
    (
        "NOREPLICAS",
        "the server accepts no writes, because it has too few replicas (NOREPLICAS)",
    ),
    ("UNBLOCKED", "the server has changed its role (UNBLOCKED)"),
];

/// Parts of a server's error text which say that the access list refused a command of a script.
/// Servers before Redis 7.2 do not say which command it was.
const REFUSED_IN_SCRIPT: [&str; 2] = [
    "can't run this command or subcommand",
    "ACL failure in script",
];

/// Converts a fault of a command to an error that a scorer may see. The whole text of a Redis error
/// is never used, because the text of a connection error names the address.
pub(crate) fn translate(fault: Fault) -> StoreError {
    translate_script(fault, "the commands of its script")
}

/// Converts a fault of a script as [`translate`] does. `commands` are the names of the commands
/// that the script runs.
pub(super) fn translate_script(fault: Fault, commands: &str) -> StoreError {
    let error = match fault {
        Fault::Unreachable(why) => return StoreError::Disconnected(why.to_string()),
        Fault::Lost(why) => return StoreError::Disconnected(why.to_owned()),
        Fault::TooLarge(limit) => return too_large(limit),
        Fault::Answer(error) => error,
    };
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, CrossSlot, MasterDown, Moved, NoPerm, ReadOnly, TryAgain,
    };
    let detail = error.detail().unwrap_or_default();
    let passing = |why: &str| StoreError::Disconnected(why.to_owned());
    match error.kind() {
        ErrorKind::Server(kind) => match kind {
            // These errors are temporary. Their details are left out, because some name addresses
            // of nodes.
            BusyLoading => passing("the server is not ready: it is loading its data"),
            MasterDown => {
                passing("the server is not ready: it is a replica that has lost its master")
            }
            ReadOnly => passing("the server is not ready: it is a read-only replica"),
            ClusterDown => passing("the server is not ready: the cluster is down"),
            TryAgain | Moved | Ask => passing("the server is not ready"),
            CrossSlot => StoreError::Refused(
                "CROSSSLOT the keys of one command have different slots".to_owned(),
            ),
            NoPerm => not_allowed(detail, commands),
            _ if REFUSED_IN_SCRIPT.iter().any(|words| detail.contains(words)) => {
                not_allowed(detail, commands)
            }
            _ => refused(&error),
        },
        ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => not_let_in(),
            Some("OOM") => StoreError::Full(format!("OOM {}", without_script(detail))),
            Some("WRONGTYPE") => {
                StoreError::Refused(format!("WRONGTYPE {}", without_script(detail)))
            }
            code => {
                let code = code.unwrap_or("unknown error");
                match PASSING.iter().find(|(known, _)| *known == code) {
                    Some((_, why)) => passing(why),
                    None => StoreError::Refused(cut(code, NAME_BYTES).into_owned()),
                }
            }
        },
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => wrong_type(),
        ErrorKind::AuthenticationFailed => not_let_in(),
        _ => StoreError::Disconnected(error.category().to_owned()),
    }
}

/// Returns the error for an operation that the server's access list (ACL) does not allow. `detail`
/// is the text of the server's error, and `commands` has the names of the commands that the
/// operation sent. The error names the refused command, if `detail` names one. No other part of
/// `detail` is used, because it may contain the name of a user.
fn not_allowed(detail: &str, commands: &str) -> StoreError {
    let what = match refused_command(detail) {
        Some(command) => format!("run `{command}`"),
        None if detail.contains("key") => "use this key".to_owned(),
        None => format!("run {commands}"),
    };
    StoreError::Denied(format!("NOPERM this user may not {what}"))
}

fn refused(error: &RedisError) -> StoreError {
    let detail = error.detail().unwrap_or_default();
    let words = format!("{} {detail}", error.code().unwrap_or_default());
    // A script's error arrives wrapped. It holds the error that the command alone would have given.
    if let Some((_, message)) = words.split_once("OOM command not allowed") {
        return StoreError::Full(format!(
            "OOM command not allowed {}",
            without_script(message)
        ));
    }
    let bare = [NOT_AN_INTEGER, OVERFLOW]
        .into_iter()
        .find(|bare| words.contains(bare));
    StoreError::Refused(cut(bare.unwrap_or(words.trim()), REASON_BYTES).into_owned())
}

/// Returns the message of a command's error, without the name of the script in which it was sent.
fn without_script(message: &str) -> String {
    let end = message.find(" script: ").unwrap_or(message.len());
    cut(message.get(..end).unwrap_or_default().trim(), REASON_BYTES).into_owned()
}

pub(super) fn too_large(limit: u64) -> StoreError {
    StoreError::Refused(format!("an answer of more than {limit} bytes is not read"))
}

fn not_let_in() -> StoreError {
    StoreError::Disconnected("the server refused the credentials".to_owned())
}

pub(super) fn wrong_type() -> StoreError {
    StoreError::Refused("an answer of the wrong type".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(message: &str, expected: &StoreError) {
        let answer = redis::parse_redis_value(format!("-{message}\r\n").as_bytes()).unwrap();
        let fault = Fault::Answer(answer.extract_error().unwrap_err());
        assert_eq!(
            translate_script(fault, "GET or SET"),
            *expected,
            "{message}"
        );
    }

    #[test]
    fn what_passes_is_told_from_what_never_works() {
        let denied = |what: &str| StoreError::Denied(format!("NOPERM this user may not {what}"));
        let refused = |text: &str| StoreError::Refused(text.to_owned());
        let full = "OOM command not allowed when used memory > 'maxmemory'.";
        reads(full, &StoreError::Full(full.to_owned()));
        reads(
            &format!("{full} script: b0e0de7, on @user_script:1."),
            &StoreError::Full(full.to_owned()),
        );
        reads(
            &format!("ERR Error running script (call to f_1): @user_script:2: -{full}"),
            &StoreError::Full(full.to_owned()),
        );
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        reads(wrong, &refused(wrong));
        reads(
            &format!("{wrong} script: e4b63, on @user_script:1."),
            &refused(wrong),
        );
        reads(
            &format!("{NOT_AN_INTEGER} script: e4b63, on @user_script:1."),
            &refused(NOT_AN_INTEGER),
        );
        reads(
            "ERR increment or decrement would overflow",
            &refused(OVERFLOW),
        );
        reads(
            "NOPERM this user has no permissions to run the 'incrby' command",
            &denied("run `incrby`"),
        );
        reads(
            "NOPERM User ada has no permissions to run the 'config|get' command",
            &denied("run `config|get`"),
        );
        reads(
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            &denied("use this key"),
        );
        reads(
            "ERR The user executing the script can't run this command or subcommand script: b0, on @user_script:1.",
            &denied("run GET or SET"),
        );
        reads(
            "NOPERM ACL failure in script: User ada has no permissions to run the 'get' command script: b0",
            &denied("run `get`"),
        );
        for message in [
            "MISCONF Redis is configured",
            "NOREPLICAS Not enough",
            "BUSY Redis is busy",
            "LOADING x",
            "READONLY x",
        ] {
            let answer = redis::parse_redis_value(format!("-{message}\r\n").as_bytes()).unwrap();
            let fault = Fault::Answer(answer.extract_error().unwrap_err());
            assert!(
                matches!(translate(fault), StoreError::Disconnected(_)),
                "{message}"
            );
        }
    }
}
