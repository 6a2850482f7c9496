//! The command line of `cargo xtask bench redis`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use clap::Args;
use scorebox_packager::format::Format;

use crate::bench::round::seconds;

/// Flags of `cargo xtask bench redis`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk and redis-server (apt-get install wrk redis-server); the server is \
                  started on a free port and ended. Takes about two minutes once everything is \
                  built. The project's bounds: ratios.cpu_hit is at most 1.2, and ratios.cpu_miss \
                  is at most 1.25. Logs and scripts are left in target/bench-redis.\n\n\
                  Examples:\n  cargo xtask bench redis --quick\n  cargo xtask bench redis --output \
                  json"
)]
pub struct RedisBenchArgs {
    /// Number of rounds of each load. Every figure is a median over the rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Run one round of 0.5 s. This shows that the benchmark works, but its figures mean little.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}
