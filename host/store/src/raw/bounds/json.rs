//! Limits on the Redis commands for JSON, such as `JSON.GET`.
//!
//! Owns which arguments of a JSON command are paths, and what a path may be. Must not know other
//! commands.

use crate::raw::{Command, CommandError};

/// Maximum size of a path or option in a JSON command, such as the indentation of `JSON.GET`, in
/// bytes. The limit also applies to the values that a command writes if its path may match several
/// values.
pub const PATH_LIMIT_BYTES: usize = 1024;

/// Maximum number of paths and options of one `JSON.GET` command.
const PATHS_LIMIT: usize = 64;

/// Checks that the JSON command with the name `name` stays within the limits on its paths and
/// values. The limits are needed because a path that matches many values multiplies the bytes that
/// are written or read.
///
/// # Errors
/// Fails with [`CommandError::Denied`] if the command exceeds a limit. The text names the limit.
pub(super) fn check(name: &str, command: &Command) -> Result<(), CommandError> {
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
        return Err(CommandError::Denied(format!(
            "{name} has at most {PATHS_LIMIT} paths and options"
        )));
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
        return Err(CommandError::Denied(format!(
            "a path or an option of {name} has at most {PATH_LIMIT_BYTES} bytes"
        )));
    }
    if paths
        .iter()
        .any(|path| path.windows(2).filter(|pair| *pair == b"..").count() > 1)
    {
        return Err(CommandError::Denied(format!(
            "a path of {name} has `..` at most once"
        )));
    }
    let finds_many = |path: &&[u8]| {
        path.iter().any(|byte| b"*?:,".contains(byte)) || path.windows(2).any(|p| p == b"..")
    };
    if paths.iter().any(finds_many)
        && values.iter().map(|value| value.len()).sum::<usize>() > PATH_LIMIT_BYTES
    {
        return Err(CommandError::Denied(format!(
            "{name} writes at most {PATH_LIMIT_BYTES} bytes where its path may find many places; name one place"
        )));
    }
    Ok(())
}
