//! The program `native-ceiling`, which serves the example `digits` as native code.
//!
//! Owns its command line. Must not know how a request is served or scored.

use std::path::PathBuf;

use clap::Parser;
use scorebox_bench::keeping::Keeper;
use scorebox_bench::scoring::Digits;
use scorebox_bench::serving;

/// Allocator of the host, so that allocators are not what is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serve the example `digits` as native code, without a sandbox. `cargo xtask bench` measures
/// Scorebox against it.
///
/// POST /score takes {"data": [[784 numbers], …]}. The first line of standard output is the
/// address.
#[derive(Parser)]
struct Arguments {
    /// Model to serve: a safetensors file, e.g. model/logreg.safetensors.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Port to listen on, e.g. 8080. 0 takes any free port.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Keep answers in this Redis and look for them there first, e.g. redis://127.0.0.1:6379.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    serving::run(arguments.port, async || {
        let digits = Digits::read(&arguments.model)?;
        Ok(match &arguments.redis {
            None => serving::scoring(digits),
            Some(url) => serving::keeping(Keeper::connect(url, digits).await?),
        })
    })
}
