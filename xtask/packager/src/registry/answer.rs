//! Failures that describe unexpected responses.
//!
//! Owns the parsing of OCI error bodies, and of the bodies that proxies send instead. Must not know
//! more about the request than its description.

use reqwest::{Response, StatusCode};
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};
use serde::Deserialize;

use super::error_body;

/// Instruction in the error message for a manifest that is invalid or is not the requested one.
pub const NO_MANIFEST: &str = "the answer is not what was asked for: check whether a proxy or a \
                               mirror answers for the registry";

/// Error body of a registry's response, as the OCI distribution specification defines it.
#[derive(Debug, Deserialize)]
struct Errors {
    errors: Vec<OciError>,
}

/// One error in the error body of a registry's response.
#[derive(Debug, Deserialize)]
struct OciError {
    code: String,
    #[serde(default)]
    message: String,
}

/// Error body of a token service's response, as RFC 6749 defines it.
#[derive(Debug, Deserialize)]
struct OauthError {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Builds the failure for an unexpected response. `action` describes the request, e.g. "upload of
/// layer `model`".
pub async fn unexpected(action: &str, response: Response) -> Failure {
    let (status, mut url) = (response.status(), response.url().clone());
    // The query may contain the key of an upload session.
    url.set_query(None);
    let body = error_body::beginning(response).await;
    explain(action, url.as_str(), status, &body)
}

/// Returns the status of a response and the text of its error body, for an error message.
pub async fn said(response: Response) -> String {
    let status = response.status();
    let body = error_body::beginning(response).await;
    format!("it answered {status}: {}", words(&body))
}

/// Builds the failure for a request that got no response. `action` describes the request.
pub fn unanswered(action: &str, error: &reqwest::Error) -> Failure {
    let mut text = error.to_string();
    // The query of a URL may contain the key of an upload session, or a read permission.
    if let Some(query) = error.url().and_then(reqwest::Url::query) {
        text = text.replace(&format!("?{query}"), "");
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    let text = quoted(&text, REASON_BYTES);
    let host = error
        .url()
        .and_then(reqwest::Url::host_str)
        .unwrap_or("the registry");
    let Cause { beginning, fix } = Cause::of(&text, host);
    Failure::new(Kind::Network, format!("{action}: {beginning}{text}"), fix)
}

/// Cause of an error of the HTTP client, with an instruction that fixes the cause.
struct Cause {
    /// Start of the error message, which names the cause. Empty if the cause is unknown.
    beginning: String,
    /// Instruction that fixes the cause.
    fix: &'static str,
}

impl Cause {
    /// Finds the cause of an error of the HTTP client. `text` is the text of the error, and `host`
    /// is the host that did not answer.
    fn of(text: &str, host: &str) -> Self {
        let has = |part: &str| text.contains(part);
        let (beginning, fix) = if has("dns error") {
            (
                format!("unknown host `{host}`: "),
                "check the registry's name, in --registry or package.registry, and this machine's \
                 name server",
            )
        } else if has("UnknownIssuer") {
            (
                format!("the certificate of `{host}` is not trusted: "),
                "give the root certificate of the registry with --ca-file FILE, or of a whole \
                 machine in SSL_CERT_FILE",
            )
        } else if has("invalid peer certificate") {
            (
                format!("the certificate of `{host}` is not valid: "),
                "use the name that is in the certificate, or have the registry's certificate \
                 renewed",
            )
        } else if has("InvalidContentType") || has("corrupt message") || has("tls handshake eof") {
            (
                format!("`{host}` does not speak TLS: "),
                "check the port; a registry without HTTPS needs --plain-http",
            )
        } else {
            (
                String::new(),
                "check the registry's name and port, proxy and certificates; a registry without \
                 HTTPS needs --plain-http",
            )
        };
        Self { beginning, fix }
    }
}

fn explain(action: &str, url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let said = words(body);
    let fix = match status.as_u16() {
        401 => {
            "log in: `cargo xtask login` tries the credentials and says where they are looked for"
        }
        403 => {
            "ask for the right to do this in this repository, or use other credentials; `cargo xtask login` shows what is \
             granted"
        }
        404 => "check registry and repository; some registries want the repository to exist first",
        413 => "a proxy limits the size of a request; raise its limit to at least 16 MiB",
        429 => "wait, and run the command again: what was sent is not sent again",
        500.. => "run the command again; if it fails again, look into the registry's log",
        _ => "see what the registry says above, and look into its log",
    };
    let kind = match status.as_u16() {
        408 | 429 | 500.. => Kind::Unavailable,
        _ => Kind::Registry,
    };
    let url = quoted(url, REASON_BYTES);
    Failure::new(
        kind,
        format!("{action}: {url} answered {status}: {said}"),
        fix,
    )
}

/// Returns the text of an error body on one line, shortened, because a proxy may have sent the body
/// instead of the registry.
fn words(body: &[u8]) -> String {
    quoted(&all_words(body), REASON_BYTES)
}

fn all_words(body: &[u8]) -> String {
    if let Ok(body) = serde_json::from_slice::<Errors>(body)
        && !body.errors.is_empty()
    {
        return body
            .errors
            .iter()
            .map(|error| format!("{} {}", error.code, error.message))
            .collect::<Vec<_>>()
            .join("; ");
    }
    if let Ok(fault) = serde_json::from_slice::<OauthError>(body) {
        return format!("{} {}", fault.error, fault.error_description)
            .trim()
            .to_owned();
    }
    match body {
        [] => "nothing more".to_owned(),
        _ => format!(
            "`{}`",
            String::from_utf8_lossy(body.get(..200).unwrap_or(body)).trim()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_put_into_words() {
        let check = |status: u16, body: &str, parts: &[&str]| {
            let status = StatusCode::from_u16(status).unwrap();
            let text = explain("upload", "http://r/v2/", status, body.as_bytes()).to_string();
            for part in parts {
                assert!(text.contains(part), "{text}");
            }
        };
        check(
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}"#,
            &["UNAUTHORIZED who?", "cargo xtask login"],
        );
        check(
            400,
            r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#,
            &["DIGEST_INVALID"],
        );
        check(
            502,
            "<html>Bad gateway",
            &["502", "`<html>Bad gateway`", "again"],
        );
        check(413, "", &["nothing more", "16 MiB"]);
        check(500, &"é".repeat(200), &["500"]);
        check(
            403,
            "\u{1b}[2Jpushed: ok\nfix: none",
            &["\\u{1b}[2Jpushed: ok\\nfix: none"],
        );
        for (status, kind) in [
            (400, Kind::Registry),
            (404, Kind::Registry),
            (408, Kind::Unavailable),
            (429, Kind::Unavailable),
            (500, Kind::Unavailable),
            (503, Kind::Unavailable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(explain("a", "http://r", status, b"").kind, kind, "{status}");
        }
        let long = format!(
            r#"{{"errors":[{{"code":"DENIED","message":"{}"}}]}}"#,
            "x".repeat(60_000)
        );
        assert!(words(long.as_bytes()).len() <= REASON_BYTES);
    }
}
