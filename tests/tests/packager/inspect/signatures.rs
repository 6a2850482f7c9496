//! The signatures of an image: of two keys, verified by another program, and refused for another
//! key.
//!
//! Owns the keys that do not fit.

use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{blob, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::{require, run};

use super::{inspect, keys, push, wrong};

#[test]
fn signatures_of_two_keys_stand_beside_each_other() {
    require!("docker-registry", "openssl");
    let registry = Registry::start();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let layout = dir.path().join("layout");
    let keys = ["one", "two"].map(|name| keys(dir.path(), name));
    let mut reference = String::new();
    // The first key signs twice. Its signature exists already, so nothing is added.
    for (private, _) in keys.iter().chain(&keys[..1]) {
        let image = packaged(push(
            &mut package(project.path(), &layout),
            &registry,
            private,
        ));
        reference = image["reference"].as_str().expect("a reference").to_owned();
    }
    let name = reference
        .split_once('@')
        .expect("a digest")
        .1
        .replace(':', "-");
    let url = format!("http://{}/v2/digits/manifests/{name}.sig", registry.name);
    let accept = [("accept", "application/vnd.oci.image.manifest.v1+json")];
    let manifest = http::try_send("GET", &url, &accept, Body::Sized(Vec::new()))
        .expect("an answer")
        .expect(200);
    assert_eq!(
        json(&manifest.body)["layers"].as_array().map(Vec::len),
        Some(2)
    );
    for (_, public) in &keys {
        let report = inspect(&reference, Some(public)).ended(0).json();
        let checks = report["checks"].as_array().expect("checks").iter();
        let signed = checks
            .filter(|check| check["what"] == "signature of the image")
            .map(|check| &check["verdict"]);
        assert_eq!(signed.collect::<Vec<_>>(), ["ok"]);
    }
}

#[test]
fn another_program_verifies_the_signature() {
    require!("openssl");
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let image = packaged(
        package(project.path(), &layout)
            .arg("--sign-key")
            .arg(&private),
    );
    let attachment = image["attachments"]
        .as_array()
        .and_then(|all| all.last())
        .expect("a signature");
    let manifest = json(&blob(&layout, &attachment["digest"]));
    let payload = blob(&layout, &manifest["layers"][0]["digest"]);
    assert_eq!(
        json(&payload)["critical"]["image"]["docker-manifest-digest"],
        image["digest"]
    );
    let signature =
        manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"].as_str();
    let (file, der) = (dir.path().join("payload"), dir.path().join("signature"));
    std::fs::write(&file, &payload).expect("a file");
    let mut decode = run::tool("openssl");
    let decoded = run::finish(
        decode.args(["base64", "-d", "-A", "-out"]).arg(&der),
        signature.expect("one").as_bytes(),
    );
    decoded.ended(0);
    let mut verify = run::tool("openssl");
    verify
        .args(["dgst", "-sha256", "-verify"])
        .arg(&public)
        .arg("-signature")
        .arg(&der)
        .arg(&file);
    run::finish(&mut verify, b"").ended(0);
}

#[test]
fn only_the_right_key_and_a_whole_signature_will_do() {
    require!("openssl");
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let (_, other) = keys(dir.path(), "other");
    let layout = dir.path().join("layout");
    let shown = layout.display().to_string();
    packaged(&mut package(project.path(), &layout));
    inspect(&shown, None).ended(0);
    let report = inspect(&shown, Some(&public)).ended(7).json();
    assert_eq!(wrong(&report), ["signature of the provenance", "signature"]);
    packaged(
        package(project.path(), &layout)
            .arg("--sign-key")
            .arg(&private),
    );
    let report = inspect(&shown, Some(&other)).ended(7).json();
    assert_eq!(
        wrong(&report),
        ["signature of the provenance", "signature of the image"]
    );

    packaged(package(project.path(), &layout).args(["--attest", "none"]));
    let report = inspect(&shown, None).ended(0).json();
    assert!(
        report["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .any(|check| check["what"] == "sbom" && check["verdict"] == "open")
    );
    let both = run::finish(
        package(project.path(), &layout)
            .args(["--attest", "none", "--sign-key"])
            .arg(&private),
        b"",
    );
    both.ended(1).said(&["--sign-key", "--attest none"]);
    let refused = run::finish(
        package(project.path(), &layout)
            .arg("--sign-key")
            .arg(&public),
        b"",
    )
    .ended(3);
    refused.said(&["mine.pub", "no private key", "openssl genpkey"]);
}
