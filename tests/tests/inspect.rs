//! `cargo xtask inspect`: the documents that are attached to an image, and the detection of every
//! alteration.
//!
//! Owns the alterations. Must not know how they are found.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{blob, documents, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{place, require};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Creates a key pair for one test, and returns the files of the private and the public key.
fn keys(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (private, public) = (
        dir.join(format!("{name}.key")),
        dir.join(format!("{name}.pub")),
    );
    let mut make = run::tool("openssl");
    make.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
    ])
    .arg(&private);
    run::finish(&mut make, b"").ended(0);
    let mut export = run::tool("openssl");
    export
        .args(["pkey", "-pubout", "-in"])
        .arg(&private)
        .arg("-out")
        .arg(&public);
    run::finish(&mut export, b"").ended(0);
    (private, public)
}

fn inspect(image: &str, key: Option<&Path>) -> Finished {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .args(["inspect", image, "--plain-http", "--output", "json"]);
    command.args(key.map(|_| "--key")).args(key);
    run::finish(&mut command, b"")
}

/// Returns the names of the checks that are wrong.
fn wrong(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("checks").iter();
    checks
        .filter(|check| check["verdict"] == "wrong")
        .filter_map(|check| check["what"].as_str())
        .collect()
}

fn push<'a>(command: &'a mut Command, registry: &Registry, key: &Path) -> &'a mut Command {
    command
        .args(["--push", "--plain-http", "--registry", &registry.name])
        .arg("--sign-key")
        .arg(key)
}

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
    assert_eq!(names, ["sbom", "provenance", "signature"]);

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
fn a_flipped_byte_is_named_wherever_it_is() {
    require!("openssl");
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let image = packaged(
        package(project.path(), &layout)
            .arg("--sign-key")
            .arg(&private),
    );
    let blobs = image["blobs"].as_array().expect("blobs");
    let name_of = |digest: &str| {
        let blob = blobs.iter().find(|blob| blob["digest"] == digest);
        blob.and_then(|blob| blob["name"].as_str()).map(|name| {
            if name == "config" {
                name.into()
            } else {
                format!("layer {name}")
            }
        })
    };
    let folder = layout.join("blobs/sha256");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let hex = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        let good = std::fs::read(&path).expect("a file");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).expect("a file");
        let refused = inspect(&layout.display().to_string(), Some(&public)).ended(7);
        // The file's name is the digest that its bytes should have.
        assert!(refused.stderr.contains(&hex), "{hex}: {}", refused.stderr);
        if let Some(name) = name_of(&format!("sha256:{hex}")) {
            let report = refused.json();
            let wrong = wrong(&report);
            assert!(wrong.contains(&name.as_str()), "{name}: {}", refused.stdout);
            // For a damaged layer only that layer is reported. Without the configuration, labels
            // and layers cannot be checked.
            assert!(wrong.len() == 1 || name == "config", "{name}: {wrong:?}");
        }
        std::fs::write(&path, &good).expect("a file");
        seen += 1;
    }
    // There are the layers, the configuration and the manifest. Three artifacts add a manifest and
    // a content each, and two configurations.
    assert_eq!(seen, 5 + 1 + 6 + 2);
    inspect(&layout.display().to_string(), Some(&public)).ended(0);
}

#[test]
fn a_flipped_byte_in_a_registry_is_named() {
    require!("docker-registry", "openssl");
    let registry = Registry::start();
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let image = packaged(push(
        &mut package(project.path(), &dir.path().join("l")),
        &registry,
        &private,
    ));
    let reference = image["reference"].as_str().expect("a reference");
    let blobs = image["blobs"].as_array().expect("blobs");
    for blob in blobs {
        let (digest, name) = (
            blob["digest"].as_str().expect("a digest"),
            blob["name"].as_str().expect("a name"),
        );
        let path = registry.blob(digest);
        let good = std::fs::read(&path).expect("the registry has it");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).expect("a file");
        let refused = inspect(reference, Some(&public)).ended(7);
        let what = if name == "config" {
            name.to_owned()
        } else {
            format!("layer {name}")
        };
        assert!(
            wrong(&refused.json()).contains(&what.as_str()),
            "{what}: {}",
            refused.stdout
        );
        std::fs::write(&path, &good).expect("a file");
    }
    inspect(reference, Some(&public)).ended(0);
}

/// Writes a blob into a layout and returns its digest.
fn put(layout: &Path, bytes: &[u8]) -> String {
    let hex = hex::encode(Sha256::digest(bytes));
    std::fs::write(layout.join("blobs/sha256").join(&hex), bytes).expect("a file");
    format!("sha256:{hex}")
}

#[test]
fn a_label_that_lies_is_named_though_every_digest_fits() {
    require!("openssl");
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let (private, public) = keys(dir.path(), "mine");
    let layout = dir.path().join("layout");
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let lies = [
        ("dev.scorebox.component.digest", other),
        ("dev.scorebox.model.digest", other),
        ("dev.scorebox.scorer.name", "other"),
        ("dev.scorebox.scorer.version", "9"),
        ("dev.scorebox.world", "scoring"),
        ("dev.scorebox.wit-version", "9.9.9"),
    ];
    for (label, lie) in lies {
        packaged(
            package(project.path(), &layout)
                .arg("--sign-key")
                .arg(&private),
        );
        let (mut manifest, mut config) = documents(&layout);
        config["config"]["Labels"][label] = lie.into();
        let bytes = config.to_string().into_bytes();
        manifest["config"]["size"] = bytes.len().into();
        manifest["config"]["digest"] = put(&layout, &bytes).into();
        let bytes = manifest.to_string().into_bytes();
        let index = layout.join("index.json");
        let mut entries = json(&std::fs::read(&index).expect("a list"));
        entries["manifests"][0]["digest"] = put(&layout, &bytes).into();
        entries["manifests"][0]["size"] = bytes.len().into();
        std::fs::write(&index, entries.to_string()).expect("a file");

        let refused = inspect(&layout.display().to_string(), Some(&public)).ended(7);
        let report = refused.json();
        let wrong = wrong(&report);
        assert!(
            wrong.contains(&format!("label {label}").as_str()),
            "{label}: {}",
            refused.stdout
        );
        // The attached documents are about another image, and this one has no signature.
        assert!(
            wrong.contains(&"sbom refers to the image") && wrong.contains(&"signature"),
            "{wrong:?}"
        );
    }
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
    .ended(1);
    refused.said(&["mine.pub", "no private key", "openssl genpkey"]);
}
