//! Converts a fitted model of scikit-learn, XGBoost or LightGBM to an ONNX graph.
//!
//! Owns the order of the steps and the folder that is written. Knows the request to the Python
//! process and its answer, and must not know how that process converts the model.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::text::{inset, printable_lines};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::arguments::ConvertArgs;
use super::report::{Answer, Converted, Described, SAMPLE_FILE};
use super::source::described;
use super::{environment, isolated};
use crate::folder::Replacement;
use crate::format::Format;
use crate::mlflow::scorer_name;
use crate::shell;

/// Name of the file with the report of a conversion. A folder that contains the file was written by
/// this program.
const REPORT_FILE: &str = "report.json";
/// Maximum difference between two numbers that still count as equal: an absolute difference for
/// numbers up to 1, and a relative difference for larger numbers.
const TOLERANCE: f64 = 1e-4;
/// Number of seconds after the time limit `--timeout` at which the Python process that converts a
/// model ends itself.
///
/// The process has a time limit of its own because this program, which kills it at `--timeout`, may
/// have ended before that.
const OWN_SECONDS: u64 = 10;
/// Seed for generating the rows on which the answers of the library and of the ONNX graph are
/// compared if the user gives no sample.
const SEED: u32 = 0;

/// A finished conversion of a model to an ONNX graph. The graph is in a temporary folder.
pub(super) struct Conversion {
    /// Facts about the conversion, as the Python process that made it reports them.
    pub(super) converted: Box<Converted>,
    /// Path, digest and size of the converted model, as the report states them.
    pub(super) source: Described,
    /// Path, digest and size of the ONNX graph, as the report states them.
    pub(super) graph: Described,
    /// Content of the conversion's report.
    pub(super) report: Value,
    /// Path of the file with the ONNX graph, in the temporary folder.
    pub(super) file: PathBuf,
    /// Temporary folder with the ONNX graph, which is removed when this value is dropped.
    _scratch: TempDir,
}

/// Runs `cargo xtask convert` for a file with a model or a model folder of MLflow: converts the
/// model to an ONNX graph, and writes a project folder `output` that serves the graph.
///
/// Fails if the model is refused, or if the conversion fails. Also fails if the output folder holds
/// an earlier conversion, unless `--force` is given, and if the graph gives other answers than the
/// Python library of the model, unless `--allow-differences` is given.
pub fn run(args: &ConvertArgs, output: &Path) -> Result<(), Failure> {
    let name = name(args)?;
    if output.join(REPORT_FILE).exists() && !args.force {
        return Err(Failure::other(
            format!("{}: holds an earlier conversion", output.display()),
            "add --force to replace it as a whole, or name another folder with --output",
        ));
    }
    let mut folder = Replacement::begin(output, REPORT_FILE)?;
    let source = args.model.display().to_string();
    let conversion = convert(args, &name, source, format!("model/{name}.onnx"))?;
    let Conversion {
        converted,
        source,
        graph,
        report,
        ..
    } = &conversion;
    folder.write(REPORT_FILE, format!("{report:#}\n").as_bytes())?;
    if converted.agrees() || args.allow_differences {
        let manifest = converted.manifest(&name, source);
        checked(args, &manifest)?;
        folder.copy(&graph.file, &conversion.file)?;
        folder.write(MANIFEST_FILE, manifest.as_bytes())?;
        if let Some(sample) = converted.example() {
            folder.write(SAMPLE_FILE, format!("{sample}\n").as_bytes())?;
        }
    }
    folder.finish()?;
    eprint!("{}", converted.lines(source));
    let result = match args.output_format {
        Format::Text => output.display().to_string(),
        Format::Json => report.to_string(),
    };
    println!("{result}");
    finished(args, output, converted, graph)
}

