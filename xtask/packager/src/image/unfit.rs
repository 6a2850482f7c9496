//! Reasons why an image cannot be a base, and cannot be inspected.
//!
//! Owns the reasons and their texts, which go on after the name of the image. Must not know where
//! the image comes from, nor what it is needed for.

use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};

/// Reason why an image cannot be used. The text goes on after the name of the image, and quotes
/// what the image says about itself.
#[derive(Debug, thiserror::Error)]
pub enum UnfitImage {
    /// The document is not JSON, or lacks what every manifest has.
    #[error("{}", quoted(&format!("is not a manifest: {source}"), REASON_BYTES))]
    NotAManifest {
        /// Error of the parser, which may quote the document.
        source: serde_json::Error,
    },
    /// The document has the schema of another version.
    #[error("is a manifest of another schema than version 2")]
    OtherSchema,
    /// The document has the parts of both forms, or of none.
    #[error("is neither a manifest nor a list of manifests")]
    NoKnownForm,
    /// The media type that the document states is that of another form.
    #[error("calls itself `{}`, but is not one", quoted(.0, NAME_BYTES))]
    OtherMediaType(String),
    /// The list has no image for linux/amd64. The texts are the platforms that it has.
    #[error(
        "has no image for linux/amd64, only for: {}",
        quoted(&.0.join(", "), REASON_BYTES)
    )]
    NotInList(Vec<String>),
    /// The manifest gives a layer no valid size. The text is the digest of the layer.
    #[error("layer {}: no size", quoted(.0, NAME_BYTES))]
    LayerWithoutSize(String),
    /// The manifest has a layer that is not one of a container image. The text is its media type.
    #[error(
        "has a layer of type `{}`, so it is not a container image",
        quoted(.0, NAME_BYTES)
    )]
    OtherLayer(String),
    /// The document has this text where a digest is expected.
    #[error("names `{}`, which is not a SHA-256 digest", quoted(.0, NAME_BYTES))]
    NotADigest(String),
    /// The configuration of the image is not a JSON object.
    #[error("has no configuration of an image: {0}")]
    NoConfiguration(#[source] serde_json::Error),
    /// The configuration is that of an image for another platform.
    #[error("is for {os}/{architecture}, and ours is for linux/amd64")]
    OtherPlatform {
        /// Operating system of the image.
        os: String,
        /// Architecture of the image's programs.
        architecture: String,
    },
    /// The manifest and the configuration have different numbers of layers.
    #[error("has {layers} layers, and its configuration {in_configuration}")]
    LayersDiffer {
        /// Number of layers in the manifest.
        layers: usize,
        /// Number of layers in the configuration.
        in_configuration: usize,
    },
    /// The manifest has more layers than a container runtime accepts.
    #[error("has {layers} layers, and no runtime takes more than {most}")]
    TooManyLayers {
        /// Number of layers in the manifest.
        layers: usize,
        /// Maximum number of layers.
        most: usize,
    },
    /// The list points to a list, and so on, too many times.
    #[error("is a list of lists")]
    TooManyLists,
}
