//! `cargo xtask convert`: models in forms that are not served, as forms that are.
//!
//! Owns the flags, the choice by the file's ending, and the place of what is written. Must not know any form.

mod numpy;
mod safetensors_file;

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::workspace::shown;

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

/// Runs the command.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let extension = args.model.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "npy" | "npz" => numpy::run(args),
        _ => Err(Failure::project(
            format!("{}: its ending is of no form that can be converted", shown(&args.model)),
            "name a file that ends in .npy or .npz",
        )),
    }
}

impl ConvertArgs {
    /// What the written file is called, without its ending.
    fn written_name(&self) -> Result<&str, Failure> {
        let name = match &self.name {
            Some(name) => Some(name.as_str()),
            None => self.model.file_stem().and_then(|stem| stem.to_str()),
        };
        // A hidden file would be refused in a model's folder, and a folder's name is `--output`'s.
        let fits = |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        name.filter(fits).ok_or_else(|| {
            Failure::other(
                format!("{}: `{}` is no name for a file", shown(&self.model), name.unwrap_or_default()),
                "write --name with letters, digits, `-` and `_`",
            )
        })
    }
}
