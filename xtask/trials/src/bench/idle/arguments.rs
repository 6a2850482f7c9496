//! The command line of `cargo xtask bench idle`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use clap::Args;
use scorebox_packager::format::Format;

use crate::length::{self, LengthError};

/// Flags of `cargo xtask bench idle`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs redis-server (apt-get install redis-server); the server is started on a \
                  free port and ended. Takes about half a minute once everything is built, and \
                  --minutes more. The project's bounds: no first call is wrong, and \
                  ratios.slowest_over_living is at most 5. The log of the server is left in \
                  target/bench-idle.\n\nExamples:\n  cargo xtask bench idle\n  cargo xtask bench \
                  idle --minutes 10 --output json"
)]
pub struct IdleBenchArgs {
    /// Number of connections that are forgotten together. The same number of other connections is
    /// idle and is not forgotten.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: u16,
    /// Time for which the connections are idle, in minutes, e.g. 10 or 0.1. Azure's load balancers
    /// forget connections after 4 to 10 minutes.
    #[arg(long, value_name = "M", default_value_t = 0.1, value_parser = minutes)]
    pub minutes: f64,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Parses the value of the flag `--minutes`. Fails if the value is not a number from 0.03 (2 s) to
/// 1440 (a day).
fn minutes(text: &str) -> Result<f64, LengthError> {
    length::parse(text, "minutes", 10, 0.03..=1440.0)
}
