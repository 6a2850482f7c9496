//! The scoring server: sockets, routes and limits.
//!
//! Owns the listener, the way of a request to a trigger, the bounds on a body, and the end of the process. Must not know
//! how a call is made into a guest, nor choose a status: those come from `error`.

mod functions;
mod health;
mod open_inference;
mod openapi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http::Response;
use http::header::{ALLOW, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::capability::cut;
use crate::error::{Disposition, RequestFailure, ScoreFailure, Severity, StartupError};
use crate::functions::FunctionApp;
use crate::functions::bindings::Function;
use crate::functions::envelope::route_attribute;
use crate::manifest::{Limits, Manifest};
use crate::scorer::{CacheStatus, Payload, World};
use crate::timer;
use crate::trigger::http::{self as http_trigger, Ids};
use crate::trigger::open_inference as open_inference_trigger;

/// Azure ML's route.
const SCORE_ROUTE: &str = "/score";

/// Connections that are open at a time; more wait to be accepted. Bounds what half-read bodies can hold.
const CONNECTIONS: usize = 1024;

/// Time for a request's headers, and for its body: a client that takes longer is lost or means no good.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a body that is too large is read and dropped, so that a client that is still sending gets the answer
/// rather than a reset connection.
const DISCARD_BYTES: u64 = 64 << 20;

/// Most that is reserved for a body before any of it has come.
const RESERVE_BYTES: u64 = 1 << 20;

/// What is left of `functionTimeout` for answering.
const FUNCTION_TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

/// Most of a reason that one line of the log holds, in bytes; a backtrace of a deep recursion is longer.
const LOGGED_BYTES: usize = 16 << 10;

/// What is served: nothing until the scorer is ready, then the scorer and its document.
pub struct Service {
    limits: Limits,
    /// Where Azure ML's form is answered, for messages.
    routes: Vec<String>,
    functions: FunctionApp,
    /// Whether the Functions host is the one who calls: only then is there a route for each function.
    is_custom_handler: bool,
    open_inference: open_inference::Model,
    ready: watch::Sender<Option<Arc<Ready>>>,
}

struct Ready {
    app: App,
    openapi: Bytes,
}

/// A path that belongs to a function's route.
struct Matched<'a> {
    /// The verbs that score there.
    methods: &'a [String],
    /// Of the route, by lower-case name.
    values: Vec<(String, String)>,
}

/// Whose routes a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Azure ML's.
    AzureMl,
    /// The Open Inference Protocol's.
    OpenInference,
}

impl Dialect {
    fn of(path: &str) -> Self {
        if open_inference::owns(path) { Self::OpenInference } else { Self::AzureMl }
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
    /// A service that is not ready yet; the Functions host is its only caller if it is a custom handler.
    #[must_use]
    pub fn new(manifest: &Manifest, functions: FunctionApp, is_custom_handler: bool) -> Arc<Self> {
        let api = functions.routes.iter().map(|(route, _)| route.template().to_owned());
        let routes = std::iter::once(SCORE_ROUTE.to_owned()).chain(api).collect();
        let open_inference = open_inference::Model::new(&manifest.scorer);
        let (limits, ready) = (manifest.limits.clone(), watch::Sender::new(None));
        Arc::new(Self { limits, routes, functions, is_custom_handler, open_inference, ready })
    }

    /// The function that a request invokes, in an envelope.
    fn function(&self, request: &Request) -> Option<&Function> {
        let path = request.uri().path();
        if !self.is_custom_handler || request.method() != http::Method::POST {
            return None;
        }
        let function = self.functions.function(path.strip_prefix('/')?)?;
        // Without a prefix, a route may have the path of its function.
        let is_forwarded = function.route.is_some() && self.route(path).is_some();
        // A container may be given a port by the same variable as by the Functions host; what comes to our own route without
        // the mark of an invocation is a payload.
        let is_payload = path == SCORE_ROUTE && !http_trigger::is_invocation(request.headers());
        (!is_forwarded && !is_payload).then_some(function)
    }

    /// The route that a path belongs to.
    fn route(&self, path: &str) -> Option<Matched<'_>> {
        let mut routes = self.functions.routes.iter();
        routes.find_map(|(route, methods)| Some(Matched { methods, values: route.values(path)? }))
    }

    /// When the Functions host would kill this process; a little earlier, a call ends by itself.
    fn latest(&self) -> Option<Instant> {
        let timeout = self.functions.timeout.filter(|_| self.is_custom_handler)?;
        Instant::now().checked_add(timeout.saturating_sub(FUNCTION_TIMEOUT_MARGIN.min(timeout / 10)))
    }

