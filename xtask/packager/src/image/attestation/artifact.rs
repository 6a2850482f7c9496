//! OCI artifact: data that is stored next to an image and has a manifest like an image.
//!
//! Owns the manifest of an artifact. Must not know the meaning of the data.

use std::collections::BTreeMap;

use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};

/// Media type of the payload that cosign signs for an image, and of the layer that holds it.
pub const SIGNATURE_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation in which cosign stores a signature, in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Media type of an empty OCI config.
const EMPTY_MEDIA_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// An OCI artifact that is attached to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name of the artifact: `sbom`, `provenance`, `bundle` or `signature`.
    pub name: &'static str,
    /// Bytes of the artifact's manifest.
    pub manifest: Vec<u8>,
    /// Bytes of the artifact's config.
    pub config: Vec<u8>,
    /// Media type of the artifact's config.
    pub config_media_type: &'static str,
    /// Content of the artifact, which is the only layer in its manifest.
    pub content: Content,
    /// Tag that points to the artifact's manifest. `None` if the artifact is listed as a referrer
    /// of the image.
    pub tag: Option<String>,
}

/// Bytes of an artifact's only layer, with their media type and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Media type of the artifact's layer.
    pub media_type: &'static str,
    /// Bytes of the artifact's layer.
    pub bytes: Vec<u8>,
    /// Annotations of the descriptor of the artifact's layer.
    annotations: BTreeMap<String, String>,
}

impl Content {
    /// Creates the content of an artifact, with these bytes and without annotations.
    pub fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            media_type,
            bytes,
            annotations: BTreeMap::new(),
        }
    }

    /// Adds an annotation to the descriptor of the artifact's layer.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = descriptor(self.media_type, &self.bytes);
        if !self.annotations.is_empty()
            && let Some(descriptor) = descriptor.as_object_mut()
        {
            descriptor.insert("annotations".to_owned(), json!(self.annotations));
        }
        descriptor
    }
}

impl Artifact {
    /// Builds an artifact and its manifest. If `artifact_type` is `None`, the manifest is that of
    /// an image with one layer, as readers without support for artifacts expect it. `subject` has
    /// the digest and the size in bytes of the manifest of the image to which the artifact is
    /// attached. If `subject` is `None`, the artifact is found by `tag`. `epoch` is the time of
    /// creation, in seconds since 1970. `annotations` are further annotations of the manifest, each
    /// a name and a value.
    pub fn new(
        name: &'static str,
        artifact_type: Option<&str>,
        content: Content,
        subject: Option<(&Digest, u64)>,
        tag: Option<String>,
        epoch: u64,
        annotations: &[(&str, &str)],
    ) -> Self {
        let (config, config_media_type) = match artifact_type {
            Some(_) => (b"{}".to_vec(), EMPTY_MEDIA_TYPE),
            // The manifest is that of an image with one layer, which readers without support for
            // artifacts expect.
            None => {
                let diff_ids = [Digest::of(&content.bytes).to_string()];
                let config = json!({ "architecture": "", "os": "", "config": {}, "created": super::super::plan::rfc3339(epoch),
                    "history": [{}], "rootfs": { "type": "layers", "diff_ids": diff_ids } });
                (config.to_string().into_bytes(), IMAGE_CONFIG_MEDIA_TYPE)
            }
        };
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "config": descriptor(config_media_type, &config),
            "layers": [content.descriptor()],
            "annotations": { "org.opencontainers.image.created": super::super::plan::rfc3339(epoch) },
        });
        if let Some(all) = manifest
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            for (name, value) in annotations {
                all.insert((*name).to_owned(), (*value).into());
            }
        }
        if let Some(manifest) = manifest.as_object_mut() {
            if let Some(artifact_type) = artifact_type {
                manifest.insert("artifactType".to_owned(), artifact_type.into());
            }
            if let Some((digest, size)) = subject {
                let subject = json!({ "mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest.to_string(), "size": size });
                manifest.insert("subject".to_owned(), subject);
            }
        }
        Self {
            name,
            manifest: manifest.to_string().into_bytes(),
            config,
            config_media_type,
            content,
            tag,
        }
    }
}

/// Returns the tag under which cosign stores the signatures of an image. `image` is the digest of
/// the image.
pub fn signature_tag(image: &Digest) -> String {
    format!("sha256-{}.sig", image.hex())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}
