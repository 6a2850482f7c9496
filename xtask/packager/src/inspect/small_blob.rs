//! Small blobs of an inspected image, such as configs.
//!
//! Owns the reading of a blob into memory, and its limit. Must not know what a blob says.

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;

use super::store::Store;
use crate::image::layout::LARGEST_DOCUMENT_BYTES;

/// Reads a small blob, such as a config, into memory. `name` is the name of the blob in messages.
/// Returns `None` if a layout names the blob but does not contain it. Fails if `size`, the blob's
/// size in bytes, is more than [`LARGEST_DOCUMENT_BYTES`], or if the blob cannot be read or does
/// not have this size and this digest.
pub fn read(
    store: &Store,
    name: &str,
    digest: &Digest,
    size: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    if size > LARGEST_DOCUMENT_BYTES {
        return Err(Failure::other(
            format!("has {size} bytes, more than is read"),
            "",
        ));
    }
    let Some(path) = store.blob(name, digest, size)? else {
        return Ok(None);
    };
    std::fs::read(&path)
        .map(Some)
        .map_err(|error| Failure::file(&path, "be read", error))
}
