//! The served model in the protocols of KServe: its paths, and the document about it.
//!
//! Owns both. Must not know how a request is answered.

use serde_json::{Map, Value, json};

use super::dialect::{INVOCATIONS, MODELS, ROOT};
use crate::codec::open_inference::datatype;
use crate::manifest::ScorerSection;
use crate::scorer::signature::Signature;
use crate::tensor::{InputFacts, Port};

/// The served model, with its name, version and paths in the protocols of KServe.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) version: String,
    /// Paths of the model's metadata in the Open Inference Protocol: one without the version of the model, and one with the
    /// version if a path can hold the version unescaped.
    pub(super) paths: Vec<String>,
    pub(super) scoring_routes: Vec<String>,
    /// Routes of scoring requests that are answered with predictions: that of KServe's protocol V1,
    /// and that of MLflow.
    pub(super) prediction_routes: [String; 2],
}

impl Model {
    pub(super) fn new(scorer: &ScorerSection) -> Self {
        let (name, version) = (scorer.name.clone(), scorer.version.clone());
        let mut paths = vec![format!("{ROOT}/models/{name}")];
        // A version may be any text. If a path cannot hold it unescaped, there is no path with the
        // version.
        let is_plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'~')
        };
        if !version.is_empty() && version.bytes().all(is_plain) {
            paths.push(format!("{ROOT}/models/{name}/versions/{version}"));
        }
        let scoring_routes = paths.iter().map(|path| format!("{path}/infer")).collect();
        let predict = format!("{MODELS}/{name}:predict");
        Self {
            name,
            version,
            paths,
            scoring_routes,
            prediction_routes: [predict, INVOCATIONS.to_owned()],
        }
    }

    /// Returns the path of the model in KServe's protocol V1.
    pub(super) fn v1_path(&self) -> String {
        format!("{MODELS}/{}", self.name)
    }

    pub(super) fn document(&self, signature: Signature<'_>) -> Value {
        let ports = |ports: &[Port]| -> Vec<Value> {
            let shape = |port: &Port| -> Vec<Value> {
                port.shape
                    .iter()
                    .map(|dimension| dimension.map_or_else(|| json!(-1), |size| json!(size)))
                    .collect()
            };
            let port = |port: &Port| {
                let mut document = json!({"name": port.name, "datatype": datatype(port.dtype), "shape": shape(port)});
                if let (Some(document), Some(facts)) = (document.as_object_mut(), facts(port)) {
                    document.insert("parameters".to_owned(), facts);
                }
                document
            };
            ports.iter().map(port).collect()
        };
        // A scorer of payloads has no tensors to describe.
        let (inputs, outputs) = match signature {
            Signature::Payload(_) => (Vec::new(), Vec::new()),
            Signature::Tensor(signature) => (ports(&signature.inputs), ports(&signature.outputs)),
        };
        let mut document = json!({"name": self.name, "platform": "scorebox_wasm", "inputs": inputs, "outputs": outputs});
        if let Some(document) = document
            .as_object_mut()
            .filter(|_| !self.version.is_empty())
        {
            document.insert("versions".to_owned(), json!([self.version]));
        }
        document
    }
}

/// Returns what the manifest states about an input, as the `parameters` of the input's metadata.
/// Returns `None` if it states nothing.
fn facts(port: &Port) -> Option<Value> {
    let InputFacts {
        missing,
        boolean,
        columns,
    } = &port.facts;
    let mut facts = Map::new();
    for (name, is_set) in [("missing", *missing), ("boolean", *boolean)] {
        if is_set {
            facts.insert(name.to_owned(), is_set.into());
        }
    }
    if !columns.is_empty() {
        facts.insert("columns".to_owned(), columns.as_slice().into());
    }
    (!facts.is_empty()).then_some(Value::Object(facts))
}
