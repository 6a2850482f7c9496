//! Loaded app folder: manifest, model, stores and scorer put together.
//!
//! Owns the order in which they are loaded, for `serve`, `invoke`, `check` and the packager alike.
//! Must not know how calls arrive.

mod check;
mod report;
#[cfg(feature = "python")]
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

#[cfg(feature = "graphs")]
use crate::capability::inference;
use crate::capability::{Capabilities, SharedMemory};
use crate::component::{self, Outline};
use crate::deployment::{self, Environment};
use crate::engine::{self, Allocation};
use crate::error::StartupError;
use crate::graph;
#[cfg(feature = "graphs")]
use crate::graph::Graphs;
use crate::manifest::Manifest;
use crate::model::Model;
use crate::packaged::{self, Proof};
use crate::redis::Store;
#[cfg(feature = "graphs")]
use crate::scorer::calls_graphs;
use crate::scorer::{Scorer, judge};
use crate::sizing;
use crate::stores;
use crate::text::Problem;

pub use self::check::check;
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
pub use self::check::{SAMPLE_FIX, check_by};
pub use self::report::CheckReport;
use self::report::Code;

/// App that was loaded from its folder. The signature of its scorer is known. The `init` of a
/// component runs only later, in [`Scorer::warm_up`], or has run when a snapshot was taken.
pub struct App {
    /// Settings of the app, from its `scorebox.toml`.
    pub manifest: Manifest,
    /// Scorer of the app.
    pub scorer: Scorer,
    code: Code,
    model: Arc<Model>,
}

/// Function that checks an ONNX file in a trial: it loads and runs the file in a process of its
/// own, for at most the given time. The function is called with the path of the file and that time,
/// before this process loads the file.
pub type Trial<'a> = &'a (dyn Fn(&Path, Duration) -> Result<(), StartupError> + Sync);

/// Accepts an ONNX file without a trial. This function is the [`Trial`] for files that had a trial
/// before they were packaged.
///
/// # Errors
/// Never returns an error.
pub fn untried(_file: &Path, _limit: Duration) -> Result<(), StartupError> {
    Ok(())
}

impl App {
    /// Returns the report about the loaded app.
    #[must_use]
    pub fn report(&self) -> CheckReport {
        report::of(&self.manifest, &self.scorer, &self.code, &self.model)
    }

    /// Loads the component or the graph, the model and the stores of an app. A store connects when
    /// it is first used.
    ///
    /// # Errors
    /// Fails if the component, the model, a graph or a store is missing or unusable, if the
    /// manifest does not fit the scorer, if a file changed since it was packaged, or if an engine
    /// does not start. The error names the cause and gives the fix.
    pub fn load<'a>(
        manifest: Manifest,
        environment: Environment<'a>,
        runtime: tokio::runtime::Handle,
    ) -> BoxFuture<'a, Result<Self, StartupError>> {
        // A boxed future is compiled once, in this crate. Any other future would be compiled again
        // in each program that awaits it.
        Box::pin(Self::load_after(
            &untried,
            Proof::Facts,
            manifest,
            environment,
            runtime,
        ))
    }

    /// Loads an app as [`App::load`] does, and calls `trial` for each ONNX file before the file is
    /// loaded. `proof` decides how the files are compared with the packager's record.
    ///
    /// # Errors
    /// Fails as [`App::load`] does, or if the trial of an ONNX file fails.
    async fn load_after(
        trial: Trial<'_>,
        proof: Proof,
        manifest: Manifest,
        environment: Environment<'_>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        // A component that is only source code, not a `.wasm` file, is refused before anything is
        // opened.
        if manifest.scorer.component.is_some() {
            component::file(&manifest)?;
        }
        let model = Arc::new(open_model(&manifest)?);
        packaged::compare(&manifest, &model, proof)?;
        let stores = stores::open(&manifest, environment)?;
        let capabilities = capabilities(&manifest, Arc::clone(&model), stores);
        let library = deployment::engine_library(environment);
        if let Some(section) = manifest.scorer.script.clone() {
            #[cfg(not(feature = "python"))]
            return Err(without_python(&section));
            #[cfg(feature = "python")]
            {
                let beside = script::Beside {
                    trial,
                    proof,
                    library: &library,
                    model,
                    capabilities,
                    environment,
                };
                let loading = script::load(manifest, &section, beside, runtime);
                return Box::pin(loading).await;
            }
        }
        if manifest.scorer.component.is_none() {
            let (name, file) = served_graph(&manifest, &model)?;
            trial(&file, manifest.limits.init_deadline)?;
            let scorer =
                Scorer::of_graph(&file, &library, &manifest, &capabilities, runtime).await?;
            #[cfg(feature = "graphs")]
            answer_sample(&manifest, &scorer).await;
            return Ok(Self {
                manifest,
                scorer,
                code: Code::Graph(name),
                model,
            });
        }
        let engine = engine::engine(Allocation::Pool {
            instances: sizing::most_instances(&manifest.limits),
        })?;
        let judged = |outline: &Outline| judge(outline, &manifest, has_graph(&model)).map(drop);
        let compiled = component::load(&engine, &manifest, environment, &judged)?;
        #[cfg(feature = "graphs")]
        let outline = Outline::of_compiled(&engine, &compiled.component);
        #[cfg(feature = "graphs")]
        let capabilities = match calls_graphs(&outline.imports) {
            true => {
                let graphs = graphs(trial, &manifest, &model, &library, runtime.clone()).await?;
                Capabilities {
                    graphs: Some(graphs),
                    ..capabilities
                }
            }
            false => capabilities,
        };
        let graphs = capabilities
            .graphs
            .iter()
            .flat_map(|graphs| graphs.iter().map(|(name, _)| name.to_owned()))
            .collect();
        let scorer = Scorer::load(
            &engine,
            &compiled,
            &manifest,
            Arc::new(capabilities),
            runtime,
        )
        .await?;
        Ok(Self {
            manifest,
            scorer,
            code: Code::Component { compiled, graphs },
            model,
        })
    }
}

