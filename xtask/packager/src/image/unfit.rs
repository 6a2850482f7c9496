//! Reasons why an image cannot be used as a base image, or cannot be inspected.
//!
//! Owns the reasons and their texts, which continue a sentence that starts with the name of the
//! image. Must not know where the image comes from, nor what it is needed for.

use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};

/// Reason why an image cannot be used. The text continues a sentence that starts with the name of
/// the image, and quotes what the image says about itself.
#[derive(Debug, thiserror::Error)]
pub enum UnfitImage {
    /// The document is not JSON, or a part of it does not have the form that a manifest or an image
    /// index requires.
    #[error("{}", quoted(&format!("is not a manifest: {source}"), REASON_BYTES))]
    NotAManifest {
        /// Error of the JSON parser, which may quote the document.
        source: serde_json::Error,
    },
    /// The document does not state schema version 2.
    #[error("is a manifest of another schema than version 2")]
    OtherSchema,
    /// The document is not clearly a manifest or an image index: it has the parts of both, or of
    /// neither.
    #[error("is neither a manifest nor a list of manifests")]
    NoKnownForm,
    /// The document states the media type of another kind of document. The text is this media type.
    #[error("calls itself `{}`, but is not one", quoted(.0, NAME_BYTES))]
    OtherMediaType(String),
    /// The image index has no image for linux/amd64. The texts are the platforms for which it has
    /// images.
    #[error(
        "has no image for linux/amd64, only for: {}",
        quoted(&.0.join(", "), REASON_BYTES)
    )]
    NotInList(Vec<String>),
    /// The manifest states no valid size for a layer. The text is the digest of the layer.
    #[error("layer {}: no size", quoted(.0, NAME_BYTES))]
    LayerWithoutSize(String),
    /// The manifest has a layer that cannot be part of a container image. The text is the media
    /// type of the layer.
    #[error(
        "has a layer of type `{}`, so it is not a container image",
        quoted(.0, NAME_BYTES)
    )]
    OtherLayer(String),
    /// The document has a text that is not a digest where a digest is expected. The value is this
    /// text.
    #[error("names `{}`, which is not a SHA-256 digest", quoted(.0, NAME_BYTES))]
    NotADigest(String),
    /// The config of the image is not a JSON object.
    #[error("has no configuration of an image: {0}")]
    NoConfiguration(#[source] serde_json::Error),
    /// The config states a platform other than linux/amd64.
    #[error("is for {os}/{architecture}, and ours is for linux/amd64")]
    OtherPlatform {
        /// Operating system that the config states.
        os: String,
        /// Processor architecture that the config states.
        architecture: String,
    },
    /// The manifest and the config have different numbers of layers.
    #[error("has {layers} layers, and its configuration {in_configuration}")]
    LayersDiffer {
        /// Number of layers in the manifest.
        layers: usize,
        /// Number of layers in the config.
        in_configuration: usize,
    },
    /// The manifest has more layers than a container runtime accepts.
    #[error("has {layers} layers, and no runtime takes more than {most}")]
    TooManyLayers {
        /// Number of layers in the manifest.
        layers: usize,
        /// Maximum number of layers that a container runtime accepts.
        most: usize,
    },
    /// The image index points to another index, and so on: none of the first three documents is a
    /// manifest.
    #[error("is a list of lists")]
    TooManyLists,
}
