//! SHA-256 digests as text.
//!
//! Owns their form, which is that of OCI images. Must not know what is digested.

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 digest of `bytes` as text: `sha256:` and 64 hex digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
