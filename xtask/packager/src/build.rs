//! `cargo xtask build`: builds a scorer into an app folder.
//!
//! Owns the flags and the messages. Must not know how an app folder is written.

use std::path::PathBuf;

use clap::Args;
use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use scorebox_workspace::failure::Failure;

use crate::forward::built_app;
use crate::graph_trial::Trial;
use crate::python::engine;
use crate::{app, component, functions_app, manifest_file, shell};

/// Flags of `cargo xtask build`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cargo xtask build --manifest guest/examples/digits/scorebox.toml"
)]
pub struct BuildArgs {
    /// Path of the scorer's scorebox.toml.
    #[arg(long, value_name = "FILE", default_value = MANIFEST_FILE)]
    pub manifest: PathBuf,
    /// The app folder to write. An app that is already there is replaced [default:
    /// target/apps/NAME].
    #[arg(long, value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// The CPU to compile the component for: x86-64 runs everywhere; x86-64-v2, -v3 and -v4 need
    /// newer machines; native is the highest level of this machine. The host refuses to start on a
    /// CPU below this level.
    #[arg(long, value_name = "LEVEL", default_value = "x86-64")]
    pub cpu: Cpu,
    /// The ONNX Runtime library that runs the graph, for a scorer with a graph. Without this flag,
    /// the library is fetched with pip. LICENSE and ThirdPartyNotices.txt must be next to the
    /// library.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
}

/// Runs `cargo xtask build`: builds a scorer into an app folder. Fails if the manifest is invalid,
/// if the scorer cannot be built, if a host would refuse the scorer, or if the folder cannot be
/// written.
pub fn run(args: BuildArgs) -> Result<(), Failure> {
    let manifest = manifest_file::read(&args.manifest)?;
    let dir = args.app.unwrap_or_else(|| built_app(&manifest.scorer.name));
    let engine = manifest.scorer.script.as_ref().map(|_| engine::locate());
    let engine = engine.transpose()?;
    let trial = Trial {
        host: None,
        library: args.engine_library.as_deref(),
        engine: engine.as_ref(),
    };
    let component = component::locate(&manifest)?;
    if let Some(component) = &component {
        app::examine(&manifest, component)?;
    }
    let app = app::stage(
        &manifest,
        component.as_ref(),
        &dir,
        args.cpu,
        Times::AsWritten,
        trial,
    )?;
    let count = app.files.len() + app.model.len();
    eprintln!(
        "staged {count} files, {} of them of the model",
        app.model.len()
    );
    functions_app::say_warnings(&manifest);
    functions_app::say_settings(&manifest);
    let mut next = format!(
        "cargo xtask package --manifest {}",
        shell::path(&args.manifest)
    );
    // The command `package` needs the same flags to make an image of this app.
    if args.cpu != Cpu::Baseline {
        next.push_str(&format!(" --cpu {}", args.cpu));
    }
    if let Some(library) = &args.engine_library {
        next.push_str(&format!(" --engine-library {}", shell::path(library)));
    }
    eprintln!("next: {next}");
    println!("{}", app.dir.display());
    Ok(())
}
