//! The report about a loaded app.
//!
//! Owns the fields of the report and its texts. Must not know how an app is loaded.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::component::Compiled;
use crate::graph;
use crate::manifest::{Manifest, Precompiled};
use crate::model::Model;
use crate::scorer::Scorer;
use crate::scorer::signature::Signature;
use crate::tensor::Port;

/// Report about a loaded app, for people, CI pipelines and the labels of a container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Name of the scorer, from `scorer.name`.
    pub name: String,
    /// Version of the scorer, from `scorer.version`. Empty if the manifest does not set it.
    pub version: String,
    /// WIT world of the scorer: `scoring` or `tensor-scoring`.
    pub world: String,
    /// Version of the WIT contract that the component was built against, or the version that this
    /// host serves if a script or a graph is served without a component.
    pub wit_version: String,
    /// Digest of the component's file: `sha256:` and 64 hex digits. `None` if a script or a graph
    /// is served without a component.
    pub component_digest: Option<String>,
    /// Digest over the model's files: `sha256:` and 64 hex digits. `None` if the app does not have
    /// a model.
    pub model_digest: Option<String>,
    /// Text that says where the executable code comes from: precompiled by the packager for a CPU
    /// level, compiled when the host starts, or a script or a graph with the engine that runs it.
    pub code: String,
    /// Signature of the scorer as JSON: what `describe` returned, what a script states, or the
    /// inputs and outputs of a graph.
    pub signature: Value,
}

/// Executable part of a scorer.
pub(super) enum Code {
    Component {
        compiled: Compiled,
        /// Names of the model's ONNX graphs that the component may run. Empty if the component
        /// cannot run graphs.
        graphs: Vec<String>,
    },
    /// A script, with the engine that runs it.
    #[cfg(feature = "python")]
    Script {
        /// Name of the script's file.
        entry: String,
        /// Version of Python.
        python: String,
        /// CPU level that the engine's code was compiled for.
        cpu: String,
        /// True if instances start in the state after the script's `init`.
        has_state: bool,
    },
    /// An ONNX graph that is served without a component, with the name of its file.
    Graph(String),
}

/// Creates the report about an app from its manifest, its scorer, and the scorer's code and model.
pub(super) fn of(manifest: &Manifest, scorer: &Scorer, code: &Code, model: &Model) -> CheckReport {
    CheckReport {
        name: manifest.scorer.name.clone(),
        version: manifest.scorer.version.clone(),
        world: scorer.world().to_string(),
        wit_version: scorer.wit_version().to_owned(),
        component_digest: match code {
            Code::Component { compiled, .. } => Some(compiled.digest.clone()),
            Code::Graph(_) => None,
            #[cfg(feature = "python")]
            Code::Script { .. } => None,
        },
        model_digest: manifest
            .scorer
            .model
            .as_ref()
            .map(|_| model.digest().to_owned()),
        code: code_text(code, manifest),
        signature: signature_json(scorer),
    }
}

fn code_text(code: &Code, manifest: &Manifest) -> String {
    let (text, graphs) = match (code, &manifest.precompiled) {
        #[cfg(feature = "python")]
        (
            Code::Script {
                entry,
                python,
                cpu,
                has_state,
            },
            _,
        ) => {
            let init = if *has_state { ", init done" } else { "" };
            return format!("{entry}, run by CPython {python} for {cpu}{init}");
        }
        (Code::Graph(name), _) => return format!("{name}, run by {}", graph::ENGINE),
        (Code::Component { graphs, .. }, None) => ("compiled at start".to_owned(), graphs),
        (Code::Component { graphs, .. }, Some(Precompiled { cpu, snapshot, .. })) => (
            format!(
                "precompiled for {cpu}{}",
                if *snapshot { ", init done" } else { "" }
            ),
            graphs,
        ),
    };
    match graphs.as_slice() {
        [] => text,
        graphs => format!(
            "{text}; graphs {}, run by {}",
            graphs.join(", "),
            graph::ENGINE
        ),
    }
}

fn signature_json(scorer: &Scorer) -> Value {
    let port =
        |port: &Port| json!({"name": port.name, "dtype": port.dtype.name(), "shape": port.shape});
    let input = |input: &Port| {
        let mut described = port(input);
        if let Some(described) = described.as_object_mut() {
            described.append(&mut input.stated());
        }
        described
    };
    // An output that the graph declares as a list of maps becomes a tensor. The classes are the
    // names of its columns.
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
            "inputs": signature.inputs.iter().map(input).collect::<Vec<_>>(),
            "outputs": signature.outputs.iter().map(output).collect::<Vec<_>>(),
            "batchable": signature.batchable,
            "deterministic": signature.deterministic,
        }),
    }
}
