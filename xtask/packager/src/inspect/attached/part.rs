//! Layers of the artifacts that are attached to an image.
//!
//! Owns the facts about a layer that are kept after it was read. Must not know how a layer is read,
//! or the format of its content.

use scorebox_workspace::digest::Digest;

/// One layer of an artifact, after its digest and size were checked.
pub(super) struct Part {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
    pub(super) signature: Option<String>,
}
