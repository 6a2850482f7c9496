//! Tests of the plan of an image, and of the config and the manifest that are made from it.

use super::*;
use crate::image::base::Base;
use crate::image::layer;
use crate::image::manifest::{self, Document};

fn inputs(model: bool) -> Inputs {
    let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    Inputs {
        name: "digits".into(),
        version: "1.0".into(),
        world: "scoring".into(),
        wit_version: "0.1.0".into(),
        code: Code::Component(Digest::of(b"wasm").to_string()),
        model_digest: model.then(|| Digest::of(b"weights").to_string()),
        epoch: 0,
        base: None,
        compression: Compression::Gzip,
        model_compression: Compression::Stored,
        host: content("host"),
        engine: BTreeMap::new(),
        pack: None,
        libraries: BTreeMap::new(),
        app: BTreeMap::from([
            ("component.wasm".into(), content("wasm")),
            ("score/function.json".into(), content("{}")),
        ]),
        model: if model {
            BTreeMap::from([("model/w.safetensors".into(), content("weights"))])
        } else {
            BTreeMap::new()
        },
    }
}

/// Returns the plan of an image as text that a test compares, so that a reviewer sees every change
/// of the plan.
fn listing(plan: &ImagePlan) -> String {
    let mut text = String::new();
    for layer in plan.layers.iter().filter(|layer| layer.name != "system") {
        text.push_str(&format!("{} {:?}\n", layer.name, layer.compression));
        for (path, entry) in &layer.entries {
            match entry {
                Entry::Folder { mode } => text.push_str(&format!("  {mode:o} {path}/\n")),
                Entry::File { mode, .. } => text.push_str(&format!("  {mode:o} {path}\n")),
            }
        }
    }
    text
}

#[test]
fn plan_is_as_golden() {
    let golden = "\
host Gzip
  755 usr/
  755 usr/bin/
  755 usr/bin/scorebox
model Stored
  755 home/
  755 home/site/
  755 home/site/wwwroot/
  755 home/site/wwwroot/model/
  644 home/site/wwwroot/model/w.safetensors
app Gzip
  755 home/
  755 home/site/
  755 home/site/wwwroot/
  644 home/site/wwwroot/component.wasm
  755 home/site/wwwroot/score/
  644 home/site/wwwroot/score/function.json
";
    // The paths of folders are sorted without the trailing slash that the listing shows.
    assert_eq!(listing(&plan(&inputs(true))), golden);
}

#[test]
fn without_a_model_there_is_no_model_layer() {
    let plan = plan(&inputs(false));
    assert_eq!(
        plan.layers
            .iter()
            .map(|layer| layer.name)
            .collect::<Vec<_>>(),
        ["system", "host", "app"]
    );
    assert!(!plan.config.labels.contains_key("dev.scorebox.model.digest"));
}

#[test]
fn a_script_brings_a_pack_that_nobody_may_change() {
    let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let inputs = Inputs {
        code: Code::Script,
        pack: Some(PackLayer {
            files: BTreeMap::from([
                ("pack.json".to_owned(), content("{}")),
                ("LICENSES/numpy".to_owned(), content("x")),
            ]),
            empty_folders: vec!["nothing".to_owned()],
            digest: "sha256:ab".into(),
            name: "CPython 3.15.0".into(),
            kept: Some("kept".into()),
        }),
        ..inputs(true)
    };
    let plan = plan(&inputs);
    let layer = plan
        .layers
        .iter()
        .find(|layer| layer.name == "python")
        .unwrap();
    assert_eq!(layer.comment, "engine pack sha256:ab");
    assert_eq!(
        layer.kept.as_deref().unwrap().to_str(),
        Some(concat!("kept/ab-", env!("CARGO_PKG_VERSION"), "-gzip"))
    );
    let modes: Vec<_> = layer
        .entries
        .iter()
        .map(|(path, entry)| match entry {
            Entry::Folder { mode } | Entry::File { mode, .. } => (path.as_str(), *mode),
        })
        .collect();
    assert_eq!(
        modes,
        [
            ("pack", 0o555),
            ("pack/LICENSES", 0o555),
            ("pack/LICENSES/numpy", 0o444),
            ("pack/nothing", 0o555),
            ("pack/pack.json", 0o444)
        ]
    );
    let labels = &plan.config.labels;
    assert_eq!(labels["dev.scorebox.pack.digest"], "sha256:ab");
    assert!(!labels.contains_key("dev.scorebox.component.digest"));
}

