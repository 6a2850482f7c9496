//! Parser for manifests of images and lists of manifests, in the formats of OCI and Docker.
//!
//! Owns their parsing and the choice of the platform. Must not know files or registries: it works
//! on bytes that other modules fetched and hashed.

use std::collections::BTreeMap;

use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
    IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE,
    IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE, IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
};
use scorebox_workspace::digest::Digest;
use serde::Deserialize;

use super::layer_plan::IMAGE_LAYER_ZSTD_MEDIA_TYPE;
use super::unfit::UnfitImage;

/// Media types of the manifests and image indexes that this program can parse, for the `Accept`
/// header.
pub const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// A layer of a base image or of an inspected image, as the manifest of the image states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseLayer {
    /// OCI media type of the layer. If the manifest states one of Docker's media types, it is
    /// replaced by the OCI media type of the same format.
    pub media_type: String,
    /// Digest of the layer's blob.
    pub digest: Digest,
    /// Size of the layer's blob, in bytes.
    pub size: u64,
    /// URLs from which a container runtime fetches the layer. Empty unless the layer is one that no
    /// registry stores.
    pub urls: Vec<String>,
    /// Annotations of the layer's descriptor in the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// A document that a registry returns for the tag or digest of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An image index for several platforms. The digest is that of the manifest for linux/amd64.
    Index(Digest),
    /// An image manifest, which is for one platform.
    Manifest(BaseManifest),
}

/// The parts of an image manifest that this program uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseManifest {
    /// Digest of the image's config.
    pub config: Digest,
    /// Layers of the image, from the bottom up.
    pub layers: Vec<BaseLayer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<Vec<RawEntry>>,
    config: Option<OciDescriptor>,
    layers: Option<Vec<OciDescriptor>>,
}

