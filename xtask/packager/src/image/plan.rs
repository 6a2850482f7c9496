//! The plan of an image, which is made from the parts of the scorer. Also the image's config and
//! manifest, which are made from the plan and the digests of the written layers.
//!
//! Owns the choice of the layers, and of the files in each layer except `system`. Must not know how
//! files are read or written: it only passes their paths on.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use scorebox_host::graph::ENGINE;
use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use super::container_config::{ContainerConfig, PORT, USER};
use super::image_plan::{Code, ImagePlan, Inputs, PackLayer};
use super::layer::WrittenLayer;
use super::layer_plan::{Compression, Content, Entry, LayerPlan, add_folders_above};
use super::paths::{APP_ROOT, ENGINE_FOLDER, HOST_PROGRAM, PACK_FOLDER};
use super::system;

/// Value of `created_by` in the image's history for each layer that `package` writes.
pub const CREATED_BY: &str = "cargo xtask package";
/// Names of all layers that `package` can write into an image, from the bottom up.
pub const LAYERS: [&str; 7] = [
    "system",
    "libraries",
    "host",
    "engine",
    "python",
    "model",
    "app",
];

/// Decides the layers, the container settings and the annotations of an image from its inputs. Does
/// not read or write files.
pub fn plan(inputs: &Inputs) -> ImagePlan {
    let host = BTreeMap::from([(HOST_PROGRAM.to_owned(), inputs.host.clone())]);
    let mut layers = Vec::new();
    if inputs.base.is_none() {
        layers.push(system::layer(inputs.compression));
    }
    if !inputs.libraries.is_empty() {
        let comment = "the C and C++ libraries of the machine that built this".to_owned();
        layers.push(layer(
            "libraries",
            comment,
            inputs.compression,
            0o755,
            inputs.libraries.clone(),
        ));
    }
    layers.push(layer(
        "host",
        "the Scorebox host".to_owned(),
        inputs.compression,
        0o755,
        host,
    ));
    if !inputs.engine.is_empty() {
        let files = inputs
            .engine
            .iter()
            .map(|(name, content)| (format!("{ENGINE_FOLDER}/{name}"), content.clone()));
        layers.push(layer(
            "engine",
            ENGINE.to_owned(),
            inputs.compression,
            0o644,
            files.collect(),
        ));
    }
    layers.extend(
        inputs
            .pack
            .as_ref()
            .map(|pack| pack_layer(pack, inputs.compression)),
    );
    if !inputs.model.is_empty() {
        let comment = model_comment(inputs.model_digest.as_deref());
        layers.push(layer(
            "model",
            comment,
            inputs.model_compression,
            0o644,
            in_app_root(&inputs.model),
        ));
    }
    let comment = app_comment(&inputs.name, &inputs.code);
    layers.push(layer(
        "app",
        comment,
        inputs.compression,
        0o644,
        in_app_root(&inputs.app),
    ));
    ImagePlan {
        base: inputs.base.clone(),
        layers,
        config: container_config(inputs),
        annotations: annotations(inputs),
        epoch: inputs.epoch,
    }
}

/// Returns the comment of the model's layer in the image's history. `digest` is the digest of the
/// model. If it is `None`, the comment ends after the word `model`.
pub fn model_comment(digest: Option<&str>) -> String {
    format!("model {}", digest.unwrap_or_default())
}

/// Returns the comment of the app's layer in the image's history. `name` is the name of the scorer.
pub fn app_comment(name: &str, code: &Code) -> String {
    match code {
        Code::Component(digest) => format!("scorer {name} with component {digest}"),
        Code::Graph => format!("scorer {name}, a graph"),
        Code::Script => format!("scorer {name}, a script"),
    }
}

/// Returns the comment of the layer with the engine pack in the image's history. `digest` is the
/// digest of the pack. If it is `None`, the comment has no digest.
pub fn pack_comment(digest: Option<&str>) -> String {
    format!("engine pack {}", digest.unwrap_or_default())
}