/// Returns the error for a script, which needs a host with Python.
#[cfg(not(feature = "python"))]
fn without_python(section: &crate::manifest::ScriptSection) -> StartupError {
    StartupError::Script {
        path: section.file.clone(),
        problem: "cannot be run: this host was built without Python".to_owned(),
        fix: "package the app with `scorebox package`, whose image has a host with Python, or build the host with the \
              feature `python`"
            .to_owned(),
    }
}

/// Runs the graph on the sample that the manifest names, if the graph has not answered any input
/// yet. Once a graph has answered an input, inputs that it refuses count as errors of callers, and
/// no longer as errors of the graph. With the sample, this holds from the first call on.
///
/// A container image does not contain the sample. Instead, its manifest records that the graph
/// answered the sample. A failure is only logged.
#[cfg(feature = "graphs")]
async fn answer_sample(manifest: &Manifest, scorer: &Scorer) {
    let packaged = manifest.packaged.as_ref();
    let is_recorded = packaged.is_some_and(|packaged| packaged.answers_sample);
    let path = manifest.package.sample.as_ref();
    let path = path.filter(|path| !is_recorded && path.is_file());
    if !scorer.has_open_graph() || path.is_none() && !is_recorded {
        return;
    }
    let read = path
        .map(|path| crate::sample::Sample::read(path))
        .transpose();
    let problem = match read {
        Ok(sample) => {
            let payload = sample.map(|sample| sample.payload());
            let answered = scorer.answer_example(payload.as_ref()).await;
            answered.err().map(|failure| {
                let row = failure.disposition();
                row.detail.unwrap_or(row.message)
            })
        }
        Err(error) => Some(error.problem),
    };
    if let Some(problem) = problem {
        tracing::warn!(problem, "the graph does not answer its sample");
    }
}

/// Returns the ONNX graph that is served because the manifest does not name a component: the name
/// of its file in the model, and the path of this file.
///
/// # Errors
/// Fails if the model does not have the graph that the manifest names. If the manifest does not
/// name a graph, fails if the model does not have exactly one.
fn served_graph(manifest: &Manifest, model: &Model) -> Result<(String, PathBuf), StartupError> {
    let path = manifest.scorer.model.clone().unwrap_or_default();
    let chosen = graph::choose(model.files(), manifest.scorer.graph.as_deref());
    let name = chosen.map_err(|Problem { problem, fix }| StartupError::Model {
        path: path.clone(),
        problem,
        fix,
    })?;
    Ok((
        name.to_owned(),
        if path.is_dir() { path.join(name) } else { path },
    ))
}

/// Calls `trial` for every ONNX file of the model, and loads the graphs. All are loaded, because
/// the component may run any of them.
///
/// # Errors
/// Fails if the trial of a file fails, or if a graph cannot be loaded.
#[cfg(feature = "graphs")]
async fn graphs(
    trial: Trial<'_>,
    manifest: &Manifest,
    model: &Model,
    library: &Path,
    runtime: tokio::runtime::Handle,
) -> Result<Graphs, StartupError> {
    let path = manifest.scorer.model.clone().unwrap_or_default();
    let file = |name: &str| {
        if path.is_dir() {
            path.join(name)
        } else {
            path.clone()
        }
    };
    let names = model
        .files()
        .filter(|name| name.ends_with(graph::EXTENSION));
    let files: Vec<_> = names.map(|name| (name.to_owned(), file(name))).collect();
    for (_, file) in &files {
        trial(file, manifest.limits.init_deadline)?;
    }
    let graphs = Graphs::load(
        files,
        library,
        &manifest.limits,
        manifest.instances.at_start,
        runtime,
    )
    .await?;
    inference::note_left_out(&graphs);
    Ok(graphs)
}

/// Opens the model that the manifest names. Returns an empty model if the manifest does not name a
/// model.
///
/// # Errors
/// Fails as [`Model::open`] does.
pub(crate) fn open_model(manifest: &Manifest) -> Result<Model, StartupError> {
    manifest
        .scorer
        .model
        .as_deref()
        .map_or_else(|| Ok(Model::empty()), Model::open)
}

/// Returns true if a model has a graph.
pub(crate) fn has_graph(model: &Model) -> bool {
    model.files().any(|name| name.ends_with(graph::EXTENSION))
}

/// Returns the capabilities that all instances of a scorer share: the model, the stores, the
/// configuration and the limit on memory. The graphs of the result are not loaded yet.
pub(crate) fn capabilities(
    manifest: &Manifest,
    model: Arc<Model>,
    stores: BTreeMap<String, Store>,
) -> Capabilities {
    Capabilities {
        scorer: manifest.scorer.name.as_str().into(),
        model_version: manifest.scorer.version.clone(),
        model_labels: manifest.scorer.labels.clone(),
        model,
        graphs: None,
        stores,
        config: manifest.config.clone(),
        memory: Arc::new(SharedMemory::new(
            sizing::instances_bytes(&manifest.limits),
            sizing::most_instances(&manifest.limits),
        )),
    }
}
