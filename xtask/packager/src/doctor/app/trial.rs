//! The trial of an app's code: loading it as a host would at its start.
//!
//! Owns which kinds of code are loaded here, which by a host program, and which not at all. Must
//! not know the lines of the report about an app that started.

use std::path::Path;

use scorebox_host::CheckReport;
use scorebox_host::app::untried;
use scorebox_host::graph::LIBRARY;
use scorebox_host::manifest::{ComponentSource, Manifest};
use scorebox_host::sample::Sample;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

use super::{AppPlace, of_start};
use crate::doctor::arguments::DoctorArgs;
use crate::doctor::noun::Noun;
use crate::doctor::report::Report;
use crate::graph_trial::{Trial, Waits};
use crate::host_program::Kind;
use crate::model::ModelFile;
use crate::{component, engine_library, graph_trial, host_program};

/// Code of a scorer: a component, a script or an ONNX graph.
pub(super) enum Code {
    /// The scorer is a component. The value is true if the component calls graphs.
    Component(bool),
    /// The scorer is a script in Python.
    Script,
    /// The scorer is an ONNX graph.
    Graph,
}

impl Code {
    /// Returns the noun for lines of the report about this code: the model for a graph, and the
    /// component for anything else.
    pub(super) fn noun(&self) -> Noun {
        match self {
            Self::Component(_) | Self::Script => Noun::Component,
            Self::Graph => Noun::Model,
        }
    }

    /// Returns the number of times that a host program may use up `limits.init_deadline` while it
    /// checks this code. Returns `None` if the code is not checked by a host program. `files` are
    /// the files of the model.
    fn waits(&self, files: &[ModelFile]) -> Option<Waits> {
        match self {
            Self::Graph => Some(Waits::GRAPH),
            Self::Component(true) => {
                let names = files.iter().map(|file| file.name.as_str());
                Some(Waits::of_component(names))
            }
            Self::Component(false) | Self::Script => None,
        }
    }
}

/// Finds the code of a scorer. Returns `None` if the code cannot be checked, e.g. because it is not
/// built yet. In this case, a line of the report says why.
pub(super) fn located(report: &mut Report, manifest: &Manifest, place: &AppPlace) -> Option<Code> {
    if let Some(ComponentSource::Cargo(folder)) = &manifest.scorer.component {
        let package = folder.join("Cargo.toml");
        if package.is_file() {
            let text = format!(
                "{} is a source; build it with {}, and name the folder that it prints with --app",
                shown(folder),
                place.again(manifest)
            );
            report.skipped(Noun::Component, text);
        } else {
            report.problem(
                Noun::Component,
                format!("`scorer.component`: {} does not exist", shown(&package)),
                "name the folder of a Cargo package in `component = { cargo = \"FOLDER\" }`, \
                 relative to the manifest",
            );
        }
        return None;
    }
    let source = match &manifest.scorer.component {
        Some(ComponentSource::Script { entry, .. }) => Some(entry),
        Some(ComponentSource::Command { output, .. }) => Some(output),
        _ => None,
    };
    if let Some(source) = source {
        let text = format!(
            "{} is built from a source; build it with {}, and name the folder that it prints with \
             --app",
            shown(source),
            place.again(manifest)
        );
        report.skipped(Noun::Component, text);
        return None;
    }
    match component::locate(manifest) {
        Ok(Some(component)) => Some(Code::Component(component.calls_graphs)),
        Ok(None) if manifest.scorer.script.is_some() => Some(Code::Script),
        Ok(None) => Some(Code::Graph),
        Err(failure) => {
            report.failed(Noun::Component, place.renamed(failure));
            None
        }
    }
}

/// Outcome of loading an app as a host would at its start.
pub(super) enum Trialled {
    /// The host would start with the app. The value is the report of its checks.
    Started(Box<CheckReport>),
    /// The host would not start with the app: the thing that is wrong, and the reason.
    Refused(Noun, Failure),
    /// The app was not loaded. The text is the reason.
    Not(&'static str),
}

/// Loads an app as the command `serve` would. ONNX graphs are loaded by a host program in a process
/// of its own, because a hostile file may crash the process that loads it. A script is not loaded.
/// `files` are the files of the model, or `None` if there is no model.
pub(super) fn tried(
    args: &DoctorArgs,
    manifest: &Manifest,
    path: &Path,
    code: &Code,
    files: Option<&[ModelFile]>,
) -> Trialled {
    if matches!(code, Code::Script) {
        return Trialled::Not("a script is tried by `cargo xtask build`, with its engine pack");
    }
    if let Some(waits) = code.waits(files.unwrap_or_default()) {
        let host = match &args.host {
            Some(host) => host.clone(),
            // An installed tool brings the host program.
            None if installation::parts().is_some() => match host_program::build(Kind::Developer) {
                Ok(host) => host,
                Err(failure) => return Trialled::Refused(code.noun(), failure),
            },
            None => {
                return Trialled::Not(
                    "an ONNX graph is tried by a host program only; name one with --host",
                );
            }
        };
        let library = engine_library::folder().join(LIBRARY);
        if !library.is_file() {
            return Trialled::Not(
                "an ONNX graph is tried with ONNX Runtime, which is not here; run \
                 `cargo xtask setup --graphs`",
            );
        }
        let trial = Trial {
            host: Some(&host),
            library: Some(&library),
            engine: None,
        };
        return match graph_trial::check(manifest, path, waits, trial) {
            Ok(checked) => Trialled::Started(Box::new(checked)),
            Err(failure) => Trialled::Refused(code.noun(), failure),
        };
    }
    let checked = match &manifest.package.sample {
        None => scorebox_host::check(path, &untried),
        Some(sample) => match Sample::read(sample) {
            Ok(sample) => scorebox_host::check_by(path, &sample, &untried),
            Err(error) => Err(error.into()),
        },
    };
    match checked {
        Ok(checked) => Trialled::Started(Box::new(checked)),
        Err(error) => {
            let (noun, failure) = of_start(&error);
            Trialled::Refused(noun, failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_check_of_a_component_waits_for_each_of_its_graphs() {
        let file = |name: &str| ModelFile {
            name: name.to_owned(),
            path: PathBuf::from(name),
        };
        let files = ["a.onnx", "b.onnx", "c.onnx"].map(file);
        let component = Code::Component(true);
        assert_eq!(
            component.waits(&files),
            Some(Waits::of_component(["a.onnx", "b.onnx", "c.onnx"]))
        );
        assert_ne!(component.waits(&files), component.waits(&files[..1]));
        assert_eq!(Code::Graph.waits(&files), Some(Waits::GRAPH));
        assert_eq!(Code::Component(false).waits(&files), None);
    }
}
