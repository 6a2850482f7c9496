//! Documents: the answers to probes, and what the host says about itself and the served model.
//!
//! Owns the paths of these documents and their content; `served_model` and `openapi` have the large
//! ones. Must not know how a call is made. All paths share one handler, because each handler of its
//! own adds code to the program.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;
use serde_json::{Value, json};

use super::dialect::{Dialect, MODELS};
use super::response::{answer, answer_if_ready, document};
use super::served_model::Model;
use super::{Ready, Service, health, openapi};

/// Document with which the host answers a GET request on one or more paths.
#[derive(Clone, Copy)]
enum Document {
    /// The liveness probe of Azure ML and of container platforms.
    Healthy,
    /// The readiness probe of container platforms.
    Readyz,
    /// The OpenAPI document.
    OpenApi,
    /// The names of the models, in KServe's protocol V1.
    Models,
    /// The metadata of the server, in the Open Inference Protocol.
    Server,
    /// The liveness probe of the Open Inference Protocol.
    Live,
    /// The readiness probe of the Open Inference Protocol.
    Ready,
    /// The readiness of the model, in KServe's protocols.
    ModelReady,
    /// The metadata of the model, in the Open Inference Protocol.
    Metadata,
}

/// Returns a router with the paths of all documents. `model` is the served model.
pub(super) fn router(model: &Model) -> Router<Arc<Service>> {
    let mut router = Router::new();
    for (path, about) in [
        ("/", Document::Healthy),
        ("/livez", Document::Healthy),
        ("/readyz", Document::Readyz),
        ("/openapi.json", Document::OpenApi),
        ("/swagger.json", Document::OpenApi),
        (MODELS, Document::Models),
        (&model.v1_path(), Document::ModelReady),
        ("/v2", Document::Server),
        ("/v2/", Document::Server),
        ("/v2/health/live", Document::Live),
        ("/v2/health/ready", Document::Ready),
    ] {
        router = add(router, path, about);
    }
    for path in &model.paths {
        router = add(router, path, Document::Metadata);
        router = add(router, &format!("{path}/ready"), Document::ModelReady);
    }
    router
}

fn add(router: Router<Arc<Service>>, path: &str, about: Document) -> Router<Arc<Service>> {
    let dialect = Dialect::of(path);
    let handler = async move |State(service): State<Arc<Service>>, headers: HeaderMap| {
        respond(&service, about, dialect, &headers).await
    };
    router.route(path, get(handler))
}

async fn respond(
    service: &Service,
    about: Document,
    dialect: Dialect,
    headers: &HeaderMap,
) -> Response<Body> {
    let name = &service.model.name;
    let json: Value = match about {
        Document::Healthy => return health::live().map(Body::from),
        Document::Readyz => return health::ready(service.is_ready()).map(Body::from),
        Document::OpenApi => return document(service, dialect, headers, openapi_document).await,
        Document::Metadata => return document(service, dialect, headers, metadata).await,
        Document::Models => json!({"models": [name]}),
        Document::Server => json!({
            "name": "scorebox",
            "version": env!("CARGO_PKG_VERSION"),
            "extensions": ["binary_tensor_data"],
        }),
        Document::Live => json!({"live": true}),
        Document::Ready => json!({"ready": true}),
        Document::ModelReady => json!({"name": name, "ready": true}),
    };
    match about {
        Document::Ready | Document::ModelReady => answer_if_ready(service, dialect, headers, &json),
        _ => answer(dialect, headers, &json),
    }
}

fn openapi_document(service: &Service, ready: &Ready) -> Bytes {
    let document = ready.openapi.get_or_init(|| {
        let (app, paths) = (&ready.app, &service.model.paths);
        let document = openapi::document(&app.manifest, app.scorer.signature(), paths);
        document.to_string().into()
    });
    document.clone()
}

fn metadata(service: &Service, ready: &Ready) -> Bytes {
    let document = service.model.document(ready.app.scorer.signature());
    document.to_string().into()
}
