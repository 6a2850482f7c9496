//! Measurements that a scorer makes itself: counters and distributions.
//!
//! Owns only the Rust form of the measurements. Must not know how the host limits or exports them.
//! The name of a measurement has lower-case ASCII letters, digits, `.` and `_`, starts with a
//! letter, and has at most 64 bytes. The host drops a measurement with another name, with one
//! warning in the log, and measurements beyond its limit on the lines of a call. It keeps the first
//! 8 attributes of a measurement.

use crate::imports::metrics as wit;

/// Adds `delta` to the counter `name`. `attributes` are additional facts, each with a name and a
/// value.
///
/// ```
/// use scorebox_guest::metrics;
///
/// metrics::count("predictions", 1, &[("label", "7")]);
/// ```
pub fn count(name: &str, delta: u64, attributes: &[(&str, &str)]) {
    wit::count(name, delta, &owned(attributes));
}

/// Records `value` as one value of the distribution `name`. `attributes` are additional facts, each
/// with a name and a value.
///
/// ```
/// use scorebox_guest::metrics;
///
/// metrics::record("score", 0.93, &[]);
/// ```
pub fn record(name: &str, value: f64, attributes: &[(&str, &str)]) {
    wit::record_value(name, value, &owned(attributes));
}

fn owned(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
