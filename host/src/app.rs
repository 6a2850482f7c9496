//! An app folder, loaded: manifest, model, stores and scorer put together.
//!
//! Owns the order in which they are read, for `serve`, `invoke`, `check` and the packager alike. Must not know how calls
//! arrive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[cfg(feature = "graphs")]
use crate::capability::inference;
use crate::capability::{Capabilities, SharedMemory};
use crate::component::{self, Compiled};
use crate::deployment::{self, ENGINE_VARIABLE, Environment};
use crate::engine::{self, Allocation};
use crate::error::StartupError;
use crate::functions::FunctionApp;
use crate::graph;
#[cfg(feature = "graphs")]
use crate::graph::Graphs;
use crate::manifest::{Manifest, Precompiled};
use crate::model::Model;
use crate::packaged::{self, Proof};
use crate::redis::Store;
#[cfg(feature = "graphs")]
use crate::scorer::calls_graphs;
use crate::scorer::signature::{Port, Signature};
use crate::scorer::{Scorer, WIT_VERSION};
use crate::stores;

/// What was loaded, for people, pipelines and the image's labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// `scorer.name`.
    pub name: String,
    /// `scorer.version`; empty if not given.
    pub version: String,
    /// `scoring` or `tensor-scoring`.
    pub world: String,
    /// The version of the WIT contract.
    pub wit_version: String,
    /// `sha256:` and 64 hex digits, of the component's file; none where a graph is served itself.
    pub component_digest: Option<String>,
    /// `sha256:` and 64 hex digits, over the model's files; none without a model.
    pub model_digest: Option<String>,
    /// Where the code comes from: the packager, for a CPU level, or compiled at start; or which graph, and by what.
    pub code: String,
    /// What `describe` stated.
    pub signature: Value,
}

/// A scorer that has passed `describe`, not yet `init`.
pub struct App {
    /// Its settings.
    pub manifest: Manifest,
    /// What runs.
    pub scorer: Scorer,
    code: Code,
    model: Arc<Model>,
}

/// What computes.
enum Code {
    Component {
        compiled: Compiled,
        /// Names of the graphs that it may call.
        graphs: Vec<String>,
    },
    /// The name of the graph's file.
    Graph(String),
}

/// What becomes of a graph's file, and in which time, before this process loads it.
pub type Trial<'a> = &'a (dyn Fn(&Path, Duration) -> Result<(), StartupError> + Sync);

/// Nothing: the file was tried before.
///
/// # Errors
/// None.
pub fn untried(_file: &Path, _limit: Duration) -> Result<(), StartupError> {
    Ok(())
}

impl App {
    /// Loads an app's component, model and stores. A store connects when it is first used.
    ///
    /// # Errors
    /// Any part is missing or unusable; the error says which and how to mend it.
    pub async fn load(
        manifest: Manifest,
        environment: Environment<'_>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        Self::load_after(&untried, Proof::Facts, manifest, environment, runtime).await
    }

    /// Loads an app as [`App::load`] does, after a trial of each graph.
    ///
    /// # Errors
    /// As [`App::load`], or the trial fails.
    async fn load_after(
        trial: Trial<'_>,
        proof: Proof,
        manifest: Manifest,
        environment: Environment<'_>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, StartupError> {
        // A source is told apart before anything is opened.
        if manifest.scorer.component.is_some() {
            component::file(&manifest)?;
        }
        let model = Arc::new(open_model(&manifest)?);
        packaged::compare(&manifest, &model, proof)?;
        let stores = stores::open(&manifest, environment)?;
        let capabilities = capabilities(&manifest, Arc::clone(&model), stores);
        let library = deployment::engine_library(environment);
        if manifest.scorer.component.is_none() {
            let (name, file) = served_graph(&manifest, &model)?;
            trial(&file, manifest.limits.init_deadline)?;
            let scorer = Scorer::of_graph(&file, &library, &manifest, &capabilities, runtime).await?;
            return Ok(Self { manifest, scorer, code: Code::Graph(name), model });
        }
        let engine = engine::engine(Allocation::Pool { instances: deployment::most_instances(&manifest.limits) })?;
        let compiled = component::load(&engine, &manifest)?;
        #[cfg(feature = "graphs")]
        let capabilities = match calls_graphs(&engine, &compiled.component) {
            true => {
                let graphs = graphs(trial, &manifest, &model, &library, runtime.clone()).await?;
                Capabilities { graphs: Some(graphs), ..capabilities }
            }
            false => capabilities,
        };
        let graphs =
            capabilities.graphs.iter().flat_map(|graphs| graphs.iter().map(|(name, _)| name.to_owned())).collect();
        let scorer = Scorer::load(&engine, &compiled, &manifest, Arc::new(capabilities), runtime).await?;
        Ok(Self { manifest, scorer, code: Code::Component { compiled, graphs }, model })
    }

