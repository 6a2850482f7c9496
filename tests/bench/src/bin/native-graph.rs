//! The program of the native ceiling of graphs.
//!
//! Owns its command line. Must not know how a request is served or scored.

use std::path::PathBuf;

use clap::Parser;
use scorebox_bench::graph::Graph;
use scorebox_bench::serving;

/// As the host: what is measured is not the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves an ONNX file by ONNX Runtime: what `cargo xtask bench graphs` measures Scorebox against.
///
/// POST /score takes {"data": [[numbers], …]}. The first line of standard output is the address.
#[derive(Parser)]
struct Arguments {
    /// The ONNX file, with one input of f32.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// ONNX Runtime.
    #[arg(long, value_name = "FILE")]
    library: PathBuf,
    /// Port to listen on; 0 for any free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let graph = Graph::load(&arguments.library, &arguments.model, scorebox_host::deployment::cores())?;
    serving::run(arguments.port, async || Ok(serving::scoring(graph)))
}
