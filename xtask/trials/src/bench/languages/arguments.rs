//! The command line of `cargo xtask bench languages`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use clap::Args;
use scorebox_packager::format::Format;

use super::scorers::Language;
use crate::bench::round::seconds;

/// Flags of `cargo xtask bench languages`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk (apt-get install wrk), and the tools of each language: clang with \
                  wasi-libc, Node.js with npm, Python with pip. A language whose tools are missing \
                  is left out. Takes about five minutes once everything is built. The project's \
                  bounds, over the scorer in Rust of the same run: warm_p50 is at most 3 for \
                  quickjs and 4 for componentize-js and componentize-py, and cold_start is at most \
                  6 for quickjs and 40 for the other two. Logs and images are left in \
                  target/bench-languages.\n\nExamples:\n  cargo xtask bench languages --quick\n  \
                  cargo xtask bench languages --languages quickjs --output json"
)]
pub struct LanguagesBenchArgs {
    /// Languages to compare with Rust, e.g. c,quickjs. The scorer in Rust is always measured.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_enum,
        default_value = "c,quickjs,componentize-js,componentize-py"
    )]
    pub languages: Vec<Language>,
    /// Number of rounds of each load. Every figure is a median over the rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Run one round of 0.5 s and start each image three times. This shows that the benchmark
    /// works, but its figures mean little.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}
