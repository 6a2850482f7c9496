//! Texts that a scorer sees when a command has no answer, or not the expected one.
//!
//! Owns which parts of a server's message are passed on. No address or credential ever reaches a
//! text. Must not know which command was sent.

use redis::{ErrorKind, ServerErrorKind};
use scorebox_text::{NAME_BYTES, REASON_BYTES, cut};

use crate::node::Fault;
use crate::operations::{NOT_AN_INTEGER, OVERFLOW, StoreError};

/// Converts a fault of a command to an error that a scorer may see. The whole text of a Redis error
/// is never used, because the text of a connection error names the address.
pub(crate) fn translate(fault: Fault) -> StoreError {
    let error = match fault {
        Fault::Unreachable(why) => return StoreError::Disconnected(why.to_string()),
        Fault::Lost(why) => return StoreError::Disconnected(why.to_owned()),
        Fault::TooLarge(limit) => return too_large(limit),
        Fault::Answer(error) => error,
    };
    use ServerErrorKind::{
        Ask, BusyLoading, ClusterDown, CrossSlot, MasterDown, Moved, NoPerm, ReadOnly, TryAgain,
    };
    match error.kind() {
        ErrorKind::Server(kind) => match kind {
            // These errors pass. Some have addresses of nodes in their details.
            BusyLoading | MasterDown | TryAgain | ClusterDown | Moved | Ask | ReadOnly => {
                StoreError::Disconnected("the server is not ready".to_owned())
            }
            CrossSlot => StoreError::Refused(
                "CROSSSLOT the keys of one command have different slots".to_owned(),
            ),
            // The detail of the error is the name of a user.
            NoPerm => StoreError::Refused("NOPERM this user may not do that".to_owned()),
            _ => {
                let words = format!(
                    "{} {}",
                    error.code().unwrap_or_default(),
                    error.detail().unwrap_or_default()
                );
                // A script's error arrives wrapped. It holds the error that the command alone would
                // have given.
                let bare = [NOT_AN_INTEGER, OVERFLOW]
                    .into_iter()
                    .find(|bare| words.contains(bare));
                StoreError::Refused(cut(bare.unwrap_or(words.trim()), REASON_BYTES).into_owned())
            }
        },
        ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => not_let_in(),
            code => {
                StoreError::Refused(cut(code.unwrap_or("unknown error"), NAME_BYTES).into_owned())
            }
        },
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => wrong_type(),
        ErrorKind::AuthenticationFailed => not_let_in(),
        _ => StoreError::Disconnected(error.category().to_owned()),
    }
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