#[test]
fn a_graph_brings_its_engine_and_what_that_needs() {
    let content = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let file = |path: &str| BTreeMap::from([(path.to_owned(), content("x"))]);
    let inputs = Inputs {
        code: Code::Graph,
        engine: file("libengine.so"),
        libraries: file("/lib64/ld.so"),
        ..inputs(true)
    };
    let plan = plan(&inputs);
    let names: Vec<_> = plan.layers.iter().map(|layer| layer.name).collect();
    assert_eq!(
        names,
        ["system", "libraries", "host", "engine", "model", "app"]
    );
    assert!(matches!(
        plan.layers[1].entries["lib64/ld.so"],
        Entry::File { mode: 0o755, .. }
    ));
    assert!(matches!(
        plan.layers[3].entries["usr/lib/scorebox/libengine.so"],
        Entry::File { mode: 0o644, .. }
    ));
    let labels = &plan.config.labels;
    assert!(
        labels.contains_key("dev.scorebox.world")
            && !labels.contains_key("dev.scorebox.component.digest")
    );
    assert!(!labels.contains_key("dev.scorebox.wit-version"));
}

#[test]
fn configuration_and_manifest_name_every_layer() {
    let plan = plan(&inputs(true));
    let layers: Vec<_> = plan
        .layers
        .iter()
        .map(|one| layer::write(one, 0, std::io::sink()).unwrap().1)
        .collect();
    let config = plan.config_bytes(&layers);
    let read: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(read["rootfs"]["diff_ids"].as_array().unwrap().len(), 4);
    assert_eq!(read["history"].as_array().unwrap().len(), 4);
    assert_eq!(read["created"], "1970-01-01T00:00:00Z");
    assert_eq!(read["config"]["User"], "65532:65532");
    assert_eq!(
        read["config"]["ExposedPorts"],
        serde_json::json!({ "8080/tcp": {} })
    );
    assert_eq!(
        read["config"]["Labels"]["dev.scorebox.scorer.version"],
        "1.0"
    );
    let manifest: serde_json::Value =
        serde_json::from_slice(&plan.manifest_bytes(&config, &layers)).unwrap();
    assert_eq!(
        manifest["config"]["digest"],
        Digest::of(&config).to_string()
    );
    assert_eq!(
        manifest["layers"][2]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar"
    );
    assert_eq!(
        manifest["layers"][3]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.title"],
        "digits"
    );
}

#[test]
fn base_lies_below_and_is_named() {
    let blob = |text: &str| Digest::of(text.as_bytes()).to_string();
    let manifest = json!({ "schemaVersion": 2, "config": { "mediaType": "x", "digest": blob("c"), "size": 1 },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": blob("1"), "size": 5 }] });
    let Ok(Document::Manifest(manifest)) = manifest::read(manifest.to_string().as_bytes()) else {
        panic!()
    };
    let config =
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "diff_ids": [blob("a")] } });
    let base = Base::new(
        "r.io/b:1".into(),
        Digest::of(b"m"),
        manifest,
        config.to_string().as_bytes(),
    )
    .unwrap();

    let plan = plan(&Inputs {
        base: Some(base),
        compression: Compression::Zstd,
        ..inputs(true)
    });
    assert_eq!(
        plan.layers
            .iter()
            .map(|layer| layer.name)
            .collect::<Vec<_>>(),
        ["host", "model", "app"]
    );
    let layers: Vec<_> = plan
        .layers
        .iter()
        .map(|one| layer::write(one, 0, std::io::sink()).unwrap().1)
        .collect();
    let config = plan.config_bytes(&layers);
    let read: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(read["rootfs"]["diff_ids"][0], blob("a"));
    assert_eq!(read["rootfs"]["diff_ids"][3], layers[2].diff_id.to_string());
    assert_eq!(
        (read["history"].as_array().unwrap().len(), &read["created"]),
        (4, &json!("1970-01-01T00:00:00Z"))
    );
    let manifest: Value = serde_json::from_slice(&plan.manifest_bytes(&config, &layers)).unwrap();
    let below = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": blob("1"), "size": 5 });
    assert_eq!(manifest["layers"][0], below);
    assert_eq!(
        manifest["layers"][1]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+zstd"
    );
    assert_eq!(
        manifest["layers"][2]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.name"],
        "r.io/b:1"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.digest"],
        blob("m")
    );
}

#[test]
fn times_beyond_a_date_do_not_panic() {
    assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
    assert_eq!(rfc3339(u64::MAX), "1970-01-01T00:00:00Z");
}
