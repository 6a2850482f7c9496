//! Models of a script that run as graphs in the host, with `accelerate = true`.
//!
//! Owns the names of the files next to a converted model, and the proof that they belong to it. A
//! conversion loads a pickle natively, so only `convert` makes these files, when the author starts
//! it. Must not know how a model is converted.

use std::fs::File;
use std::path::Path;

use scorebox_host::graph::EXTENSION;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Deserialize;

use crate::convert::REPORT_EXTENSION;
use crate::model::ModelFile;
use crate::shell;

/// Maximum size of the report on the conversion of a model, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// The part of a conversion's report that proves that the graph was made of a file of the model.
#[derive(Debug, Deserialize)]
struct Report {
    verdict: String,
    source: Described,
    graph: Described,
    comparison: Comparison,
}

#[derive(Debug, Deserialize)]
struct Described {
    digest: String,
}

#[derive(Debug, Deserialize)]
struct Comparison {
    outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Output {
    method: String,
}

/// Returns the names of the model's files that have a graph next to them, as the host finds them:
/// the graph of `trees.pkl` is `trees.pkl.onnx`.
pub fn names(model: &[ModelFile]) -> impl Iterator<Item = &str> {
    let names = || model.iter().map(|file| file.name.as_str());
    let graphs = names().filter_map(|name| name.strip_suffix(EXTENSION));
    graphs.filter(move |name| names().any(|other| other == *name))
}

/// Checks the converted files of the model at the path `folder`, and prints which methods run as
/// graphs. Fails if no file is converted, if a graph or a report does not belong to its file, or if
/// a report is missing or does not say that the graph answers as the library of the model does.
pub fn check(folder: &Path, model: &[ModelFile]) -> Result<(), Failure> {
    let mut count = 0;
    for name in names(model) {
        let report = belonging(model, name)?;
        let methods = report.comparison.outputs.iter();
        let methods: Vec<_> = methods.map(|output| output.method.as_str()).collect();
        let methods = quoted(&methods.join(", "), NAME_BYTES);
        eprintln!(
            "accelerated: {} runs as a graph: {methods}",
            quoted(name, NAME_BYTES)
        );
        count += 1;
    }
    if count > 0 {
        return Ok(());
    }
    let path = match folder.is_dir() {
        true => folder.join("FILE"),
        false => folder.to_path_buf(),
    };
    Err(Failure::project(
        format!(
            "{}: `scorer.accelerate` is true, and no file of the model has a graph next to it",
            shown(folder)
        ),
        format!(
            "convert the file that the script loads: `{}`; name its folder in `scorer.model`; or remove `accelerate`",
            command(&path, "")
        ),
    ))
}

/// Returns the report of the conversion of the file `name`. Fails if the report is missing, if the
/// report or the graph does not belong to the file, or if the report does not say that the graph
/// answers as the library of the model does.
fn belonging(model: &[ModelFile], name: &str) -> Result<Report, Failure> {
    let file = |name: &str| model.iter().find(|file| file.name == name);
    let (graph, report) = (
        format!("{name}{EXTENSION}"),
        format!("{name}{REPORT_EXTENSION}"),
    );
    let (Some(source), Some(graph)) = (file(name), file(&graph)) else {
        return Err(Failure::other(
            format!("{name}: is not a file of the model"),
            "report it",
        ));
    };
    let refused = |problem: &str| {
        Failure::project(
            format!("{}: {problem}", shown(&graph.path)),
            format!(
                "convert the file again: `{}`",
                command(&source.path, " --force")
            ),
        )
    };
    let Some(report) = file(&report) else {
        return Err(refused("has no report of its conversion next to it"));
    };
    let report = read(&report.path)
        .ok_or_else(|| refused("has a report next to it that is not one of a conversion"))?;
    if digest(source)? != report.source.digest {
        return Err(refused("was made of another file, which changed since"));
    }
    if digest(graph)? != report.graph.digest {
        return Err(refused("is not the graph of its report"));
    }
    match report.verdict.as_str() {
        "agrees" => Ok(report),
        _ => Err(refused("does not answer as the library of the model does")),
    }
}

fn read(path: &Path) -> Option<Report> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > MOST_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn digest(file: &ModelFile) -> Result<String, Failure> {
    let digest = File::open(&file.path).and_then(Digest::of_reader);
    let digest = digest.map_err(|error| Failure::file(&file.path, "be read", error))?;
    Ok(digest.0.to_string())
}

fn command(file: &Path, more: &str) -> String {
    format!(
        "cargo xtask convert {} --accelerate{more}",
        shell::path(file)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_graph_must_belong_to_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let report = |verdict: &str, source: &str, graph: &str| {
            let digest = |text: &str| json!({"digest": Digest::of(text.as_bytes()).to_string()});
            let outputs = json!([{"output": "label", "method": "predict"}]);
            json!({
                "verdict": verdict, "source": digest(source), "graph": digest(graph),
                "comparison": {"outputs": outputs},
            })
            .to_string()
        };
        let check = |part: Option<&str>| {
            let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| {
                let entry = entry.unwrap();
                ModelFile {
                    name: entry.file_name().into_string().unwrap(),
                    path: entry.path(),
                }
            });
            let files: Vec<_> = files.collect();
            match (super::check(dir.path(), &files), part) {
                (Ok(()), None) => {}
                (Err(failure), Some(part)) => {
                    assert!(failure.problem.contains(part), "{failure}");
                    assert!(failure.fix.contains(" --accelerate"), "{failure}");
                }
                other => panic!("{other:?}"),
            }
        };
        check(Some("no file of the model"));
        write("other.onnx", "graph");
        write("m.pkl", "pickle");
        check(Some("no file of the model"));
        write("m.pkl.onnx", "graph");
        check(Some("no report"));
        write("m.pkl.report.json", "{}");
        check(Some("not one of a conversion"));
        write("m.pkl.report.json", &report("differs", "pickle", "graph"));
        check(Some("does not answer"));
        write("m.pkl.report.json", &report("agrees", "pickle", "graph"));
        check(None);
        write("m.pkl", "trained again");
        check(Some("changed since"));
        write("m.pkl", "pickle");
        write("m.pkl.onnx", "another graph");
        check(Some("not the graph"));
    }
}
