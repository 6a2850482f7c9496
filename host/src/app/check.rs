//! The check of an app folder: loading it as `serve` would, with every store in memory.
//!
//! Owns the errors for a scorer that does not pass its sample. Must not know how an app is loaded,
//! nor who asks for the check.

use std::path::Path;

#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
use super::served_graph;
use super::{App, CheckReport, Trial};
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
use crate::component;
use crate::deployment::{self, MACHINE_VARIABLES};
use crate::error::StartupError;
use crate::functions::FunctionApp;
use crate::machine;
use crate::manifest::Manifest;
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
use crate::model::Model;
use crate::packaged::Proof;

/// Checks an app folder: loads the app and runs its `init` as the command `serve` would, but keeps
/// every store in memory. Returns a report on the app. `trial` is called for each ONNX file before
/// the file is loaded.
///
/// The packager calls this function before it creates an image. Stores are kept in memory because
/// the packager cannot connect to the Redis server of a deployment.
///
/// # Errors
/// Fails if the app would not start, or if the trial of an ONNX file fails.
pub fn check(app: &Path, trial: Trial<'_>) -> Result<CheckReport, StartupError> {
    machine::check()?;
    let runtime = machine::small_runtime()?;
    let app = runtime.block_on(started(app, trial, runtime.handle()))?;
    Ok(app.report())
}

/// Checks an app folder as [`check`] does, and also checks that the scorer returns the answer that
/// a sample expects. `trial` is called for each ONNX file before the file is loaded.
///
/// # Errors
/// Fails as [`check`] does, or if the scorer fails on the sample or returns another answer than the
/// sample expects.
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
pub fn check_by(
    app: &Path,
    sample: &crate::sample::Sample,
    trial: Trial<'_>,
) -> Result<CheckReport, StartupError> {
    machine::check()?;
    let runtime = machine::small_runtime()?;
    runtime.block_on(async {
        let app = started(app, trial, runtime.handle()).await?;
        let answered = sample.try_scorer(&app.scorer).await;
        answered.map_err(|error| {
            let path = sample.path.display();
            let problem = format!("does not answer {path} as it should: {error}");
            unlike_sample(&app.manifest, &app.model, problem)
        })?;
        Ok(app.report())
    })
}

/// Fix in the error message if a script does not return the answer that its sample expects.
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
const SCRIPT_SAMPLE_FIX: &str = "correct the script where a traceback says; record the answers \
                                 again with `scorebox sample --python ENV` if the script or the \
                                 model changed; otherwise the script behaves differently in the \
                                 sandbox, see guest/docs/scripts.md";

/// Returns the error for a scorer that does not pass its sample: about the component or the script,
/// or about the graph of an app without both. `problem` says what is wrong with the answer.
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
fn unlike_sample(manifest: &Manifest, model: &Model, problem: String) -> StartupError {
    if let Some(script) = &manifest.scorer.script {
        return StartupError::Script {
            path: script.file.clone(),
            problem,
            fix: SCRIPT_SAMPLE_FIX.to_owned(),
        };
    }
    let fix = SAMPLE_FIX.to_owned();
    let (file, graph) = (component::file(manifest), served_graph(manifest, model));
    match (file.ok(), graph.ok()) {
        (None, Some((_, path))) => StartupError::Model { path, problem, fix },
        (file, _) => {
            let path = file.unwrap_or_default();
            StartupError::Component { path, problem, fix }
        }
    }
}

/// Fix in the error message if a component or a graph does not return the answer that its sample
/// expects.
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
pub const SAMPLE_FIX: &str = "convert the model again where it was trained; if the new answer is \
                              intended, write it into the sample's `outputs`";

/// Loads an app and runs its `init` as the command `serve` would, but keeps every store in memory.
/// `trial` is called for each ONNX file before the file is loaded.
///
/// # Errors
/// Fails if the app cannot be loaded, if the trial of an ONNX file fails, or if `init` fails.
async fn started(
    app: &Path,
    trial: Trial<'_>,
    handle: &tokio::runtime::Handle,
) -> Result<App, StartupError> {
    let manifest = Manifest::read(app)?;
    FunctionApp::read(&manifest)?;
    // The URLs of stores are not among the variables of the machine, so all stores stay in memory.
    let environment = |name: &str| {
        let is_of_machine = MACHINE_VARIABLES.contains(&name);
        is_of_machine.then(|| deployment::process(name)).flatten()
    };
    let app = App::load_after(
        trial,
        Proof::Digests,
        manifest,
        &environment,
        handle.clone(),
    )
    .await?;
    app.scorer.warm_up().await?;
    Ok(app)
}

#[cfg(all(test, any(feature = "compiler", feature = "graphs")))]
mod tests;
