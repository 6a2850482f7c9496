//! The command line of `cargo xtask convert`.
//!
//! Owns the flags, their help and the syntax of their values. Must not know what the command does
//! with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::format::Format;

/// Flags of `cargo xtask convert`.
#[derive(Debug, Args)]
#[command(
    after_help = "Loading a pickle runs what its author wrote: convert only files that you would \
                  run. It is loaded in a process of its own, without this environment and with \
                  limited time and memory; that process can still read and write what you can.\n\n\
                  DIR gets model/NAME.onnx, a scorebox.toml that serves it without code, and \
                  report.json: the estimators, the versions, the digests, the inputs, and how far \
                  the answers differ. If they differ, DIR gets the report alone, and the exit code \
                  is 1, except with --allow-differences. The path DIR goes to standard output.\n\nExamples:\n  cargo xtask convert \
                  churn.pkl --output /tmp/churn --sample churn.csv\n  cargo xtask package \
                  --manifest /tmp/churn/scorebox.toml\n  cargo xtask convert old.joblib --output \
                  /tmp/old --python ~/old-env/bin/python\n  cargo xtask convert prices.pkl \
                  --output /tmp/prices --inputs 'X=f64[12]' --output-format json\n  cargo xtask \
                  convert model.ubj --output /tmp/scores\n  cargo xtask convert \
                  mlruns/1/models/m-4f1/artifacts --output /tmp/churn --name churn\n  cargo xtask \
                  convert model/trees.pkl --accelerate"
)]
pub struct ConvertArgs {
    /// Model to convert, under any name: a pickle, a joblib or a skops file of a fitted estimator
    /// or pipeline of scikit-learn, XGBoost or LightGBM, compressed or not; a file of XGBoost's or
    /// LightGBM's own `save_model` (JSON, UBJSON or text); or a model folder of MLflow with one of
    /// these or with a graph. Arrays that NumPy wrote, .npy or .npz, are written as safetensors.
    /// Arrays of Python objects are pickles, and are refused.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Folder to write: a project for `package` and `scorebox serve`. For arrays, only
    /// NAME.safetensors is written into it.
    #[arg(long, value_name = "DIR", required_unless_present = "accelerate")]
    pub output: Option<PathBuf>,
    /// Write the graph and its report next to MODEL, as MODEL.onnx and MODEL.report.json, for a
    /// script in Python with `accelerate = true`. A graph that answers otherwise is not written.
    #[arg(long, conflicts_with_all = ["output", "name", "allow_differences"])]
    pub accelerate: bool,
    /// Name of the scorer, or of the safetensors file that arrays become [default: MODEL's name up
    /// to the first dot, as lower-case words joined by `-`; for arrays MODEL's name without its
    /// extension].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// File with rows to compare the answers on: .csv with a header, .json (rows, columns or Azure
    /// ML's body) or .npy [default: rows generated from the thresholds, means, categories and words
    /// in the model]. If the model knows the names of its columns, columns that it was not fitted
    /// on are ignored. The rows also show which columns are texts.
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Inputs of the graph, for a model that does not state them, or for types other than f32:
    /// NAME=TYPE or `NAME=TYPE[COLUMNS]`, with the types f32, f64, i64, bool and text, e.g.
    /// `X=f64[12]` or age=f32,city=text.
    #[arg(long, value_name = "NAME=TYPE,...", value_delimiter = ',', value_parser = input)]
    pub inputs: Vec<Input>,
    /// Number of rows that are made up if --sample is not given.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rows: u32,
    /// Accept a model that another release series of scikit-learn pickled. Its answers are then not
    /// compared with those of the version that trained it.
    #[arg(long)]
    pub other_version: bool,
    /// Write a graph whose answers differ from the library's, and end with exit code 0. The report
    /// still says "differs".
    #[arg(long)]
    pub allow_differences: bool,
    /// Python interpreter of your own choice with scikit-learn, skl2onnx and onnxruntime, which is
    /// used instead of the pinned libraries, e.g. ~/env/bin/python.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "environment")]
    pub python: Option<PathBuf>,
    /// Folder in which the pinned libraries are installed, once, with pip [default:
    /// target/convert-env, or for an installed tool ~/.cache/scorebox/convert-env].
    #[arg(long, value_name = "DIR")]
    pub environment: Option<PathBuf>,
    /// Time limit for loading, converting and comparing, e.g. 30m.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Limit of the memory (address space) for loading, converting and comparing, e.g. 16GiB.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = size)]
    pub memory: u64,
    /// Replace the files that an earlier conversion left in DIR.
    #[arg(long)]
    pub force: bool,
    /// Maximum size of all arrays of an .npy or .npz file together, e.g. 512MiB.
    #[arg(long, value_name = "SIZE", default_value = "4GiB")]
    pub limit: bytesize::ByteSize,
    /// Show the messages of Python, with the traceback of a refusal.
    #[arg(long)]
    pub verbose: bool,
    /// Format of standard output: the path DIR, or the report as JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output_format: Format,
}

