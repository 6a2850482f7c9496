//! The registry protocol's writing half: blobs, then a manifest.
//!
//! Owns every request to a registry. Must not know how an image came about: it sends a layout's bytes as they are.

mod answer;
#[cfg(test)]
mod fake;
mod push;
mod transport;
mod upload;

use oci_client::Reference;

pub use self::push::push;

use crate::failure::Failure;

/// An image's place in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host and port.
    pub registry: String,
    /// The image's name.
    pub repository: String,
    /// The tag beside the digest.
    pub tag: String,
}

/// What happened to one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was there already.
    Skipped,
    /// It was sent.
    Uploaded,
}

impl Target {
    /// Checks names; without a registry, those of repository and tag alone.
    pub fn parse(registry: Option<&str>, repository: &str, tag: &str) -> Result<Option<Self>, Failure> {
        let host = registry.unwrap_or("registry.invalid");
        let whole = format!("{host}/{repository}:{tag}");
        let reference: Reference = whole.parse().map_err(|error| {
            Failure::project(
                format!("`{whole}` is no image reference: {error}"),
                "check registry (HOST[:PORT]), repository (lower-case path) and tag, in [package] or in the flags",
            )
        })?;
        // A first part without dot or port is read as a folder on Docker Hub, which the author did not mean.
        if reference.registry() != host || reference.repository() != repository || reference.tag() != Some(tag) {
            return Err(Failure::project(
                format!("`{whole}` would be read as `{}`", reference.whole()),
                "write the registry as a host name with a dot or a port, e.g. contoso.azurecr.io or localhost:5000",
            ));
        }
        Ok(registry.map(|registry| Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_checked() {
        let check = |registry: Option<&str>, repository: &str, tag: &str, fits: bool| {
            assert_eq!(Target::parse(registry, repository, tag).is_ok(), fits, "{registry:?} {repository} {tag}");
        };
        check(Some("contoso.azurecr.io"), "scoring/credit-risk", "1.0", true);
        check(Some("127.0.0.1:5000"), "digits", "latest", true);
        check(Some("localhost"), "digits", "latest", true);
        check(Some("contoso"), "digits", "latest", false);
        check(Some("https://contoso.azurecr.io"), "digits", "latest", false);
        check(Some("contoso.azurecr.io"), "Digits", "latest", false);
        check(None, "digits", "latest", true);
        check(None, "digits", "a b", false);
        check(None, "digits@sha256", "x", false);
        check(None, "", "x", false);
    }
}
