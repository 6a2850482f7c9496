//! Routes of the Open Inference Protocol: `/v2/…`.
//!
//! Owns these routes, and the documents about the server and its state; `served_model` has the
//! document about the model. Must not know how a call is made, nor how its body is read:
//! `codec/open_inference` has the requests and answers of inference.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use http::Response;
use http::header::HeaderMap;
use serde_json::json;

use super::dialect::Dialect;
use super::response::{answer, answer_if_ready, call, document};
use super::served_model::Model;
use super::{Ready, Service};

/// Returns a router with the routes of the Open Inference Protocol for the served model `model`.
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
        Dialect::OpenInference,
        &headers,
        &json!({"name": "scorebox", "version": version, "extensions": ["binary_tensor_data"]}),
    )
}

async fn live(headers: HeaderMap) -> Response<Body> {
    answer(Dialect::OpenInference, &headers, &json!({"live": true}))
}

async fn ready(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    answer_if_ready(
        &service,
        Dialect::OpenInference,
        &headers,
        &json!({"ready": true}),
    )
}

async fn model_ready(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    answer_if_ready(
        &service,
        Dialect::OpenInference,
        &headers,
        &json!({"name": service.model.name, "ready": true}),
    )
}

async fn metadata(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    let of_model = |ready: &Ready| service.model.document(ready.app.scorer.signature());
    document(&service, Dialect::OpenInference, &headers, |ready| {
        of_model(ready).to_string().into()
    })
    .await
}

async fn infer(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    call(&service, Dialect::OpenInference, request, Vec::new()).await
}
