//! A digest over several parts. No part can be mistaken for another part, because its tag and its
//! length are hashed with it.
//!
//! Owns the format in which parts are hashed: each part with a tag and its length, and each list
//! and map with its number of items. Must not know what is hashed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Key of an answer in the prediction cache: SHA-256 digest of everything that the answer depends
/// on.
pub type Key = [u8; 32];

/// Version of the format of cache keys and entries. If the version changes, old entries are no
/// longer found, and expire.
const VERSION: &[u8] = b"scorebox prediction 2";

/// A SHA-256 digest that is being computed from tagged parts.
pub struct Parts(Sha256);

impl Parts {
    /// Starts a digest for a purpose, such as `input`. Digests for different purposes are never
    /// equal.
    pub fn new(purpose: &str) -> Self {
        let mut parts = Self(Sha256::new_with_prefix(VERSION));
        parts.sized(purpose.as_bytes());
        parts
    }

    /// Adds bytes to the digest, with a tag that says what the bytes are.
    pub fn bytes(&mut self, tag: &str, bytes: &[u8]) {
        self.sized(tag.as_bytes());
        self.sized(bytes);
    }

    /// Adds a text to the digest, with a tag that says what the text is.
    pub fn text(&mut self, tag: &str, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// Adds a number to the digest, with a tag that says what the number is. To add a list, the
    /// number of its items must be added first.
    pub fn number(&mut self, tag: &str, number: u64) {
        self.bytes(tag, &number.to_le_bytes());
    }

    /// Adds a text that may be absent to the digest, with a tag that says what the text is. `None`
    /// and an empty text result in different digests.
    pub fn option(&mut self, tag: &str, text: Option<&str>) {
        self.number(tag, u64::from(text.is_some()));
        if let Some(text) = text {
            self.text("value", text);
        }
    }

    /// Adds a map to the digest, with a tag that says what the map is. Adds the number of items in
    /// the map first, then each key with its value.
    pub fn map(&mut self, tag: &str, map: &BTreeMap<String, String>) {
        self.number(tag, map.len() as u64);
        for (key, value) in map {
            self.text("key", key);
            self.text("value", value);
        }
    }

    /// Returns the digest of all parts that were added.
    pub fn finish(self) -> Key {
        self.0.finalize().into()
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
