//! Guard that answers a request whose handler panics with the error for a fault of the host.
//!
//! Owns which parts of a request are kept until its response is ready. Must not know what the
//! request asks for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use http::{Method, Response, Uri};

use super::dialect::Dialect;
use super::failure::fail;
use super::{Service, functions};
use crate::error::ScoreFailure;
use crate::panics::caught;
use crate::trigger::http::{IdHeaders, Ids};

/// Adds a layer to every route of a router, so that a request is answered even if its handler
/// panics.
pub(super) fn guarded(
    router: Router<Arc<Service>>,
    service: &Arc<Service>,
) -> Router<Arc<Service>> {
    router.layer(middleware::from_fn_with_state(Arc::clone(service), guard))
}

/// Runs the handler `next` of a request. If the handler panics, returns the response for a fault of
/// the host.
async fn guard(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let kept = Kept {
        method: request.method().clone(),
        uri: request.uri().clone(),
        ids: IdHeaders::of(request.headers()),
    };
    match caught(next.run(request)).await {
        Ok(response) => response,
        Err(panic) => kept.answer(&service, panic.to_string()),
    }
}

/// Parts of a request that are kept in case its handler panics. These parts identify the request in
/// the log, and determine the format in which the caller expects an error.
struct Kept {
    method: Method,
    uri: Uri,
    ids: IdHeaders,
}

impl Kept {
    fn answer(self, service: &Service, panic: String) -> Response<Body> {
        let disposition = ScoreFailure::HostFault(panic).disposition();
        let mut request = Request::new(Body::empty());
        (
            *request.method_mut(),
            *request.uri_mut(),
            *request.headers_mut(),
        ) = (self.method, self.uri, self.ids.into_headers());
        match service.function(&request) {
            Some(function) => functions::unanswered(function, &request, &disposition),
            None => {
                let ids = Ids::take(request.headers()).unwrap_or_else(|_| Ids::made());
                fail(Dialect::of(request.uri().path()), &ids, &disposition)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::functions::FunctionApp;
    use crate::manifest::Manifest;
    use crate::panics;
    use crate::telemetry::kept_lines::KeptLines;

    #[tokio::test]
    async fn a_planted_panic_is_a_host_fault_to_its_caller_alone() {
        let log = KeptLines::default();
        let _log = tracing::subscriber::set_default(log.subscriber());
        panics::log();
        let address = serve().await;
        // This request waits while the others panic, and is answered after them.
        let mut bystander = TcpStream::connect(address).await.unwrap();
        send(&mut bystander, "/waits", "x-request-id: bystander").await;
        let mut planted = TcpStream::connect(address).await.unwrap();
        for (path, id) in [
            ("/planted", "request-1"),
            ("/planted-late", "request-2"),
            ("/v2/planted", "request-3"),
        ] {
            send(&mut planted, path, &format!("x-request-id: {id}")).await;
            let (head, body) = answer(&mut planted).await;
            assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
            assert!(
                head.to_lowercase().contains(&format!("x-request-id: {id}")),
                "{head}"
            );
            // The message of the panic is for the log only.
            assert!(
                body.contains("An unexpected internal error occurred") && !body.contains("seed"),
                "{body}"
            );
            let line = log.line("invocation", id);
            assert_eq!(
                (line["level"].as_str(), line["code"].as_str()),
                (Some("ERROR"), Some("host-fault")),
                "{line}"
            );
            let detail = line["detail"].as_str().unwrap();
            assert!(
                detail.contains("guard.rs:") && detail.contains("seed\\nof evil"),
                "{detail}"
            );
        }
        // The connection stays open after the panics.
        send(&mut planted, "/", "x-request-id: after").await;
        assert!(answer(&mut planted).await.0.starts_with("HTTP/1.1 405 "));
        let (head, body) = answer(&mut bystander).await;
        assert!(
            head.starts_with("HTTP/1.1 200 ") && body == "calm",
            "{head}{body}"
        );
    }

    #[tokio::test]
    async fn a_planted_panic_in_an_invocation_fails_the_invocation_under_its_id() {
        let log = KeptLines::default();
        let _log = tracing::subscriber::set_default(log.subscriber());
        let folder = tempfile::tempdir().unwrap();
        let service = service(folder.path(), true);
        let id = "0b1d1f0e-0000-4000-8000-000000000000";
        let request = http::Request::post("/bus").header("x-azure-functions-invocationid", id);
        let ids = IdHeaders::of(request.headers_ref().unwrap());
        let kept = Kept {
            method: Method::POST,
            uri: Uri::from_static("/bus"),
            ids,
        };
        let response = kept.answer(&service, "panicked at x.rs:1:1: seed".to_owned());
        assert_eq!(response.status(), 500);
        assert_eq!(log.line("invocation", id)["code"], "host-fault");
    }

    /// Starts a server with the guard of the real server, and with routes of which some panic.
    async fn serve() -> std::net::SocketAddr {
        static WAITING: AtomicUsize = AtomicUsize::new(0);
        async fn planted() -> &'static str {
            WAITING.fetch_add(1, Ordering::Relaxed);
            panic!("seed\nof evil")
        }
        let late = async || {
            tokio::task::yield_now().await;
            planted().await
        };
        let waits = async || {
            while WAITING.load(Ordering::Relaxed) < 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            "calm"
        };
        let folder = tempfile::tempdir().unwrap();
        let service = service(folder.path(), false);
        let routes = Router::new()
            .route("/planted", post(planted))
            .route("/v2/planted", post(planted))
            .route("/planted-late", post(late))
            .route("/waits", post(waits))
            .route("/", axum::routing::get(async || "live"));
        let router = guarded(routes, &service).with_state(service);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn service(app: &Path, is_custom_handler: bool) -> Arc<Service> {
        let text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n";
        std::fs::write(app.join("scorebox.toml"), text).unwrap();
        let bus = r#"{"bindings": [{"type": "serviceBusTrigger", "direction": "in", "name": "m", "queueName": "q",
                     "connection": "C"}]}"#;
        std::fs::create_dir(app.join("bus")).unwrap();
        std::fs::write(app.join("bus/function.json"), bus).unwrap();
        std::fs::write(app.join("host.json"), r#"{"version": "2.0"}"#).unwrap();
        let manifest = Manifest::read(app).unwrap();
        Service::new(
            &manifest,
            FunctionApp::read(&manifest).unwrap(),
            is_custom_handler,
        )
    }

    async fn send(stream: &mut TcpStream, path: &str, header: &str) {
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(request.as_bytes()).await.unwrap();
    }

    async fn answer(stream: &mut TcpStream) -> (String, String) {
        let mut bytes = Vec::new();
        let head = loop {
            bytes.push(stream.read_u8().await.unwrap());
            if bytes.ends_with(b"\r\n\r\n") {
                break String::from_utf8(bytes).unwrap();
            }
        };
        let length = head
            .to_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }
}
