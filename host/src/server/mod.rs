//! Scoring server: its routes, and the path of a request to a trigger and back.
//!
//! Owns the service and its routes. Sockets belong to `listener`, and bodies to `body`. Must not
//! know how a call is made into a guest, nor choose a status: statuses come from `error`.

mod activity;
mod body;
mod budget;
mod connection;
mod descriptors;
mod discard;
mod functions;
mod guard;
mod health;
mod listener;
mod open_inference;
mod openapi;
mod stream;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http::Response;
use http::header::{ALLOW, HeaderMap, HeaderValue};
use tokio::sync::watch;

use crate::app::App;
use crate::deployment;
use crate::error::{Disposition, RequestFailure, ScoreFailure, Severity};
use crate::functions::FunctionApp;
use crate::functions::bindings::Function;
use crate::functions::envelope::{Buffer as _, route_attribute};
use crate::manifest::{Limits, Manifest};
use crate::scorer::{CacheStatus, Payload, World};
use crate::timer;
use crate::trigger::http::{self as http_trigger, Ids};
use crate::trigger::open_inference as open_inference_trigger;

use self::activity::Activity;
use self::body::{Bounds, announced_bytes, count_answer, discard_unless_asked, read};
use self::budget::Budget;
pub use self::listener::serve;

/// Route of Azure ML's scoring requests.
const SCORE_ROUTE: &str = "/score";

/// Longest time that is kept free at the end of `functionTimeout` for the response.
const FUNCTION_TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

/// The service behind all routes. It gets the scorer and its OpenAPI document when the scorer is
/// ready.
pub struct Service {
    limits: Limits,
    /// Routes that answer requests in Azure ML's form. Error messages list them.
    routes: Vec<String>,
    functions: FunctionApp,
    /// True if the Functions host is the caller. Only then does each function have a route.
    is_custom_handler: bool,
    open_inference: open_inference::Model,
    /// Memory budget of the request bodies that are being read or scored.
    bodies: Budget,
    /// Memory budget of the responses that are being sent.
    answers: Budget,
    ready: watch::Sender<Option<Arc<Ready>>>,
    /// True from the start of a shutdown.
    stopping: AtomicBool,
}

struct Ready {
    app: App,
    openapi: Bytes,
}

/// Route of a function that matches the path of a request.
struct Matched<'a> {
    /// HTTP methods that score on this route.
    methods: &'a [String],
    /// Values of the route's parameters, by lower-case name.
    values: Vec<(String, String)>,
}

/// Protocol of a request, which follows from its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Protocol of Azure ML, on all paths outside `/v2`.
    AzureMl,
    /// Open Inference Protocol, on the paths below `/v2`.
    OpenInference,
}

impl Dialect {
    fn of(path: &str) -> Self {
        if open_inference::owns(path) {
            Self::OpenInference
        } else {
            Self::AzureMl
        }
    }

    fn payload(self, headers: &HeaderMap, body: Bytes) -> Payload {
        match self {
            Self::AzureMl => http_trigger::payload(headers, body),
            Self::OpenInference => open_inference_trigger::payload(body),
        }
    }

    fn failed(self, ids: &Ids, disposition: &Disposition) -> Response<Body> {
        match self {
            Self::AzureMl => http_trigger::failed(ids, disposition).map(Body::from),
            Self::OpenInference => open_inference_trigger::failed(ids, disposition).map(Body::from),
        }
    }
}

impl Service {
    /// Creates a service that is not ready yet. If `is_custom_handler` is true, the Functions host
    /// is its only caller.
    #[must_use]
    pub fn new(manifest: &Manifest, functions: FunctionApp, is_custom_handler: bool) -> Arc<Self> {
        let api = functions
            .routes
            .iter()
            .map(|(route, _)| route.template().to_owned());
        let routes = std::iter::once(SCORE_ROUTE.to_owned()).chain(api).collect();
        let open_inference = open_inference::Model::new(&manifest.scorer);
        let (limits, ready) = (manifest.limits.clone(), watch::Sender::new(None));
        let bodies_bytes = deployment::bodies_bytes(&limits);
        let (bodies, answers) = (Budget::new(bodies_bytes), Budget::new(bodies_bytes));
        let stopping = AtomicBool::new(false);
        Arc::new(Self {
            limits,
            routes,
            functions,
            is_custom_handler,
            open_inference,
            bodies,
            answers,
            ready,
            stopping,
        })
    }

