//! Routes of the Open Inference Protocol: `/v2/…`.
//!
//! Owns the paths of these routes, and the documents about the server and the model. Must not know
//! how a call is made, nor how its body is read: `codec/open_inference` has the requests and answers
//! of inference.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use http::Response;
use http::header::HeaderMap;
use serde_json::{Value, json};

use super::dialect::{Dialect, ROOT};
use super::failure::refuse;
use super::response::{call, document};
use super::{Ready, Service};
use crate::codec::open_inference::datatype;
use crate::error::RequestFailure;
use crate::manifest::ScorerSection;
use crate::scorer::signature::Signature;
use crate::tensor::Port;
use crate::trigger::http::Ids;

/// The served model, with its name, version and paths in the Open Inference Protocol.
pub(super) struct Model {
    name: String,
    version: String,
    /// Paths of the model: one without the version of the model, and one with the version if a path
    /// can hold it.
    paths: Vec<String>,
    scoring_routes: Vec<String>,
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

    fn document(&self, signature: &Signature) -> Value {
        let ports = |ports: &[Port]| -> Vec<Value> {
            let shape = |port: &Port| -> Vec<Value> {
                port.shape
                    .iter()
                    .map(|dimension| dimension.map_or_else(|| json!(-1), |size| json!(size)))
                    .collect()
            };
            let port = |port: &Port| json!({"name": port.name, "datatype": datatype(port.dtype), "shape": shape(port)});
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

/// Returns the routes of the Open Inference Protocol.
pub(super) fn router(model: &Model) -> Router<Arc<Service>> {
    let mut router = Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready));
    for path in &model.paths {
        router = router
            .route(path, get(metadata))
            .route(&format!("{path}/ready"), get(model_ready));
    }
    for route in &model.scoring_routes {
        router = router.route(route, post(infer));
    }
    router
}

async fn server(headers: HeaderMap) -> Response<Body> {
    let version = env!("CARGO_PKG_VERSION");
    answer(
        &headers,
        &json!({"name": "scorebox", "version": version, "extensions": ["binary_tensor_data"]}),
    )
}

async fn live(headers: HeaderMap) -> Response<Body> {
    answer(&headers, &json!({"live": true}))
}

async fn ready(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    answer_if_ready(&service, &headers, &json!({"ready": true}))
}

async fn model_ready(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    answer_if_ready(
        &service,
        &headers,
        &json!({"name": service.open_inference.name, "ready": true}),
    )
}

async fn metadata(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    let of_model = |ready: &Ready| {
        service
            .open_inference
            .document(ready.app.scorer.signature())
    };
    document(&service, Dialect::OpenInference, &headers, |ready| {
        of_model(ready).to_string().into()
    })
    .await
}

async fn infer(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    call(&service, Dialect::OpenInference, request, Vec::new()).await
}

/// Answers a readiness probe with `json` if the scorer is ready, and with an error if it is not.
/// Does not wait for the scorer.
fn answer_if_ready(service: &Service, headers: &HeaderMap, json: &Value) -> Response<Body> {
    if service.is_ready() {
        return answer(headers, json);
    }
    refuse(Dialect::OpenInference, headers, RequestFailure::NotReady)
}

fn answer(headers: &HeaderMap, json: &Value) -> Response<Body> {
    match Ids::take(headers) {
        Ok(ids) => ids.document(json.to_string().into()).map(Body::from),
        Err(failure) => refuse(Dialect::OpenInference, headers, failure),
    }
}
