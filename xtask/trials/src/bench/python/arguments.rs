//! The command line of `cargo xtask bench python`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use clap::Args;
use scorebox_packager::format::Format;

use crate::bench::round::seconds;

/// Flags of `cargo xtask bench python`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk (apt-get install wrk), and Python 3.11, 3.12 or 3.13 with pip and venv, which \
                  installs azureml-inference-server-http and what it imports. The engine pack of \
                  Python is made once, which takes about four minutes. Afterwards a run takes about \
                  two minutes. The project's bounds: ratios.cpu and ratios.rps_8 are at least 1.5, \
                  ratios.cold_start is at least 30, and ratios.memory_2 is at least 2. Logs and \
                  scripts are left in target/bench-python.\n\nExamples:\n  cargo xtask bench python \
                  --quick\n  cargo xtask bench python --output json"
)]
pub struct PythonBenchArgs {
    /// Number of rounds of each load. Every figure is a median over the rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Run one round of 0.5 s and start each server twice. This shows that the benchmark works, but
    /// its figures mean little.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}
