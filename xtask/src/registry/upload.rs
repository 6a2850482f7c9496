//! Upload of one blob into a repository.
//!
//! Owns the check whether the blob exists, the mount, and the attempts to send it. Must not know
//! what the blob holds.

use super::broken::Broken;
use super::chunks::Chunks;
use super::progress::{Bar, Progress};
use super::repository::Repository;
use super::source::{Reader, Source};
use super::transport::{ATTEMPTS, backoff};
use super::{Sent, answer};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};

/// A blob that is to be sent.
#[derive(Debug)]
pub struct Upload<'a> {
    /// Name of the blob in messages.
    pub name: &'a str,
    /// Digest of the blob's bytes.
    pub digest: &'a Digest,
    /// Size of the blob, in bytes.
    pub size: u64,
    /// File or repository that the bytes are read from.
    pub source: Source<'a>,
    /// Name of a repository in the target registry that has the blob, so that it can be mounted
    /// from there.
    pub neighbour: Option<&'a str>,
}

/// Uploads a blob to a repository. If the repository has the blob, nothing is sent.
pub async fn upload(
    target: &Repository,
    blob: &Upload<'_>,
    progress: &Progress,
) -> Result<Sent, Failure> {
    if is_there(target, blob).await? {
        return Ok(Sent::Skipped);
    }
    let action = format!("upload of blob `{}`", blob.name);
    let mut opened = None;
    if let Some(neighbour) = blob.neighbour {
        match mount(target, &action, blob.digest, neighbour).await? {
            Mounted::Yes => return Ok(Sent::Mounted),
            Mounted::No(chunks) => opened = chunks,
        }
    }
    let (verb, outcome) = match blob.source {
        Source::File(_) => ("sending", Sent::Uploaded),
        Source::Registry(_) => ("copying", Sent::Copied),
    };
    let bar = progress.begin(verb, blob.name, blob.size);
    let mut attempt = 1;
    loop {
        match send_whole(target, &action, blob, opened.take(), &bar).await {
            Ok(()) => break,
            // After a broken session it is unknown what the registry holds, so the upload starts
            // again.
            Err(broken) if broken.may_pass && attempt < ATTEMPTS => {
                tokio::time::sleep(backoff(attempt)).await;
                attempt += 1;
            }
            Err(broken) => return Err(broken.failure),
        }
    }
    bar.finish();
    Ok(outcome)
}

/// Returns what an upload would do with a blob. Only the target is asked, and nothing is sent.
pub async fn foresee(target: &Repository, blob: &Upload<'_>) -> Result<Sent, Failure> {
    Ok(
        match (is_there(target, blob).await?, blob.neighbour, blob.source) {
            (true, ..) => Sent::Skipped,
            (false, Some(_), _) => Sent::Mounted,
            (false, None, Source::Registry(_)) => Sent::Copied,
            (false, None, Source::File(_)) => Sent::Uploaded,
        },
    )
}

async fn is_there(target: &Repository, blob: &Upload<'_>) -> Result<bool, Failure> {
    let action = format!("looking for blob `{}`", blob.name);
    let url = target.url(&format!("blobs/{}", blob.digest))?;
    let response = target
        .send(&action, |client| client.head(url.clone()))
        .await?;
    match response.status().as_u16() {
        // If a registry redirects to the storage that holds the blob, it has the blob.
        200 | 302 | 307 => Ok(true),
        404 => Ok(false),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

enum Mounted<'a> {
    Yes,
    /// Not mounted. The registry may have opened an upload session instead.
    No(Option<Chunks<'a>>),
}

async fn mount<'a>(
    target: &'a Repository,
    action: &'a str,
    digest: &Digest,
    neighbour: &str,
) -> Result<Mounted<'a>, Failure> {
    let mut url = target.url("blobs/uploads/")?;
    url.query_pairs_mut()
        .append_pair("mount", &digest.to_string())
        .append_pair("from", neighbour);
    let request = |client: &reqwest::Client| client.post(url.clone()).header("content-length", "0");
    let response = match target.send_beside(neighbour, action, request).await {
        // The user may be allowed to write to the target but not to read the neighbour. The upload
        // that follows finds out which right is missing.
        Err(failure) if failure.kind == Kind::Registry => return Ok(Mounted::No(None)),
        outcome => outcome?,
    };
    match response.status().as_u16() {
        201 => Ok(Mounted::Yes),
        202 => Ok(Mounted::No(Some(Chunks::opened(
            target, action, &response,
        )?))),
        // A registry that does not mount, or not from this repository, may still accept the bytes.
        400 | 403 | 404 | 405 => Ok(Mounted::No(None)),
        _ => Err(answer::unexpected(action, response).await),
    }
}

