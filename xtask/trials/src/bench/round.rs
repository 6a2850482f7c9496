//! The length of a round of every benchmark.
//!
//! Owns the bounds of this length on the command line, and its value in a run with `--quick`. Must
//! not know what happens in a round.

use crate::length::{self, LengthError};

/// Time of each load in a run with `--quick`, in seconds.
pub const QUICK_SECONDS: f64 = 0.5;

/// Parses the value of the flag `--seconds` of a benchmark: the time of one load or one measurement
/// in a round, in seconds, from 0.2 to 600. Fails if the value is not a number in this range.
///
/// The load generator wrk reports nothing for a load of less than 0.2 s, and no one waits longer
/// than 600 s.
pub fn seconds(text: &str) -> Result<f64, LengthError> {
    length::parse(text, "seconds", 2, 0.2..=600.0)
}