#[derive(Deserialize)]
struct RawEntry {
    digest: String,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// Parses an image manifest or an image index. Fails if the document is not JSON of schema version
/// 2, if it has the parts of neither or of both, if a part is invalid, if the stated media type
/// contradicts the parts, or if an index has no manifest for linux/amd64.
pub fn read(bytes: &[u8]) -> Result<Document, UnfitImage> {
    let raw: RawDocument =
        serde_json::from_slice(bytes).map_err(|source| UnfitImage::NotAManifest { source })?;
    if raw.schema_version != Some(2) {
        return Err(UnfitImage::OtherSchema);
    }
    // The content decides, not the media type in a header. A document that is both a list and a
    // manifest is refused, because two readers could read it differently.
    let (document, media_types) = match (raw.manifests, raw.config, raw.layers) {
        (Some(entries), None, None) => (
            Document::Index(choose(&entries)?),
            [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE],
        ),
        (None, Some(config), Some(layers)) => {
            let layers = layers.into_iter().map(layer).collect::<Result<_, _>>()?;
            let manifest = BaseManifest {
                config: digest(&config.digest)?,
                layers,
            };
            (
                Document::Manifest(manifest),
                [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE],
            )
        }
        _ => return Err(UnfitImage::NoKnownForm),
    };
    match raw.media_type {
        Some(other) if !media_types.contains(&other.as_str()) => {
            Err(UnfitImage::OtherMediaType(other))
        }
        _ => Ok(document),
    }
}

fn choose(entries: &[RawEntry]) -> Result<Digest, UnfitImage> {
    let platforms = || {
        entries
            .iter()
            .filter_map(|entry| Some((entry, entry.platform.as_ref()?)))
    };
    let fit = platforms()
        .find(|(_, platform)| platform.os == "linux" && platform.architecture == "amd64");
    let (entry, _) = fit.ok_or_else(|| {
        let known = platforms().map(|(_, found)| format!("{}/{}", found.os, found.architecture));
        UnfitImage::NotInList(known.collect())
    })?;
    digest(&entry.digest)
}

fn layer(descriptor: OciDescriptor) -> Result<BaseLayer, UnfitImage> {
    Ok(BaseLayer {
        media_type: oci_layer_type(&descriptor.media_type)?,
        digest: digest(&descriptor.digest)?,
        size: u64::try_from(descriptor.size)
            .map_err(|_| UnfitImage::LayerWithoutSize(descriptor.digest.clone()))?,
        urls: descriptor.urls.unwrap_or_default(),
        annotations: descriptor.annotations.unwrap_or_default(),
    })
}

/// Returns the OCI media type of a layer, for a media type of Docker or OCI. A manifest must not
/// mix the media types of Docker and OCI, and the layer's bytes do not depend on the media type.
/// Fails if the media type is not that of a layer.
fn oci_layer_type(media_type: &str) -> Result<String, UnfitImage> {
    let renamed = match media_type {
        IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE => IMAGE_LAYER_MEDIA_TYPE,
        IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE => IMAGE_LAYER_GZIP_MEDIA_TYPE,
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => IMAGE_LAYER_ZSTD_MEDIA_TYPE,
        "application/vnd.docker.image.rootfs.foreign.diff.tar" => {
            IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE
        }
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => {
            IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE
        }
        same if same.starts_with("application/vnd.oci.image.layer.") => same,
        other => return Err(UnfitImage::OtherLayer(other.to_owned())),
    };
    Ok(renamed.to_owned())
}

fn digest(text: &str) -> Result<Digest, UnfitImage> {
    Digest::parse(text).ok_or_else(|| UnfitImage::NotADigest(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hash(text: &str) -> String {
        Digest::of(text.as_bytes()).to_string()
    }

    fn schema2() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST_MEDIA_TYPE,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "digest": hash("c"), "size": 1 },
            "layers": [
                { "mediaType": IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, "digest": hash("1"), "size": 10 },
                { "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": hash("2"),
                  "size": 20, "urls": ["https://elsewhere.invalid/2"] },
            ],
        })
    }

    #[test]
    fn docker_manifest_gets_the_names_of_oci_and_keeps_its_digests() {
        let Ok(Document::Manifest(manifest)) = read(schema2().to_string().as_bytes()) else {
            panic!()
        };
        let layers = manifest.layers;
        assert_eq!(layers[0].media_type, IMAGE_LAYER_GZIP_MEDIA_TYPE);
        assert_eq!(layers[0].digest.to_string(), hash("1"));
        assert_eq!(
            layers[1].media_type,
            IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE
        );
        assert_eq!(layers[1].urls, ["https://elsewhere.invalid/2"]);
    }

    #[test]
    fn platform_is_chosen_from_a_list() {
        let entry = |text: &str, os: &str, architecture: &str| {
            json!({ "mediaType": IMAGE_MANIFEST_MEDIA_TYPE, "digest": hash(text), "size": 1,
                "platform": { "os": os, "architecture": architecture } })
        };
        let list = |entries: Vec<Value>| {
            let list = json!({ "schemaVersion": 2, "mediaType": IMAGE_MANIFEST_LIST_MEDIA_TYPE, "manifests": entries });
            read(list.to_string().as_bytes())
        };
        let (arm, amd) = (
            entry("arm", "linux", "arm64"),
            entry("amd", "linux", "amd64"),
        );
        let windows = entry("w", "windows", "amd64");
        assert_eq!(
            list(vec![windows.clone(), arm.clone(), amd]).unwrap(),
            Document::Index(Digest::of(b"amd"))
        );
        let problem = list(vec![windows, arm]).unwrap_err().to_string();
        assert!(
            problem.contains("linux/amd64") && problem.contains("windows/amd64, linux/arm64"),
            "{problem}"
        );
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let refuse = |change: &dyn Fn(&mut Value), part: &str| {
            let mut document = schema2();
            change(&mut document);
            let problem = read(document.to_string().as_bytes())
                .unwrap_err()
                .to_string();
            assert!(problem.contains(part), "{problem}");
        };
        refuse(
            &|document| document["schemaVersion"] = json!(1),
            "version 2",
        );
        refuse(&|document| document["manifests"] = json!([]), "neither");
        refuse(
            &|document| document["mediaType"] = json!(OCI_IMAGE_INDEX_MEDIA_TYPE),
            "calls itself",
        );
        refuse(
            &|document| document["layers"][0]["mediaType"] = json!("application/x-helm"),
            "x-helm",
        );
        refuse(
            &|document| document["layers"][0]["digest"] = json!("sha256:1"),
            "not a SHA-256 digest",
        );
        refuse(
            &|document| document["layers"][0]["size"] = json!(-1),
            "no size",
        );
    }
}