/// Converts a model to an ONNX graph with the name `name`, and compares the answers of the graph
/// with those of the model. `source` and `graph` are the paths of the source and of the graph for
/// the report. Fails if the model is refused, or if the conversion fails.
pub(super) fn convert(
    args: &ConvertArgs,
    name: &str,
    source: String,
    graph: String,
) -> Result<Conversion, Failure> {
    let graph_name = graph;
    let source = described(&args.model, source)?;
    let environment = environment::locate(args.python.as_deref(), args.environment.as_deref())?;

    // The process gets a folder of its own. Files that it leaves there, other than the graph, do
    // not ship.
    let target = installation::cache();
    let scratch = std::fs::create_dir_all(&target)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".convert-")
                .tempdir_in(&target)
        })
        .map_err(|error| Failure::file(&target, "create a temporary folder", error))?;
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|error| Failure::file(path, "be resolved", error))
    };
    let (file, answer) = (
        absolute(&scratch.path().join("graph.onnx"))?,
        absolute(&scratch.path().join("answer.json"))?,
    );
    let request = json!({
        "source": absolute(&args.model)?,
        "graph": file,
        "outcome": answer,
        "name": name,
        "sample": args.sample.as_deref().map(absolute).transpose()?,
        "inputs": args.inputs,
        "rows": args.rows,
        "seed": SEED,
        "tolerance": TOLERANCE,
        "other_version": args.other_version,
        "memory_bytes": args.memory,
        "parent": std::process::id(),
        "seconds": args.timeout.as_secs().saturating_add(OWN_SECONDS).min(u64::from(u32::MAX >> 1)),
    });
    eprintln!("converting {} in a process of its own", shown(&args.model));
    let ended = isolated::run(
        &environment,
        &request,
        &answer,
        scratch.path(),
        args.timeout,
    )?;
    if args.verbose && !ended.said.is_empty() {
        eprintln!("{}", printable_lines(&ended.said));
    }
    let said = ended
        .answer
        .as_ref()
        .and_then(|answer| serde_json::from_value::<Answer>(answer.clone()).ok());
    let converted = match said {
        None => return Err(ended.failure(&args.model, args.timeout)),
        Some(Answer::Lacking { problem, fix }) => {
            return Err(Failure::toolchain(inset(&problem), inset(&fix)));
        }
        Some(Answer::Refused {
            problem,
            fix,
            estimator,
        }) => {
            let whose = estimator.map_or_else(String::new, |estimator| format!("{estimator}: "));
            let problem = format!("{whose}{problem}");
            return Err(Failure::project(
                format!("{}: {}", args.model.display(), inset(&problem)),
                inset(&fix),
            ));
        }
        Some(Answer::Converted(converted)) => converted,
    };
    if described(&args.model, String::new())?.digest != source.digest {
        return Err(Failure::project(
            format!("{}: changed while it was converted", args.model.display()),
            "run the command again when no other program writes the file",
        ));
    }
    let graph = Described {
        file: graph_name,
        ..described(&file, String::new())?
    };
    let requirements = environment.requirements.as_ref().map(Digest::to_string);
    let report = converted.report(&source, &graph, requirements.as_deref());
    Ok(Conversion {
        converted,
        source,
        graph,
        report,
        file,
        _scratch: scratch,
    })
}

fn finished(
    args: &ConvertArgs,
    output: &Path,
    converted: &Converted,
    graph: &Described,
) -> Result<(), Failure> {
    refuse_differences(args, converted, || {
        format!("{} has the report, and no graph", shown(output))
    })?;
    let sample = match converted.example() {
        Some(_) => format!(", {SAMPLE_FILE}"),
        None => String::new(),
    };
    eprintln!(
        "written    {}: {} {}, {MANIFEST_FILE}, {REPORT_FILE}{sample}",
        shown(output),
        graph.file,
        graph.digest
    );
    eprintln!("next: scorebox serve --app {}", shell::path(output));
    eprintln!(
        "next: cargo xtask package --manifest {}",
        shell::path(&output.join(MANIFEST_FILE))
    );
    Ok(())
}

/// Fails if the graph gives other answers than the Python library of the model, unless
/// `--allow-differences` is given. `written` returns the end of the failure's text, which says what
/// was written.
pub(super) fn refuse_differences(
    args: &ConvertArgs,
    converted: &Converted,
    written: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if converted.agrees() {
        return Ok(());
    }
    let problem = format!(
        "{}: the graph does not answer as the library does: {}",
        args.model.display(),
        converted.differences()
    );
    if args.allow_differences {
        eprintln!("warning    {problem}; it is written because of --allow-differences");
        return Ok(());
    }
    let fix = converted
        .fix()
        .unwrap_or("compare on real rows with --sample, or write a scorer");
    let fix = inset(&fix);
    Err(Failure::other(
        format!("{problem}; {}", written()),
        match args.output {
            Some(_) => format!("{fix}; --allow-differences writes the graph as it is"),
            // A graph that answers otherwise is not used in the place of an estimator.
            None => fix,
        },
    ))
}

/// Checks the text of the manifest that was generated for a converted model. Fails if a host would
/// refuse the manifest, e.g. because of the name of a column.
fn checked(args: &ConvertArgs, manifest: &str) -> Result<(), Failure> {
    match Manifest::parse(Path::new(MANIFEST_FILE), manifest) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::project(
            format!(
                "{}: its columns cannot be named in {MANIFEST_FILE}: {}",
                args.model.display(),
                error.problem
            ),
            "rename the column where the model is trained, and train it again",
        )),
    }
}

/// Returns the name of the scorer: the value of `--name`, or a name made from the name of the
/// model's file or folder. Fails if a manifest does not allow the name.
fn name(args: &ConvertArgs) -> Result<String, Failure> {
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| scorer_name(&args.model));
    let text = format!(
        "[scorer]\nname = {}\nmodel = \"model\"\n",
        toml::Value::from(name.as_str())
    );
    Manifest::parse(Path::new(MANIFEST_FILE), &text).map_err(|error| {
        Failure::project(
            format!("`{name}` cannot be a scorer's name: {}", error.problem),
            format!("give a name with --name; {}", error.fix),
        )
    })?;
    Ok(name)
}
