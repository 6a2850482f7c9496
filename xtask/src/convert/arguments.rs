//! The command line of `convert`.
//!
//! Owns its flags and their help. Must not know what the command does with them.

use std::path::PathBuf;

use clap::Args;

/// Flags of `convert`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo xtask convert weights.npz --output model")]
pub struct ConvertArgs {
    /// The file: .npy or .npz, as NumPy writes them. Arrays of Python objects are pickles, and refused.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The folder for what is written; it is made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// The written file's name without its ending, and that of an .npy's tensor [default: the model's].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Replace a file that is there.
    #[arg(long)]
    pub force: bool,
    /// The most bytes that all arrays together may have, e.g. 512MiB.
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub limit: bytesize::ByteSize,
}
