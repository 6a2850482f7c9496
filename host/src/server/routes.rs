//! Routes of the server: which request is answered by what.
//!
//! Owns the fixed routes, and the choice between a function, a function's route and a refusal. Must
//! not know how a call is made.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use http::Response;
use http::header::{ALLOW, HeaderMap, HeaderValue};

use super::dialect::{Dialect, INVOCATIONS};
use super::failure::refuse;
use super::response::{call, document};
use super::{Matched, SCORE_ROUTE, Service, functions, guard, health, open_inference, predictions};
use crate::error::RequestFailure;
use crate::functions::envelope::route_attribute;

/// Returns the router with all routes of the server.
pub(super) fn router(service: Arc<Service>) -> Router {
    let routes = Router::new()
        .route("/", get(async || health::live().map(Body::from)))
        .route("/readyz", get(readyz))
        .route("/openapi.json", get(openapi))
        .route("/swagger.json", get(openapi))
        .route(SCORE_ROUTE, post(score))
        .merge(predictions::router(&service.model))
        .merge(open_inference::router(&service.model))
        .fallback(
            async |State(service): State<Arc<Service>>, request: Request| {
                answer(&service, request).await
            },
        )
        .method_not_allowed_fallback(
            async |State(service): State<Arc<Service>>, request: Request| {
                other(&service, request, |_, _, _| {
                    RequestFailure::MethodNotAllowed
                })
                .await
            },
        );
    guard::guarded(routes, &service).with_state(service)
}

/// Answers a request whose path is not a fixed route of the server: invokes a function, scores on
/// the route of a function or on MLflow's route, or refuses the request. `scorebox invoke --trigger`
/// calls this function without a socket.
pub async fn answer(service: &Service, request: Request) -> Response<Body> {
    let not_found = |service: &Service, dialect, path: &str| RequestFailure::NotFound {
        reason: service.model.mismatch(path).unwrap_or_default(),
        routes: service.scoring_routes(dialect).to_vec(),
    };
    other(service, request, not_found).await
}

/// Answers a request that invokes a function, or whose path is the route of a function or MLflow's.
/// Refuses any other request with the result of `failure`.
async fn other(
    service: &Service,
    request: Request,
    failure: impl FnOnce(&Service, Dialect, &str) -> RequestFailure,
) -> Response<Body> {
    if let Some(function) = service.function(&request) {
        return functions::invoke(service, function, request).await;
    }
    let path = request.uri().path();
    let dialect = Dialect::of(path);
    let mut allow = None;
    if let Some(Matched { methods, values }) = service.route(path) {
        if methods
            .iter()
            .any(|method| method == request.method().as_str())
        {
            let values = values
                .into_iter()
                .map(|(name, value)| (route_attribute(&name), value))
                .collect();
            // A function may have the path of a prediction, and then answers as functions do.
            let dialect = match dialect {
                Dialect::Predictions => Dialect::AzureMl,
                other => other,
            };
            return call(service, dialect, request, values).await;
        }
        allow = Some(methods.join(", "));
    }
    if path == INVOCATIONS && allow.is_none() {
        if request.method() == http::Method::POST {
            return call(service, dialect, request, Vec::new()).await;
        }
        allow = Some("POST".to_owned());
    }
    let scores = service
        .scoring_routes(dialect)
        .iter()
        .any(|route| route == path);
    let failure = match &allow {
        Some(_) => RequestFailure::MethodNotAllowed,
        None => failure(service, dialect, path),
    };
    if failure == RequestFailure::MethodNotAllowed {
        let allow = allow.unwrap_or_else(|| if scores { "POST" } else { "GET, HEAD" }.to_owned());
        let mut answer = refuse(dialect, request.headers(), failure);
        // HTTP methods are plain words, so this does not fail.
        if let Ok(value) = HeaderValue::from_str(&allow) {
            answer.headers_mut().insert(ALLOW, value);
        }
        return answer;
    }
    refuse(dialect, request.headers(), failure)
}

async fn readyz(State(service): State<Arc<Service>>) -> Response<Body> {
    health::ready(service.is_ready()).map(Body::from)
}

async fn openapi(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    document(&service, Dialect::AzureMl, &headers, |ready| {
        ready.openapi.clone()
    })
    .await
}

async fn score(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    match service.function(&request) {
        Some(function) => functions::invoke(&service, function, request).await,
        None => call(&service, Dialect::AzureMl, request, Vec::new()).await,
    }
}
