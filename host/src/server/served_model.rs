//! The served model in the Open Inference Protocol: its paths, and the document about it.
//!
//! Owns both. Must not know how a request is answered.

use serde_json::{Value, json};

use super::dialect::ROOT;
use crate::codec::open_inference::datatype;
use crate::manifest::ScorerSection;
use crate::scorer::signature::Signature;
use crate::tensor::{EqualSizes, Port};

/// The served model, with its name, version and paths in the Open Inference Protocol.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) version: String,
    /// Paths of the model's metadata: one without the version of the model, and one with the
    /// version if a path can hold the version unescaped.
    pub(super) paths: Vec<String>,
    pub(super) scoring_routes: Vec<String>,
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
        Self {
            name,
            version,
            paths,
            scoring_routes,
        }
    }

    pub(super) fn scoring_routes(&self) -> &[String] {
        &self.scoring_routes
    }

    pub(super) fn document(&self, signature: Signature<'_>) -> Value {
        let ports = |ports: &[Port], sizes: &EqualSizes| -> Vec<Value> {
            let shape = |port: &Port| -> Vec<Value> {
                port.shape
                    .iter()
                    .map(|dimension| dimension.map_or_else(|| json!(-1), |size| json!(size)))
                    .collect()
            };
            let port = |(index, port): (usize, &Port)| {
                let mut document = json!({"name": port.name, "datatype": datatype(port.dtype), "shape": shape(port)});
                let parameters = parameters(port, sizes.dimensions(index, port));
                if let (Some(document), Some(parameters)) = (document.as_object_mut(), parameters) {
                    document.insert("parameters".to_owned(), parameters);
                }
                document
            };
            ports.iter().enumerate().map(port).collect()
        };
        // A scorer of payloads has no tensors to describe.
        let (inputs, outputs) = match signature {
            Signature::Payload(_) => (Vec::new(), Vec::new()),
            Signature::Tensor(signature) => (
                ports(&signature.inputs, &signature.sizes),
                ports(&signature.outputs, &EqualSizes::default()),
            ),
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

/// Returns what the manifest and the model state about an input, as the `parameters` of the input's
/// metadata. Returns `None` if they state nothing. `dimensions` has the names of the input's
/// dimensions if other dimensions have them, too.
fn parameters(port: &Port, dimensions: Option<String>) -> Option<Value> {
    let mut facts = port.stated();
    if let Some(dimensions) = dimensions {
        facts.insert("dimensions".to_owned(), dimensions.into());
    }
    (!facts.is_empty()).then_some(Value::Object(facts))
}
