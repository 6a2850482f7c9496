//! Checks of the manifest, the component, the model and the files of the Functions host.
//!
//! Owns the order of these checks, and the rule that says which of these things an error of the
//! host concerns. Must not know how the host loads an app: the host library does that, with all
//! stores in memory.

use std::path::{Path, PathBuf};

use scorebox_host::CheckReport;
use scorebox_host::app::untried;
use scorebox_host::error::StartupError;
use scorebox_host::functions::FunctionApp;
use scorebox_host::graph::LIBRARY;
use scorebox_host::manifest::{ComponentSource, Manifest};
use scorebox_host::sample::Sample;
use scorebox_host::text::counted;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

use super::arguments::DoctorArgs;
use super::functions_files;
use super::noun::Noun;
use super::report::Report;
use crate::graph_trial::{Trial, Waits};
use crate::host_program::Kind;
use crate::model::{ModelFile, Pickles};
use crate::staged::StagedPaths;
use crate::{component, engine_library, graph_trial, host_program, manifest_file, model, shell};

/// Location of the app that is checked.
#[derive(Debug)]
pub struct AppPlace {
    /// Path of the app's folder or of its manifest. `None` if no app is given.
    pub path: Option<PathBuf>,
    /// True if the app was unpacked from an image into a temporary folder.
    is_of_image: bool,
}

impl AppPlace {
    /// Chooses the app that is checked: that of `--app`, or else the app `unpacked` from an image,
    /// or else the project.
    pub fn of(args: &DoctorArgs, project: Option<&Manifest>, unpacked: Option<&Path>) -> Self {
        let given = args.app.as_deref();
        let place = given
            .or(unpacked)
            .or(project.map(|manifest| manifest.path.as_path()));
        Self {
            path: place.map(Path::to_path_buf),
            is_of_image: given.is_none() && unpacked.is_some(),
        }
    }

    /// Replaces the path of the temporary folder in the texts of a failure with the path in the
    /// image. If the app does not come from an image, the failure is returned as it is.
    fn renamed(&self, failure: Failure) -> Failure {
        match &self.path {
            Some(path) if self.is_of_image => {
                let names = [(path.clone(), PathBuf::from(crate::image::APP_ROOT))];
                StagedPaths::new(names).renamed(failure)
            }
            _ => failure,
        }
    }

    /// Returns the command that builds or packages this app again, in backticks, as a fix shows it.
    fn again(&self, manifest: &Manifest) -> String {
        let project = match self.is_of_image || manifest.packaged.is_some() {
            true => "scorebox.toml".to_owned(),
            false => shell::argument(&shown(&manifest.path)),
        };
        match self.is_of_image {
            true => format!("`cargo xtask package --manifest {project} --push`"),
            false => format!("`cargo xtask build --manifest {project}`"),
        }
    }
}

/// Reads a manifest and adds a line about it to the report. Returns `None` if the manifest is not
/// valid.
pub fn manifest(report: &mut Report, path: &Path) -> Option<Manifest> {
    match manifest_file::read(path) {
        Ok(manifest) => {
            report.ok(Noun::Manifest, told(&shown(&manifest.path), &manifest));
            Some(manifest)
        }
        Err(failure) => {
            report.failed(Noun::Manifest, failure);
            None
        }
    }
}

/// Returns the text about a valid manifest: where it is, which scorer it names, and how many
/// triggers and stores it has.
pub fn told(place: &str, manifest: &Manifest) -> String {
    let scorer = &manifest.scorer;
    let named = format!("{} {}", scorer.name, scorer.version);
    format!(
        "{place}: {}, {}, {}",
        named.trim_end(),
        counted(manifest.triggers.len() as u64, "trigger"),
        counted(manifest.stores.len() as u64, "store"),
    )
}

/// Checks the app at the path in `place`: the files of the Functions host, the model's files, and
/// whether the host would start with the component and the model.
pub fn examine(
    args: &DoctorArgs,
    report: &mut Report,
    manifest: Option<&Manifest>,
    place: &AppPlace,
) {
    let (Some(_), Some(path)) = (manifest, place.path.as_deref()) else {
        for noun in [Noun::Component, Noun::Model, Noun::HostJson] {
            report.skipped(noun, "there is no valid manifest");
        }
        return;
    };
    // The manifest is read again: in the folder of an app that was unpacked from an image, it has
    // no section about machine code, so the component is compiled.
    let local = match manifest_file::read(path) {
        Ok(local) => local,
        Err(failure) => return report.failed(Noun::Manifest, place.renamed(failure)),
    };
    let has_functions = functions(report, &local, place);
    let files = files(report, &local, place);
    let Some(component) = located(report, &local, place) else {
        return said_of_model(report, &local, files.as_deref(), None);
    };
    if !has_functions || local.scorer.model.is_some() && files.is_none() {
        let first = if has_functions {
            "the model"
        } else {
            "host.json"
        };
        report.skipped(
            Noun::Component,
            format!("the host reads {first} first; fix it, and run this command again"),
        );
        return said_of_model(report, &local, files.as_deref(), None);
    }
    match tried(args, &local, path, &component, files.as_deref()) {
        Trialled::Not(why) => {
            report.skipped(component.noun(), why);
            said_of_model(report, &local, files.as_deref(), None);
        }
        Trialled::Started(checked) => {
            report.ok(Noun::Component, of_component(&checked, &local));
            said_of_model(report, &local, files.as_deref(), Some(&checked));
        }
        Trialled::Refused(noun, failure) => {
            report.failed(noun, place.renamed(failure));
            if noun != Noun::Component {
                let why = format!("the host did not get that far: see {noun}");
                report.skipped(Noun::Component, why);
            }
            if noun != Noun::Model {
                said_of_model(report, &local, files.as_deref(), None);
            }
        }
    }
}

