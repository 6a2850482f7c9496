//! `cargo xtask setup`: checks that all tools for building and packaging are installed.
//!
//! Owns the flags and the report. Must not know how anything is checked, built or fetched.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use scorebox_workspace::toolchain;
use scorebox_workspace::tools::{self, TEST_TOOLS, apt_line, find};

use crate::programs::{Packager, Stop};

/// Flags of `cargo xtask setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Also report which of the servers and tools that the tests use are installed.
    #[arg(long)]
    pub tests: bool,
    /// Also fetch ONNX Runtime, the library that runs graphs, with pip, into target/engine. Other
    /// commands that need the library fetch it themselves.
    #[arg(long)]
    pub graphs: bool,
    /// With --graphs: check this ONNX Runtime library instead of fetching one.
    #[arg(long, value_name = "FILE", requires = "graphs")]
    pub engine_library: Option<PathBuf>,
    /// Also install the Python libraries of `convert`, with pip, into target/convert-env. If they
    /// are missing, `convert` installs them itself.
    #[arg(long)]
    pub convert: bool,
    /// Also make the engine pack, which runs scripts in Python, in the user's cache folder. This
    /// fetches 100 MB with pip, and compiles for some minutes. If the pack is missing, `package`
    /// makes it itself.
    #[arg(long)]
    pub python: bool,
}

/// Runs `cargo xtask setup`: checks the toolchain, and installs what the flags ask for. Fails if a
/// part of the toolchain is missing, or if an installation fails.
pub fn run(args: &SetupArgs) -> Result<(), Stop> {
    toolchain::check(|line| println!("{line}"))?;
    if args.graphs || args.convert || args.python {
        let packager = Packager::build()?;
        if args.graphs {
            let given = args.engine_library.as_ref();
            let given = given.map(|file| ["--engine-library".into(), file.clone().into()]);
            let given: Vec<OsString> = given.into_iter().flatten().collect();
            let library = packager.part("engine-library", &given)?;
            println!("ok       library for graphs {}", library.display());
        }
        if args.convert {
            let libraries = packager.part("convert-libraries", &[])?;
            println!("ok       libraries for convert {}", libraries.display());
        }
        if args.python {
            let pack = packager.part("python-pack", &[])?;
            println!("ok       engine pack for scripts {}", pack.display());
        }
    }
    if args.tests {
        report_test_tools();
    }
    eprintln!("next: cargo xtask demo");
    Ok(())
}

/// Prints one line for each tool that the tests use. None of the tools is required.
fn report_test_tools() {
    for tool in TEST_TOOLS {
        match find(tool.program) {
            Some(path) => println!("ok       {}: {}", path.display(), tool.purpose),
            None => println!("missing  {}: {}", tool.program, tool.purpose),
        }
    }
    let packages: Vec<_> = tools::missing().iter().map(|tool| tool.package).collect();
    if !packages.is_empty() {
        println!(
            "tests that need them are skipped; to get them, as root: {}",
            apt_line(&packages)
        );
    }
}
