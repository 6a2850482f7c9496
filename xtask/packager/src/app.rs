//! The app folder that `scorebox serve --app` serves, built from a project.
//!
//! Owns the folder's layout and its replacement as a whole. Must not know images or registries.

mod manifest;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::app::untried;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest, Packaged};
use scorebox_host::packaging::{self, Code, Times, precompile};
use scorebox_host::precompiled::Cpu;
use scorebox_host::sample::Sample;
use scorebox_host::text::inset;
use scorebox_host::{CheckReport, StartupError, deployment, telemetry};
use scorebox_workspace::failure::Failure;

use self::manifest::{resolved, with_code, with_record, written};
use crate::component::Component;
use crate::graph_trial::{self, Trial, Waits, named};
use crate::manifest_file;
use crate::model::{self, ModelFile, Pickles};
use crate::python::packages::Package;
use crate::staged::StagedPaths;
use crate::{folder, functions_app, mlflow};

pub use self::script::{PACKAGES_FOLDER, SCRIPT_FOLDER};

/// File name of the component in an app folder.
pub const COMPONENT_FILE: &str = "component.wasm";
/// File name of the component's machine code in an app folder.
pub const CODE_FILE: &str = "component.cwasm";
/// Name of the model's folder in an app folder.
pub const MODEL_FOLDER: &str = "model";

