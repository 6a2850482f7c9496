//! One blob's way into a registry.
//!
//! Owns the question whether it is there, and its upload in chunks. Must not know what the blob holds.

use std::io::SeekFrom;
use std::path::Path;

use reqwest::{Body, Client, Response, Url};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::transport::{ATTEMPTS, backoff, send};
use super::{Sent, answer};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};

/// The largest body of one request: Azure Container Registry refuses a single one of more than about 20 MB.
const CHUNK_BYTES: u64 = 16 << 20;

/// A blob to be sent.
#[derive(Debug)]
pub struct Upload<'a> {
    /// For messages.
    pub name: &'a str,
    /// Of its bytes.
    pub digest: &'a Digest,
    /// Number of its bytes.
    pub size: u64,
    /// Where they are.
    pub path: &'a Path,
}

/// Sends a blob unless it is there; `progress` hears how many bytes are sent.
pub async fn upload(client: &Client, base: &Url, blob: &Upload<'_>, progress: &dyn Fn(u64)) -> Result<Sent, Failure> {
    if is_there(client, base, blob).await? {
        return Ok(Sent::Skipped);
    }
    let mut attempt = 1;
    loop {
        match send_whole(client, base, blob, progress).await {
            Ok(()) => return Ok(Sent::Uploaded),
            // A session that broke cannot be trusted to hold what was sent: begin again.
            Err(broken) if broken.may_pass && attempt < ATTEMPTS => {
                tokio::time::sleep(backoff(attempt)).await;
                attempt += 1;
            }
            Err(broken) => return Err(broken.failure),
        }
    }
}

/// An upload that broke off.
struct Broken {
    failure: Failure,
    /// Whether another session may do better.
    may_pass: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, may_pass: false }
    }
}

impl Broken {
    fn unanswered(action: &str, error: &reqwest::Error) -> Self {
        Self { failure: answer::unanswered(action, error), may_pass: true }
    }

    async fn unexpected(action: &str, response: Response) -> Self {
        let status = response.status();
        // 416: chunks arrived in another order than they were sent, which Azure's registry is known to say at times.
        let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 416 | 429);
        Self { failure: answer::unexpected(action, response).await, may_pass }
    }
}