    /// Returns the function that a request invokes with an envelope. `None` if the request is not
    /// an invocation.
    fn function(&self, request: &Request) -> Option<&Function> {
        let path = request.uri().path();
        if !self.is_custom_handler || request.method() != http::Method::POST {
            return None;
        }
        let function = self.functions.function(path.strip_prefix('/')?)?;
        // Without a prefix, the route of a function may be equal to the function's own path.
        let is_forwarded = function.route.is_some() && self.route(path).is_some();
        // A platform may give the container its port in the variable that the Functions host uses.
        // So a request to `/score` without the header of an invocation is a payload.
        let is_payload = path == SCORE_ROUTE && !http_trigger::is_invocation(request.headers());
        (!is_forwarded && !is_payload).then_some(function)
    }

    /// Returns the function route that a path belongs to.
    fn route(&self, path: &str) -> Option<Matched<'_>> {
        let mut routes = self.functions.routes.iter();
        routes.find_map(|(route, methods)| {
            Some(Matched {
                methods,
                values: route.values(path)?,
            })
        })
    }

    /// Returns the bounds of one body of at most `limit_bytes` bytes whose reading starts now.
    fn bounds(&self, limit_bytes: u64) -> Bounds<'_> {
        Bounds {
            limit_bytes,
            budget: &self.bodies,
            deadline: Instant::now() + self.limits.deadline,
        }
    }

    /// True if the announced body of a request is large and could not be answered before its
    /// deadline.
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

    /// Returns the time by which a call must end, shortly before the Functions host would kill this
    /// process. `None` without such a limit.
    fn latest(&self) -> Option<Instant> {
        let timeout = self.functions.timeout.filter(|_| self.is_custom_handler)?;
        Instant::now()
            .checked_add(timeout.saturating_sub(FUNCTION_TIMEOUT_MARGIN.min(timeout / 10)))
    }

    /// Starts to answer calls: those that came before and wait, and all that follow.
    pub fn set_ready(&self, app: App) {
        let document = openapi::document(&app.manifest, app.scorer.signature());
        let openapi = Bytes::from(document.to_string());
        self.ready
            .send_replace(Some(Arc::new(Ready { app, openapi })));
    }

    /// True if readiness probes succeed: the scorer is ready, and no shutdown has started.
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

    /// Returns the routes that answer the scoring requests of a protocol.
    fn scoring_routes(&self, dialect: Dialect) -> &[String] {
        match dialect {
            Dialect::AzureMl => &self.routes,
            Dialect::OpenInference => self.open_inference.scoring_routes(),
        }
    }

    /// Returns the scorer as soon as it is ready. A platform sends calls from the first `GET /` on,
    /// so they wait here.
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

fn router(service: Arc<Service>) -> Router {
    let routes = Router::new()
        .route("/", get(async || health::live().map(Body::from)))
        .route("/readyz", get(readyz))
        .route("/swagger.json", get(swagger))
        .route(SCORE_ROUTE, post(score))
        .merge(open_inference::router(&service.open_inference))
        .fallback(
            async |State(service): State<Arc<Service>>, request: Request| {
                answer(&service, request).await
            },
        )
        .method_not_allowed_fallback(
            async |State(service): State<Arc<Service>>, request: Request| {
                other(&service, request, |_, _| RequestFailure::MethodNotAllowed).await
            },
        );
    guard::guarded(routes, &service).with_state(service)
}

/// Answers a request that matches no fixed route. Also serves requests that come through no socket.
pub async fn answer(service: &Service, request: Request) -> Response<Body> {
    let not_found = |service: &Service, dialect| RequestFailure::NotFound {
        routes: service.scoring_routes(dialect).to_vec(),
    };
    other(service, request, not_found).await
}

