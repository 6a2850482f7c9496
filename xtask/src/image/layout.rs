//! An OCI image layout on disk.
//!
//! Owns `oci-layout`, `index.json` and the blobs' names. Must not know what the image is for, nor any registry.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde_json::json;

use super::ImagePlan;
use super::layer::{self, WrittenLayer};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::folder::Replacement;

/// The file that makes a folder a layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// The file that names the layout's images.
pub const INDEX_FILE: &str = "index.json";
/// The annotation that holds an image's tag.
pub const TAG_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// An image that was written.
#[derive(Debug, Clone)]
pub struct WrittenImage {
    /// The layout's folder.
    pub dir: PathBuf,
    /// Digest of the manifest, and so of the image.
    pub digest: Digest,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// Everything that the manifest names, in the order in which it is sent: layers, then the configuration.
    pub blobs: Vec<Blob>,
}

/// One file of the layout that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The layer's name, or `config`.
    pub name: &'static str,
    /// What its bytes are.
    pub media_type: &'static str,
    /// Of its bytes.
    pub digest: Digest,
    /// Of the same.
    pub size: u64,
}

impl WrittenImage {
    /// A blob's file.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(blob_name(digest))
    }
}

/// A blob's path inside a layout.
pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Writes the planned image as a layout of its own; a layout that is there is replaced.
pub fn write(plan: &ImagePlan, dir: &Path, tag: &str) -> Result<WrittenImage, Failure> {
    let mut folder = Replacement::begin(dir, LAYOUT_FILE)?;
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| Failure::file(&blobs, "be made", error))?;

    let layers = plan
        .layers
        .iter()
        .map(|layer| write_layer(layer, plan.epoch, &blobs))
        .collect::<Result<Vec<WrittenLayer>, Failure>>()?;
    let config = plan.config_bytes(&layers);
    let manifest = plan.manifest_bytes(&config, &layers);
    let (config_digest, digest) = (Digest::of(&config), Digest::of(&manifest));
    folder.write(&blob_name(&config_digest), &config)?;
    folder.write(&blob_name(&digest), &manifest)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "digest": digest.to_string(),
            "size": manifest.len(),
            "annotations": { TAG_ANNOTATION: tag },
            "platform": { "architecture": "amd64", "os": "linux" },
        }],
    });
    folder.write(INDEX_FILE, index.to_string().as_bytes())?;
    folder.write(LAYOUT_FILE, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    folder.finish()?;

    let mut blobs: Vec<_> = layers
        .into_iter()
        .map(|layer| Blob { name: layer.name, media_type: layer.media_type, digest: layer.digest, size: layer.size })
        .collect();
    let size = config.len() as u64;
    blobs.push(Blob { name: "config", media_type: IMAGE_CONFIG_MEDIA_TYPE, digest: config_digest, size });
    Ok(WrittenImage { dir: dir.to_path_buf(), digest, manifest, blobs })
}

fn write_layer(plan: &super::LayerPlan, epoch: u64, blobs: &Path) -> Result<WrittenLayer, Failure> {
    // The name is the digest, which is known at the end.
    let path = blobs.join(plan.name);
    let failed = |error: std::io::Error| {
        Failure::other(
            format!("layer `{}`: {error}", plan.name),
            "shorten a path that is too long for tar (100 bytes below a folder of 155), or free disk space",
        )
    };
    let file = File::create(&path).map_err(failed)?;
    let (mut out, written) = layer::write(plan, epoch, BufWriter::with_capacity(1 << 20, file)).map_err(failed)?;
    out.flush().map_err(failed)?;
    std::fs::rename(&path, blobs.join(written.digest.hex())).map_err(failed)?;
    Ok(written)
}
