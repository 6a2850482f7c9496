//! An artifact: something that is kept beside an image in the form of one.
//!
//! Owns its manifest. Must not know what it says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};

use crate::digest::Digest;

/// What cosign signs for an image.
pub const SIGNATURE_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where cosign keeps a signature, in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// OCI's name for a configuration that says nothing.
const EMPTY_MEDIA_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Something attached to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// `sbom`, `provenance` or `signature`.
    pub name: &'static str,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The configuration's bytes.
    pub config: Vec<u8>,
    /// OCI's name for their form.
    pub config_media_type: &'static str,
    /// What it says.
    pub content: Content,
    /// The tag that it is found by, if not by its subject.
    pub tag: Option<String>,
}

/// Bytes and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// OCI's name for their form.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Of the descriptor.
    annotations: BTreeMap<String, String>,
}

impl Content {
    /// Without annotations.
    pub fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, bytes, annotations: BTreeMap::new() }
    }

    /// With one more annotation.
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
    /// Writes the manifest; `subject` is the digest and size of the manifest of the image that it refers to.
    pub fn new(
        name: &'static str,
        artifact_type: Option<&str>,
        content: Content,
        subject: Option<(&Digest, u64)>,
        tag: Option<String>,
        epoch: u64,
    ) -> Self {
        let (config, config_media_type) = match artifact_type {
            Some(_) => (b"{}".to_vec(), EMPTY_MEDIA_TYPE),
            // As an image of one layer, which is what readers that know no artifacts expect.
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
        if let Some(manifest) = manifest.as_object_mut() {
            if let Some(artifact_type) = artifact_type {
                manifest.insert("artifactType".to_owned(), artifact_type.into());
            }
            if let Some((digest, size)) = subject {
                let subject = json!({ "mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest.to_string(), "size": size });
                manifest.insert("subject".to_owned(), subject);
            }
        }
        Self { name, manifest: manifest.to_string().into_bytes(), config, config_media_type, content, tag }
    }
}

/// The tag by which cosign finds an image's signatures.
pub fn signature_tag(image: &Digest) -> String {
    format!("sha256-{}.sig", image.hex())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}
