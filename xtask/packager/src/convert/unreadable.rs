//! Advice about a source file that cannot be read.
//!
//! Owns the text of the advice, which is the same in every conversion. Must not know any
//! conversion.

/// Instruction to the user in the error about a source file that cannot be read.
pub(super) const UNREADABLE: &str = "name a file that exists and that you may read";
