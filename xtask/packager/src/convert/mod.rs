//! `cargo xtask convert`: converts a saved model or saved NumPy arrays to a file that a scorer can
//! ship.
//!
//! Owns the choice of the conversion, by the content of the source. Must not know how any
//! conversion works. This program never reads a pickle itself: a separate process does.

mod accelerated;
mod arguments;
mod comparison;
mod environment;
mod estimator;
mod isolated;
mod numpy;
mod port;
mod report;
mod safetensors_file;
mod source;
mod unreadable;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use zip::ZipArchive;

pub use self::numpy::Source as ArraySource;
use self::unreadable::UNREADABLE;
use crate::intact;
use crate::mlflow::MLFLOW_FILE;
pub use accelerated::REPORT_EXTENSION;
pub use arguments::ConvertArgs;

/// Magic bytes at the start of a file that `np.save` wrote.
const ARRAY: &[u8] = b"\x93NUMPY";

/// Runs `cargo xtask convert`: converts NumPy arrays, a fitted model or a model folder of MLflow.
/// The content of the source determines the conversion. Fails if the source needs no conversion, is
/// damaged or cannot be converted.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let model = &args.model;
    if model.is_dir() {
        if let (Some(output), true) = (&args.output, model.join(MLFLOW_FILE).is_file()) {
            return estimator::run(args, output);
        }
        if args.output.is_none() {
            return Err(Failure::project(
                format!("{}: is a folder", shown(model)),
                "name the file that the script loads",
            ));
        }
        return Err(Failure::project(
            format!(
                "{}: is a folder without the file {MLFLOW_FILE}",
                shown(model)
            ),
            "name the model's file, or a model folder that MLflow saved",
        ));
    }
    intact::check_source(model)?;
    let unreadable = |error: std::io::Error| Failure::unreadable(model, error, UNREADABLE);
    if is_arrays(model).map_err(unreadable)? {
        let Some(folder) = &args.output else {
            return Err(Failure::project(
                format!("{}: holds arrays, which are no estimator", shown(model)),
                "leave the file as it is: the script loads it; without --accelerate, `--output DIR` gets the arrays as \
                 safetensors",
            ));
        };
        return numpy::Import {
            file: model,
            folder,
            name: args.name.as_deref(),
            replace: args.force,
            limit: args.limit,
        }
        .run();
    }
    let served = if intact::is_graph(model).map_err(unreadable)? {
        "an ONNX graph"
    } else if intact::is_safetensors(model).map_err(unreadable)? {
        "a safetensors file"
    } else {
        return match &args.output {
            Some(output) => estimator::run(args, output),
            None => accelerated::run(args),
        };
    };
    Err(Failure::project(
        format!("{}: is {served}, which needs no conversion", shown(model)),
        "put it into a folder of its own, and name the folder in `scorer.model` of a scorebox.toml",
    ))
}

/// Installs the pinned Python libraries that convert models, if they are missing. Returns the
/// folder of the libraries. Fails if `python3` cannot be run, if the libraries are not pinned for
/// its version, if the list of the pinned libraries cannot be read, or if they cannot be installed.
pub fn prepare() -> Result<PathBuf, Failure> {
    Ok(environment::locate(None, None)?
        .libraries
        .unwrap_or_default())
}

/// Returns true if a file holds NumPy arrays: if it starts with the magic bytes of an `.npy` file,
/// if its name ends in `.npy` or `.npz`, or if it is a zip archive in which all names end in
/// `.npy`. Fails if the file cannot be read.
fn is_arrays(model: &Path) -> std::io::Result<bool> {
    let mut file = File::open(model)?;
    let mut head = Vec::new();
    (&mut file)
        .take(ARRAY.len() as u64)
        .read_to_end(&mut head)?;
    let extension = model.extension().unwrap_or_default();
    let is_named = ["npy", "npz"]
        .iter()
        .any(|one| extension.eq_ignore_ascii_case(one));
    if head == ARRAY || is_named {
        return Ok(true);
    }
    // An archive of other libraries may hold arrays among other members.
    let archive = head
        .starts_with(numpy::ARCHIVE)
        .then(|| ZipArchive::new(file));
    let Some(Ok(mut archive)) = archive else {
        return Ok(false);
    };
    let count = archive.len();
    let is_array = |index| {
        let member = archive.by_index_raw(index);
        member.is_ok_and(|member| member.name().is_ok_and(|name| name.ends_with(".npy")))
    };
    Ok(count > 0 && (0..count).all(is_array))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn arrays_are_known_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8], expected: bool| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(is_arrays(&path).unwrap(), expected, "{name}");
        };
        let archive = |names: &[&str]| {
            let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            for name in names {
                let options = zip::write::SimpleFileOptions::default();
                archive.start_file(*name, options).unwrap();
                archive.write_all(b"x").unwrap();
            }
            archive.finish().unwrap().into_inner()
        };
        check("a.npy", b"", true);
        check("a.NPZ", b"", true);
        check("weights", b"\x93NUMPY\x01\0", true);
        check("weights.bin", &archive(&["a.npy", "b/c.npy"]), true);
        check("model.skops", &archive(&["1.npy", "schema.json"]), false);
        check("model.pt", &archive(&["archive/data.pkl"]), false);
        check("cut", b"PK\x03\x04", false);
        check("model.pkl", b"\x80\x04\x95", false);
        check("empty", b"", false);
    }
}
