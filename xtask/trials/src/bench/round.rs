//! The length of a round on the command line of every benchmark.
//!
//! Owns its bounds. Must not know what happens in a round.

/// Parses the length of a round in seconds, from 0.2 to 600.
///
/// The load generator wrk reports nothing for a load of less than 0.2 s, and no one waits longer
/// than 600 s.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds, e.g. 2 or 0.5".to_owned())?;
    if (0.2..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("not between 0.2 and 600".to_owned())
    }
}
