//! The command line of `bench`.
//!
//! Owns its flags and their help. Must not know how anything is measured.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::hostile::{AttackerArgs, HostileBenchArgs};
use crate::args::Format;

/// Flags of `bench`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Needs wrk (apt-get install wrk); as root on Debian or Ubuntu it is installed. Takes about two \
                        minutes once everything is built. Run it on a machine with nothing else to do: wrk and the \
                        servers share its cores. Logs and scripts are left in target/bench.\n\nExamples:\n  cargo xtask \
                        bench\n  cargo xtask bench --quick --no-steps\n  cargo xtask bench --rounds 9 --connections 8 \
                        --output json > figures.json\n  cargo xtask bench redis\n  cargo xtask bench graphs\n  cargo xtask bench hostile"
)]
pub struct BenchArgs {
    /// What is measured instead.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// Rounds of each load; every figure is a median over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Connections that are kept busy at a time, one load for each number; the ratios that a release is judged by need 8
    /// and 64.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,8,64",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub connections: Vec<u16>,
    /// One round of 0.5 s and three starts: to see that it works, not how fast.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// What standard output holds: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Only the steps of a call in one process (parse, instantiate, call, render); their table goes to standard error.
    #[arg(long, conflicts_with_all = ["no_steps", "quick", "output"])]
    pub steps: bool,
    /// No steps, only servers.
    #[arg(long)]
    pub no_steps: bool,
}

/// What `bench` measures beside the host as it ships.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure the prediction cache beside native code that keeps its answers in the same Redis.
    ///
    /// A hit is one of 200 real digits that were asked before: one round trip, since the host's own memory is off (with it,
    /// hits are measured besides). A miss is a digit that nobody has asked: it is looked up, scored, and stored in the
    /// background. Redis's own time is not counted. The run ends without figures if an answer is not scikit-learn's, or if
    /// Redis has not counted as many hits and misses as there were answers.
    Redis(RedisBenchArgs),
    /// Measure a graph that is served without code beside a native server that calls the same engine.
    ///
    /// The graph is the example `digits-mlp`, from its image. Also measured is what a second client adds: each run has one
    /// thread, so two clients keep two cores busy. The run ends without figures if an answer is not scikit-learn's.
    Graphs(GraphsBenchArgs),
    /// Measure one well-behaved client while strangers attack the same host.
    ///
    /// The client makes 200 calls a second on a fixed schedule. The attacks run one after the other: slow and silent
    /// connections, large and odd bodies, guests that loop, log or take memory, cache stampedes, unread answers and more.
    /// Each turn beside an attack is followed by a turn beside a process that burns as much CPU time and talks to nobody.
    Hostile(HostileBenchArgs),
    /// The sending side of an attack, started by `bench hostile`.
    #[command(hide = true)]
    HostileSender(AttackerArgs),
}

/// Flags of `bench redis`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk and redis-server (apt-get install wrk redis-server); the server is started on a free port and \
                        ended. Takes about two minutes once everything is built. Wanted are a ratios.cpu_hit of at most 1.2 \
                        and a ratios.cpu_miss of at most 1.25. Logs and scripts are left in target/bench-redis.\n\n\
                        Examples:\n  cargo xtask bench redis --quick\n  cargo xtask bench redis --output json"
)]
pub struct RedisBenchArgs {
    /// Rounds of each load; every figure is a median over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// One round of 0.5 s: to see that it works, not how fast.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// What standard output holds: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of `bench graphs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs wrk (apt-get install wrk). Takes about two minutes once everything is built. Wanted are a \
                        ratios.cpu of at most 1.3 and, on two cores, ratios.two_clients of at least 1.7. Logs and scripts are \
                        left in target/bench-graphs.\n\nExamples:\n  cargo xtask bench graphs --quick\n  cargo xtask bench \
                        graphs --graph model.onnx --output json"
)]
pub struct GraphsBenchArgs {
    /// Another ONNX file, whose throughput with one client and with two is measured besides; it is asked for zeros.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// The library that runs graphs, instead of fetching it with pip.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
    /// Rounds of each load; every figure is a median over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Length of a round in seconds, e.g. 2 or 0.5.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// One round of 0.5 s: to see that it works, not how fast.
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    pub quick: bool,
    /// What standard output holds: a table for people, or one JSON object with every figure.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// The least that wrk reports on, and what nobody waits for.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds, e.g. 2 or 0.5".to_owned())?;
    if (0.2..=600.0).contains(&seconds) { Ok(seconds) } else { Err("not between 0.2 and 600".to_owned()) }
}