/// Returns the plan of the layer with an engine pack. Nobody may write to the files of the pack,
/// because the host refuses a pack that it could change.
fn pack_layer(pack: &PackLayer, compression: Compression) -> LayerPlan {
    let mut entries = BTreeMap::new();
    for (name, content) in &pack.files {
        let path = format!("{}/{name}", PACK_FOLDER.trim_start_matches('/'));
        add_folders_above(&mut entries, &path, 0o555);
        let content = content.clone();
        entries.insert(
            path,
            Entry::File {
                mode: 0o444,
                content,
            },
        );
    }
    for folder in &pack.empty_folders {
        let path = format!("{}/{folder}", PACK_FOLDER.trim_start_matches('/'));
        entries.insert(path, Entry::Folder { mode: 0o555 });
    }
    let kind = match compression {
        Compression::Zstd => "zstd",
        _ => "gzip",
    };
    // Another release may write other bytes.
    let name = format!(
        "{}-{}-{kind}",
        pack.digest.trim_start_matches("sha256:"),
        env!("CARGO_PKG_VERSION")
    );
    LayerPlan {
        name: "python",
        comment: pack_comment(Some(&pack.digest)),
        compression,
        kept: pack.kept.as_ref().map(|folder| folder.join(name)),
        entries,
    }
}

fn in_app_root(files: &BTreeMap<String, Content>) -> BTreeMap<String, Content> {
    files
        .iter()
        .map(|(name, content)| (format!("{APP_ROOT}/{name}"), content.clone()))
        .collect()
}

fn layer(
    name: &'static str,
    comment: String,
    compression: Compression,
    mode: u32,
    files: BTreeMap<String, Content>,
) -> LayerPlan {
    let mut entries = BTreeMap::new();
    for (path, content) in files {
        let path = path.trim_start_matches('/').to_owned();
        add_folders_above(&mut entries, &path, 0o755);
        entries.insert(path, Entry::File { mode, content });
    }
    LayerPlan {
        name,
        comment,
        compression,
        kept: None,
        entries,
    }
}

fn container_config(inputs: &Inputs) -> ContainerConfig {
    let mut labels = BTreeMap::from([
        ("dev.scorebox.scorer.name".to_owned(), inputs.name.clone()),
        ("dev.scorebox.world".to_owned(), inputs.world.clone()),
    ]);
    // Graphs and scripts do not use the WIT contract, and have no component.
    if let Code::Component(digest) = &inputs.code {
        labels.insert(
            "dev.scorebox.wit-version".to_owned(),
            inputs.wit_version.clone(),
        );
        labels.insert("dev.scorebox.component.digest".to_owned(), digest.clone());
    }
    if !inputs.version.is_empty() {
        labels.insert(
            "dev.scorebox.scorer.version".to_owned(),
            inputs.version.clone(),
        );
    }
    if let Some(digest) = &inputs.model_digest {
        labels.insert("dev.scorebox.model.digest".to_owned(), digest.clone());
    }
    if let Some(pack) = &inputs.pack {
        labels.insert("dev.scorebox.pack.digest".to_owned(), pack.digest.clone());
        labels.insert("dev.scorebox.pack.python".to_owned(), pack.name.clone());
    }
    ContainerConfig { labels, ..start() }
}

/// Returns the container settings for an image without a base. The labels are empty.
pub fn start() -> ContainerConfig {
    ContainerConfig {
        user: USER.to_owned(),
        exposed_ports: BTreeMap::from([(format!("{PORT}/tcp"), BTreeMap::new())]),
        env: vec![
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            format!("AzureWebJobsScriptRoot={APP_ROOT}"),
            "FUNCTIONS_WORKER_RUNTIME=custom".to_owned(),
        ],
        // In a container of its own the host must be reachable from outside. Next to the Functions
        // host, which starts it with the command in host.json, it listens on the loopback address
        // only.
        entrypoint: [
            HOST_PROGRAM,
            "serve",
            "--app",
            APP_ROOT,
            "--address",
            "0.0.0.0",
        ]
        .map(str::to_owned)
        .to_vec(),
        working_dir: APP_ROOT.to_owned(),
        labels: BTreeMap::new(),
    }
}

