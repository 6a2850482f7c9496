//! The text of `scorebox --version`: version, commit and engine.
//!
//! Owns the form of the text. Must not know how the commit is found or recorded.

use scorebox_host::engine::ENGINE;
use scorebox_workspace::workspace;

use crate::image::attestation::Revision;
use crate::{installed, materials};

/// Number of hex digits of a commit's hash in the output of `scorebox --version`. They identify a
/// commit even in a large repository.
const COMMIT_DIGITS: usize = 12;

/// Returns the version of this program, with the commit that it was made from and the WebAssembly
/// engine that it compiles for, as `scorebox --version` prints it. A program in a clone of the
/// repository names the commit of the clone.
pub fn text() -> String {
    let revision = match installed::list() {
        Ok(Some(list)) => Some(Revision {
            commit: list.commit.clone(),
            is_changed: list.is_changed,
        }),
        Ok(None) => materials::revision(&workspace::root()),
        // The commit of other parts is not that of this program.
        Err(_) => None,
    };
    said(revision.as_ref())
}

fn said(revision: Option<&Revision>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = match revision.filter(|revision| !revision.commit.is_empty()) {
        Some(Revision { commit, is_changed }) => {
            let short = commit.get(..COMMIT_DIGITS).unwrap_or(commit);
            let changed = if *is_changed { " with changes" } else { "" };
            format!("{short}{changed}")
        }
        None => "unknown".to_owned(),
    };
    format!("{version} (commit {commit}, engine {ENGINE})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_commit_and_engine() {
        let revision = |is_changed| Revision {
            commit: "0123456789abcdef".to_owned(),
            is_changed,
        };
        let own = env!("CARGO_PKG_VERSION");
        let expected = format!("{own} (commit 0123456789ab, engine {ENGINE})");
        assert_eq!(said(Some(&revision(false))), expected);
        let changed = said(Some(&revision(true)));
        assert!(changed.contains("0123456789ab with changes,"), "{changed}");
        assert!(said(None).contains("commit unknown"));
    }
}
