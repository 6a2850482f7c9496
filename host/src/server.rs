//! Scoring server: its routes, and the path of a request to a trigger and back.
//!
//! Owns the service behind the routes. Routes belong to `routes`, sockets to `listener`, and bodies
//! to `body`. Must not know how a call is made into a guest, nor choose a status: statuses come
//! from `error`.

mod activity;
mod body;
mod budget;
mod checksum;
mod coding;
mod conformance;
mod connection;
mod descriptors;
mod dialect;
mod discard;
mod documents;
mod failure;
mod functions;
mod guard;
mod health;
mod http2;
mod listener;
mod openapi;
mod packing;
mod pages;
mod patience;
mod response;
mod routes;
mod served_model;
mod stream;
mod table;
mod unpacking;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::Request;
use bytes::Bytes;
use http::header::HeaderMap;
use tokio::sync::watch;

use crate::app::App;
use crate::error::RequestFailure;
use crate::functions::FunctionApp;
use crate::functions::bindings::Function;
use crate::manifest::{Limits, Manifest};
use crate::sizing;
use crate::timer;
use crate::trigger::http as http_trigger;

use self::body::{Bounds, announced_bytes};
use self::budget::Budget;
use self::dialect::Dialect;
pub use self::listener::serve;
pub use self::routes::answer;

/// Route of Azure ML's scoring requests.
const SCORE_ROUTE: &str = "/score";

/// Maximum time that is kept free for the response at the end of `functionTimeout`.
/// `functionTimeout` is the limit of the Functions host for the duration of an invocation.
const FUNCTION_TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

/// The service behind all routes of the server. It answers probes from the start, and calls as soon
/// as [`Service::set_ready`] has given it the scorer.
pub struct Service {
    limits: Limits,
    /// Routes that answer scoring requests in Azure ML's format. Error messages list these routes.
    routes: Vec<String>,
    functions: FunctionApp,
    /// True if the Functions host calls this service as its custom handler. Only then is a POST
    /// request to `/NAME` an invocation of the function `NAME`.
    is_custom_handler: bool,
    model: served_model::Model,
    /// Memory budget of the request bodies that are being read or scored.
    bodies: Budget,
    /// Memory budget of the responses that are being sent.
    answers: Budget,
    ready: watch::Sender<Option<Arc<Ready>>>,
    /// True if a shutdown has started.
    stopping: AtomicBool,
}

struct Ready {
    app: App,
    /// The OpenAPI document. It is made when a client first asks for it, because making it takes
    /// longer than all other steps between loading the app and the first answer.
    openapi: OnceLock<Bytes>,
}

/// Result of matching a request's method and path with the routes of HTTP functions.
enum Matched<'a> {
    /// The request starts a call. The list has the names of the route's parameters in lower case,
    /// each with its value in the path.
    Call(Vec<(String, String)>),
    /// At least one route matches the path of the request, but none of them accepts its method. The
    /// list has the methods of all routes with this path, in upper case.
    OtherMethods(Vec<&'a str>),
}

impl Service {
    /// Creates a service that does not have a scorer yet. If `is_custom_handler` is true, the
    /// Functions host calls the service as its custom handler.
    #[must_use]
    pub fn new(manifest: &Manifest, functions: FunctionApp, is_custom_handler: bool) -> Arc<Self> {
        let mut routes = vec![SCORE_ROUTE.to_owned()];
        for (route, _) in &functions.routes {
            if !routes.iter().any(|other| other == route.template()) {
                routes.push(route.template().to_owned());
            }
        }
        let model = served_model::Model::new(&manifest.scorer);
        let (limits, ready) = (manifest.limits.clone(), watch::Sender::new(None));
        let bodies_bytes = sizing::bodies_bytes(&limits);
        let (bodies, answers) = (Budget::new(bodies_bytes), Budget::new(bodies_bytes));
        let stopping = AtomicBool::new(false);
        Arc::new(Self {
            limits,
            routes,
            functions,
            is_custom_handler,
            model,
            bodies,
            answers,
            ready,
            stopping,
        })
    }

