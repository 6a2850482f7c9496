//! HTTP requests that tests send to a server.
//!
//! Owns the client and the reading of responses, the form of errors included. Must not know which
//! server responds.

use std::sync::LazyLock;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
});

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(client);

/// Creates a client with a connection pool of its own.
#[must_use]
pub fn client() -> reqwest::Client {
    install_crypto();
    // A proxy of the machine must not be between a test and its own server.
    let builder = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(60));
    builder.build().expect("a client needs nothing")
}

/// Installs the cryptographic provider of rustls for this process. A second call has no effect.
pub fn install_crypto() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Runs a future to its end on the runtime of this module.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// The body of a request.
pub enum Body {
    /// A body whose length is in the header `Content-Length`.
    Sized(Vec<u8>),
    /// A body in chunks, of unknown length.
    Chunked(Vec<Vec<u8>>),
}

/// The response of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code of the response.
    pub status: u16,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Body of the response.
    pub body: Vec<u8>,
}

/// Sends a request and reads the whole response.
///
/// # Errors
/// Fails with the reason as text if no response arrives.
pub fn try_send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Result<Answer, String> {
    let mut request = CLIENT.request(method.parse().expect("a method"), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request = match body {
        Body::Sized(bytes) => request.body(bytes),
        Body::Chunked(pieces) => {
            let pieces =
                futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            request.body(reqwest::Body::wrap_stream(pieces))
        }
    };
    block_on(async {
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response
            .bytes()
            .await
            .map_err(|error| format!("{error:?}"))?
            .to_vec();
        Ok(Answer {
            status,
            headers,
            body,
        })
    })
}

impl Answer {
    /// Asserts that the response has the status code `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Asserts that the response is an error with the given status and code, in the documented
    /// form, whose message contains each of `parts`.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str, parts: &[&str]) -> Self {
        let answer = self.expect(status);
        let body = answer.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["id"].as_str(), answer.header("x-request-id"), "{body}");
        let message = body["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message in {body}"));
        for part in parts {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
        let retry = matches!(status, 503).then_some("1");
        assert_eq!(
            answer.header("retry-after"),
            retry,
            "Retry-After of a {status}"
        );
        answer
    }

    /// Returns the body as JSON. The test fails if it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON: {error}: {}", self.text()))
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
