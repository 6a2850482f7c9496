//! Routes of the server: which handler answers each request.
//!
//! Owns the fixed routes of scoring requests, and the decision whether a request invokes a
//! function, is scored on the route of an HTTP function, or is refused. The routes of documents are
//! in `documents`. Must not know how a call is made.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::post;
use http::Response;
use http::header::{ALLOW, HeaderValue};

use super::dialect::{Dialect, INVOCATIONS};
use super::failure::refuse;
use super::response::call;
use super::{Matched, SCORE_ROUTE, Service, documents, functions, guard};
use crate::error::RequestFailure;
use crate::functions::envelope::route_attribute;

/// Returns the router with all routes of the server.
pub(super) fn router(service: Arc<Service>) -> Router {
    let mut routes = documents::router(&service.model).route(SCORE_ROUTE, post(score));
    for route in &service.model.scoring_routes {
        routes = routes.route(route, post(score));
    }
    let [predict, _] = &service.model.prediction_routes;
    let routes = routes
        .route(predict, post(score))
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
/// the route of a function or on the path `/invocations` of MLflow, or refuses the request.
/// `scorebox invoke --trigger` calls this function without a socket.
pub async fn answer(service: &Service, request: Request) -> Response<Body> {
    let not_found = |service: &Service, dialect, path: &str| RequestFailure::NotFound {
        reason: service.model.mismatch(path).unwrap_or_default(),
        routes: service.scoring_routes(dialect).to_vec(),
    };
    other(service, request, not_found).await
}

/// Invokes a function if the request is an invocation by the Functions host, or scores the request
/// if its method and path match the route of a function or `POST /invocations` of MLflow. On these
/// paths, refuses any other method with [`RequestFailure::MethodNotAllowed`]. Refuses every other
/// request with the result of `failure`.
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
    match service.route(request.method().as_str(), path) {
        Some(Matched::Call(values)) => {
            let values = values
                .into_iter()
                .map(|(name, value)| (route_attribute(&name), value.into()))
                .collect();
            // A function may have the path of a prediction, and then answers as functions do.
            let dialect = match dialect {
                Dialect::Predictions => Dialect::AzureMl,
                other => other,
            };
            return call(service, dialect, request, values).await;
        }
        Some(Matched::OtherMethods(methods)) => allow = Some(methods.join(", ")),
        None => {}
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

/// Answers a request on a fixed path of scoring requests, in the protocol of the path.
async fn score(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    match service.function(&request) {
        Some(function) => functions::invoke(&service, function, request).await,
        None => {
            let dialect = Dialect::of(request.uri().path());
            call(&service, dialect, request, Vec::new()).await
        }
    }
}
