//! Opening of an image: its config is fetched, and some of the layers that `package` wrote.
//!
//! Owns the choice of the layers to fetch. Must not know the content of a layer. The size and the
//! digest of every fetched blob are checked. Only `cargo xtask inspect` compares the content with
//! what the image says of itself.

use std::path::{Path, PathBuf};

use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use serde_json::Value;

use super::form;
use super::store::Store;
use super::{documents, find, small_blob};
use crate::image::layout::LARGEST_DOCUMENT_BYTES;
use crate::image::reading;
use crate::registry::{Access, BaseReference, Reading};

/// An image, with its config and the layers that the caller requested.
#[derive(Debug)]
pub struct OpenedImage {
    /// Digest of the image's manifest.
    pub digest: Digest,
    /// Config of the image, as JSON.
    pub config: Value,
    /// Name of the base image, as the image states it. `None` if the image states no base.
    pub base: Option<String>,
    /// Layers of `package` that the caller requested, from the bottom up.
    pub layers: Vec<OpenedLayer>,
}

/// A layer that `package` wrote, in a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLayer {
    /// Name of the layer, e.g. `app`.
    pub name: &'static str,
    /// Path of the file with the layer's blob.
    pub path: PathBuf,
    /// Media type of the layer.
    pub media_type: String,
    /// Size of the layer's blob, in bytes.
    pub size: u64,
}

/// Opens an image, and fetches its layers with the names `wanted`. `image` is the folder of a
/// layout or a reference, and `access` returns the access to the registry of a reference. Blobs
/// from a registry are put into `folder`. Fails if there is no such image, if its manifest or
/// config is invalid, or if a blob is missing or altered.
pub fn open(
    image: &str,
    access: impl FnOnce(&BaseReference) -> Access,
    folder: &Path,
    wanted: &[&str],
) -> Result<OpenedImage, Failure> {
    let dir = Path::new(image);
    let (store, version) = if dir.is_dir() {
        (Store::layout(dir)?, String::new())
    } else {
        let reference = BaseReference::of_image(image)?;
        let reading = Reading::open(&access(&reference), &reference, folder)?;
        (Store::Registry(Box::new(reading)), reference.version())
    };
    let found = find(&store, image, &version)?;
    let wrong = |what: &str, problem: &str| {
        Failure::new(
            Kind::Verification,
            format!("{image}: {what} {}", quoted(problem, REASON_BYTES)),
            "package the image again, and push it again",
        )
    };
    let raw = documents::read(&found.bytes)
        .map_err(|reason| wrong("its manifest", &reason.to_string()))?;
    let size = raw.pointer("/config/size").and_then(Value::as_u64);
    let size = size.unwrap_or_default();
    if size > LARGEST_DOCUMENT_BYTES {
        let problem = format!("has {size} bytes, more than the {LARGEST_DOCUMENT_BYTES} allowed");
        return Err(wrong("its config", &problem));
    }
    let bytes = small_blob::read(&store, "config", &found.manifest.config, size)?;
    let bytes = bytes.ok_or_else(|| wrong("its config", "is missing"))?;
    let config =
        documents::read(&bytes).map_err(|reason| wrong("its config", &reason.to_string()))?;
    let names = reading::names(&config);
    let own = form::divide(&names);
    let mut layers = Vec::new();
    for (index, layer) in found.manifest.layers.iter().enumerate() {
        let name = names.get(index).copied().flatten();
        let is_own = (own.start..own.end).contains(&index);
        let Some(name) = name.filter(|name| is_own && wanted.contains(name)) else {
            continue;
        };
        let path = store.blob(name, &layer.digest, layer.size)?;
        layers.push(OpenedLayer {
            name,
            path: path.ok_or_else(|| wrong(&format!("its layer `{name}`"), "is missing"))?,
            media_type: layer.media_type.clone(),
            size: layer.size,
        });
    }
    let base = raw
        .get("annotations")
        .and_then(|all| all.get("org.opencontainers.image.base.name"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(OpenedImage {
        digest: Digest::of(&found.bytes),
        config,
        base,
        layers,
    })
}
