//! The served model in the protocols of KServe: its paths, and the document about it.
//!
//! Owns the paths of the model, and the content of its metadata. Must not know how a request is
//! answered.

use serde_json::{Value, json};

use super::dialect::{INVOCATIONS, MODELS, ROOT};
use crate::codec::open_inference::datatype;
use crate::manifest::ScorerSection;
use crate::scorer::signature::Signature;
use crate::tensor::{EqualSizes, Port};
use crate::text::{NAME_BYTES, quoted};

/// The served model, with its name, version and paths in the protocols of KServe.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) version: String,
    /// Paths of the model's metadata in the Open Inference Protocol: one without the version of the
    /// model, and one with the version if a path can hold the version unescaped.
    pub(super) paths: Vec<String>,
    pub(super) scoring_routes: Vec<String>,
    /// Routes of scoring requests that are answered with predictions: the route of KServe's
    /// protocol V1, and the route of MLflow.
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

    /// Returns a sentence for the caller if the path of a request names another model, or another
    /// version of this model. Returns `None` for any other path.
    pub(super) fn mismatch(&self, path: &str) -> Option<String> {
        let shown = |part: &str| quoted(part, NAME_BYTES);
        let v1 = path
            .strip_prefix(MODELS)
            .and_then(|rest| rest.strip_prefix('/'));
        let v2 = path
            .strip_prefix(ROOT)
            .and_then(|rest| rest.strip_prefix("/models/"));
        // A verb follows the name in the protocol V1, and no path has a version.
        let (name, rest) = match v1 {
            Some(rest) => (rest.split([':', '/']).next().unwrap_or_default(), ""),
            None => v2.map(|rest| rest.split_once('/').unwrap_or((rest, "")))?,
        };
        let served = shown(&self.name);
        if name.is_empty() {
            return None;
        }
        if name != self.name {
            let name = shown(name);
            return Some(format!(
                "There is no model `{name}` here. The served model is `{served}`."
            ));
        }
        let version = rest.strip_prefix("versions/")?;
        let version = version.split('/').next().unwrap_or_default();
        if version.is_empty() || version == self.version {
            return None;
        }
        let has = if self.version.is_empty() {
            "It has no version".to_owned()
        } else {
            format!("Its version is `{}`", shown(&self.version))
        };
        let version = shown(version);
        Some(format!(
            "The model `{served}` is not served in the version `{version}`. {has}."
        ))
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

/// Returns the facts that the manifest and the scorer state about an input, as the `parameters` of
/// the input's metadata. Returns `None` if they state none. `dimensions` is the list of the input's
/// dimensions as text, such as `[batch, 4]`. It is `None` if no dimension must have the same size
/// as another.
fn parameters(port: &Port, dimensions: Option<String>) -> Option<Value> {
    let mut facts = port.stated();
    if let Some(dimensions) = dimensions {
        facts.insert("dimensions".to_owned(), dimensions.into());
    }
    (!facts.is_empty()).then_some(Value::Object(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(version: &str) -> Model {
        Model {
            name: "digits".to_owned(),
            version: version.to_owned(),
            paths: Vec::new(),
            scoring_routes: Vec::new(),
            prediction_routes: [const { String::new() }; 2],
        }
    }

    #[test]
    fn a_wrong_name_and_a_wrong_version_are_told_apart() {
        for (version, path, expected) in [
            (
                "3",
                "/v2/models/other/infer",
                Some("no model `other` here. The served model is `digits`."),
            ),
            ("3", "/v2/models/digit", Some("no model `digit` here.")),
            ("3", "/v2/models/other/versions/4", Some("no model `other`")),
            (
                "3",
                "/v2/models/digits/versions/4/infer",
                Some("in the version `4`. Its version is `3`."),
            ),
            (
                "3",
                "/v2/models/digits/versions/4",
                Some("in the version `4`."),
            ),
            (
                "",
                "/v2/models/digits/versions/1/ready",
                Some("`1`. It has no version."),
            ),
            ("3", "/v2/models/digits/versions/3/config", None),
            ("3", "/v2/models/digits/config", None),
            ("3", "/v2/models/digits/versions/", None),
            ("3", "/v2/models/", None),
            (
                "3",
                "/v1/models/other:predict",
                Some("There is no model `other` here. The served model is `digits`."),
            ),
            ("3", "/v1/models/other", Some("no model `other` here.")),
            ("3", "/v1/models/digits:explain", None),
            ("3", "/v1/models/", None),
            ("3", "/v1/models", None),
            ("3", "/v2/models", None),
            ("3", "/score/", None),
        ] {
            let found = model(version).mismatch(path);
            match (&found, expected) {
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => assert_eq!(found.as_deref(), expected, "{path}"),
            }
        }
        let long = format!("/v2/models/{}", "x".repeat(5 << 20));
        assert!(model("").mismatch(&long).unwrap().len() < 300);
    }
}
