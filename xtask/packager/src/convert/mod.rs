//! `cargo xtask convert`: converts a file that a library saved to a file that a scorer can ship.
//!
//! Owns the choice of the conversion, by the file's extension. Must not know how any conversion
//! works. It never reads a pickle: a process of its own does.

mod arguments;
mod environment;
mod estimator;
mod isolated;
mod numpy;
mod report;
mod safetensors_file;
mod unreadable;

use std::path::PathBuf;

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

pub use self::numpy::Source as ArraySource;
pub use arguments::ConvertArgs;

/// File extensions of the pickled estimators that can be converted.
const PICKLED: [&str; 4] = ["joblib", "pickle", "pkl", "sav"];
/// File extensions that joblib gives to compressed files.
const COMPRESSED: [&str; 5] = ["bz2", "gz", "lzma", "xz", "z"];

/// Runs `cargo xtask convert`: converts NumPy arrays or a pickled estimator, by the extension of
/// the source file.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let name = args
        .model
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    match extension(&name) {
        Some("npy" | "npz") => numpy::Import {
            file: &args.model,
            folder: &args.output,
            name: args.name.as_deref(),
            replace: args.force,
            limit: args.limit,
        }
        .run(),
        Some(extension) if PICKLED.contains(&extension) => estimator::run(args),
        _ => Err(Failure::project(
            format!(
                "{}: its extension is not one of .npy, .npz, .{}",
                shown(&args.model),
                PICKLED.join(", .")
            ),
            "name a file that pickle, joblib or NumPy wrote; an ONNX file needs no conversion: name its folder in \
             `scorer.model`",
        )),
    }
}

/// Installs the pinned Python libraries that convert models, if they are missing. Returns the
/// folder of the libraries.
pub fn prepare() -> Result<PathBuf, Failure> {
    Ok(environment::locate(None, None)?
        .libraries
        .unwrap_or_default())
}

/// Returns the last extension of a file name, skipping the extension of a compression, such as
/// `gz`. Returns `None` if no extension remains.
fn extension(name: &str) -> Option<&str> {
    let mut parts = name.rsplit('.');
    let last = parts.next().filter(|last| last.len() < name.len())?;
    if COMPRESSED.contains(&last) {
        parts
            .next()
            .filter(|part| name.len() > part.len() + last.len() + 1)
    } else {
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_found_below_compression() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(extension(name), expected, "{name}");
        check("a.pkl", Some("pkl"));
        check("a.b.joblib", Some("joblib"));
        check("a.joblib.gz", Some("joblib"));
        check("a.gz", None);
        check("pkl", None);
        check("", None);
    }
}