async fn send_whole(
    target: &Repository,
    action: &str,
    blob: &Upload<'_>,
    opened: Option<Chunks<'_>>,
    bar: &Bar,
) -> Result<(), Broken> {
    let mut bytes = Reader::open(blob.source, blob.name, blob.digest, blob.size).await?;
    let mut chunks = match opened {
        Some(chunks) => chunks,
        None => Chunks::begin(target, action).await?,
    };
    while chunks.wanted(blob.size) > 0 {
        chunks.send(&mut bytes, blob.size, bar).await?;
    }
    // The digest is checked before the registry is asked to complete the blob.
    bytes.check().await?;
    chunks.finish(blob.digest).await
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Request};
    use super::*;

    /// Uploads `size` bytes to a fake registry with these responses. Returns the outcome and the
    /// requests that were received.
    fn run(size: usize, answers: Vec<&'static str>) -> (Result<Sent, Failure>, Vec<Request>) {
        run_beside(None, size, answers)
    }

    fn run_beside(
        neighbour: Option<&str>,
        size: usize,
        answers: Vec<&'static str>,
    ) -> (Result<Sent, Failure>, Vec<Request>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blob");
        let bytes = vec![7; size];
        std::fs::write(&path, &bytes).unwrap();
        let (registry, requests) = fake::start(answers);
        let digest = Digest::of(&bytes);
        let source = Source::File(&path);
        let blob = Upload {
            name: "model",
            digest: &digest,
            size: size as u64,
            source,
            neighbour,
        };
        let target = Repository::new(&registry, "digits", true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let outcome = runtime.block_on(async { upload(&target, &blob, &Progress::new()).await });
        (outcome, requests.iter().collect())
    }

    fn lines(requests: &[Request]) -> Vec<&str> {
        requests
            .iter()
            .map(|request| request.line.as_str())
            .collect()
    }

    #[test]
    fn blob_that_is_there_is_not_sent() {
        for answer in ["200", "307|location: http://elsewhere.invalid/"] {
            let (outcome, requests) = run(3, vec![answer]);
            assert_eq!(
                (outcome, requests.len()),
                (Ok(Sent::Skipped), 1),
                "{answer}"
            );
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
        let session = "/v2/digits/blobs/uploads/1?_state=";
        assert_eq!(
            lines(&requests)[1..],
            [
                "POST /v2/digits/blobs/uploads/",
                &format!("PATCH {session}a%2Bb"),
                &format!("PATCH {session}c"),
                &format!("PUT {session}d&digest={digest}"),
            ]
        );
        let chunks: Vec<_> = requests
            .iter()
            .map(|request| (request.range.as_str(), request.body_bytes))
            .collect();
        assert_eq!(
            chunks[2..],
            [
                ("0-16777215", Some(16 << 20)),
                ("16777216-16777216", Some(1)),
                ("", Some(0))
            ]
        );
    }

    #[test]
    fn registry_may_want_larger_chunks() {
        let size = (16 << 20) + 1;
        let opened = "202|location: /x|oci-chunk-min-length: 20000000";
        let (outcome, requests) = run(size, vec!["404", opened, "202|location: /x", "201"]);
        assert_eq!(
            (outcome, requests[2].body_bytes),
            (Ok(Sent::Uploaded), Some(size as u64))
        );
        let (outcome, _) = run(
            3,
            vec!["404", "202|location: /x|oci-chunk-min-length: 2000000000"],
        );
        assert!(outcome.unwrap_err().problem.contains("no chunk below"));
    }

    #[test]
    fn broken_session_is_begun_again_and_a_refusal_is_not() {
        let session = "202|location: /v2/digits/blobs/uploads/1";
        let (outcome, requests) = run(
            3,
            vec!["404", session, "416", "404", session, session, "201"],
        );
        assert_eq!((outcome, requests.len()), (Ok(Sent::Uploaded), 7));
        let short = "202|location: /x|range: 0-1";
        let (outcome, requests) = run(
            3,
            vec!["404", session, short, "404", session, session, "201"],
        );
        assert_eq!((outcome, requests.len()), (Ok(Sent::Uploaded), 7));
        let (outcome, requests) = run(
            3,
            vec!["404", session, session, "416", session, session, "201"],
        );
        assert_eq!(
            (outcome, requests.len()),
            (Ok(Sent::Uploaded), 7),
            "the closing request"
        );
        let (outcome, requests) = run(3, vec!["404", session, "413"]);
        assert_eq!(
            (
                outcome.map_err(|failure| failure.exit_code()),
                requests.len()
            ),
            (Err(5), 3)
        );
        let (outcome, requests) = run(3, vec!["404", "404"]);
        assert_eq!(
            (
                outcome.map_err(|failure| failure.exit_code()),
                requests.len()
            ),
            (Err(5), 2)
        );
        let (outcome, _) = run(3, vec!["404", "202"]);
        assert!(outcome.unwrap_err().problem.contains("no Location"));
        let (outcome, requests) = run(3, vec!["503|retry-after: 0", "200"]);
        assert_eq!((outcome, requests.len()), (Ok(Sent::Skipped), 2));
    }

    #[test]
    fn chunk_that_was_cut_is_sent_again_alone() {
        let size = (16 << 20) + 1;
        let (session, first) = ("202|location: /s/0", "202|location: /s/1|range: 0-16777215");
        let (done, finished) = ("202|location: /s/2|range: 0-16777216", "201");
        // `hang up` closes the connection before any response.
        let held_first = "204|location: /s/3|range: 0-16777215";
        let (outcome, requests) = run(
            size,
            vec!["404", session, first, "hang up", held_first, done, finished],
        );
        assert_eq!(outcome, Ok(Sent::Uploaded));
        assert_eq!(
            lines(&requests)[2..6],
            ["PATCH /s/0", "PATCH /s/1", "GET /s/1", "PATCH /s/3"]
        );
        assert_eq!(requests[5].range, "16777216-16777216");

        let held_all = "204|location: /s/3|range: 0-16777216";
        let (outcome, requests) = run(size, vec!["404", session, first, "500", held_all, finished]);
        assert_eq!(outcome, Ok(Sent::Uploaded));
        assert!(
            lines(&requests)[5].starts_with("PUT /s/3?digest="),
            "{requests:?}"
        );

        let held_none = "204|location: /s/0|range: 0-0";
        let (outcome, requests) = run(
            3,
            vec![
                "404",
                session,
                "429|retry-after: 0",
                held_none,
                "202|location: /s/1",
                finished,
            ],
        );
        assert_eq!((outcome, requests.len()), (Ok(Sent::Uploaded), 6));
        assert_eq!(
            (requests[2].body_bytes, requests[4].body_bytes),
            (Some(3), Some(3))
        );
    }

    #[test]
    fn blob_of_another_registry_is_copied_and_checked() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let copy = |theirs: &str, ours: Vec<&str>| {
            let (theirs, _asked) = fake::start(
                theirs
                    .split(' ')
                    .map(|body| format!("200||{body}"))
                    .collect(),
            );
            let (ours, requests) = fake::start(ours);
            let (from, target) = (
                Repository::new(&theirs, "b", true).unwrap(),
                Repository::new(&ours, "d", true).unwrap(),
            );
            let digest = Digest::of(b"layer");
            let source = Source::Registry(&from);
            let blob = Upload {
                name: "base-1",
                digest: &digest,
                size: 5,
                source,
                neighbour: None,
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let outcome =
                runtime.block_on(async { upload(&target, &blob, &Progress::new()).await });
            (outcome, requests.iter().collect::<Vec<_>>())
        };
        let (session, taken) = ("202|location: /s/0", "202|location: /s/1|range: 0-4");
        let (outcome, requests) = copy("layer", vec!["404", session, taken, "201"]);
        assert_eq!(
            (outcome, requests[2].body_bytes),
            (Ok(Sent::Copied), Some(5))
        );
        // Bytes with the wrong digest are never completed as the blob.
        let (outcome, requests) = copy("later", vec!["404", session, taken]);
        assert!(outcome.unwrap_err().problem.contains("has the digest"));
        assert!(
            requests
                .iter()
                .all(|request| !request.line.starts_with("PUT")),
            "{requests:?}"
        );
        // If the upload starts again, the bytes are fetched again.
        let (outcome, requests) = copy(
            "layer layer",
            vec!["404", session, "500", "404", session, taken, "201"],
        );
        assert_eq!((outcome, requests.len()), (Ok(Sent::Copied), 7));
    }

    #[test]
    fn neighbours_blob_is_mounted_or_else_sent() {
        let (outcome, requests) = run_beside(Some("base/it"), 3, vec!["404", "201"]);
        assert_eq!(outcome, Ok(Sent::Mounted));
        let digest = Digest::of(&[7; 3]).to_string().replace(':', "%3A");
        assert_eq!(
            lines(&requests)[1],
            format!("POST /v2/digits/blobs/uploads/?mount={digest}&from=base%2Fit")
        );
        // If the mount is refused, the session that was opened instead is used.
        let (outcome, requests) = run_beside(
            Some("base/it"),
            3,
            vec!["404", "202|location: /s/0", "202|location: /s/1", "201"],
        );
        assert_eq!(
            (outcome, lines(&requests)[2]),
            (Ok(Sent::Uploaded), "PATCH /s/0")
        );
        let answers = vec![
            "404",
            "405",
            "202|location: /s/0",
            "202|location: /s/1",
            "201",
        ];
        let (outcome, requests) = run_beside(Some("base/it"), 3, answers);
        assert_eq!(
            (outcome, lines(&requests)[2]),
            (Ok(Sent::Uploaded), "POST /v2/digits/blobs/uploads/")
        );
    }
}