/// One input of an ONNX graph: its name, its element type and its number of columns, parsed from
/// the value of `--inputs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    name: String,
    kind: String,
    /// Number of columns of the input. `None` means one column. If the input is the only one and
    /// holds texts, `None` means a list of texts.
    width: Option<u32>,
}

const KINDS: [&str; 5] = ["f32", "f64", "i64", "bool", "text"];

/// Reason why the value of a command-line flag is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ValueError {
    /// The value of `--inputs` does not describe an input.
    #[error(
        "`{text}` is not NAME=TYPE or NAME=TYPE[COLUMNS], with a type of {}",
        KINDS.join(", ")
    )]
    Input {
        /// The refused text, as the user gave it.
        text: String,
    },
    /// The value of `--memory` is not a whole number of MiB or GiB, or is less than 1 GiB.
    #[error("not a size of at least 1GiB, e.g. 8GiB or 6000MiB")]
    Memory,
}

fn input(text: &str) -> Result<Input, ValueError> {
    let form = || ValueError::Input {
        text: text.to_owned(),
    };
    let (name, kind) = text
        .rsplit_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(form)?;
    let (kind, width) = match kind.split_once('[') {
        None => (kind, None),
        Some((kind, rest)) => {
            let width = rest
                .strip_suffix(']')
                .and_then(|width| width.parse().ok())
                .filter(|width| *width > 0);
            (kind, Some(width.ok_or_else(form)?))
        }
    };
    if !KINDS.contains(&kind) {
        return Err(form());
    }
    Ok(Input {
        name: name.to_owned(),
        kind: kind.to_owned(),
        width,
    })
}

fn size(text: &str) -> Result<u64, ValueError> {
    let number = |text: &str, unit: u64| {
        text.parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
    };
    let bytes = match (text.strip_suffix("GiB"), text.strip_suffix("MiB")) {
        (Some(text), _) => number(text, 1 << 30),
        (_, Some(text)) => number(text, 1 << 20),
        _ => None,
    };
    bytes
        .filter(|bytes| *bytes >= 1 << 30)
        .ok_or(ValueError::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read() {
        let check = |text: &str, expected: Option<(&str, &str, Option<u32>)>| {
            let expected = expected.map(|(name, kind, width)| Input {
                name: name.to_owned(),
                kind: kind.to_owned(),
                width,
            });
            assert_eq!(input(text).ok(), expected, "{text}");
        };
        check("X=f64[12]", Some(("X", "f64", Some(12))));
        check("a=b=text", Some(("a=b", "text", None)));
        check("age=f32", Some(("age", "f32", None)));
        for wrong in [
            "",
            "age",
            "=f32",
            "a=f16",
            "a=f32[0]",
            "a=f32[",
            "a=f32[x]",
            "a=f32[1]2",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("8GiB"), Ok(8 << 30));
        assert_eq!(size("2000MiB"), Ok(2000 << 20));
        for wrong in ["", "8", "8GB", "512MiB", "GiB", "99999999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
