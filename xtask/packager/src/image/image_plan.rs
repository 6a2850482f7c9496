//! Plans of images, and the inputs that determine them.
//!
//! Owns the types for plans and for inputs. Must not know how a plan follows from its inputs, or
//! how an image is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::base::Base;
use super::container_config::ContainerConfig;
use super::layer_plan::{Compression, Content, LayerPlan};

/// All inputs that determine an image.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Name of the scorer.
    pub name: String,
    /// Version of the scorer. Empty if `scorebox.toml` does not set it.
    pub version: String,
    /// Name of the WIT world of the scorer: `scoring` or `tensor-scoring`.
    pub world: String,
    /// Version of the WIT contract that the component uses. It is not used if the scorer is not a
    /// component.
    pub wit_version: String,
    /// Executable part of the scorer.
    pub code: Code,
    /// Digest of the scorer's model. `None` if the scorer does not have a model.
    pub model_digest: Option<String>,
    /// Time that is used for every time in the image, in seconds since 1970.
    pub epoch: u64,
    /// Base image. `None` if the image has no base.
    pub base: Option<Base>,
    /// Compression of all layers that the image adds, except the model's layer.
    pub compression: Compression,
    /// Bytes of the host program.
    pub host: Content,
    /// ONNX Runtime library and its licences. The keys are the file names. Empty if the scorer has
    /// no graph.
    pub engine: BTreeMap<String, Content>,
    /// Engine pack of a script. `None` if the scorer is not a script.
    pub pack: Option<PackLayer>,
    /// Shared libraries that a dynamically linked host and ONNX Runtime need in an image without a
    /// base. The keys are the paths in the image. Empty if there is a base, or if the scorer has no
    /// graph.
    pub libraries: BTreeMap<String, Content>,
    /// Files of the app folder except the model's files. The keys are the paths in the app folder.
    pub app: BTreeMap<String, Content>,
    /// Compression of the model's layer, which depends on how well the model compresses.
    pub model_compression: Compression,
    /// Files of the model. The keys are the paths in the app folder.
    pub model: BTreeMap<String, Content>,
}

/// Executable part of a scorer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A component, with the digest of its bytes.
    Component(String),
    /// An ONNX graph of the model.
    Graph,
    /// A script in Python.
    Script,
}

/// The layer with the engine pack. Images that one release makes with the same pack and compression
/// have the same layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackLayer {
    /// Files of the engine pack. The keys are the paths in the folder of the pack.
    pub files: BTreeMap<String, Content>,
    /// Names of the folders of the engine pack that have no files.
    pub empty_folders: Vec<String>,
    /// Digest of the engine pack, which is the digest of its record `pack.json`.
    pub digest: String,
    /// Name and version of the engine pack's interpreter, such as `CPython 3.15.0`.
    pub name: String,
    /// Folder of this machine that keeps the compressed layer with the engine pack. `None` if the
    /// layer is not kept.
    pub kept: Option<PathBuf>,
}

/// Plan of an image: everything about the image that is known before its layers are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePlan {
    /// Base image. `None` if the image has no base.
    pub base: Option<Base>,
    /// Plans of the layers that the image adds, from the bottom up. Layers that change rarely come
    /// first, so that few layers have to be sent again after a change.
    pub layers: Vec<LayerPlan>,
    /// Container settings of the image. If there is a base, they are merged with those of the base.
    pub config: ContainerConfig,
    /// Annotations of the image's manifest.
    pub annotations: BTreeMap<String, String>,
    /// Time that is used for every time in the image, in seconds since 1970.
    pub epoch: u64,
}
