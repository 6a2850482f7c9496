//! Findings: the places where files break rules of the repository.
//!
//! Owns the form of a finding, and its text. Must not know any rule.

use std::fmt;

/// A place where a file breaks a rule of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path of the file that breaks the rule, relative to the workspace's root.
    pub(super) file: String,
    /// Number of the line that breaks the rule, counted from 1.
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) fix: String,
}

impl Finding {
    /// Creates a finding in the line `line` of the file `file`. `what` says what is wrong, and
    /// `fix` says how to correct it.
    pub fn new(file: &str, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.file, self.line, self.what, self.fix
        )
    }
}
