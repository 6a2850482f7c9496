//! Images that were altered after they were signed, in a layout and in a registry.
//!
//! Owns the alterations: a flipped byte anywhere, and labels with false values.

use scorebox_tests::packaging::{documents, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::require;

use super::{inspect, keys, push, put, wrong};

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
    // There are the layers, the configuration and the manifest. Four artifacts add a manifest and a
    // content each, and two configurations.
    assert_eq!(seen, 5 + 1 + 8 + 2);
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
