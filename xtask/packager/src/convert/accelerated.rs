//! Converts a model that a script loads: writes the graph and its report next to the model's file.
//!
//! Owns the replacement of these two files. Must not know how a model is converted, or how a script
//! uses a graph.

use std::path::{Path, PathBuf};

use scorebox_host::graph::EXTENSION;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use super::arguments::ConvertArgs;
use super::estimator::{Conversion, convert, refuse_differences};
use crate::format::Format;

/// Ending of the file with the report of a conversion, next to the converted file.
pub const REPORT_EXTENSION: &str = ".report.json";
/// Name of a converted ONNX graph, which the file of the graph states. The name does not depend on
/// the name of the model's file, so that the same model always gives the same graph.
const NAME: &str = "model";

/// Runs `cargo xtask convert --accelerate`. Fails if the model is refused, if the conversion fails,
/// or if the graph gives other answers than the Python library of the model. Also fails if there is
/// an earlier conversion, unless `--force` is given.
pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let (graph, report) = (
        beside(&args.model, EXTENSION),
        beside(&args.model, REPORT_EXTENSION),
    );
    if !args.force && (graph.exists() || report.exists()) {
        return Err(Failure::other(
            format!(
                "{}: has an earlier conversion next to it",
                shown(&args.model)
            ),
            "add --force to replace it",
        ));
    }
    // The report is in the image, so it must not depend on this machine.
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let conversion = convert(args, NAME, name(&args.model), name(&graph))?;
    let Conversion {
        converted,
        source,
        report: text,
        ..
    } = &conversion;
    eprint!("{}", converted.lines(source));
    refuse_differences(args, converted, || "no graph is written".to_owned())?;
    let bytes = std::fs::read(&conversion.file);
    let bytes = bytes.map_err(|error| Failure::file(&conversion.file, "be read", error))?;
    replace(&graph, &bytes)?;
    replace(&report, format!("{text:#}\n").as_bytes())?;
    eprintln!(
        "written    {}, {}",
        shown(&graph),
        quoted(&name(&report), NAME_BYTES)
    );
    eprintln!("to use it  write `accelerate = true` under [scorer] of the script's scorebox.toml");
    match args.output_format {
        Format::Text => println!("{}", graph.display()),
        Format::Json => println!("{text}"),
    }
    Ok(())
}

/// Returns the path of a file next to the model's file: the path `model` with `ending` appended to
/// it.
fn beside(model: &Path, ending: &str) -> PathBuf {
    let mut path = model.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// Replaces a file as a whole, so that no other process reads a part of it.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let written = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.persist(path).map_err(|error| error.error)
        });
    written
        .map(drop)
        .map_err(|error| Failure::file(path, "be written", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_next_to_the_model_are_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("trees.v1.pkl");
        let graph = beside(&model, EXTENSION);
        assert_eq!(graph.file_name().unwrap(), "trees.v1.pkl.onnx");
        for text in ["1", "22"] {
            replace(&graph, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&graph).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
