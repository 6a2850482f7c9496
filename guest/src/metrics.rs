//! Measurements that the scorer makes itself: counters and distributions.
//!
//! Owns only the Rust form of these measurements. Must not know how the host names, bounds or
//! exports them.

use crate::imports::metrics as wit;

/// Adds `delta` to the counter `name`, e.g. `count("predictions", 1, &[("label", "7")])`. The
/// attributes are pairs of a name and a value.
///
/// ```
/// use scorebox_guest::metrics;
///
/// metrics::count("predictions", 1, &[("label", "7")]);
/// ```
pub fn count(name: &str, delta: u64, attributes: &[(&str, &str)]) {
    wit::count(name, delta, &owned(attributes));
}

/// Records `value` in the distribution `name`, e.g. `record("score", 0.93, &[])`. The attributes
/// are pairs of a name and a value.
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
