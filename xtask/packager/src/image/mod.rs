//! Container images: plans, layers of entries, and configurations.
//!
//! Owns the names under which other modules use the types and paths of an image. Must not know
//! registries. `plan`, the types that it works on, `base`, `manifest` and `unfit` neither read nor
//! write files. `layer` and `layout` write and read the files of images. `reading` and `unpack`
//! read whole images from disk.

pub(crate) mod attestation;
pub(crate) mod base;
mod container_config;
pub(crate) mod entries;
mod image_plan;
mod kept_layer;
pub(crate) mod layer;
mod layer_plan;
pub mod layout;
pub(crate) mod manifest;
mod paths;
pub(crate) mod plan;
pub(crate) mod reading;
pub(crate) mod sample;
pub(crate) mod system;
mod tar_header;
pub(crate) mod unfit;
pub mod unpack;

pub use self::container_config::{ContainerConfig, PORT, USER};
pub use self::image_plan::{Code, ImagePlan, Inputs, PackLayer};
pub use self::layer_plan::{Compression, Content, Entry, IMAGE_LAYER_ZSTD_MEDIA_TYPE, LayerPlan};
pub use self::paths::{APP_ROOT, ENGINE_FOLDER, HOST_PROGRAM, PACK_FOLDER};
pub use self::plan::plan;
