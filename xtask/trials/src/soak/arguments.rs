//! The command line of `cargo xtask soak`.
//!
//! Owns the flags and their help. Must not know what is called.

use std::path::PathBuf;

use clap::Args;
use scorebox_packager::format::Format;

use crate::length::{self, LengthError};

/// Flags of `cargo xtask soak`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs redis-server (apt-get install redis-server), and pip for the library that \
                  runs graphs unless --engine-library names it.\n\nThe run fails, with exit code \
                  1, if an answer is not scikit-learn's, if a call gets no answer or another \
                  status than 200, or if a host drifts. A host drifts if its resident memory \
                  differs by more than 10 % between the first and the last third of the time after \
                  the second minute, or if it has more than 3 file descriptors or threads more. A \
                  run of less than four minutes looks at its second half and allows 8 MiB more, \
                  because a host still fills its buffers then.\n\nRedis is killed and started \
                  again, empty, every 20 s. No call may be lost by that: if the server of a \
                  prediction cache does not answer, the answer is computed.\n\nExamples:\n  cargo \
                  xtask soak --minutes 20\n  cargo xtask soak --minutes 0.5 --output json"
)]
pub struct SoakArgs {
    /// Length of the run in minutes, e.g. 20 or 0.5.
    #[arg(long, value_name = "N", value_parser = minutes)]
    pub minutes: f64,
    /// Call this `scorebox` program instead of building the image's host.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// Call this `scorebox` program with the feature `graphs` instead of building the image's host
    /// with graphs.
    #[arg(long, value_name = "FILE")]
    pub graphs_host: Option<PathBuf>,
    /// Use this library to run graphs instead of fetching it with pip.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
    /// Leave out the host with a graph.
    #[arg(long, conflicts_with_all = ["graphs_host", "engine_library"])]
    pub no_graphs: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Parses the length of a run in minutes, from 0.05 to 1440. Fails if the text is not a number in
/// this range.
///
/// A run below three seconds has no samples to compare, and no one waits longer than a day.
fn minutes(text: &str) -> Result<f64, LengthError> {
    length::parse(text, "minutes", 20, 0.05..=1440.0)
}