    /// Returns the function that a request invokes with an envelope, or `None` if the request is
    /// not an invocation.
    fn function(&self, request: &Request) -> Option<&Function> {
        let path = request.uri().path();
        if !self.is_custom_handler || request.method() != http::Method::POST {
            return None;
        }
        let function = self.functions.function(path.strip_prefix('/')?)?;
        // Without a prefix, the route of a function may be equal to the function's own path.
        let is_forwarded =
            function.route.is_some() && self.route(request.method().as_str(), path).is_some();
        // A platform may give the container its port in the variable that the Functions host uses.
        // So a request to `/score` without the header of an invocation is a payload.
        let is_payload = path == SCORE_ROUTE && !http_trigger::is_invocation(request.headers());
        (!is_forwarded && !is_payload).then_some(function)
    }

    /// Returns the match of a request with the routes of HTTP functions, or `None` if no route has
    /// the path. As in the Functions host, the narrowest route that has the method is used.
    fn route(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let mut others: Vec<&str> = Vec::new();
        for (route, methods) in &self.functions.routes {
            let Some(values) = route.values(path) else {
                continue;
            };
            for other in methods {
                if other == method {
                    return Some(Matched::Call(values));
                }
                if !others.contains(&other.as_str()) {
                    others.push(other);
                }
            }
        }
        (!others.is_empty()).then_some(Matched::OtherMethods(others))
    }

    /// Returns the limits for reading one request body now. `limit_bytes` is the maximum size of
    /// the body, in bytes.
    fn bounds(&self, limit_bytes: u64) -> Bounds<'_> {
        Bounds {
            limit_bytes,
            budget: &self.bodies,
            deadline: Instant::now() + self.limits.deadline,
        }
    }

    /// Returns true if a request with these headers announces a body that is too large to be scored
    /// before the deadline of the request. Returns false while the scorer is not ready, and for a
    /// body that exceeds `limits.body`, because such a body is refused for its size.
    fn is_hopeless(&self, headers: &HeaderMap) -> bool {
        let Some(bytes) = announced_bytes(headers).filter(|bytes| *bytes <= self.limits.body_bytes)
        else {
            return false;
        };
        let ready = self.ready.borrow();
        ready.as_ref().is_some_and(|ready| {
            !ready
                .app
                .scorer
                .is_in_time(bytes, self.bodies.waiting_bytes())
        })
    }

    /// Returns the time by which a call that starts now must end, shortly before the Functions host
    /// would kill this process. Returns `None` if there is no such limit.
    fn latest(&self) -> Option<Instant> {
        let timeout = self.functions.timeout.filter(|_| self.is_custom_handler)?;
        Instant::now()
            .checked_add(timeout.saturating_sub(FUNCTION_TIMEOUT_MARGIN.min(timeout / 10)))
    }

    /// Makes the service ready. It answers all later calls with `app`, and also the calls that
    /// already wait for the scorer.
    pub fn set_ready(&self, app: App) {
        let openapi = OnceLock::new();
        self.ready
            .send_replace(Some(Arc::new(Ready { app, openapi })));
    }

    /// Returns true if readiness probes succeed: the scorer is ready, and no shutdown has started.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.borrow().is_some() && !self.is_stopping()
    }

    /// Starts the shutdown. Readiness probes fail from now on, and responses announce that their
    /// connections close.
    fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns the routes that answer scoring requests in the protocol `dialect`.
    fn scoring_routes(&self, dialect: Dialect) -> &[String] {
        match dialect {
            Dialect::AzureMl => &self.routes,
            Dialect::Predictions => &self.model.prediction_routes,
            Dialect::OpenInference => &self.model.scoring_routes,
        }
    }

    /// Waits until the scorer is ready, for at most `limits.init_deadline`, and returns the app
    /// with the scorer. A platform sends calls as soon as `GET /` succeeds, so early calls wait in
    /// this function.
    ///
    /// # Errors
    /// Fails if the scorer does not become ready within this time.
    async fn ready(&self) -> Result<Arc<Ready>, RequestFailure> {
        let ready = self.ready.borrow().as_ref().map(Arc::clone);
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let mut ready = self.ready.subscribe();
        match timer::within(self.limits.init_deadline, ready.wait_for(Option::is_some)).await {
            Some(Ok(ready)) => ready
                .as_ref()
                .map(Arc::clone)
                .ok_or(RequestFailure::NotReady),
            _ => Err(RequestFailure::NotReady),
        }
    }
}