/// Answers a request for a function or for a function's route. Refuses any other request with
/// `failure`.
async fn other(
    service: &Service,
    request: Request,
    failure: impl FnOnce(&Service, Dialect) -> RequestFailure,
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
            return call(service, dialect, request, values).await;
        }
        allow = Some(methods.join(", "));
    }
    let scores = service
        .scoring_routes(dialect)
        .iter()
        .any(|route| route == path);
    let failure = match &allow {
        Some(_) => RequestFailure::MethodNotAllowed,
        None => failure(service, dialect),
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

async fn swagger(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
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

/// Answers with a document of the host itself, as soon as the scorer is ready.
async fn document(
    service: &Service,
    dialect: Dialect,
    headers: &HeaderMap,
    document: impl FnOnce(&Ready) -> Bytes,
) -> Response<Body> {
    match (Ids::take(headers), service.ready().await) {
        (Ok(ids), Ok(ready)) => ids.document(document(&ready)).map(Body::from),
        (Err(failure), _) | (Ok(_), Err(failure)) => refuse(dialect, headers, failure),
    }
}

/// Scores the body of a request, and answers with the result.
async fn call(
    service: &Service,
    dialect: Dialect,
    request: Request,
    attributes: Vec<(String, String)>,
) -> Response<Body> {
    let latest = service.latest();
    let (head, body) = request.into_parts();
    let ids = match Ids::take(&head.headers) {
        Ok(ids) => ids,
        Err(failure) => return refuse(dialect, &head.headers, failure),
    };
    let activity = head.extensions.get::<Arc<Activity>>();
    // The next answer of a client that does not read would be computed for nothing.
    if service.answers.is_nearly_full()
        && activity.is_some_and(|activity| activity.found_answers_full())
    {
        discard_unless_asked(&head.headers, body);
        return fail(dialect, &ids, &RequestFailure::AnswersFull.disposition());
    }
    // This check comes before the body is read, so that a client need not send what cannot be
    // answered in time.
    if service.is_hopeless(&head.headers) {
        discard_unless_asked(&head.headers, body);
        return fail(dialect, &ids, &ScoreFailure::Saturated.disposition());
    }
    let body = match read(
        &head.headers,
        body,
        &service.bounds(service.limits.body_bytes),
    )
    .await
    {
        Ok(body) => body.into_bytes(),
        Err(disposition) => return fail(dialect, &ids, &disposition),
    };
    let ready = match service.ready().await {
        Ok(ready) => ready,
        Err(failure) => return fail(dialect, &ids, &failure.disposition()),
    };
    if dialect == Dialect::OpenInference && ready.app.scorer.world() == World::Scoring {
        return fail(dialect, &ids, &RequestFailure::NoTensors.disposition());
    }
    let mut invocation = http_trigger::invocation(&ids, &head.headers);
    invocation.attributes.extend(attributes);
    invocation.latest = latest;
    invocation.caller = activity.map(|activity| activity.peer);
    let payload = dialect.payload(&head.headers, body);
    let scored = ready.app.scorer.run(invocation, payload).await;
    let scored = scored
        .and_then(|scored| http_trigger::check_content_type(&scored.payload).map(|()| scored));
    match scored {
        Ok(mut scored) => {
            let body = std::mem::take(&mut scored.payload.body);
            match count_answer(
                body,
                &service.answers,
                Instant::now() + service.limits.deadline,
            )
            .await
            {
                Ok(body) => scored.payload.body = body,
                Err(disposition) => {
                    activity.inspect(|activity| activity.note_answers_full());
                    return fail(dialect, &ids, &disposition);
                }
            }
            let (run_ms, cache) = (
                scored.run_time.as_secs_f64() * 1e3,
                scored.cache.map(CacheStatus::header),
            );
            tracing::debug!(invocation = ids.request(), run_ms, cache, "scored");
            http_trigger::scored(&ids, scored).map(Body::from)
        }
        Err(failure) => fail(dialect, &ids, &failure.disposition()),
    }
}

/// Logs a failure with its severity, and answers with it.
fn fail(dialect: Dialect, ids: &Ids, disposition: &Disposition) -> Response<Body> {
    log_failure(ids.request(), disposition);
    dialect.failed(ids, disposition)
}

/// Answers a request that fails before a call is made for it.
fn refuse(dialect: Dialect, headers: &HeaderMap, failure: RequestFailure) -> Response<Body> {
    let ids = Ids::take(headers).unwrap_or_else(|_| Ids::made());
    dialect.failed(&ids, &failure.disposition())
}

/// Logs one line about a failed call, for every trigger.
pub fn log_failure(invocation: &str, disposition: &Disposition) {
    let Disposition {
        status,
        severity,
        code,
        message,
        detail,
        pointer,
        ..
    } = disposition;
    let detail = detail.as_deref();
    // The level of an event is part of its static description, so each level needs its own macro
    // call.
    match severity {
        Severity::Error => {
            tracing::error!(
                invocation,
                status,
                code,
                detail,
                pointer,
                reason = message,
                "scoring failed"
            )
        }
        Severity::Warn => tracing::warn!(
            invocation,
            status,
            code,
            detail,
            pointer,
            reason = message,
            "scoring failed"
        ),
        Severity::Info => tracing::info!(
            invocation,
            status,
            code,
            detail,
            pointer,
            reason = message,
            "scoring failed"
        ),
    }
}
