//! Checks of the manifest, the component, the model and the files of the Functions host.
//!
//! Owns the order of these checks, and the rule that says which of these things an error of the
//! host concerns. Must not know how the host loads an app: the host library or a host program does
//! that, with all stores in memory.

mod trial;

use std::path::{Path, PathBuf};

use scorebox_host::CheckReport;
use scorebox_host::error::StartupError;
use scorebox_host::functions::FunctionApp;
use scorebox_host::manifest::Manifest;
use scorebox_host::text::counted;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use self::trial::{Trialled, located, tried};
use super::arguments::DoctorArgs;
use super::functions_files;
use super::noun::Noun;
use super::report::Report;
use crate::model::{ModelFile, Pickles};
use crate::staged::StagedPaths;
use crate::{manifest_file, model, shell};

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

/// Lists the files of the model. Returns `None` if there is no model, or if its files cannot be
/// listed or must not be shipped.
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
