//! Answers that were not hoped for, in words.
//!
//! Owns the reading of OCI error bodies and of whatever proxies send instead. Must not know what was asked for beyond
//! its description.

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::failure::{Failure, Kind};

/// A registry's error body.
#[derive(Debug, Deserialize)]
struct Errors {
    errors: Vec<OciError>,
}

/// One error of the body.
#[derive(Debug, Deserialize)]
struct OciError {
    code: String,
    #[serde(default)]
    message: String,
}

/// Makes a failure of an answer; `action` says what was asked, e.g. "upload of layer `model`".
pub async fn unexpected(action: &str, response: Response) -> Failure {
    let (status, url) = (response.status(), response.url().clone());
    let mut url = url;
    // The query may hold the key of an upload session.
    url.set_query(None);
    let body = response.bytes().await.unwrap_or_default();
    explain(action, url.as_str(), status, &body)
}

/// No answer came.
pub fn unanswered(action: &str, error: &reqwest::Error) -> Failure {
    let mut text = error.to_string();
    // The query of an address may hold the key of an upload session, or a right to read.
    if let Some(query) = error.url().and_then(reqwest::Url::query) {
        text = text.replace(&format!("?{query}"), "");
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    Failure::new(
        Kind::Network,
        format!("{action}: {text}"),
        "check the registry's name and port, proxy and certificates; a registry without HTTPS needs --plain-http",
    )
}

fn explain(action: &str, url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let said = match serde_json::from_slice::<Errors>(body) {
        Ok(body) if !body.errors.is_empty() => {
            body.errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect::<Vec<_>>().join("; ")
        }
        _ if body.is_empty() => "nothing more".to_owned(),
        _ => format!("`{}`", String::from_utf8_lossy(body.get(..200).unwrap_or(body)).trim()),
    };
    let fix = match status.as_u16() {
        401 => {
            "this version pushes only to registries without authentication; push the layout with another tool, \
                e.g. skopeo copy --preserve-digests oci:DIR docker://REGISTRY/NAME:TAG"
        }
        403 => "ask for the right to push to this repository",
        404 => "check registry and repository; some registries want the repository to exist first",
        413 => "a proxy limits the size of a request; raise its limit to at least 16 MiB",
        429 => "wait, and run the command again: what was sent is not sent again",
        500.. => "run the command again; if it stays so, look into the registry's log",
        _ => "see what the registry says above, and into its log",
    };
    Failure::new(Kind::Registry, format!("{action}: {url} answered {status}: {said}"), fix)
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
            &["UNAUTHORIZED who?", "without authentication"],
        );
        check(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#, &["DIGEST_INVALID"]);
        check(502, "<html>Bad gateway", &["502", "`<html>Bad gateway`", "again"]);
        check(413, "", &["nothing more", "16 MiB"]);
        check(500, &"é".repeat(200), &["500"]);
    }
}
