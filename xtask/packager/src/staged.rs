//! Replacement of the paths of temporary copies in messages by the paths of the copied files in the
//! project.
//!
//! Owns the replacement. Must not know which files an app folder has. The files of a project are
//! copied to a temporary app folder, which is removed if an error occurs. Messages therefore name
//! the files of the project.

use std::path::PathBuf;

use scorebox_workspace::failure::Failure;

/// Pairs of paths: the path of a temporary copy of a file or folder, and the path in the project
/// that replaces it in messages.
#[derive(Debug)]
pub struct StagedPaths(Vec<(String, String)>);

impl StagedPaths {
    /// Creates the list of replacements from pairs of paths: the path of a temporary copy, and the
    /// path of the original in the project.
    pub fn new(pairs: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Self {
        // Collected from its parts, a path loses the slash at its end.
        let shown = |path: PathBuf| path.components().collect::<PathBuf>().display().to_string();
        let mut paths: Vec<_> = pairs
            .into_iter()
            .map(|(staged, original)| (shown(staged), shown(original)))
            .collect();
        // The path of a folder is the beginning of the paths below it, so the longest comes first.
        paths.sort_by_key(|(staged, _)| std::cmp::Reverse(staged.len()));
        Self(paths)
    }

    /// Returns the failure with changed texts: the path of each temporary copy of a project file is
    /// replaced with the path of the original.
    pub fn renamed(&self, failure: Failure) -> Failure {
        let replaced = |text: String| {
            self.0.iter().fold(text, |text, (staged, original)| {
                text.replace(staged, original)
            })
        };
        Failure {
            problem: replaced(failure.problem),
            fix: replaced(failure.fix),
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_path_is_replaced_by_the_path_that_it_stands_for() {
        let pairs = [
            ("/t/.staging-1", "project"),
            ("/t/.staging-1/model", "weights/"),
            ("/t/.staging-1/model/a", "weights/a"),
            ("/t/.staging-1/model/a.onnx", "elsewhere/b.onnx"),
        ];
        let pairs = pairs.map(|(staged, original)| (staged.into(), original.into()));
        let failure = Failure::project(
            "/t/.staging-1/model/a.onnx: loading /t/.staging-1/model/a failed",
            "see /t/.staging-1/model and /t/.staging-1/host.json",
        );
        let renamed = StagedPaths::new(pairs).renamed(failure);
        assert_eq!(
            renamed.problem,
            "elsewhere/b.onnx: loading weights/a failed"
        );
        assert_eq!(renamed.fix, "see weights and project/host.json");
    }
}
