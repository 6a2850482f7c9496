//! A digest over parts, none of which can be mistaken for another.
//!
//! Owns the form in which parts are hashed: each part with a tag and its length, and each list and
//! map with its count. Must not know what is hashed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::entry::Key;

/// Version of keys and entries. If it changes, all old entries remain unread until they expire.
const VERSION: &[u8] = b"scorebox prediction 2";

/// A digest that is being computed.
pub struct Parts(Sha256);

impl Parts {
    /// Begins a digest for a purpose, so that no digest for another purpose is equal to it.
    pub fn new(purpose: &str) -> Self {
        let mut parts = Self(Sha256::new_with_prefix(VERSION));
        parts.sized(purpose.as_bytes());
        parts
    }

    /// Adds bytes under a tag.
    pub fn bytes(&mut self, tag: &str, bytes: &[u8]) {
        self.sized(tag.as_bytes());
        self.sized(bytes);
    }

    /// Adds a text under a tag.
    pub fn text(&mut self, tag: &str, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// Adds a number under a tag. Before a list, it is the list's count.
    pub fn number(&mut self, tag: &str, number: u64) {
        self.bytes(tag, &number.to_le_bytes());
    }

    /// Adds a text that may be absent. An absent text differs from an empty one.
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

    /// Returns the digest of all parts.
    pub fn finish(self) -> Key {
        self.0.finalize().into()
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
