//! Reading and writing of values of a store as JSON.
//!
//! Owns the conversion between JSON and Rust types. Must not know how a store is opened.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bucket, Condition};
use crate::OrProblem;

impl Bucket {
    /// Returns the value of a key, parsed from JSON as `T`, or `None` if the key does not exist.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set("scores", "[0.5, 1]").unwrap();
    /// assert_eq!(bucket.get_json::<Vec<f32>>("scores").unwrap(), Some(vec![0.5, 1.0]));
    /// ```
    ///
    /// # Errors
    /// Fails if the store cannot be used or refuses the operation, or if the stored value is not
    /// JSON of type `T` (code `stored-json`).
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> crate::Result<Option<T>> {
        let Some(bytes) = self.get(key)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .or_fail("stored-json", "a stored value is not the JSON expected")
    }

    /// Writes the value of a key as JSON. The value expires after the time `ttl`. If `ttl` is
    /// `None`, the store's `default_ttl` applies.
    ///
    /// ```
    /// # let host = scorebox_guest::testing::Host::new().store("default").install();
    /// # let bucket = scorebox_guest::cache::Bucket::lazy("default");
    /// bucket.set_json("scores", &[0.5, 1.0], None).unwrap();
    /// assert_eq!(bucket.get("scores").unwrap().as_deref(), Some(b"[0.5,1.0]".as_slice()));
    /// ```
    ///
    /// # Errors
    /// Fails if the value cannot be written as JSON, or if the store cannot be used or refuses the
    /// operation, e.g. because it is full, because the JSON has more than 32 MiB, or because `ttl`
    /// is zero.
    pub fn set_json<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        ttl: Option<Duration>,
    ) -> crate::Result<()> {
        self.set_if(key, serde_json::to_vec(value)?, Condition::Always, ttl)?;
        Ok(())
    }
}
