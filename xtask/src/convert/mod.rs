//! `cargo xtask convert`: models in forms that are not served, as forms that are.
//!
//! Owns the choice of the way, by the file's ending. Must not know any way.

mod arguments;
mod numpy;
mod safetensors_file;

pub use arguments::ConvertArgs;

use crate::failure::Failure;
use crate::workspace::shown;

/// Runs the command.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let extension = args.model.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "npy" | "npz" => numpy::Import {
            file: &args.model,
            folder: &args.output,
            name: args.name.as_deref(),
            replace: args.force,
            limit: args.limit,
        }
        .run(),
        _ => Err(Failure::project(
            format!("{}: its ending is of no form that can be converted", shown(&args.model)),
            "name a file that ends in .npy or .npz",
        )),
    }
}
