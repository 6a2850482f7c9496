//! The rule that a process must not be able to write the machine code that it loads.
//!
//! Owns which files count as writable. The start of a host does not hash a pack, so anyone who
//! could write to it could run code outside of the sandbox. Must not know what the files are.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{PackError, unreadable};

/// Write permissions of the group and of all users.
const OTHERS_WRITE: u32 = 0o022;
/// Write permission of the owner.
const OWNER_WRITES: u32 = 0o200;

/// Refuses a file or a folder of a pack that this process may write.
///
/// # Errors
/// Fails if the mode of the file lets this process, the group of the file or everybody write it, or
/// if the file does not exist. A symbolic link fails, too, because its target may be anywhere.
pub(super) fn refuse(folder: &Path, path: &Path) -> Result<(), PackError> {
    let found = match path == folder {
        true => std::fs::metadata(path),
        false => std::fs::symlink_metadata(path),
    };
    let found = found.map_err(unreadable(path))?;
    let user = rustix::process::geteuid().as_raw();
    match found.is_symlink() || is_writable(found.mode(), found.uid(), user) {
        true => Err(PackError::Writable {
            folder: folder.to_owned(),
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Returns true if a file with this mode and owner can be written by a user. Membership in groups
/// is not looked at: nobody else should write a pack either. For root, which may write any file,
/// the mode counts, since it says whether somebody meant the file to be written.
fn is_writable(mode: u32, owner: u32, user: u32) -> bool {
    let owner_writes = mode & OWNER_WRITES != 0 && (owner == user || user == 0);
    mode & OTHERS_WRITE != 0 || owner_writes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_the_group_and_all_users_count() {
        let cases = [
            (0o444, 0, 0, false),
            (0o644, 0, 0, true),
            (0o644, 5, 0, true),
            (0o644, 0, 5, false),
            (0o644, 5, 5, true),
            (0o464, 0, 5, true),
            (0o446, 0, 5, true),
            (0o555, 5, 5, false),
        ];
        for (mode, owner, user, writable) in cases {
            assert_eq!(
                is_writable(mode, owner, user),
                writable,
                "{mode:o} {owner} {user}"
            );
        }
    }
}
