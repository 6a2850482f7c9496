//! File descriptors of the process, and how many connections they allow.
//!
//! Owns the process's limit for file descriptors. Must not know what a connection is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Number of file descriptors that are kept free for other uses than incoming connections: the
/// listener, files, the async runtime, and connections to stores.
const OTHERS: usize = 128;

/// Minimum size of the connection table, even if the process may open too few file descriptors for
/// it. Only the setting `limits.connections` can make the table smaller.
const FEWEST_PLACES: usize = 16;

/// Raises the process's limit for open file descriptors as far as the operating system allows, and
/// returns the maximum number of connections in the connection table.
///
/// The result is at most `wanted`. File descriptors for `reserve` connections beyond the table stay
/// free, unless the table would then have fewer than `FEWEST_PLACES` connections.
pub(super) fn places(wanted: usize, reserve: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
    let Some(descriptors) = (if raised.is_ok() { maximum } else { current }) else {
        return wanted;
    };
    let places = allowed(
        wanted,
        reserve,
        usize::try_from(descriptors).unwrap_or(usize::MAX),
    );
    if places < wanted {
        tracing::warn!(
            places,
            descriptors,
            "limits.connections is {wanted}, and the process may open too few files for that: raise `ulimit -n`"
        );
    }
    places
}

fn allowed(wanted: usize, reserve: usize, descriptors: usize) -> usize {
    wanted.min(
        descriptors
            .saturating_sub(reserve.saturating_add(OTHERS))
            .max(FEWEST_PLACES),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_make_few_places() {
        assert_eq!(allowed(1024, 64, 1 << 20), 1024);
        assert_eq!(allowed(1024, 64, 1024), 1024 - 64 - OTHERS);
        assert_eq!(allowed(1024, 64, 100), FEWEST_PLACES);
        assert_eq!(allowed(8, 64, 100), 8);
    }
}
