//! Signatures of images in Sigstore's bundle format: verified by Sigstore's own verifier, and read
//! by `inspect` next to the older format.
//!
//! Owns the verifier, which npm installs, and bundles that do not fit.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scorebox_tests::app::copy;
use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{blob, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require, skip};
use serde_json::{Value, json as object};

use super::{inspect, keys, push, put, wrong};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// Time within which npm fetches the verifier, which has four small packages.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

/// The folder of Sigstore's verifier, or the reason why npm cannot install it.
static VERIFIER: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let folder = place::workspace().join("target/sigstore-verifier");
    copy(&place::workspace().join("tests/data/sigstore"), &folder);
    let mut npm = run::tool("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    let installed = run::finish_within(INSTALL_LIMIT, &mut npm, b"");
    match installed.status.success() {
        true => Ok(folder),
        false => Err(format!(
            "npm cannot install the verifier: {}",
            installed.stderr.trim()
        )),
    }
});

/// Packages a signed image into a layout.
fn signed(layout: &Path, private: &Path) -> Value {
    let project = project();
    packaged(
        package(project.path(), layout)
            .arg("--sign-key")
            .arg(private),
    )
}

/// Returns the bundle of an image, and the manifest of the artifact that holds it.
fn bundle(layout: &Path, image: &Value) -> (Vec<u8>, Value) {
    let attachments = image["attachments"].as_array().expect("a list").iter();
    let found = attachments
        .filter(|one| one["name"] == "bundle")
        .collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{image}");
    let manifest = json(&blob(layout, &found[0]["digest"]));
    (blob(layout, &manifest["layers"][0]["digest"]), manifest)
}

/// Keeps only those entries of a layout's index, after the image itself, that `is_kept` accepts.
fn keep(layout: &Path, is_kept: impl Fn(&Value) -> bool) {
    let index = layout.join("index.json");
    let mut document = json(&std::fs::read(&index).expect("a list"));
    let entries = document["manifests"].as_array_mut().expect("a list");
    let mut place = 0;
    entries.retain(|entry| {
        place += 1;
        place == 1 || is_kept(entry)
    });
    std::fs::write(&index, document.to_string()).expect("a file");
}

fn is_bundle(entry: &Value) -> bool {
    entry["artifactType"] == BUNDLE
}

fn is_tagged(entry: &Value) -> bool {
    let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
    tag.is_some_and(|tag| tag.ends_with(".sig"))
}

#[test]
fn sigstores_own_verifier_accepts_the_bundle() {
    require!("openssl", "node", "npm");
    let verifier = match &*VERIFIER {
        Ok(folder) => folder.join("verify.mjs"),
        Err(reason) => return skip::skip(reason),
    };
    let dir = tempfile::tempdir().expect("a folder");
    let (private, public) = keys(dir.path(), "mine");
    let (_, other) = keys(dir.path(), "other");
    let layout = dir.path().join("layout");
    let image = signed(&layout, &private);
    let (bytes, manifest) = bundle(&layout, &image);
    let file = dir.path().join("bundle.json");
    let verify = |bytes: &[u8], key: &Path| -> Finished {
        std::fs::write(&file, bytes).expect("a file");
        let mut node = run::tool("node");
        run::finish(node.arg(&verifier).arg(&file).arg(key), b"")
    };
    let statement = verify(&bytes, &public).ended(0).json();
    let digest = image["digest"].as_str().expect("a digest");
    assert_eq!(
        statement["subject"],
        object!([{ "digest": { "sha256": digest.trim_start_matches("sha256:") } }])
    );
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], SIGN);
    // The key is found by the hint in the bundle, so another key is not found at all.
    verify(&bytes, &other).ended(1).said(&["key not found"]);
    let mut altered = json(&bytes);
    let payload = statement.to_string().replace(&digest[10..20], "0000000000");
    altered["dsseEnvelope"]["payload"] = BASE64_STANDARD.encode(payload).into();
    verify(altered.to_string().as_bytes(), &public)
        .ended(1)
        .said(&["signature verification failed"]);

    // cosign finds it by these types and annotations.
    assert_eq!(manifest["artifactType"], BUNDLE);
    assert_eq!(manifest["layers"][0]["mediaType"], BUNDLE);
    assert_eq!(manifest["subject"]["digest"], image["digest"]);
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.oci.empty.v1+json"
    );
    assert_eq!(
        manifest["annotations"]["dev.sigstore.bundle.content"],
        "dsse-envelope"
    );
    assert_eq!(
        manifest["annotations"]["dev.sigstore.bundle.predicateType"],
        SIGN
    );
}

