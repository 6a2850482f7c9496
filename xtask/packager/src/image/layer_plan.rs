//! Plans of layers: their entries, contents and compressions.
//!
//! Owns the types for all decisions about a layer that are made before it is written. Must not know
//! how a layer is written, or which layers an image has.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// OCI media type of a layer that is compressed with zstd.
pub const IMAGE_LAYER_ZSTD_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Plan of one layer, before the layer is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// Name of the layer: one of those in `plan::LAYERS`.
    pub name: &'static str,
    /// Description of the layer's content for the image's history.
    pub comment: String,
    /// Compression of the layer's bytes.
    pub compression: Compression,
    /// Path without an extension at which the compressed layer is kept for other images. Every time
    /// in such a layer is 1970, so that it does not depend on the image. `None` if the layer is
    /// written for this image alone.
    pub kept: Option<PathBuf>,
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

/// Adds the folders that contain the path `path` to the entries of a layer. A layer has entries for
/// its own folders, so that their modes do not depend on another layer. `mode` has the permission
/// bits of the folders.
pub(super) fn add_folders_above(entries: &mut BTreeMap<String, Entry>, path: &str, mode: u32) {
    for (end, _) in path.match_indices('/') {
        if let Some(folder) = path.get(..end) {
            entries
                .entry(folder.to_owned())
                .or_insert(Entry::Folder { mode });
        }
    }
}