async fn is_there(client: &Client, base: &Url, blob: &Upload<'_>) -> Result<bool, Failure> {
    let action = format!("looking for blob `{}`", blob.name);
    let url = join(base, &format!("blobs/{}", blob.digest))?;
    let response = send(&action, || client.head(url.clone())).await?;
    match response.status().as_u16() {
        // A registry may redirect to the storage that holds the blob; then it has it.
        200 | 302 | 307 => Ok(true),
        404 => Ok(false),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

async fn send_whole(client: &Client, base: &Url, blob: &Upload<'_>, progress: &dyn Fn(u64)) -> Result<(), Broken> {
    let action = format!("upload of blob `{}`", blob.name);
    let start = join(base, "blobs/uploads/")?;
    let response = send(&action, || client.post(start.clone()).header("content-length", "0")).await?;
    if response.status() != 202 {
        return Err(Broken::unexpected(&action, response).await);
    }
    let least = header(&response, "oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let chunk = CHUNK_BYTES.max(least);
    let mut location = location(&action, &response)?;
    let mut sent = 0;
    while sent < blob.size {
        let count = chunk.min(blob.size - sent);
        let last = sent + count - 1;
        let request = client
            .patch(location.clone())
            .header("content-type", "application/octet-stream")
            // With the length given the body is not sent as `Transfer-Encoding: chunked`, which some registries refuse.
            .header("content-length", count)
            .header("content-range", format!("{sent}-{last}"))
            .body(part(blob, sent, count).await?);
        let response = request.send().await.map_err(|error| Broken::unanswered(&action, &error))?;
        if response.status() != 202 {
            return Err(Broken::unexpected(&action, response).await);
        }
        if let Some(range) = header(&response, "range") {
            let held = range.rsplit('-').next().and_then(|end| end.parse::<u64>().ok());
            if held.is_some_and(|held| held != last) {
                let problem = format!("{action}: the registry holds bytes {range}, and {last} was the last one sent");
                let failure = Failure::new(Kind::Registry, problem, "run the command again");
                return Err(Broken { failure, may_pass: true });
            }
        }
        location = self::location(&action, &response)?;
        sent += count;
        progress(sent);
    }
    finish(client, location, &action, blob.digest).await
}

async fn finish(client: &Client, mut location: Url, action: &str, digest: &Digest) -> Result<(), Broken> {
    // The location is opaque: its query stays.
    location.query_pairs_mut().append_pair("digest", &digest.to_string());
    let request = client.put(location).header("content-length", "0");
    let response = request.send().await.map_err(|error| Broken::unanswered(action, &error))?;
    match response.status().as_u16() {
        201 | 204 => Ok(()),
        _ => Err(Broken::unexpected(action, response).await),
    }
}

/// A part of the blob's file as a body that is read while it is sent.
async fn part(blob: &Upload<'_>, start: u64, count: u64) -> Result<Body, Failure> {
    let unreadable = |error: std::io::Error| Failure::file(blob.path, "be read", error);
    let mut file = File::open(blob.path).await.map_err(unreadable)?;
    file.seek(SeekFrom::Start(start)).await.map_err(unreadable)?;
    Ok(Body::wrap_stream(ReaderStream::with_capacity(file.take(count), 256 << 10)))
}

/// A place below the repository.
pub fn join(base: &Url, path: &str) -> Result<Url, Failure> {
    base.join(path).map_err(|error| Failure::other(format!("{base}{path}: {error}"), "check registry and repository"))
}

/// A header of an answer, if it is there and is text.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Where the session goes on: absolute, or relative to the request.
fn location(action: &str, response: &Response) -> Result<Url, Failure> {
    let location = header(response, "location").and_then(|location| response.url().join(location).ok());
    location.ok_or_else(|| {
        Failure::new(
            Kind::Registry,
            format!("{action}: {} gave no Location to go on at", response.url()),
            "see whether this is a registry of the OCI distribution specification",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Request};
    use super::super::transport::client;
    use super::*;

    /// Uploads that many bytes to a registry with these answers, and returns the outcome and what was asked.
    fn run(size: usize, answers: Vec<&'static str>) -> (Result<Sent, Failure>, Vec<Request>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        let bytes = vec![7; size];
        std::fs::write(&path, &bytes).unwrap();
        let (base, requests) = fake::start(answers);
        let digest = Digest::of(&bytes);
        let blob = Upload { name: "model", digest: &digest, size: size as u64, path: &path };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(async { upload(&client("127.0.0.1").unwrap(), &base, &blob, &|_| ()).await });
        (outcome, requests.iter().collect())
    }

    #[test]
    fn blob_that_is_there_is_not_sent() {
        for answer in ["200", "307|location: http://elsewhere.invalid/"] {
            let (outcome, requests) = run(3, vec![answer]);
            assert_eq!((outcome, requests.len()), (Ok(Sent::Skipped), 1), "{answer}");
        }
    }

    #[test]
    fn chunks_have_their_length_and_the_session_its_query() {
        let size = (16 << 20) + 1;
        let (outcome, requests) = run(
            size,
            vec![
                "404",
                "202|location: /v2/digits/blobs/uploads/1?_state=a%2Bb",
                "202|location: /v2/digits/blobs/uploads/1?_state=c|range: 0-16777215",
                "202|location: /v2/digits/blobs/uploads/1?_state=d|range: 0-16777216",
                "201",
            ],
        );
        assert_eq!(outcome, Ok(Sent::Uploaded));
        let digest = Digest::of(&vec![7; size]).to_string().replace(':', "%3A");
        let lines: Vec<_> = requests.iter().map(|request| request.line.as_str()).collect();
        let session = "/v2/digits/blobs/uploads/1?_state=";
        assert_eq!(lines[1], "POST /v2/digits/blobs/uploads/");
        assert_eq!(lines[2], format!("PATCH {session}a%2Bb"));
        assert_eq!(lines[3], format!("PATCH {session}c"));
        assert_eq!(lines[4], format!("PUT {session}d&digest={digest}"));
        let chunks: Vec<_> = requests.iter().map(|request| (request.range.as_str(), request.body_bytes)).collect();
        assert_eq!(chunks[2..], [("0-16777215", Some(16 << 20)), ("16777216-16777216", Some(1)), ("", Some(0))]);
    }

    #[test]
    fn broken_session_is_begun_again_and_a_refusal_is_not() {
        let session = "202|location: /v2/digits/blobs/uploads/1";
        let (outcome, requests) = run(3, vec!["404", session, "416", session, session, "201"]);
        assert_eq!((outcome, requests.len()), (Ok(Sent::Uploaded), 6));
        let (outcome, requests) = run(3, vec!["404", session, "202|location: /x|range: 0-1", session, session, "201"]);
        assert_eq!((outcome, requests.len()), (Ok(Sent::Uploaded), 6));
        let (outcome, requests) = run(3, vec!["404", session, "413"]);
        assert_eq!((outcome.map_err(|failure| failure.exit_code()), requests.len()), (Err(5), 3));
        let (outcome, _) = run(3, vec!["404", "202"]);
        assert!(outcome.unwrap_err().problem.contains("no Location"));
        let (outcome, _) = run(3, vec!["401"]);
        assert!(outcome.unwrap_err().fix.contains("without authentication"));
        let (outcome, requests) = run(3, vec!["503|retry-after: 0", "200"]);
        assert_eq!((outcome, requests.len()), (Ok(Sent::Skipped), 2));
    }
}