#[test]
fn a_signature_in_either_format_is_enough() {
    require!("openssl");
    let dir = tempfile::tempdir().expect("a folder");
    let (private, public) = keys(dir.path(), "mine");
    let (_, other) = keys(dir.path(), "other");
    let layout = dir.path().join("layout");
    let shown = layout.display().to_string();
    type Kept = fn(&Value) -> bool;
    let cases: [(&str, Kept); 2] = [
        ("only the bundle", |entry| !is_tagged(entry)),
        ("only the older format", |entry| !is_bundle(entry)),
    ];
    for (name, kept) in cases {
        signed(&layout, &private);
        keep(&layout, kept);
        let report = inspect(&shown, Some(&public)).ended(0).json();
        assert_eq!(report["verified"], true, "{name}");
        let report = inspect(&shown, Some(&other)).ended(7).json();
        let wrong = wrong(&report);
        assert_eq!(
            wrong,
            ["signature of the provenance", "signature of the image"],
            "{name}"
        );
        inspect(&shown, None).ended(0);
    }
    keep(&layout, |entry| !is_bundle(entry) && !is_tagged(entry));
    let report = inspect(&shown, Some(&public)).ended(7).json();
    assert_eq!(wrong(&report), ["signature"]);
}

#[test]
fn a_bundle_for_another_image_does_not_count() {
    require!("openssl");
    let dir = tempfile::tempdir().expect("a folder");
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let image = signed(&layout, &private);
    keep(&layout, |entry| !is_tagged(entry));
    let (bytes, _) = bundle(&layout, &image);
    // The statement is about an image of another digest, and signed with the same key.
    let other = dir.path().join("other");
    let another = project();
    std::fs::write(another.path().join("model/note.json"), "[]").expect("a file");
    let mut command = package(another.path(), &other);
    let image = packaged(command.arg("--sign-key").arg(&private));
    let (foreign, _) = bundle(&other, &image);
    assert_ne!(bytes, foreign);
    replace(&layout, &foreign);
    let report = inspect(&layout.display().to_string(), Some(&public))
        .ended(7)
        .json();
    assert_eq!(wrong(&report), ["bundle is about the image", "signature"]);
}

#[test]
fn a_bundle_with_a_certificate_is_left_to_cosign() {
    require!("openssl");
    let dir = tempfile::tempdir().expect("a folder");
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let image = signed(&layout, &private);
    keep(&layout, |entry| !is_tagged(entry));
    let mut keyless = json(&bundle(&layout, &image).0);
    keyless["verificationMaterial"] = object!({ "certificate": { "rawBytes": "MAo=" } });
    let signature = keyless["dsseEnvelope"]["signatures"][0]["sig"]
        .as_str()
        .expect("one");
    let signature = format!("{}A{}", &signature[..20], &signature[21..]);
    keyless["dsseEnvelope"]["signatures"][0]["sig"] = signature.into();
    replace(&layout, keyless.to_string().as_bytes());
    let shown = layout.display().to_string();
    let report = inspect(&shown, None).ended(0).json();
    let checks = report["checks"].as_array().expect("checks");
    let check = checks
        .iter()
        .find(|check| check["what"] == "signature of the image");
    let check = check.expect("the check is there");
    assert_eq!(check["verdict"], "open");
    assert!(check.to_string().contains("certificate"), "{check}");
    let report = inspect(&shown, Some(&public)).ended(7).json();
    assert_eq!(wrong(&report), ["signature of the image"]);
}

/// Puts other bytes in place of the bundle of a layout, with all digests fitting.
fn replace(layout: &Path, bytes: &[u8]) {
    let index = layout.join("index.json");
    let mut document = json(&std::fs::read(&index).expect("a list"));
    let entries = document["manifests"].as_array_mut().expect("a list");
    let entry = entries
        .iter_mut()
        .find(|entry| is_bundle(entry))
        .expect("a bundle");
    let mut manifest = json(&blob(layout, &entry["digest"]));
    manifest["layers"][0]["digest"] = put(layout, bytes).into();
    manifest["layers"][0]["size"] = bytes.len().into();
    let manifest = manifest.to_string();
    entry["digest"] = put(layout, manifest.as_bytes()).into();
    entry["size"] = manifest.len().into();
    std::fs::write(&index, document.to_string()).expect("a file");
}

#[test]
fn bundles_of_two_keys_are_listed_in_a_registry() {
    require!("docker-registry", "openssl");
    let registry = Registry::start();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let layout = dir.path().join("layout");
    let keys = ["one", "two"].map(|name| keys(dir.path(), name));
    let mut reference = String::new();
    for (private, _) in &keys {
        let mut command = package(project.path(), &layout);
        let image = packaged(push(&mut command, &registry, private));
        reference = image["reference"].as_str().expect("a reference").to_owned();
    }
    let tag = reference
        .split_once('@')
        .expect("a digest")
        .1
        .replace(':', "-");
    let url = format!("http://{}/v2/digits/manifests/{tag}", registry.name);
    let accept = [("accept", "application/vnd.oci.image.index.v1+json")];
    let list = http::try_send("GET", &url, &accept, Body::Sized(Vec::new()))
        .expect("an answer")
        .expect(200);
    let list = json(&list.body);
    let entries = list["manifests"].as_array().expect("a list").iter();
    let bundles: Vec<_> = entries.filter(|entry| is_bundle(entry)).collect();
    assert_eq!(bundles.len(), 2, "{list}");
    for entry in bundles {
        assert_eq!(
            entry["annotations"]["dev.sigstore.bundle.predicateType"],
            SIGN
        );
    }
    for (_, public) in &keys {
        inspect(&reference, Some(public)).ended(0);
    }
}