    /// Lets calls in: those that came before and wait, and all that follow.
    pub fn set_ready(&self, app: App) {
        let document = openapi::document(&app.manifest, app.scorer.signature());
        let openapi = Bytes::from(document.to_string());
        self.ready.send_replace(Some(Arc::new(Ready { app, openapi })));
    }

    /// Where calls are answered.
    fn scoring_routes(&self, dialect: Dialect) -> &[String] {
        match dialect {
            Dialect::AzureMl => &self.routes,
            Dialect::OpenInference => self.open_inference.scoring_routes(),
        }
    }

    /// The scorer, as soon as it is ready. A platform sends calls from the first `GET /` on, so they wait here.
    async fn ready(&self) -> Result<Arc<Ready>, RequestFailure> {
        let ready = self.ready.borrow().as_ref().map(Arc::clone);
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let mut ready = self.ready.subscribe();
        match timer::within(self.limits.init_deadline, ready.wait_for(Option::is_some)).await {
            Some(Ok(ready)) => ready.as_ref().map(Arc::clone).ok_or(RequestFailure::NotReady),
            _ => Err(RequestFailure::NotReady),
        }
    }
}

/// Serves until `stop` resolves; then takes no more connections and waits for calls in flight, for `limits.drain`.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = ()>,
) -> Result<(), StartupError> {
    let drain = service.limits.drain;
    let router = TowerToHyperService::new(router(service));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            // The semaphore is never closed.
            Ok(place) = Arc::clone(&places).acquire_owned() => place,
        };
        // Ends of earlier connections are of no interest; taking them keeps the set small.
        while connections.try_join_next().is_some() {}
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a client that is gone already: both pass.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for more to send with them. Failure only costs that.
        let _ = stream.set_nodelay(true);
        let mut stopping = stopping.subscribe();
        let router = router.clone();
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_TIMEOUT)
                .serve_connection(TokioIo::new(stream), router);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                // A value that changes, or a sender that is gone: both mean the end.
                _ = stopping.changed() => None,
            };
            let ended = match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.send_replace(true);
    tracing::info!(connections = connections.len(), "stopping");
    let drained = tokio::time::timeout(drain, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "calls in flight were cut off: limits.drain is over");
    }
    Ok(())
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(async || health::live().map(Body::from)))
        .route("/readyz", get(readyz))
        .route("/swagger.json", get(swagger))
        .route(SCORE_ROUTE, post(score))
        .merge(open_inference::router(&service.open_inference))
        .fallback(async |State(service): State<Arc<Service>>, request: Request| answer(&service, request).await)
        .method_not_allowed_fallback(async |State(service): State<Arc<Service>>, request: Request| {
            other(&service, request, |_, _| RequestFailure::MethodNotAllowed).await
        })
        .with_state(service)
}

/// Answers a request that came by no route of our own; also one that came by no socket.
pub async fn answer(service: &Service, request: Request) -> Response<Body> {
    let not_found =
        |service: &Service, dialect| RequestFailure::NotFound { routes: service.scoring_routes(dialect).to_vec() };
    other(service, request, not_found).await
}

/// What no route of our own takes: a function, a route of one, or nothing.
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
        if methods.iter().any(|method| method == request.method().as_str()) {
            let values = values.into_iter().map(|(name, value)| (route_attribute(&name), value)).collect();
            return call(service, dialect, request, values).await;
        }
        allow = Some(methods.join(", "));
    }
    let scores = service.scoring_routes(dialect).iter().any(|route| route == path);
    let failure = match &allow {
        Some(_) => RequestFailure::MethodNotAllowed,
        None => failure(service, dialect),
    };
    if failure == RequestFailure::MethodNotAllowed {
        let allow = allow.unwrap_or_else(|| if scores { "POST" } else { "GET, HEAD" }.to_owned());
        let mut answer = refuse(dialect, request.headers(), failure);
        // Verbs are plain words.
        if let Ok(value) = HeaderValue::from_str(&allow) {
            answer.headers_mut().insert(ALLOW, value);
        }
        return answer;
    }
    refuse(dialect, request.headers(), failure)
}

async fn readyz(State(service): State<Arc<Service>>) -> Response<Body> {
    health::ready(service.ready.borrow().is_some()).map(Body::from)
}

