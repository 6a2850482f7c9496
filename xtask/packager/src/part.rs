//! The packager's hidden command `part`: builds or fetches one program, library or folder that
//! other commands need.
//!
//! Owns the names of the parts. Must not know what the parts are used for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scorebox_workspace::failure::Failure;

use crate::host_program::{self, Kind};
use crate::{convert, engine_library, python};

/// Flags of the packager's command `part`.
#[derive(Debug, Args)]
pub struct PartArgs {
    /// The part to build or fetch.
    #[arg(value_name = "PART", value_enum)]
    pub part: Part,
    /// For engine-library: check this ONNX Runtime library instead of fetching one.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
}

/// A program, library or folder that other commands need, and that the packager's command `part`
/// builds or fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The host program for developers.
    Host,
    /// The host program for images.
    ImageHost,
    /// The host program for images with a graph.
    GraphsHost,
    /// The host program for images with a script.
    PythonHost,
    /// ONNX Runtime, the library that runs graphs.
    EngineLibrary,
    /// The folder of the Python libraries that convert models.
    ConvertLibraries,
    /// The engine pack, which runs scripts in Python.
    PythonPack,
}

/// Runs the packager's command `part`: builds or fetches a part, and prints the path of the part to
/// standard output. Fails if the part cannot be built or fetched.
pub fn run(args: &PartArgs) -> Result<(), Failure> {
    let path = match args.part {
        Part::Host => host_program::build(Kind::Developer)?,
        Part::ImageHost => {
            let host = host_program::build(Kind::Image)?;
            host_program::check(&host)?;
            host
        }
        Part::PythonHost => {
            let host = host_program::build(Kind::ImageWithPython)?;
            host_program::check(&host)?;
            host
        }
        Part::GraphsHost => host_program::build(Kind::ImageWithGraphs)?,
        Part::EngineLibrary => engine_library::locate(args.engine_library.as_deref())?.file,
        Part::ConvertLibraries => convert::prepare()?,
        Part::PythonPack => python::engine::locate()?.folder,
    };
    println!("{}", path.display());
    Ok(())
}
