//! OCI image layout on disk.
//!
//! Owns `oci-layout`, `index.json` and the names of the blobs. Must not know what the image is for,
//! nor any registry.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use serde_json::{Map, Value, json};

use super::attestation::Artifact;
use super::image_plan::ImagePlan;
use super::kept_layer;
use super::layer::{self, WrittenLayer};
use super::layer_plan::LayerPlan;
use super::manifest::BaseLayer;
use crate::folder::Replacement;

/// Name of the file that marks a folder as an OCI image layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// Name of the file with the image index of an OCI image layout.
pub const INDEX_FILE: &str = "index.json";
/// Maximum size of an image index, a manifest or a config that is read, in bytes. Registries accept
/// manifests of up to 4 MiB.
pub const LARGEST_DOCUMENT_BYTES: u64 = 8 << 20;
/// Annotation that holds the tag of an image in the index of a layout.
pub const TAG_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// An image that was written to an OCI image layout.
#[derive(Debug, Clone)]
pub struct WrittenImage {
    /// Path of the layout's folder.
    pub dir: PathBuf,
    /// Digest of the image, which is the digest of its manifest.
    pub digest: Digest,
    /// Bytes of the image's manifest.
    pub manifest: Vec<u8>,
    /// Blobs that the image's manifest names, in the order in which they are pushed: layers, then
    /// the config.
    pub blobs: Vec<Blob>,
    /// Artifacts in the layout that are attached to the image.
    pub attachments: Vec<Attachment>,
}

/// An artifact that is attached to an image, in the layout of the image.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Name of the artifact: `sbom`, `provenance`, `bundle` or `signature`, or `artifact` for one
    /// of a type that `package` does not write.
    pub name: String,
    /// Digest of the artifact's manifest.
    pub digest: Digest,
    /// Bytes of the artifact's manifest.
    pub manifest: Vec<u8>,
    /// Blobs that the artifact's manifest names: its layers, then its config.
    pub blobs: Vec<Blob>,
    /// Tag that points to the artifact's manifest. `None` if the artifact is a referrer of the
    /// image.
    pub tag: Option<String>,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Name of the blob in messages: the name of a layer, `base-` and a number for a layer of the
    /// base image, `config`, the name of an artifact, or `config of NAME` for the config of an
    /// artifact.
    pub name: String,
    /// Media type of the blob, as the manifest states it.
    pub media_type: String,
    /// Digest of the blob's bytes.
    pub digest: Digest,
    /// Size of the blob, in bytes.
    pub size: u64,
    /// True if the blob is a layer that `package` did not write, which is a layer of the base
    /// image.
    pub of_base: bool,
    /// Place from which the blob can be read.
    pub place: Place,
}

/// Place from which a blob can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The layout contains the blob as a file.
    Layout,
    /// Only the registry of the base image stores the blob.
    Base,
    /// No registry stores the blob. The manifest names URLs from which the container runtime
    /// fetches the blob.
    Elsewhere,
}

impl WrittenImage {
    /// Returns the path of the file in the layout that has the blob with this digest.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(blob_name(digest))
    }
}

/// Reads the image index of a layout. Fails if the folder has no image index, or if the index
/// cannot be read or is larger than [`LARGEST_DOCUMENT_BYTES`]. The index is not parsed.
pub fn index(dir: &Path) -> Result<Vec<u8>, Failure> {
    document(&dir.join(INDEX_FILE)).map_err(|error| {
        Failure::project(
            format!(
                "{}: is not an OCI layout: {INDEX_FILE}: {error}",
                dir.display()
            ),
            "name the folder that `cargo xtask package` wrote; its last lines show it",
        )
    })
}