    fn code_text(&self) -> String {
        let (code, graphs) = match (&self.code, &self.manifest.precompiled) {
            (Code::Graph(name), _) => return format!("{name}, run by {}", graph::ENGINE),
            (Code::Component { graphs, .. }, None) => ("compiled at start".to_owned(), graphs),
            (Code::Component { graphs, .. }, Some(Precompiled { cpu, snapshot, .. })) => {
                (format!("precompiled for {cpu}{}", if *snapshot { ", init done" } else { "" }), graphs)
            }
        };
        match graphs.as_slice() {
            [] => code,
            graphs => format!("{code}; graphs {}, run by {}", graphs.join(", "), graph::ENGINE),
        }
    }

    /// What was loaded.
    #[must_use]
    pub fn report(&self) -> CheckReport {
        CheckReport {
            name: self.manifest.scorer.name.clone(),
            version: self.manifest.scorer.version.clone(),
            world: self.scorer.world().to_string(),
            wit_version: WIT_VERSION.to_owned(),
            component_digest: match &self.code {
                Code::Component { compiled, .. } => Some(compiled.digest.clone()),
                Code::Graph(_) => None,
            },
            model_digest: self.manifest.scorer.model.as_ref().map(|_| self.model.digest().to_owned()),
            code: self.code_text(),
            signature: signature_json(&self.scorer),
        }
    }
}

/// The graph that is the scorer, where no component is: its name in the model, and its file.
fn served_graph(manifest: &Manifest, model: &Model) -> Result<(String, PathBuf), StartupError> {
    let path = manifest.scorer.model.clone().unwrap_or_default();
    let chosen = graph::choose(model.files(), manifest.scorer.graph.as_deref());
    let name = chosen.map_err(|(problem, fix)| StartupError::Model { path: path.clone(), problem, fix })?;
    Ok((name.to_owned(), if path.is_dir() { path.join(name) } else { path }))
}

/// All graphs of the model, for a component that calls some.
#[cfg(feature = "graphs")]
async fn graphs(
    trial: Trial<'_>,
    manifest: &Manifest,
    model: &Model,
    library: &Path,
    runtime: tokio::runtime::Handle,
) -> Result<Graphs, StartupError> {
    let path = manifest.scorer.model.clone().unwrap_or_default();
    let file = |name: &str| if path.is_dir() { path.join(name) } else { path.clone() };
    let names = model.files().filter(|name| name.ends_with(graph::EXTENSION));
    let files: Vec<_> = names.map(|name| (name.to_owned(), file(name))).collect();
    for (_, file) in &files {
        trial(file, manifest.limits.init_deadline)?;
    }
    let graphs = Graphs::load(files, library, &manifest.limits, manifest.instances.at_start, runtime).await?;
    inference::note_left_out(&graphs);
    Ok(graphs)
}

/// The model that the manifest names; a scorer may have none.
pub(crate) fn open_model(manifest: &Manifest) -> Result<Model, StartupError> {
    manifest.scorer.model.as_deref().map_or_else(|| Ok(Model::empty()), Model::open)
}

