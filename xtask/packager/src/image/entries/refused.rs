//! The error of a tar archive that is refused.
//!
//! Owns the `io::ErrorKind` of this error. Must not know why an archive is refused.

use std::io;

/// Returns the error for a tar archive that is refused. `problem` says what is wrong with the
/// archive.
pub(super) fn refused(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
