//! A digest over parts that cannot be taken for one another.
//!
//! Owns the form in which parts are hashed: each with a tag and its length, each list and map with its count. Must not
//! know what is hashed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::entry::Key;

/// Version of keys and entries. A new one leaves all old entries unread; they expire.
const VERSION: &[u8] = b"scorebox prediction 2";

/// A digest in the making.
pub struct Parts(Sha256);

impl Parts {
    /// Begins a digest for a purpose, so that no digest for another purpose is equal to it.
    pub fn new(purpose: &str) -> Self {
        let mut parts = Self(Sha256::new_with_prefix(VERSION));
        parts.sized(purpose.as_bytes());
        parts
    }

    /// Adds bytes.
    pub fn bytes(&mut self, tag: &str, bytes: &[u8]) {
        self.sized(tag.as_bytes());
        self.sized(bytes);
    }

    /// Adds a text.
    pub fn text(&mut self, tag: &str, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// Adds a number. Before a list it is the list's count.
    pub fn number(&mut self, tag: &str, number: u64) {
        self.bytes(tag, &number.to_le_bytes());
    }

    /// Adds a text that may be absent, which differs from an empty one.
    pub fn option(&mut self, tag: &str, text: Option<&str>) {
        self.number(tag, u64::from(text.is_some()));
        if let Some(text) = text {
            self.text("value", text);
        }
    }

    /// Adds a map: its count, then each key and each value.
    pub fn map(&mut self, tag: &str, map: &BTreeMap<String, String>) {
        self.number(tag, map.len() as u64);
        for (key, value) in map {
            self.text("key", key);
            self.text("value", value);
        }
    }

    /// The digest.
    pub fn finish(self) -> Key {
        self.0.finalize().into()
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
