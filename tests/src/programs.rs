//! The programs in `tests/programs`, one constant for each. `build.rs` writes the constants.
//!
//! Owns the type that stands for a program, so that a misspelled name does not compile. Must not
//! know which test uses a program: a test of the area `meta` checks that each program is used.

/// A test program: a small scorer that is compiled from `tests/programs/NAME.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program(&'static str);

impl Program {
    /// Returns the program's name, which is the name of its source file and of its scorer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

include!(concat!(env!("OUT_DIR"), "/programs.rs"));