async fn swagger(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response<Body> {
    document(&service, Dialect::AzureMl, &headers, |ready| ready.openapi.clone()).await
}

async fn score(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    match service.function(&request) {
        Some(function) => functions::invoke(&service, function, request).await,
        None => call(&service, Dialect::AzureMl, request, Vec::new()).await,
    }
}

/// Answers with a document of the host's own, as soon as the scorer is ready.
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

/// Answers with a score.
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
    let limit_bytes = service.limits.body_bytes;
    let body = match read(&head.headers, body, limit_bytes, limit_bytes).await {
        Ok(body) => Bytes::from(body),
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
    let payload = dialect.payload(&head.headers, body);
    let scored = ready.app.scorer.run(invocation, payload).await;
    let scored = scored.and_then(|scored| http_trigger::check_content_type(&scored.payload).map(|()| scored));
    match scored {
        Ok(scored) => {
            let (run_ms, cache) = (scored.run_time.as_secs_f64() * 1e3, scored.cache.map(CacheStatus::header));
            tracing::debug!(invocation = ids.request(), run_ms, cache, "scored");
            http_trigger::scored(&ids, scored).map(Body::from)
        }
        Err(failure) => fail(dialect, &ids, &failure.disposition()),
    }
}

/// Reads a body within its bounds; `usual_bytes` is what is reserved for a large one whose length is not announced.
async fn read(headers: &HeaderMap, mut body: Body, limit_bytes: u64, usual_bytes: u64) -> Result<Vec<u8>, Disposition> {
    let too_large = || ScoreFailure::TooLarge { limit_bytes }.disposition();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A client that asks first has sent nothing yet, and need not.
    if announced.is_some_and(|length| length > limit_bytes) && headers.contains_key(EXPECT) {
        return Err(too_large());
    }
    let reserve = |bytes: &mut Vec<u8>, wanted: u64| {
        let wanted = usize::try_from(wanted.min(limit_bytes)).unwrap_or(usize::MAX);
        // Where it cannot be had at once, it is asked for step by step.
        let _ = bytes.try_reserve_exact(wanted.saturating_sub(bytes.len()));
    };
    let mut bytes = Vec::new();
    let mut total: u64 = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| RequestFailure::BodyLost.disposition())?.into_data() else { continue };
            total += data.len() as u64;
            if bytes.is_empty() && total <= limit_bytes {
                // Most bodies come in one piece, which need not be copied as a rule.
                if announced == Some(total) {
                    return Ok(data.into());
                }
                // What a client announces is a hint: it may announce much and send nothing.
                reserve(&mut bytes, announced.unwrap_or(0).min(RESERVE_BYTES));
            } else if bytes.len() + data.len() > bytes.capacity() && total > RESERVE_BYTES {
                // Growing by doubling would hold twice as much, and copy it.
                reserve(&mut bytes, announced.unwrap_or(usual_bytes));
            }
            if total <= limit_bytes {
                bytes.extend_from_slice(&data);
            } else if total > limit_bytes.saturating_add(DISCARD_BYTES) {
                break;
            }
        }
        if total > limit_bytes { Err(too_large()) } else { Ok(bytes) }
    };
    timer::within(BODY_TIMEOUT, reading).await.unwrap_or_else(|| Err(RequestFailure::BodyTooSlow.disposition()))
}

/// Logs a failure as the table says, and answers it.
fn fail(dialect: Dialect, ids: &Ids, disposition: &Disposition) -> Response<Body> {
    log_failure(ids.request(), disposition);
    dialect.failed(ids, disposition)
}

/// Answers a request that no call was made for.
fn refuse(dialect: Dialect, headers: &HeaderMap, failure: RequestFailure) -> Response<Body> {
    let ids = Ids::take(headers).unwrap_or_else(|_| Ids::made());
    dialect.failed(&ids, &failure.disposition())
}

/// One line for a failed call, whatever made it.
pub fn log_failure(invocation: &str, disposition: &Disposition) {
    let Disposition { status, severity, code, message, detail, pointer, .. } = disposition;
    let (detail, message) = (detail.as_deref().map(|text| cut(text, LOGGED_BYTES)), cut(message, LOGGED_BYTES));
    // The level of an event is part of its static description, hence one macro for each.
    match severity {
        Severity::Error => {
            tracing::error!(invocation, status, code, detail, pointer, reason = message, "scoring failed")
        }
        Severity::Warn => tracing::warn!(invocation, status, code, detail, pointer, reason = message, "scoring failed"),
        Severity::Info => tracing::info!(invocation, status, code, detail, pointer, reason = message, "scoring failed"),
    }
}