fn annotations(inputs: &Inputs) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (
            "org.opencontainers.image.created".to_owned(),
            rfc3339(inputs.epoch),
        ),
        (
            "org.opencontainers.image.title".to_owned(),
            inputs.name.clone(),
        ),
    ]);
    if !inputs.version.is_empty() {
        annotations.insert(
            "org.opencontainers.image.version".to_owned(),
            inputs.version.clone(),
        );
    }
    if let Some(base) = &inputs.base {
        annotations.insert(
            "org.opencontainers.image.base.name".to_owned(),
            base.name.clone(),
        );
        annotations.insert(
            "org.opencontainers.image.base.digest".to_owned(),
            base.digest.to_string(),
        );
    }
    annotations
}

/// Formats a time in seconds since 1970 as an RFC 3339 time. A time after the year 9999 is
/// formatted as 1970-01-01T00:00:00Z.
pub fn rfc3339(epoch: u64) -> String {
    // The formatter supports years up to 9999.
    let seconds = if epoch < 253_402_300_800 { epoch } else { 0 };
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

impl ImagePlan {
    /// Returns the bytes of the image's config. `layers` are the written layers, whose digests the
    /// config names.
    pub fn config_bytes(&self, layers: &[WrittenLayer]) -> Vec<u8> {
        let created = rfc3339(self.epoch);
        let history: Vec<_> = self
            .layers
            .iter()
            .map(|layer| json!({ "created": created, "created_by": CREATED_BY, "comment": format!("{}: {}", layer.name, layer.comment) }))
            .collect();
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect();
        let mut document = match &self.base {
            Some(base) => Value::from(base.document(&self.config)),
            None => json!({
                "architecture": "amd64",
                "os": "linux",
                "config": self.config,
                "rootfs": { "type": "layers", "diff_ids": [] },
                "history": [],
            }),
        };
        append(document.pointer_mut("/rootfs/diff_ids"), diff_ids);
        append(document.pointer_mut("/history"), history);
        if let Some(document) = document.as_object_mut() {
            document.insert("created".to_owned(), created.into());
        }
        bytes(&document)
    }

    /// Returns the bytes of the image's manifest. `config` are the bytes of the image's config, and
    /// `layers` are the written layers. The manifest names the digests of both.
    pub fn manifest_bytes(&self, config: &[u8], layers: &[WrittenLayer]) -> Vec<u8> {
        let descriptor = |media_type: &str, digest: &Digest, size: u64| OciDescriptor {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        let below = self
            .base
            .iter()
            .flat_map(|base| &base.layers)
            .map(|layer| OciDescriptor {
                urls: Some(layer.urls.clone()).filter(|urls| !urls.is_empty()),
                annotations: Some(layer.annotations.clone())
                    .filter(|annotations| !annotations.is_empty()),
                ..descriptor(&layer.media_type, &layer.digest, layer.size)
            });
        let own = layers
            .iter()
            .map(|layer| descriptor(layer.media_type, &layer.digest, layer.size));
        bytes(&OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(
                IMAGE_CONFIG_MEDIA_TYPE,
                &Digest::of(config),
                config.len() as u64,
            ),
            layers: below.chain(own).collect(),
            annotations: Some(self.annotations.clone()),
            ..OciImageManifest::default()
        })
    }
}

/// Appends values to a JSON list. Does nothing if `list` is `None` or not a list.
fn append<T: Into<Value>>(list: Option<&mut Value>, values: Vec<T>) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.extend(values.into_iter().map(Into::into));
    }
}

/// Serialises a value to the JSON bytes that are hashed and written. Each value is serialised only
/// once, because a digest covers the bytes, not the value.
fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    // Strings, numbers and maps with string keys can always be serialised.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