/// Reads an image index, a manifest or a config of a layout. Fails before reading if the file is
/// larger than [`LARGEST_DOCUMENT_BYTES`] or not a regular file.
pub fn document(path: &Path) -> io::Result<Vec<u8>> {
    // Reading from a pipe could wait forever.
    let found = std::fs::metadata(path)?;
    if !found.is_file() || found.len() > LARGEST_DOCUMENT_BYTES {
        return Err(io::Error::other(format!(
            "is not a file of at most {LARGEST_DOCUMENT_BYTES} bytes"
        )));
    }
    let mut bytes = Vec::new();
    // The file may grow after its size was checked.
    File::open(path)?
        .take(LARGEST_DOCUMENT_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the path of the blob with this digest, relative to the folder of a layout.
pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Writes the planned image as a new OCI image layout in the folder `dir`, with the tag `tag`. An
/// existing layout in the folder is replaced. Fails if the folder contains files but no layout, or
/// if a file cannot be read or written.
///
/// `base_blobs` is a folder with the layers of the base image, each named by the hex digits of its
/// digest. If `base_blobs` is `None`, the layout refers to these layers but does not contain them.
/// A layer that no registry stores is never contained. `attach` receives the digest of the image
/// and the size of its manifest in bytes, and returns the artifacts to attach.
pub fn write(
    plan: &ImagePlan,
    dir: &Path,
    tag: &str,
    base_blobs: Option<&Path>,
    attach: impl FnOnce(&Digest, u64) -> Vec<Artifact>,
) -> Result<WrittenImage, Failure> {
    let mut folder = Replacement::begin(dir, LAYOUT_FILE)?;
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| Failure::file(&blobs, "be made", error))?;

    let layers = plan
        .layers
        .iter()
        .map(|layer| write_layer(layer, plan.epoch, &blobs))
        .collect::<Result<Vec<WrittenLayer>, Failure>>()?;
    let mut named = base_layers(plan, base_blobs.is_some());
    if let Some(from) = base_blobs {
        for blob in named.iter().filter(|blob| blob.place == Place::Layout) {
            put(
                &from.join(blob.digest.hex()),
                &blobs.join(blob.digest.hex()),
            )?;
        }
    }
    let config = plan.config_bytes(&layers);
    let manifest = plan.manifest_bytes(&config, &layers);
    let (config_digest, digest) = (Digest::of(&config), Digest::of(&manifest));
    folder.write(&blob_name(&config_digest), &config)?;
    folder.write(&blob_name(&digest), &manifest)?;
    let mut entries = vec![json!({
        "mediaType": OCI_IMAGE_MEDIA_TYPE,
        "digest": digest.to_string(),
        "size": manifest.len(),
        "annotations": { TAG_ANNOTATION: tag },
        "platform": { "architecture": "amd64", "os": "linux" },
    })];
    let mut attachments = Vec::new();
    for artifact in attach(&digest, manifest.len() as u64) {
        let attachment = write_artifact(artifact, &mut folder)?;
        entries.push(attachment.entry());
        attachments.push(attachment);
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
    folder.write(INDEX_FILE, index.to_string().as_bytes())?;
    folder.write(LAYOUT_FILE, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    folder.finish()?;

    named.extend(
        layers
            .into_iter()
            .map(|layer| own(layer.name, layer.media_type, layer.digest, layer.size)),
    );
    named.push(own(
        "config",
        IMAGE_CONFIG_MEDIA_TYPE,
        config_digest,
        config.len() as u64,
    ));
    Ok(WrittenImage {
        dir: dir.to_path_buf(),
        digest,
        manifest,
        blobs: named,
        attachments,
    })
}

/// Returns a description of a blob with this name, media type, digest and size. The layout contains
/// the blob, and the blob is not a layer of the base image.
fn own(name: &str, media_type: &str, digest: Digest, size: u64) -> Blob {
    Blob {
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        digest,
        size,
        of_base: false,
        place: Place::Layout,
    }
}

fn write_artifact(artifact: Artifact, folder: &mut Replacement) -> Result<Attachment, Failure> {
    let mut put = |name: &str, media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        folder.write(&blob_name(&digest), bytes)?;
        Ok::<_, Failure>(own(name, media_type, digest, bytes.len() as u64))
    };
    let Artifact {
        name,
        manifest,
        config,
        config_media_type,
        content,
        tag,
    } = artifact;
    let config = put(&format!("config of {name}"), config_media_type, &config)?;
    let content = put(name, content.media_type, &content.bytes)?;
    let digest = put(name, OCI_IMAGE_MEDIA_TYPE, &manifest)?.digest;
    Ok(Attachment {
        name: name.to_owned(),
        digest,
        manifest,
        blobs: vec![content, config],
        tag,
    })
}

impl Attachment {
    /// Returns the descriptor of the artifact's manifest for an image index, with the artifact type
    /// and the annotations of the manifest. OCI requires both for the entry of a referrer.
    pub fn entry(&self) -> Value {
        let manifest: Map<String, Value> =
            serde_json::from_slice(&self.manifest).unwrap_or_default();
        let mut annotations = manifest
            .get("annotations")
            .cloned()
            .unwrap_or_else(|| json!({}));
        if let (Some(tag), Some(annotations)) = (&self.tag, annotations.as_object_mut()) {
            annotations.insert(TAG_ANNOTATION.to_owned(), json!(tag));
        }
        let mut entry = json!({
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "digest": self.digest.to_string(),
            "size": self.manifest.len(),
            "annotations": annotations,
        });
        if let (Some(artifact_type), Some(entry)) =
            (manifest.get("artifactType"), entry.as_object_mut())
        {
            entry.insert("artifactType".to_owned(), artifact_type.clone());
        }
        entry
    }
}

fn base_layers(plan: &ImagePlan, held: bool) -> Vec<Blob> {
    let layers = plan.base.iter().flat_map(|base| &base.layers).enumerate();
    let blob = |(index, layer): (usize, &BaseLayer)| Blob {
        name: format!("base-{}", index + 1),
        media_type: layer.media_type.clone(),
        digest: layer.digest.clone(),
        size: layer.size,
        of_base: true,
        place: match (layer.urls.is_empty(), held) {
            (false, _) => Place::Elsewhere,
            (true, true) => Place::Layout,
            (true, false) => Place::Base,
        },
    };
    layers.map(blob).collect()
}

/// Puts the file of a base layer into the layout: as a hard link if the file system supports links,
/// and as a copy otherwise. A link is preferred because base layers can be large. Fails if the file
/// can be neither linked nor copied.
fn put(from: &Path, to: &Path) -> Result<(), Failure> {
    // A base may name a layer twice.
    if to.exists() {
        return Ok(());
    }
    std::fs::hard_link(from, to)
        .or_else(|_| std::fs::copy(from, to).map(drop))
        .map_err(|error| Failure::file(from, &format!("be copied to {}", to.display()), error))
}

fn write_layer(plan: &LayerPlan, epoch: u64, blobs: &Path) -> Result<WrittenLayer, Failure> {
    // The final file name is the digest, which is known only at the end.
    let path = blobs.join(plan.name);
    let failed = |error: std::io::Error| {
        Failure::other(
            format!("layer `{}`: {error}", plan.name),
            "free disk space, and see that the files of the project can be read",
        )
    };
    if let Some(kept) = kept_layer::take(plan, blobs).map_err(failed)? {
        return Ok(kept);
    }
    let file = File::create(&path).map_err(failed)?;
    // A layer that is kept must not depend on the image.
    let epoch = plan.kept.as_ref().map_or(epoch, |_| 0);
    let (mut out, written) =
        layer::write(plan, epoch, BufWriter::with_capacity(1 << 20, file)).map_err(failed)?;
    out.flush().map_err(failed)?;
    std::fs::rename(&path, blobs.join(written.digest.hex())).map_err(failed)?;
    kept_layer::keep(plan, &written, blobs);
    Ok(written)
}
