//! Container images: plans, layers of entries, and configurations.
//!
//! Owns the image's types and paths. Must not know disks or registries: `plan`, `base`, `manifest`
//! and `unfit` are pure. `layer` and `layout` write images to disk, `reading` and `unpack` read
//! them back.

pub(crate) mod attestation;
pub(crate) mod base;
pub(crate) mod entries;
pub(crate) mod layer;
pub mod layout;
pub(crate) mod manifest;
pub(crate) mod plan;
pub(crate) mod reading;
pub(crate) mod sample;
pub(crate) mod system;
pub(crate) mod unfit;
pub mod unpack;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use self::plan::plan;

use self::base::Base;

/// Path of the app folder in the image.
pub const APP_ROOT: &str = "/home/site/wwwroot";
/// Path of the host program in the image.
pub const HOST_PROGRAM: &str = "/usr/bin/scorebox";
/// Folder in the image that contains ONNX Runtime, the library that runs graphs, and its licences.
/// The host looks for the library in this folder.
pub const ENGINE_FOLDER: &str = "/usr/lib/scorebox";
/// User id and group id that a container of the image runs as. They are those of `nonroot` in
/// common static base images.
pub const USER: &str = "65532:65532";
/// Port that the host listens on in a container, unless the Functions host sets another port.
pub const PORT: u16 = 8080;

/// OCI media type of a layer that is compressed with zstd.
pub const IMAGE_LAYER_ZSTD_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// All inputs that determine an image.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Name of the scorer.
    pub name: String,
    /// Version of the scorer. Empty if the manifest does not set it.
    pub version: String,
    /// Name of the WIT world that the component targets.
    pub world: String,
    /// Version of the WIT contract that the component uses.
    pub wit_version: String,
    /// Digest of the component's bytes. `None` if the scorer is a graph.
    pub component_digest: Option<String>,
    /// Digest of the scorer's model. `None` if the scorer does not have a model.
    pub model_digest: Option<String>,
    /// Time that is used for every time in the image, in seconds since 1970.
    pub epoch: u64,
    /// Base image. `None` if the image has no base.
    pub base: Option<Base>,
    /// Compression of all layers except the model's layer.
    pub compression: Compression,
    /// Bytes of the host program.
    pub host: Content,
    /// ONNX Runtime library and its licences. The keys are the file names. Empty if the scorer has
    /// no graph.
    pub engine: BTreeMap<String, Content>,
    /// Shared libraries that a dynamically linked host needs in an image without a base. The keys
    /// are the paths in the image. Empty if there is a base.
    pub libraries: BTreeMap<String, Content>,
    /// Files of the app folder except the model's files. The keys are the paths in the app folder.
    pub app: BTreeMap<String, Content>,
    /// Compression of the model's layer, which depends on how well the model compresses.
    pub model_compression: Compression,
    /// Files of the model. The keys are the paths in the app folder.
    pub model: BTreeMap<String, Content>,
}

/// Plan of an image: everything about the image that is known before its layers are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePlan {
    /// Base image. `None` if the image has no base.
    pub base: Option<Base>,
    /// Plans of the layers that the image adds, from the bottom up. Layers that change rarely come
    /// first, so that a change re-sends little.
    pub layers: Vec<LayerPlan>,
    /// Settings with which a container of the image starts.
    pub config: ContainerConfig,
    /// Annotations of the image's manifest.
    pub annotations: BTreeMap<String, String>,
    /// Time that is used for every time in the image, in seconds since 1970.
    pub epoch: u64,
}

/// Plan of one layer, before the layer is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// Name of the layer: `system`, `libraries`, `host`, `engine`, `model` or `app`.
    pub name: &'static str,
    /// Description of the layer's content for the image's history.
    pub comment: String,
    /// Compression of the layer's bytes.
    pub compression: Compression,
    /// Entries of the layer. The keys are the paths without a leading slash. Every folder that
    /// contains an entry is an entry, too.
    pub entries: BTreeMap<String, Entry>,
}

/// Compression of a layer's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// The layer is compressed with gzip at a fixed level. Every container runtime can read it.
    Gzip,
    /// The layer is compressed with gzip at the fastest level. This is meant for large files that
    /// compress well.
    Fast,
    /// The layer is compressed with zstd at a fixed level. Such a layer is smaller and unpacks
    /// faster than with gzip, but not every container runtime supports zstd.
    Zstd,
    /// The layer is stored without compression. This is meant for float weights, which hardly
    /// compress: the image is built faster, and a container runtime unpacks the layer faster.
    Stored,
}

/// A file or folder in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder in a layer.
    Folder {
        /// Permission bits of the folder.
        mode: u32,
    },
    /// A file in a layer.
    File {
        /// Permission bits of the file.
        mode: u32,
        /// Content of the file.
        content: Content,
    },
}

/// Source of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes of the file, held in memory.
    Bytes(Vec<u8>),
    /// Path of a file on this machine that has the bytes.
    File(PathBuf),
}

/// The object `config` in an image's config, which says how a container starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// User id and group id that the container runs as.
    pub user: String,
    /// Ports that the container listens on, e.g. `8080/tcp`. The value of each port is an empty
    /// object, as OCI requires.
    pub exposed_ports: BTreeMap<String, BTreeMap<String, String>>,
    /// Environment variables of the container, each as `NAME=value`.
    pub env: Vec<String>,
    /// Program that the container starts, followed by its arguments.
    pub entrypoint: Vec<String>,
    /// Working directory of the program that the container starts.
    pub working_dir: String,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}

/// Adds the folders that contain the path `path` to the entries of a layer. A layer has entries for
/// its own folders, so that their modes do not depend on another layer.
fn add_folders_above(entries: &mut BTreeMap<String, Entry>, path: &str) {
    for (end, _) in path.match_indices('/') {
        if let Some(folder) = path.get(..end) {
            entries
                .entry(folder.to_owned())
                .or_insert(Entry::Folder { mode: 0o755 });
        }
    }
}
