//! The program `native-graph`, which serves an ONNX file by ONNX Runtime without Scorebox.
//!
//! Owns its command line. Must not know how a request is served or scored.

use std::path::PathBuf;

use clap::Parser;
use scorebox_bench::graph::Graph;
use scorebox_bench::serving;

/// Allocator of the host, so that allocators are not what is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serve an ONNX file by ONNX Runtime. `cargo xtask bench graphs` measures Scorebox against it.
///
/// POST /score takes {"data": [[numbers], …]}. The first line of standard output is the address.
#[derive(Parser)]
struct Arguments {
    /// ONNX file to serve, with one input of f32, e.g. model.onnx.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Library of ONNX Runtime, e.g. libonnxruntime.so.1.31.1.
    #[arg(long, value_name = "FILE")]
    library: PathBuf,
    /// Port to listen on, e.g. 8080. 0 takes any free port.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let graph = Graph::load(
        &arguments.library,
        &arguments.model,
        scorebox_host::sizing::cores(),
    )?;
    serving::run(arguments.port, async || Ok(serving::scoring(graph)))
}
