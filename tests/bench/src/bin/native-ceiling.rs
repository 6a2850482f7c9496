//! The program of the native ceiling.
//!
//! Owns its command line and its threads. Must not know how a request is served or scored.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use scorebox_bench::keeping::Keeper;
use scorebox_bench::scoring::Digits;
use scorebox_bench::serving;
use tokio::net::TcpListener;

/// As the host: what is measured is not the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves the example `digits` as native code, without a sandbox: what `cargo xtask bench` measures Scorebox against.
///
/// POST /score takes {"data": [[784 numbers], …]}. The first line of standard output is the address.
#[derive(Parser)]
struct Arguments {
    /// The model, a safetensors file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Port to listen on; 0 for any free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Keep answers in this Redis and look for them there first, e.g. redis://127.0.0.1:6379.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // As many as the host has serving threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(scorebox_host::deployment::cores())
        .enable_all()
        .build()
        .context("no thread to run on")?;
    runtime.block_on(async {
        let wanted = format!("127.0.0.1:{}", arguments.port);
        let listener = TcpListener::bind(&wanted).await.with_context(|| format!("{wanted} cannot be listened on"))?;
        // A reader that is gone needs no address.
        let _ = writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?);
        let digits = Digits::read(&arguments.model)?;
        let router = match &arguments.redis {
            None => serving::scoring(digits),
            Some(url) => serving::keeping(Keeper::connect(url, digits).await?),
        };
        // A task, as in the host: the thread that waits here serves nobody.
        tokio::spawn(serving::serve(listener, router)).await.context("serving ended")
    })
}
