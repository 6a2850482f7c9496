//! Results of the push of blobs.
//!
//! Owns the ways in which a registry gets a blob. Must not know how a blob is sent, or how the
//! result is shown.

/// Result of the push of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The repository had the blob already, or the image names the blob a second time, so nothing
    /// was sent.
    Skipped,
    /// The registry mounted the blob from another repository in the registry.
    Mounted,
    /// The blob was copied from the registry of the base image.
    Copied,
    /// The blob was uploaded from this machine.
    Uploaded,
    /// No registry stores the blob. The container runtime fetches the blob from the URLs in the
    /// manifest.
    Elsewhere,
}
