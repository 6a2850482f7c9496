//! Tests of the requests for manifests: digests, pages of referrers lists, and names that change.
//!
//! Owns the responses. Must not know how a request is authenticated.

use super::super::fake;
use super::*;

/// Calls `work` with a repository of a fake registry that sends the given responses. Returns its
/// result, and the first lines of the requests that the registry received.
fn with_registry<T>(
    answers: Vec<String>,
    work: impl AsyncFnOnce(&Repository) -> T,
) -> (T, Vec<String>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (registry, requests) = fake::start(answers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let repository = Repository::new(&registry, "a", true).unwrap();
    let result = runtime.block_on(work(&repository));
    (
        result,
        requests.iter().map(|request| request.line).collect(),
    )
}

/// Reads the referrers list of an image from a fake registry with the given responses. Returns the
/// number of entries or the failure, and the first lines of the requests that the registry
/// received.
fn listed(answers: Vec<String>) -> (Result<usize, Failure>, Vec<String>) {
    let (listed, lines) = with_registry(answers, async |repository| {
        referrers(repository, &Digest::of(b"image")).await
    });
    (listed.map(|listed| listed.unwrap_or_default().len()), lines)
}

/// Requests the manifest `name` from a fake registry. The response has the body `sent` and, if
/// `named` is not empty, says that its digest is `named`. Fails if the manifest is refused.
fn got(name: &str, expected: Option<&Digest>, sent: &str, named: &str) -> Result<String, Failure> {
    let header = match named {
        "" => String::new(),
        named => format!("|docker-content-digest: {named}"),
    };
    let read = with_registry(vec![format!("200{header}||{sent}")], async |repository| {
        get(repository, "reading", name, expected).await
    });
    read.0.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_digest_that_was_asked_for_outranks_the_one_that_the_registry_names() {
    let (ours, altered) = (r#"{"layers":[]}"#, r#"{"layers":[ ]}"#);
    let digest = |text: &str| Digest::of(text.as_bytes());
    let pinned = digest(ours);
    let name = pinned.to_string();
    // A registry that alters a manifest can name the digest of the altered bytes.
    for named in ["", &name, &digest(altered).to_string(), "sha256:short"] {
        let refused = got(&name, Some(&pinned), altered, named).unwrap_err();
        assert_eq!(refused.exit_code(), 5, "{named}: {refused}");
        for part in [&name, &digest(altered).to_string()] {
            assert!(refused.problem.contains(part), "{named}: {refused}");
        }
        let read = got(&name, Some(&pinned), ours, named);
        assert_eq!(read.as_deref(), Ok(ours), "{named}");
    }
    // For a tag, only the digest that the registry names can be compared with the bytes.
    for named in ["", &name, "sha256:short"] {
        assert_eq!(got("1", None, ours, named).as_deref(), Ok(ours), "{named}");
    }
    let refused = got("1", None, altered, &name).unwrap_err();
    assert!(refused.problem.contains(&name), "{refused}");
}

#[test]
fn a_tag_that_moves_is_read_as_it_is_then() {
    let (first, second) = ("{}", r#"{"layers":[]}"#);
    let named = |text: &str| format!("200|docker-content-digest: {}", Digest::of(text.as_bytes()));
    let answers = vec![
        named(first),
        format!("{}||{second}", named(second)),
        // The header is still that of the first manifest.
        format!("{}||{second}", named(first)),
    ];
    let (read, lines) = with_registry(answers, async |repository| {
        let seen = stored(repository, "1").await.unwrap();
        let moved = find(repository, "1").await.unwrap();
        (seen, moved, find(repository, "1").await)
    });
    let (seen, moved, mixed) = read;
    assert_eq!(seen, Some(Digest::of(first.as_bytes()).to_string()));
    assert_eq!(moved.as_deref(), Some(second.as_bytes()));
    assert!(mixed.unwrap_err().problem.contains("has the digest"));
    assert_eq!(lines[0], "HEAD /v2/a/manifests/1");
    assert_eq!(
        lines[1..],
        ["GET /v2/a/manifests/1", "GET /v2/a/manifests/1"]
    );
}

#[test]
fn a_manifest_that_the_registry_rewrites_is_not_taken_for_the_one_that_was_sent() {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let sent = |answer: String| {
        with_registry(vec![answer], async |repository| {
            put(repository, "1", OCI_IMAGE_INDEX_MEDIA_TYPE, b"{}").await
        })
        .0
    };
    let named = |text: &str| format!("201|docker-content-digest: {}", digest(text));
    assert_eq!(sent(named("{}")), Ok(Put { is_listed: false }));
    assert_eq!(sent("201".to_owned()), Ok(Put { is_listed: false }));
    let refused = sent(named("{ }")).unwrap_err();
    for part in [digest("{}"), digest("{ }")] {
        assert!(refused.problem.contains(&part), "{refused}");
    }
}

fn page(next: &str, entries: usize) -> String {
    let link = if next.is_empty() {
        String::new()
    } else {
        format!("|link: <{next}>; rel=\"next\"")
    };
    format!(
        "200{link}||{{\"manifests\":[{}]}}",
        vec!["{}"; entries].join(",")
    )
}

#[test]
fn a_list_is_read_page_by_page() {
    let (count, lines) = listed(vec![page("/v2/a/referrers/x?n=2&last=1", 2), page("", 1)]);
    assert_eq!((count, lines.len()), (Ok(3), 2));
    assert_eq!(lines[1], "GET /v2/a/referrers/x?n=2&last=1");
    assert_eq!(listed(vec!["404".to_owned()]).0, Ok(0));
    // A link to another host is ignored.
    assert_eq!(listed(vec![page("http://127.0.0.2:1/x", 1)]).0, Ok(1));
}

#[test]
fn a_list_ends() {
    let circle = vec![page("?page=1", 1), page("?page=2", 1), page("?page=1", 1)];
    let (count, lines) = listed(circle);
    assert!(
        count.unwrap_err().problem.contains("pages") && lines.len() == 3,
        "{lines:?}"
    );
    let endless: Vec<_> = (0..bounds::MOST_PAGES)
        .map(|number| page(&format!("?page={number}"), 1))
        .collect();
    assert!(listed(endless).0.unwrap_err().problem.contains("pages"));
    let (count, lines) = listed(vec![
        page("?page=1", bounds::MOST_REFERRERS),
        page("?page=2", 1),
    ]);
    assert!(
        count.unwrap_err().problem.contains("artifacts") && lines.len() == 2,
        "{lines:?}"
    );
    assert!(
        listed(vec![page("", 40_000)])
            .0
            .unwrap_err()
            .fix
            .contains("delete")
    );
}
