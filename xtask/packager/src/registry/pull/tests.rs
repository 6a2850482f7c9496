//! Tests of the reading of a base image: the order of the requests, and altered bytes.
//!
//! Owns the documents of a small base image. Must not know how a request is authenticated.

use serde_json::json;

use super::super::fake;
use super::*;

const LAYER: &str = "the bytes of a layer";

/// Documents of a base image as its registry returns them: image index, manifest and config.
struct Pieces {
    list: String,
    manifest: String,
    config: String,
}

fn pieces() -> Pieces {
    let hash = |text: &str| Digest::of(text.as_bytes()).to_string();
    let rootfs = json!({ "type": "layers", "diff_ids": [hash("tar")] });
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": rootfs }).to_string();
    let media_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "x", "digest": hash(&config), "size": config.len() },
        "layers": [{ "mediaType": media_type, "digest": hash(LAYER), "size": LAYER.len() }],
    });
    let manifest = manifest.to_string();
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let entry =
        json!({ "mediaType": "x", "digest": hash(&manifest), "size": 1, "platform": platform });
    let list = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    Pieces {
        list,
        manifest,
        config,
    }
}

fn answer(body: &str) -> String {
    format!("200||{body}")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Reads the base image `b` from a fake registry with the given responses. `version` is the end of
/// the image's reference, such as `:4`, `@sha256:HEX` or both. Returns the base image or the
/// failure, and the first lines of the requests that the registry received.
fn find(version: &str, answers: Vec<String>) -> (Result<Base, Failure>, Vec<String>) {
    let (registry, requests) = fake::start(answers);
    let reference = BaseReference::parse(&format!("{registry}/b{version}")).unwrap();
    let outcome = block_on(async {
        let repository = Repository::new(&registry, "b", true).unwrap();
        resolve(&repository, &reference).await
    });
    (
        outcome,
        requests.iter().map(|request| request.line).collect(),
    )
}

#[test]
fn list_leads_to_our_platform_and_every_digest_is_checked() {
    let Pieces {
        list,
        manifest,
        config,
    } = pieces();
    let (base, lines) = find(
        ":4",
        vec![answer(&list), answer(&manifest), answer(&config)],
    );
    let base = base.unwrap();
    let digest = Digest::of(manifest.as_bytes());
    assert_eq!((&base.digest, base.layers.len()), (&digest, 1));
    assert!(base.name.ends_with("/b:4"), "{}", base.name);
    assert_eq!(lines[0], "GET /v2/b/manifests/4");
    assert_eq!(lines[1], format!("GET /v2/b/manifests/{digest}"));
    assert_eq!(
        lines[2],
        format!("GET /v2/b/blobs/{}", Digest::of(config.as_bytes()))
    );

    let refuse = |version: &str, answers: Vec<String>| {
        let refused = find(version, answers).0.unwrap_err();
        assert!(refused.problem.contains("has the digest"), "{refused}");
        assert_eq!(refused.exit_code(), 5);
    };
    refuse(
        ":4",
        vec![answer(&list), answer(&manifest.replace("20", "21"))],
    );
    refuse(
        ":4",
        vec![
            answer(&list),
            answer(&manifest),
            answer(&config.replace("amd64", "arm64")),
        ],
    );
    refuse(&format!("@{}", Digest::of(b"other")), vec![answer(&list)]);
    refuse(
        ":4",
        vec![format!(
            "200|docker-content-digest: {}||{list}",
            Digest::of(b"other")
        )],
    );
    let (pinned, _) = find(
        &format!(":4@{digest}"),
        vec![answer(&manifest), answer(&config)],
    );
    assert_eq!(pinned.unwrap().digest, digest);
}

/// Returns a response with the body `body`, whose header `Docker-Content-Digest` states the digest
/// of the body.
fn named(body: &str) -> String {
    let digest = Digest::of(body.as_bytes());
    format!("200|docker-content-digest: {digest}||{body}")
}

#[test]
fn altered_bytes_are_refused_even_if_the_registry_names_their_digest() {
    let pieces = pieces();
    let digest = |text: &str| Digest::of(text.as_bytes());
    // The altered documents are valid, so nothing but the digest shows the change.
    let (list, manifest, config) = (&pieces.list, &pieces.manifest, &pieces.config);
    let other_manifest = manifest.replacen("{", "{ ", 1);
    let other_config = config.replacen("{", "{ ", 1);
    let pinned = format!("@{}", digest(manifest));
    let refuse = |version: &str, asked: &str, sent: &str, answers: Vec<String>| {
        let refused = find(version, answers).0.unwrap_err();
        assert_eq!(refused.exit_code(), 5, "{refused}");
        for part in [digest(asked), digest(sent)] {
            assert!(refused.problem.contains(&part.to_string()), "{refused}");
        }
    };
    for version in [pinned.clone(), format!(":4{pinned}")] {
        refuse(
            &version,
            manifest,
            &other_manifest,
            vec![named(&other_manifest)],
        );
    }
    refuse(
        ":4",
        manifest,
        &other_manifest,
        vec![named(list), named(&other_manifest)],
    );
    refuse(
        ":4",
        config,
        &other_config,
        vec![named(list), named(manifest), named(&other_config)],
    );
    let base = find(&pinned, vec![named(manifest), named(config)]).0;
    let base = base.unwrap();
    assert_eq!(base.digest, digest(manifest));

    let altered = LAYER.replace("bytes", "bites");
    let dir = tempfile::tempdir().unwrap();
    let (registry, _requests) = fake::start(vec![named(&altered)]);
    let repository = Repository::new(&registry, "b", true).unwrap();
    let refused = block_on(layers(&repository, &base, dir.path())).unwrap_err();
    for part in [digest(LAYER), digest(&altered)] {
        assert!(refused.problem.contains(&part.to_string()), "{refused}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn refusals_are_passed_on() {
    let unknown = r#"404||{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}"#;
    let refused = find(":5", vec![unknown.to_owned()]).0.unwrap_err();
    assert!(
        refused.problem.contains("MANIFEST_UNKNOWN no such tag"),
        "{refused}"
    );
    let refused = find(":5", vec![answer("<html>")]).0.unwrap_err();
    assert_eq!(
        (
            refused.exit_code(),
            refused.problem.contains("is not a manifest")
        ),
        (3, true)
    );
}

#[test]
fn layers_are_fetched_once_and_never_half() {
    let Pieces {
        manifest, config, ..
    } = pieces();
    let base = find(":4", vec![answer(&manifest), answer(&config)])
        .0
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Digest::of(LAYER.as_bytes()).hex());
    let fetch = |answers: Vec<String>| {
        let (registry, requests) = fake::start(answers);
        let repository = Repository::new(&registry, "b", true).unwrap();
        (
            block_on(layers(&repository, &base, dir.path())),
            requests.iter().count(),
        )
    };
    let altered = LAYER.replace("bytes", "bites");
    let refused = fetch(vec![answer(&altered)]).0.unwrap_err();
    assert!(
        refused.problem.contains("base-1") && refused.problem.contains("has the digest"),
        "{refused}"
    );
    assert!(
        fetch(vec![answer("short")])
            .0
            .unwrap_err()
            .problem
            .contains("has 5 bytes")
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing is left of them"
    );

    // Redirects to the storage of a registry are followed. A response that is cut off is
    // requested again.
    let (storage, asked) = fake::start(vec![answer(LAYER)]);
    let redirect = format!("307|location: http://{storage}/s?sig=key");
    assert_eq!(fetch(vec!["hang up".to_owned(), redirect]), (Ok(()), 2));
    assert_eq!(asked.iter().next().unwrap().line, "GET /s?sig=key");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), LAYER);
    assert_eq!(fetch(Vec::new()), (Ok(()), 0));
    std::fs::write(&path, "altered").unwrap();
    assert_eq!(fetch(vec![answer(LAYER)]), (Ok(()), 1));
}
