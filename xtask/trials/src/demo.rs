//! `cargo xtask demo`: one command that builds an example and scores digits with it.
//!
//! Owns the order of the run: package an example, unpack its image, run the host from there, score
//! real digits, compare. Must not know how images or components are made.

mod running;
pub mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_packager::component;
use scorebox_packager::image::layout::WrittenImage;
use scorebox_packager::image::{APP_ROOT, HOST_PROGRAM, unpack};
use scorebox_packager::manifest_file;
use scorebox_packager::package::build;
use scorebox_packager::package::options::Making;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::toolchain;
use scorebox_workspace::workspace::{self, shown};

use self::running::RunningHost;
use self::sample::{Agreement, Digit};

/// Folder of the example that the demo packages, relative to the workspace's root.
const EXAMPLE: &str = "guest/examples/digits";
/// Path of the file with the digits and the answers of scikit-learn, relative to the workspace's
/// root.
pub const SAMPLE: &str = "tests/data/digits-sample.json";

/// Flags of `cargo xtask demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the host running until Ctrl-C, and print a curl command to try.
    #[arg(long)]
    pub serve: bool,
    /// The port to listen on [default: a free port].
    #[arg(long)]
    pub port: Option<u16>,
}

/// Runs `cargo xtask demo`: packages an example, runs its image and scores digits. Fails if the
/// image cannot be built or run, or if an answer is wrong.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    eprintln!("Scorebox demo: package the example in {EXAMPLE}, run its image, score {SAMPLE}");
    toolchain::check(|line| eprintln!("{line}"))?;
    let digits = sample::read(&workspace::root().join(SAMPLE))?;
    let folder = workspace::target().join("demo");
    let Unpacked {
        manifest,
        image,
        root,
    } = unpacked(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::other(
            format!("no runtime for sockets: {error}"),
            "see `ulimit -n`",
        )
    })?;
    runtime.block_on(score(args, &folder, &root, &manifest, &image, &digits))
}

/// The example `digits` as an image, with the folder to which the image was unpacked.
pub struct Unpacked {
    /// Manifest of the example `digits`.
    pub manifest: Manifest,
    /// Image that was built from the example `digits`.
    pub image: WrittenImage,
    /// Path of the folder to which the image was unpacked.
    pub root: PathBuf,
}

/// Packages the example `digits` and writes the image to the folder `image` below `folder`. Unpacks
/// the image into the folder `root` below `folder`, which is replaced if it exists. Fails if the
/// image cannot be built or unpacked.
pub fn unpacked(folder: &Path) -> Result<Unpacked, Failure> {
    let manifest = manifest_file::read(&workspace::root().join(EXAMPLE).join(MANIFEST_FILE))?;
    let component = component::locate(&manifest)?;
    let image = build::image(
        &manifest,
        component.as_ref(),
        &Making::of(&folder.join("image"), "demo"),
    )?;
    let root = folder.join("root");
    if root.exists() {
        std::fs::remove_dir_all(&root)
            .map_err(|error| Failure::file(&root, "be removed", error))?;
    }
    unpack::unpack(&image.dir, &root)?;
    Ok(Unpacked {
        manifest,
        image,
        root,
    })
}

async fn score(
    args: &DemoArgs,
    folder: &Path,
    root: &Path,
    manifest: &Manifest,
    image: &WrittenImage,
    digits: &[Digit],
) -> Result<(), Failure> {
    eprintln!("starting the host from {}", shown(root));
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let start = Instant::now();
    let log = folder.join("host.log");
    let mut host = RunningHost::start(&inside(HOST_PROGRAM), &inside(APP_ROOT), args.port, &log)?;
    host.wait_until_ready().await?;
    let ready_after = start.elapsed();

    let start = Instant::now();
    let mut agreement = Agreement::default();
    for digit in digits {
        let answer = host
            .score(&sample::request(std::slice::from_ref(digit)))
            .await?;
        agreement.add(std::slice::from_ref(digit), &answer);
    }
    let singles = start.elapsed();
    let start = Instant::now();
    let answer = host.score(&sample::request(digits)).await?;
    let batch = start.elapsed();
    let mut batch_agreement = Agreement::default();
    batch_agreement.add(digits, &answer);

    println!();
    println!(
        "image      {}@{}",
        manifest.package.repository, image.digest
    );
    for blob in &image.blobs {
        println!(
            "           {:<7} {:>12} bytes  {}",
            blob.name, blob.size, blob.digest
        );
    }
    println!("unpacked   {}; every digest verified", shown(root));
    println!(
        "host       {}; ready after {}",
        host.url(""),
        milliseconds(ready_after)
    );
    let each = singles / u32::try_from(digits.len()).unwrap_or(1).max(1);
    println!(
        "scored     {} digits, one in a call: {} each",
        digits.len(),
        milliseconds(each)
    );
    println!(
        "           {} digits, all in one call: {}",
        digits.len(),
        milliseconds(batch)
    );
    println!(
        "accuracy   {} of {} digits read right ({:.1} %)",
        agreement.right,
        agreement.count,
        agreement.accuracy()
    );
    println!("agreement  one in a call:   {}", agreement.summary());
    println!("           all in one call: {}", batch_agreement.summary());

    if args.serve {
        serve(&host, folder, digits).await?;
    }
    let stopped = host.stop().await?;
    println!("stopped    {stopped}");
    if agreement.is_full() && batch_agreement.is_full() {
        return Ok(());
    }
    Err(Failure::other(
        "the scorer and scikit-learn disagree",
        format!(
            "compare {SAMPLE} with the scorer in {EXAMPLE}; the host's log is {}",
            shown(&log)
        ),
    ))
}

/// Keeps the host running until Ctrl-C or SIGTERM, and prints a request that a user can try. The
/// body of the request is written to a file in `folder`. Fails if the file cannot be written, or if
/// this process cannot wait for signals.
async fn serve(host: &RunningHost, folder: &Path, digits: &[Digit]) -> Result<(), Failure> {
    let seven: PathBuf = folder.join("seven.json");
    let digit = sample::clearest(digits, 7).or(digits.first());
    let request = sample::request(digit.map_or(&[], std::slice::from_ref));
    std::fs::write(&seven, request.to_string())
        .map_err(|error| Failure::file(&seven, "be written", error))?;
    println!();
    println!("The host keeps running until Ctrl-C. Ask it to read a seven:");
    println!();
    println!(
        "  curl -sS -H 'content-type: application/json' -d @{} {}",
        shown(&seven),
        host.url("score")
    );
    println!();
    let refused =
        |error: std::io::Error| Failure::other(format!("signals: {error}"), "run without --serve");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(refused)?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.map_err(refused),
        _ = terminate.recv() => Ok(()),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}
