//! Tests of the upload of a blob to a registry.

use super::super::fake::{self, Request};
use super::*;

/// Uploads a blob of `size` bytes to a fake registry with the given responses. Returns the result
/// or the failure, and the requests that the registry received.
fn run(size: usize, answers: Vec<&'static str>) -> (Result<Sent, Failure>, Vec<Request>) {
    run_with_neighbour(None, size, answers)
}

fn run_with_neighbour(
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
        let outcome = runtime.block_on(async { upload(&target, &blob, &Progress::new()).await });
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
    let (outcome, requests) = run_with_neighbour(Some("base/it"), 3, vec!["404", "201"]);
    assert_eq!(outcome, Ok(Sent::Mounted));
    let digest = Digest::of(&[7; 3]).to_string().replace(':', "%3A");
    assert_eq!(
        lines(&requests)[1],
        format!("POST /v2/digits/blobs/uploads/?mount={digest}&from=base%2Fit")
    );
    // If the mount is refused, the session that was opened instead is used.
    let (outcome, requests) = run_with_neighbour(
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
    let (outcome, requests) = run_with_neighbour(Some("base/it"), 3, answers);
    assert_eq!(
        (outcome, lines(&requests)[2]),
        (Ok(Sent::Uploaded), "POST /v2/digits/blobs/uploads/")
    );
}