/// What instances share.
pub(crate) fn capabilities(manifest: &Manifest, model: Arc<Model>, stores: BTreeMap<String, Store>) -> Capabilities {
    Capabilities {
        scorer: manifest.scorer.name.as_str().into(),
        model_version: manifest.scorer.version.clone(),
        model_labels: manifest.scorer.labels.clone(),
        model,
        graphs: None,
        stores,
        config: manifest.config.clone(),
        memory: Arc::new(SharedMemory::new(
            deployment::instances_bytes(&manifest.limits),
            deployment::most_instances(&manifest.limits),
        )),
    }
}

/// Checks an app folder as `serve` would start it, `init` included, with every store in memory: what the packager asks
/// before it makes an image, where no deployment's Redis can be reached.
///
/// # Errors
/// As starting it, or a graph's trial.
pub fn check(app: &Path, trial: Trial<'_>) -> Result<CheckReport, StartupError> {
    crate::machine::check(1)?;
    let runtime = runtime()?;
    let app = runtime.block_on(started(app, trial, runtime.handle()))?;
    Ok(app.report())
}

/// The same, and that the scorer answers a sample as it should.
///
/// # Errors
/// As starting it, or the answer is another one.
#[cfg(any(feature = "compiler", feature = "graphs"))]
pub fn check_by(app: &Path, sample: &crate::sample::Sample, trial: Trial<'_>) -> Result<CheckReport, StartupError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let app = started(app, trial, runtime.handle()).await?;
        let answered = sample.try_scorer(&app.scorer).await;
        answered.map_err(|problem| StartupError::Component {
            path: component::file(&app.manifest).unwrap_or_default(),
            problem: format!("does not answer {} as it should: {problem}", sample.path.display()),
            fix: SAMPLE_FIX.to_owned(),
        })?;
        Ok(app.report())
    })
}

/// What to do about another answer than the sample's.
#[cfg(any(feature = "compiler", feature = "graphs"))]
pub const SAMPLE_FIX: &str = "convert the model again where it was trained; if it was meant to answer otherwise, write the \
                              sample's outputs anew";

/// An app as `serve` would start it, with every store in memory.
async fn started(app: &Path, trial: Trial<'_>, handle: &tokio::runtime::Handle) -> Result<App, StartupError> {
    let manifest = Manifest::read(app)?;
    FunctionApp::read(&manifest)?;
    // Stores stay in memory; where the engine's library is, is no matter of the deployment.
    let environment = |name: &str| if name == ENGINE_VARIABLE { deployment::process(name) } else { None };
    let app = App::load_after(trial, Proof::Digests, manifest, &environment, handle.clone()).await?;
    app.scorer.warm_up().await?;
    Ok(app)
}

/// Threads for a check, or for `init` where an image is built.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, StartupError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| StartupError::Host(format!("no thread to run on: {error}")))
}

fn signature_json(scorer: &Scorer) -> Value {
    let port = |port: &Port| json!({"name": port.name, "dtype": port.dtype.name(), "shape": port.shape});
    // What each column of an output stands for that was a list of maps.
    let output = |output: &Port| {
        let mut described = port(output);
        let classes = scorer.classes().find(|(name, _)| *name == output.name);
        if let (Some((_, classes)), Some(described)) = (classes, described.as_object_mut()) {
            described.insert("classes".to_owned(), json!(classes));
        }
        described
    };
    match scorer.signature() {
        Signature::Payload(signature) => json!({
            "input": {
                "contentTypes": signature.input.content_types,
                "jsonSchema": signature.input.schema.as_ref().map(|schema| &schema.document),
            },
            "output": {
                "contentTypes": signature.output.content_types,
                "jsonSchema": signature.output.schema.as_ref().map(|schema| &schema.document),
            },
            "deterministic": signature.deterministic,
        }),
        Signature::Tensor(signature) => json!({
            "inputs": signature.inputs.iter().map(port).collect::<Vec<_>>(),
            "outputs": signature.outputs.iter().map(output).collect::<Vec<_>>(),
            "batchable": signature.batchable,
            "deterministic": signature.deterministic,
        }),
    }
}