/// Returns true if the file `name` of an app folder is in the folder `folder` of the app folder.
pub fn is_in(folder: &str, name: &str) -> bool {
    let rest = name.strip_prefix(folder);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Name of the file with the state image of a script in an app folder.
pub const STATE_FILE: &str = "app.state";

/// An app folder that was written and checked.
#[derive(Debug)]
pub struct App {
    /// Path of the app folder.
    pub dir: PathBuf,
    /// Files of the app outside the model folder. The keys are the paths in the app folder, and the
    /// values are the paths on this machine.
    pub files: BTreeMap<String, PathBuf>,
    /// Files of the scorer's model. Empty if the scorer has no model.
    pub model: Vec<ModelFile>,
    /// Packages of a script, which are in the folder [`PACKAGES_FOLDER`].
    pub packages: Vec<Package>,
    /// Report of the host library or a host program, which checked the app folder.
    pub report: CheckReport,
}

/// Checks the world and the imports of a component. This takes milliseconds, so a command does it
/// before the steps that take seconds or minutes. Fails if the file cannot be read, or, with all
/// reasons, if a host would refuse the component.
pub fn examine(manifest: &Manifest, component: &Component) -> Result<(), Failure> {
    packaging::examine(manifest, &component.file).map_err(|error| refused(manifest, &error))
}

/// Writes the app folder `dir` of a scorer, checks the folder with the host library or a host
/// program, and compiles the component for `cpu`. Fails if a host refuses the scorer, if a file of
/// the project cannot be read, or if the folder cannot be written.
///
/// If `component` is `None`, the scorer is a script or an ONNX graph, and nothing is compiled. A
/// scorer that needs ONNX Runtime, the engine for graphs, and a script are checked by the host
/// program in `trial`, in a process of its own. A component that calls graphs is checked by the
/// developer's host instead if the code for `cpu` cannot run on this machine. `times` selects the
/// modification times that are recorded for the files of the app.
pub fn stage(
    manifest: &Manifest,
    component: Option<&Component>,
    dir: &Path,
    cpu: Cpu,
    times: Times,
    trial: Trial<'_>,
) -> Result<App, Failure> {
    if let Some(script) = &manifest.scorer.script {
        return script::stage(manifest, script, dir, times, trial);
    }
    let model = manifest
        .scorer
        .model
        .as_deref()
        .map(|model| model::list(model, Pickles::Refused))
        .transpose()?
        .unwrap_or_default();
    let resolved = resolved(manifest)?;
    let mut texts = functions_app::files(manifest);
    texts.insert(MANIFEST_FILE.to_owned(), written(&resolved)?);

    let mut staging = folder::Replacement::begin(dir, MANIFEST_FILE)?;
    for (name, text) in &texts {
        staging.write(name, text.as_bytes())?;
    }
    for file in &model {
        staging.copy(&format!("{MODEL_FOLDER}/{}", file.name), &file.path)?;
    }
    let staged = staged_paths(manifest, component, &model, staging.path());
    let renamed = |failure| staged.renamed(failure);
    let refused = |error: StartupError| renamed(refused(manifest, &error));
    let (report, code_files) = match component {
        Some(component) => {
            staging.copy(COMPONENT_FILE, &component.file)?;
            log();
            let path = staging.path().to_path_buf();
            let waits = Waits::of_component(model.iter().map(|file| file.name.as_str()));
            let check = |trial| {
                let checked = match component.calls_graphs {
                    true => graph_trial::check(manifest, &path, waits, trial),
                    false => check(manifest, &path),
                };
                checked.map_err(renamed)
            };
            let runs_here = cpu <= Cpu::native();
            // There is no snapshot yet. This check uses the developer's host, because the given
            // host may be one for images, which accepts only compiled components.
            let as_it_came = || {
                check(Trial {
                    host: None,
                    ..trial
                })
            };
            // Code for a newer CPU than that of this machine cannot run here.
            let of_other_cpu = match runs_here {
                true => None,
                false => Some(as_it_came()?),
            };
            let code = match precompile(staging.path(), CODE_FILE, cpu) {
                Ok(code) => code,
                Err(error) => {
                    // A fault of the scorer itself is reported before a fault of its snapshot.
                    if runs_here && !component.calls_graphs {
                        as_it_came()?;
                    }
                    return Err(refused(error));
                }
            };
            staging.write(CODE_FILE, &code.bytes)?;
            // The record is made before the last check, so that a host has compared the files with
            // the record once.
            let record = packaging::record(staging.path(), times).map_err(refused)?;
            staging.write(
                MANIFEST_FILE,
                written(&with_record(with_code(resolved, &code), &record))?.as_bytes(),
            )?;
            let report = match of_other_cpu {
                Some(report) => report,
                None => check(trial)?,
            };
            say(&report, &code);
            (
                report,
                vec![COMPONENT_FILE.to_owned(), CODE_FILE.to_owned()],
            )
        }
        None => {
            if let Some(model) = &manifest.scorer.model {
                mlflow::tell_unused(model);
            }
            let checked = graph_trial::check(manifest, staging.path(), Waits::GRAPH, trial);
            let report = checked.map_err(renamed)?;
            graph_trial::say(&report);
            let record = Packaged {
                answers_sample: manifest.package.sample.is_some(),
                ..packaging::record(staging.path(), times).map_err(refused)?
            };
            staging.write(
                MANIFEST_FILE,
                written(&with_record(resolved, &record))?.as_bytes(),
            )?;
            (report, Vec::new())
        }
    };
    staging.finish()?;

    let names = texts.into_keys().chain(code_files);
    Ok(App {
        dir: dir.to_path_buf(),
        files: names.map(|name| (name.clone(), dir.join(name))).collect(),
        model: model
            .into_iter()
            .map(|file| ModelFile {
                path: dir.join(MODEL_FOLDER).join(&file.name),
                name: file.name,
            })
            .collect(),
        packages: Vec::new(),
        report,
    })
}

/// Maps the paths of an app that is being staged in the folder `dir` to the paths of the project's
/// files that were copied. `component` is `None` if the scorer is an ONNX graph.
fn staged_paths(
    manifest: &Manifest,
    component: Option<&Component>,
    model: &[ModelFile],
    dir: &Path,
) -> StagedPaths {
    let mut paths = model_paths(manifest, model, dir);
    paths.extend([
        (dir.to_path_buf(), manifest.dir().to_path_buf()),
        (dir.join(MANIFEST_FILE), manifest.path.clone()),
    ]);
    paths.extend(component.map(|component| (dir.join(COMPONENT_FILE), component.file.clone())));
    StagedPaths::new(paths)
}

/// Returns pairs of paths: the path of the model or of one of its files in the app folder `dir`,
/// and the path in the project from which it was copied.
fn model_paths(manifest: &Manifest, model: &[ModelFile], dir: &Path) -> Vec<(PathBuf, PathBuf)> {
    let folder = dir.join(MODEL_FOLDER);
    let mut paths = Vec::new();
    if let Some(source) = &manifest.scorer.model {
        // A model of one file is in a folder of its own after it was staged.
        let single = model.iter().filter(|_| !source.is_dir());
        paths.extend(single.map(|file| (folder.join(&file.name), source.clone())));
        paths.push((folder, source.clone()));
    }
    paths
}

/// Sets up logging, so that the log lines of the checked scorer go to standard error. Only the
/// first call has an effect.
fn log() {
    static START: std::sync::Once = std::sync::Once::new();
    START.call_once(|| {
        // If `SCOREBOX_LOG` is not a valid filter, the scorer's log lines are not shown here. The
        // host refuses the filter when it starts.
        let _ = telemetry::start(telemetry::Output::Talk, &deployment::process);
    });
}

fn check(manifest: &Manifest, dir: &Path) -> Result<CheckReport, Failure> {
    let checked = match &manifest.package.sample {
        Some(sample) => scorebox_host::check_by(
            dir,
            &Sample::read(sample).map_err(manifest_file::failure)?,
            &untried,
        ),
        None => scorebox_host::check(dir, &untried),
    };
    checked.map_err(|error| refused(manifest, &error))
}

fn refused(manifest: &Manifest, error: &StartupError) -> Failure {
    let text = error.to_string();
    // The parts of an error are indented further, so the first line with this indentation is the
    // fix of the error itself.
    let (problem, fix) = text.split_once("\n  fix: ").unwrap_or((
        text.as_str(),
        "fix the component, the model or the manifest, and build again",
    ));
    Failure::project(
        format!(
            "{}: the host would not start with this scorer: {problem}",
            manifest.path.display()
        ),
        fix,
    )
}

fn say(report: &CheckReport, code: &Code) {
    let digest = report.component_digest.as_deref().unwrap_or_default();
    eprintln!(
        "checked: {} targets {} {}; component {digest}",
        named(report),
        report.world,
        report.wit_version
    );
    let kib = code.bytes.len().div_ceil(1024);
    let init = match (code.section.snapshot, &code.no_snapshot) {
        (true, _) => String::from("init done"),
        (false, None) => String::from("init left to each start"),
        (false, Some(reason)) => format!(
            "init left to each start, because this component cannot be stored after init: {}",
            inset(reason)
        ),
    };
    eprintln!("compiled: {kib} KiB for {}, {init}", code.section.cpu);
}

#[cfg(test)]
mod tests;
