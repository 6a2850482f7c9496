//! Routes of KServe's protocol V1: `/v1/models/…`.
//!
//! Owns these routes, and the documents about the model's state. MLflow's route `/invocations` has
//! the same bodies and answers, and is in `routes`, because a function may have its path. Must not
//! know how a call is made, or how its body is read.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use http::Response;
use http::header::HeaderMap;
use serde_json::json;

use super::Service;
use super::dialect::{Dialect, MODELS};
use super::response::{answer, answer_if_ready, call};
use super::served_model::Model;

/// Returns a router with the routes of KServe's protocol V1 for the served model `model`.
pub(super) fn router(model: &Model) -> Router<Arc<Service>> {
    let [predict, _] = &model.prediction_routes;
    Router::new()
        .route(MODELS, get(models))
        .route(&model.v1_path(), get(ready))
        .route(predict, post(score))
}

async fn models(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    let models = json!({"models": [service.model.name]});
    answer(Dialect::Predictions, &headers, &models)
}

async fn ready(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    let state = json!({"name": service.model.name, "ready": true});
    answer_if_ready(&service, Dialect::Predictions, &headers, &state)
}

async fn score(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    call(&service, Dialect::Predictions, request, Vec::new()).await
}
