//! The section `[scorer]` of the manifest.
//!
//! Owns the scorer's name, its code and its model. Must not know how a component is built, or how a
//! model is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_text::{NAME_BYTES, Problem};
use serde::Deserialize;

use super::{check_name, names};

mod component;
mod script;

pub use self::component::{ComponentSource, ScriptEngine};
pub use self::script::ScriptSection;

/// Section `[scorer]` of the manifest: the scorer's name, its code and its model.
#[derive(Debug, Clone)]
pub struct ScorerSection {
    /// Name of the scorer in logs, OpenAPI and its container image: lower-case letters, digits and
    /// `-`.
    pub name: String,
    /// Version of the scorer as free text, such as `1.4.0`. Empty if the manifest does not set it.
    pub version: String,
    /// Source of the component. `None` if a script is served, or an ONNX graph of the model.
    pub component: Option<ComponentSource>,
    /// Settings of the script in Python. `None` if a component or an ONNX graph is served.
    pub script: Option<ScriptSection>,
    /// Name of the ONNX graph that is served without a component. `None` if the manifest does not
    /// name a graph: a component or a script is served, or the model holds only one graph.
    pub graph: Option<String>,
    /// Path of the model's folder or single file. `None` if the scorer does not have a model.
    pub model: Option<PathBuf>,
    /// True if the packager runs `init` and packages the component as a snapshot of the state after
    /// `init`.
    pub snapshot: bool,
    /// Labels of the scorer by name, such as the training run of its model. A scorer reads its
    /// labels with `model.info`.
    pub labels: BTreeMap<String, String>,
}

impl ScorerSection {
    /// Returns true if an ONNX graph of the model is served, without a component or a script.
    #[must_use]
    pub fn serves_graph(&self) -> bool {
        self.component.is_none() && self.script.is_none()
    }
}

#[derive(Deserialize)]
pub(super) struct RawScorer {
    name: String,
    #[serde(default)]
    version: String,
    component: Option<toml::Value>,
    graph: Option<String>,
    model: Option<PathBuf>,
    snapshot: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl RawScorer {
    /// Checks the values of the section `[scorer]`. `table` is the whole `scorebox.toml`, from
    /// which the settings of a script are read, and `dir` is its folder.
    pub(super) fn into_section(
        self,
        dir: &Path,
        table: &toml::Table,
    ) -> Result<ScorerSection, Problem> {
        check_name("scorer.name", &self.name)?;
        names::line("scorer.version", &self.version, NAME_BYTES)?;
        names::keys("scorer.labels", self.labels.keys())?;
        let component = self
            .component
            .as_ref()
            .map(|value| component::source(value, dir))
            .transpose()?;
        let script = script::section(table, dir)?;
        match (&component, &self.model, &self.graph) {
            (None, None, _) if script.is_none() => {
                return Err(Problem::new(
                    "there is none of `scorer.component`, `scorer.script` and `scorer.model`, so \
                     there is nothing to serve",
                    "write `component = \"NAME.wasm\"`, or a source such as `component = { cargo = \
                     \"FOLDER\" }`; or `script = \"score.py\"`; or, to serve an ONNX file without a \
                     component, `model = \"FILE.onnx\"`",
                ));
            }
            (Some(_), _, Some(_)) => {
                return Err(Problem::new(
                    "`scorer.graph` names a graph to serve, and `scorer.component` a component to \
                     serve instead",
                    "remove one of the two",
                ));
            }
            _ => {}
        }
        Ok(ScorerSection {
            name: self.name,
            version: self.version,
            component,
            script,
            graph: self.graph,
            model: self.model.map(|model| dir.join(model)),
            snapshot: self.snapshot.unwrap_or(true),
            labels: self.labels,
        })
    }
}
