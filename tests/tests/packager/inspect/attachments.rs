//! The documents that are attached to an image: its parts and how it was built.
//!
//! Owns a list of parts that is wrong, and documents that other tools attached.

use scorebox_tests::double::{Double, Fault, Rules};
use scorebox_tests::packaging::{blob, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::require;

use super::{inspect, keys, push, put, wrong};

#[test]
fn an_image_carries_its_parts_its_making_and_a_signature() {
    require!("docker-registry", "openssl");
    let registry = Registry::start();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let plain = packaged(&mut package(project.path(), &dir.path().join("plain")));
    let layout = dir.path().join("layout");
    let image = packaged(push(
        &mut package(project.path(), &layout),
        &registry,
        &private,
    ));
    assert_eq!(
        image["digest"], plain["digest"],
        "the image is the same, whatever is attached"
    );
    let names: Vec<_> = image["attachments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["sbom", "provenance", "bundle", "signature"]);

    let reference = image["reference"].as_str().expect("a reference");
    let report = inspect(reference, Some(&public)).ended(0).json();
    assert_eq!(report["verified"], true);
    assert_eq!(report["labels"]["dev.scorebox.world"], "tensor-scoring");
    let checks = report["checks"].as_array().expect("checks");
    assert!(
        checks.iter().all(|check| check["verdict"] == "ok"),
        "{report}"
    );
    for what in [
        "sbom agrees with the files",
        "provenance names the sbom",
        "bundle is about the image",
        "signature of the image",
    ] {
        assert!(checks.iter().any(|check| check["what"] == what), "{what}");
    }
    // The image is also found by its tag, and read without the key.
    let tagged = format!("{}/digits:1.0.0", registry.name);
    assert_eq!(
        inspect(&tagged, None).ended(0).json()["digest"],
        image["digest"]
    );

    // A repeated push changes nothing and sends nothing. It only asks which blobs exist.
    let before = registry.log.text().lines().count();
    let again = packaged(push(
        &mut package(project.path(), &layout),
        &registry,
        &private,
    ));
    assert_eq!(again["attachments"], image["attachments"]);
    let log = registry.log.text();
    let sent: Vec<_> = log
        .lines()
        .skip(before)
        .filter(|line| line.contains("/v2/"))
        .collect();
    assert!(!sent.is_empty());
    for method in ["POST", "PUT", "PATCH", "GET /v2/digits"] {
        assert!(
            !sent
                .iter()
                .any(|line| line.contains(&format!("\"{method}"))),
            "{method}: {sent:?}"
        );
    }
}

#[test]
fn a_list_that_leaves_out_a_file_is_named() {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let layout = dir.path().join("layout");
    let image = packaged(&mut package(project.path(), &layout));
    let mut manifest = json(&blob(&layout, &image["attachments"][0]["digest"]));
    let mut list = json(&blob(&layout, &manifest["layers"][0]["digest"]));
    list["components"]
        .as_array_mut()
        .expect("parts")
        .retain(|part| part["name"] != "component.cwasm");
    let bytes = list.to_string().into_bytes();
    manifest["layers"][0]["digest"] = put(&layout, &bytes).into();
    manifest["layers"][0]["size"] = bytes.len().into();
    let index = layout.join("index.json");
    let mut entries = json(&std::fs::read(&index).expect("a list"));
    entries["manifests"][1]["digest"] = put(&layout, manifest.to_string().as_bytes()).into();
    std::fs::write(&index, entries.to_string()).expect("a file");
    let refused = inspect(&layout.display().to_string(), None)
        .ended(7)
        .said(&["leaves out", "component.cwasm"]);
    assert_eq!(
        wrong(&refused.json()),
        ["sbom agrees with the files", "provenance names the sbom"]
    );
}

#[test]
fn what_others_attach_is_not_judged() {
    require!("openssl");
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let image = packaged(
        package(project.path(), &layout)
            .arg("--sign-key")
            .arg(&private),
    );
    let index = layout.join("index.json");
    let mut entries = json(&std::fs::read(&index).expect("a list"));
    let statement =
        br#"{"predicateType":"https://cosign.sigstore.dev/attestation/vuln/v1"}"#.as_slice();
    let scan =
        br#"{"bomFormat":"CycloneDX","metadata":{"tools":{"components":[{"name":"scanner"}]}}}"#
            .as_slice();
    for (kind, bytes) in [
        ("application/vnd.in-toto+json", statement),
        ("application/vnd.cyclonedx+json", scan),
    ] {
        let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({ "mediaType": media_type, "digest": put(&layout, bytes), "size": bytes.len() });
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type, "artifactType": kind,
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": [descriptor(kind, bytes)],
            "subject": { "mediaType": media_type, "digest": image["digest"], "size": 1 },
        });
        let mut entry = descriptor(media_type, manifest.to_string().as_bytes());
        entry["artifactType"] = kind.into();
        entries["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
    }
    std::fs::write(&index, entries.to_string()).expect("a file");
    let report = inspect(&layout.display().to_string(), Some(&public))
        .ended(0)
        .json();
    let open: Vec<_> = report["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|one| one["verdict"] == "open")
        .collect();
    assert_eq!(open.len(), 2, "{open:?}");
}

#[test]
fn a_registry_that_breaks_off_does_not_make_a_document_wrong() {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let layout = dir.path().join("layout");
    let double = Double::start(Rules::default());
    let mut command = package(project.path(), &layout);
    let image = packaged(command.args(["--push", "--plain-http", "--registry", &double.name]));
    let reference = image["reference"].as_str().expect("a reference");
    inspect(reference, None).ended(0);
    let manifest = json(&blob(&layout, &image["attachments"][0]["digest"]));
    let list = manifest["layers"][0]["digest"].as_str().expect("a digest");
    let list = list.to_owned();
    for fault in [Fault::CutBefore, Fault::Status(503)] {
        let list = list.clone();
        double.plan(move |request| request.path.ends_with(&list).then_some(fault));
        inspect(reference, None).ended(6);
    }
}
