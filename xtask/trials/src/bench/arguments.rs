//! The command line of `cargo xtask bench`.
//!
//! Owns the flags and their help. Must not know how anything is measured.

use clap::{Args, Subcommand};
use scorebox_packager::format::Format;

use super::graphs::GraphsBenchArgs;
use super::hostile::{AttackerArgs, HostileBenchArgs};
use super::idle::IdleBenchArgs;
use super::languages::LanguagesBenchArgs;
use super::python::PythonBenchArgs;
use super::redis::RedisBenchArgs;
use super::round::seconds;

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
                  graphs\n  cargo xtask bench hostile\n  cargo xtask bench idle\n  cargo xtask bench languages\n  cargo xtask bench python"
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
    /// A hit is a request for one of 200 real digits that were requested before. It costs one round
    /// trip to Redis, because the cache in the host's memory (`prediction_cache.memory`) is turned
    /// off. Hits in that cache are measured as well. A miss is a request for a digit that was never
    /// requested before: the digit is looked up and scored, and its answer is stored in the
    /// background. Redis's own time is not counted. The run ends without figures if an answer is
    /// not scikit-learn's, or if the hits and misses that Redis counted do not match the answers.
    Redis(RedisBenchArgs),
    /// Compare an ONNX graph that the host serves without a component with a native server that
    /// calls the same ONNX Runtime.
    ///
    /// The graph is the example `digits-mlp`, served by the host program of images with graphs. The
    /// run also measures what a second client adds: each run of the graph has one thread, so two
    /// clients keep two cores busy. The run ends without figures if an answer is not
    /// scikit-learn's.
    Graphs(GraphsBenchArgs),
    /// Measure one well-behaved client while other clients attack the same host.
    ///
    /// The client makes 200 calls a second on a fixed schedule. The attacks run one after the
    /// other: slow and silent connections, large and odd bodies, guests that loop, log or take
    /// memory, cache stampedes, unread answers and more. In each round, an attack is followed by a
    /// control, during which a process burns as much CPU time and sends nothing.
    Hostile(HostileBenchArgs),
    /// Measure first calls on connections to Redis that a load balancer has forgotten.
    ///
    /// The connections go through a proxy. After an idle time the proxy drops all bytes that arrive
    /// on the connections, and keeps the connections open. Half of the first calls read a value,
    /// and the other half increment a counter. They are measured next to first calls on connections
    /// that were idle and were not forgotten, and on new connections. The command fails if an
    /// answer is wrong.
    Idle(IdleBenchArgs),
    /// Compare one scorer that is written in Rust, C, JavaScript and Python.
    ///
    /// The scorers are those that `cargo xtask new` creates: a logistic regression over three
    /// features, with the same weights. Each is built, packaged, and served from its image. The run
    /// measures sizes, build times, cold starts, the latency of calls over one connection, and
    /// memory. It ends without figures if one of 100 answers is not that of the model.
    Languages(LanguagesBenchArgs),
    /// Compare a script in the sandbox with Azure ML's inference server, which runs it natively.
    ///
    /// Both serve the same script and the same pickle. Azure ML's server is
    /// azureml-inference-server-http from PyPI, with one worker for each core, which it forks after
    /// it has loaded the script. The ratios say how many times better Scorebox is. The run ends
    /// without figures if the answers to 200 digits differ.
    Python(PythonBenchArgs),
    /// Attack a host, or burn CPU time. `bench hostile` starts this command in a process of its
    /// own.
    #[command(hide = true)]
    HostileSender(AttackerArgs),
}