/// Checks `host.json` and the `function.json` files. Returns false if the host would refuse them.
fn functions(report: &mut Report, manifest: &Manifest, place: &AppPlace) -> bool {
    match FunctionApp::read(manifest) {
        Ok(app) => {
            functions_files::examine(report, manifest, &app, &place.again(manifest));
            true
        }
        Err(error) => {
            let (_, failure) = of_start(&error);
            report.failed(Noun::HostJson, place.renamed(failure));
            false
        }
    }
}

/// Lists the files of the model. Returns `None` if there is no model, or if a file must not be
/// shipped.
fn files(report: &mut Report, manifest: &Manifest, place: &AppPlace) -> Option<Vec<ModelFile>> {
    match model::list(manifest.scorer.model.as_deref()?, Pickles::of(manifest)) {
        Ok(files) => Some(files),
        Err(failure) => {
            report.failed(Noun::Model, place.renamed(failure));
            None
        }
    }
}

/// Adds a line with the number, the size and the digest of the model's files to the report, or a
/// line that says that the manifest names no model. If `files` is `None`, the files could not be
/// listed: the report already has a line with the reason, and nothing is added. `checked` is the
/// host's report about its start with the model, or `None` if the host did not start.
fn said_of_model(
    report: &mut Report,
    manifest: &Manifest,
    files: Option<&[ModelFile]>,
    checked: Option<&CheckReport>,
) {
    if manifest.scorer.model.is_none() {
        return report.ok(Noun::Model, "the manifest names none");
    }
    // If the files could not be listed, the report already has a line that says why.
    let Some(files) = files else { return };
    let sizes = files
        .iter()
        .filter_map(|file| std::fs::metadata(&file.path).ok())
        .map(|metadata| metadata.len());
    let size = bytesize::ByteSize(sizes.fold(0, u64::saturating_add));
    let count = counted(files.len() as u64, "file");
    let digest = checked.and_then(|checked| checked.model_digest.as_deref());
    report.ok(
        Noun::Model,
        match digest {
            Some(digest) => format!("{count}, {size}, {digest}"),
            None => format!("{count}, {size}; not loaded"),
        },
    );
}

/// Code of a scorer: a component, a script or an ONNX graph.
enum Code {
    /// The scorer is a component. The value is true if the component calls graphs.
    Component(bool),
    /// The scorer is a script in Python.
    Script,
    /// The scorer is an ONNX graph.
    Graph,
}

impl Code {
    /// Returns the thing that the lines of the report about this code name: the component, or the
    /// model of a scorer that is a graph.
    fn noun(&self) -> Noun {
        match self {
            Self::Component(_) | Self::Script => Noun::Component,
            Self::Graph => Noun::Model,
        }
    }

    /// Returns the number of waits of the check in a host program, or `None` if the code can be
    /// checked without a host program. `files` are the files of the model.
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
fn located(report: &mut Report, manifest: &Manifest, place: &AppPlace) -> Option<Code> {
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
enum Trialled {
    /// The host would start with the app. The value is the report of its checks.
    Started(Box<CheckReport>),
    /// The host would not start with the app: the thing that is wrong, and the reason.
    Refused(Noun, Failure),
    /// The app was not loaded. The text is the reason.
    Not(&'static str),
}

/// Loads an app as the command `serve` would. ONNX graphs are loaded by a host program in a process
/// of its own, because a hostile file may crash the process that loads it. `files` are the files of
/// the model, or `None` if there is no model.
fn tried(
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

fn of_component(checked: &CheckReport, manifest: &Manifest) -> String {
    let sample = match manifest.package.sample {
        Some(_) => ", and answers its sample",
        None => "",
    };
    match &checked.component_digest {
        Some(digest) => format!(
            "{} of scorebox:scoring@{}, {}; starts{sample}; {digest}",
            checked.world, checked.wit_version, checked.code
        ),
        None => format!("none: {}; starts{sample}", checked.code),
    }
}

/// Adds a line about an error of the host to the report.
pub fn refused(report: &mut Report, error: &StartupError) {
    let (noun, failure) = of_start(error);
    report.failed(noun, failure);
}

/// Returns the thing that an error of the host concerns, such as the component or the model, and
/// the error as a failure.
pub fn of_start(error: &StartupError) -> (Noun, Failure) {
    let noun = match error {
        StartupError::Component { .. }
        | StartupError::Script { .. }
        | StartupError::Init { .. } => Noun::Component,
        StartupError::Model { .. } | StartupError::Engine { .. } => Noun::Model,
        StartupError::Environment { .. } => Noun::Settings,
        StartupError::Functions { .. } => Noun::HostJson,
        StartupError::Manifest(_) => Noun::Manifest,
        StartupError::Machine { resource, .. } => match *resource {
            "clock" => Noun::Clock,
            "threads" => Noun::Cpu,
            "memory to map" => Noun::Memory,
            _ => Noun::Host,
        },
        _ => Noun::Host,
    };
    let text = error.to_string();
    // The parts of an error are indented further, so the first line with this indentation is the
    // fix of the error itself.
    let (problem, fix) = text.split_once("\n  fix: ").unwrap_or((
        text.as_str(),
        "run the command again; if it fails again, report this",
    ));
    (noun, Failure::project(problem, fix))
}

#[cfg(test)]
mod tests {
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
