//! The command line of `cargo xtask bench graphs`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use std::path::PathBuf;

use clap::Args;
use scorebox_packager::format::Format;

use crate::bench::round::seconds;

/// Flags of `cargo xtask bench graphs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk (apt-get install wrk). Takes about two minutes once everything is \
                  built. The project's bounds: ratios.cpu is at most 1.3 and, on two cores, \
                  ratios.two_clients is at least 1.7. Logs and scripts are left in \
                  target/bench-graphs.\n\nExamples:\n  cargo xtask bench graphs --quick\n  cargo \
                  xtask bench graphs --graph model.onnx --output json"
)]
pub struct GraphsBenchArgs {
    /// Another ONNX file, e.g. model.onnx, whose throughput with one client and with two clients is
    /// measured as well. All inputs of the graph are zeros.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Shared library of ONNX Runtime, which runs graphs. By default it is fetched with pip.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
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
