//! What an image is: a plan, layers of entries, a configuration.
//!
//! Owns the image's types and paths. Must not know disks or registries: [`plan()`], [`base`] and [`manifest`] are pure, `layer` and
//! `layout` write what they decided, `reading` and `unpack` read it back.

pub mod attestation;
pub mod base;
pub mod entries;
pub mod layer;
pub mod layout;
pub mod manifest;
pub mod plan;
pub mod reading;
pub mod sample;
pub mod system;
pub mod unpack;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use self::plan::plan;

use self::base::Base;

/// Where the app folder stands in the image.
pub const APP_ROOT: &str = "/home/site/wwwroot";
/// Where the host program stands in the image.
pub const HOST_PROGRAM: &str = "/usr/bin/scorebox";
/// Where the library that runs graphs stands in the image, and its licences: the host looks for it there.
pub const ENGINE_FOLDER: &str = "/usr/lib/scorebox";
/// User and group that the image runs as, by number: `nonroot` of the usual static bases.
pub const USER: &str = "65532:65532";
/// The port of the host when the Functions host gives none.
pub const PORT: u16 = 8080;

/// OCI's name for a layer that is compressed with zstd.
pub const IMAGE_LAYER_ZSTD_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Everything that an image is decided by.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The scorer's name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// The world that the component targets.
    pub world: String,
    /// The contract's version.
    pub wit_version: String,
    /// Digest of the component's bytes; `None` where a graph is the scorer.
    pub component_digest: Option<String>,
    /// Digest of the model, if there is one.
    pub model_digest: Option<String>,
    /// Seconds since 1970 for every time in the image.
    pub epoch: u64,
    /// The image below ours; `None`: ours stands on nothing.
    pub base: Option<Base>,
    /// Of the layers that are worth it.
    pub compression: Compression,
    /// The host program.
    pub host: Content,
    /// The library that runs graphs and its licences, by their names; empty for a scorer without.
    pub engine: BTreeMap<String, Content>,
    /// The libraries that a dynamic host needs on nothing, by their paths; empty on a base.
    pub libraries: BTreeMap<String, Content>,
    /// Files of the app folder beside the model, by their path in it.
    pub app: BTreeMap<String, Content>,
    /// Of the model's layer: worth it or not.
    pub model_compression: Compression,
    /// The model's files, by their path in the app folder.
    pub model: BTreeMap<String, Content>,
}

/// Everything about an image that is known before its layers are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePlan {
    /// The image below ours.
    pub base: Option<Base>,
    /// From the bottom up: least often changed first, so that a change re-sends little.
    pub layers: Vec<LayerPlan>,
    /// How a container starts.
    pub config: ContainerConfig,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Seconds since 1970 for every time in the image.
    pub epoch: u64,
}

/// One layer before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// `system`, `libraries`, `host`, `engine`, `model` or `app`.
    pub name: &'static str,
    /// What it holds, for the image's history.
    pub comment: String,
    /// Whether the bytes are compressed.
    pub compression: Compression,
    /// By path, without a leading slash; every folder above an entry is an entry.
    pub entries: BTreeMap<String, Entry>,
}

/// How a layer's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As gzip, at a fixed level: every runtime reads it.
    Gzip,
    /// As gzip, at its fastest level: for what is large and shrinks well.
    Fast,
    /// As zstd, at a fixed level: smaller and sooner unpacked, where the runtime knows it.
    Zstd,
    /// As they are: float weights hardly compress, and the runtime maps them sooner.
    Stored,
}

/// One file or folder of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A file.
    File {
        /// Permission bits.
        mode: u32,
        /// Its bytes.
        content: Content,
    },
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// From memory.
    Bytes(Vec<u8>),
    /// From a file.
    File(PathBuf),
}

/// The `config` object of an image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// Who runs it.
    pub user: String,
    /// Which ports it listens on.
    pub exposed_ports: BTreeMap<String, BTreeMap<String, String>>,
    /// `NAME=value`, in order.
    pub env: Vec<String>,
    /// Program and arguments.
    pub entrypoint: Vec<String>,
    /// Where it starts.
    pub working_dir: String,
    /// What the image says of itself.
    pub labels: BTreeMap<String, String>,
}
