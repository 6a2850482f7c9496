//! Advice about a source file that cannot be read.
//!
//! Owns the fix that every conversion gives. Must not know any conversion.

/// Fix in the error for a source file that cannot be read.
pub(super) const UNREADABLE: &str = "name a file that exists and that you may read";
