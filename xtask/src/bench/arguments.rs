//! The command line of `cargo xtask bench`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::hostile::{AttackerArgs, HostileBenchArgs};
use crate::args::Format;

/// Flags of `cargo xtask bench`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Needs wrk (apt-get install wrk); if you are root on Debian or Ubuntu, it is \
                  installed for you. Takes about two minutes once everything is built. Run it on a \
                  machine with nothing else to do: wrk and the servers share its cores. Logs and \
                  scripts are left in target/bench.\n\nExamples:\n  cargo xtask bench\n  cargo \
                  xtask bench --quick --no-steps\n  cargo xtask bench --rounds 9 --connections 8 \
                  --output json > figures.json\n  cargo xtask bench redis\n  cargo xtask bench \
                  graphs\n  cargo xtask bench hostile"
)]
pub struct BenchArgs {
    /// Benchmark to run instead of the comparison with native code.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// Number of rounds of each load. Every figure is a median over the rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Numbers of connections that are kept busy at a time, one load for each number, e.g. 1,8,64.
    /// The ratios that a release is judged by need 8 and 64.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,8,64",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: Vec<u16>,
    /// Run one round of 0.5 s and start each program three times. This shows that the benchmark
    /// works, but its figures mean little.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// Format of standard output: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Measure only the steps of a call in one process (parse, instantiate, call, render). The
    /// table of the steps goes to standard error.
    #[arg(long, conflicts_with_all = ["no_steps", "quick", "output"])]
    pub steps: bool,
    /// Measure only servers, and skip the steps of a call.
    #[arg(long)]
    pub no_steps: bool,
}

/// Benchmarks that `cargo xtask bench` offers next to the comparison with native code.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Compare the prediction cache with native code that keeps its answers in the same Redis.
    ///
    /// A hit is one of 200 real digits that were asked before. It costs one round trip, because the
    /// host's own memory is off; hits with that memory are measured as well. A miss is a digit that
    /// was never asked: it is looked up, scored, and stored in the background. Redis's own time is
    /// not counted. The run ends without figures if an answer is not scikit-learn's, or if the hits
    /// and misses that Redis counted do not match the answers.
    Redis(RedisBenchArgs),
    /// Compare a graph that is served without code with a native server that calls the same engine.
    ///
    /// The graph is the example `digits-mlp`, served by the host program of images with graphs. The
    /// run also measures what a second client adds: each run of the graph has one thread, so two
    /// clients keep two cores busy. The run ends without figures if an answer is not
    /// scikit-learn's.
    Graphs(GraphsBenchArgs),
    /// Measure one well-behaved client while strangers attack the same host.
    ///
    /// The client makes 200 calls a second on a fixed schedule. The attacks run one after the
    /// other: slow and silent connections, large and odd bodies, guests that loop, log or take
    /// memory, cache stampedes, unread answers and more. Each turn during an attack is followed by
    /// a turn during which a process burns as much CPU time and sends nothing.
    Hostile(HostileBenchArgs),
    /// Attack a host, or burn CPU time. `bench hostile` starts this command in a process of its
    /// own.
    #[command(hide = true)]
    HostileSender(AttackerArgs),
}

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
