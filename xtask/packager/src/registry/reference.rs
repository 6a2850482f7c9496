//! Image references: the names of base images and of inspected images.
//!
//! Owns their parsing. Must not know what is requested from the registry.

use oci_client::Reference;
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;

/// Reference of the base image that the word `functions` stands for.
///
/// This stock image of Azure Functions has a current Functions host, which forwards HTTP to custom
/// handlers. It also contains the extension bundle, without which Blob and Service Bus triggers do
/// not start. The stock image `dotnet:4` has an older host, and `dotnet-isolated:4` has no bundle.
const FUNCTIONS_BASE: &str = "mcr.microsoft.com/azure-functions/node:4-node22";

/// Reference of an image: its registry, its repository, and its tag or digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseReference {
    /// Host and port of the registry.
    pub registry: String,
    /// Name of the repository in the registry.
    pub repository: String,
    /// Tag of the image. If both the tag and the digest are `None`, the tag `latest` is used.
    pub tag: Option<String>,
    /// Digest that the manifest of the image must have. `None` accepts any manifest.
    pub digest: Option<Digest>,
}

impl BaseReference {
    /// Parses the reference of a base image: `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`, or the word
    /// `functions`. Fails if the host is missing or the digest is not SHA-256.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let text = if text == "functions" {
            FUNCTIONS_BASE
        } else {
            text
        };
        let fix = format!(
            "write HOST[:PORT]/NAME[:TAG][@sha256:HEX] in full, e.g. {FUNCTIONS_BASE}, or `functions` for that one, or \
             `scratch`, in package.base or after --base"
        );
        Self::read(text, "base", &fix)
    }

    /// Parses the reference of an image that is to be inspected or deployed:
    /// `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`. Fails if the host is missing or the digest is not
    /// SHA-256.
    pub fn of_image(text: &str) -> Result<Self, Failure> {
        let fix = "write HOST[:PORT]/NAME[:TAG][@sha256:HEX] in full, e.g. contoso.azurecr.io/scoring/digits:1.0, or the \
                   folder of a layout";
        Self::read(text, "image", fix)
    }

    fn read(text: &str, what: &str, fix: &str) -> Result<Self, Failure> {
        let shown = quoted(text, REASON_BYTES);
        let reference: Reference = text.parse().map_err(|error| {
            Failure::project(
                format!("{what} `{shown}` is not an image reference: {error}"),
                fix,
            )
        })?;
        // Without a host the name would be read as an image on Docker Hub, which the author may not
        // have meant.
        if !text.starts_with(&format!("{}/", reference.registry())) {
            return Err(Failure::project(
                format!("{what} `{shown}` would be read as `{}`", reference.whole()),
                fix,
            ));
        }
        let digest = match reference.digest() {
            None => None,
            Some(digest) => Some(Digest::parse(digest).ok_or_else(|| {
                Failure::project(
                    format!("{what} `{shown}`: its digest is not a SHA-256 digest"),
                    fix,
                )
            })?),
        };
        Ok(Self {
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            tag: reference.tag().map(str::to_owned),
            digest,
        })
    }

    /// Returns the last part of the manifest's URL: the digest if there is one, or else the tag.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
        }
    }

    /// Returns the reference of the image for annotations: with the tag but without the digest,
    /// which has an annotation of its own. If the image has a digest but no tag, the reference
    /// contains the digest.
    pub fn name(&self) -> String {
        match (&self.tag, &self.digest) {
            (None, Some(digest)) => format!("{}/{}@{digest}", self.registry, self.repository),
            (tag, _) => format!(
                "{}/{}:{}",
                self.registry,
                self.repository,
                tag.as_deref().unwrap_or("latest")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let digest = Digest::of(b"x");
        let check = |text: &str, version: &str, name: &str| {
            let reference = BaseReference::parse(text).unwrap();
            assert_eq!(
                (reference.version().as_str(), reference.name().as_str()),
                (version, name),
                "{text}"
            );
        };
        check("r.io/a/b:4", "4", "r.io/a/b:4");
        check("functions", "4-node22", FUNCTIONS_BASE);
        check("127.0.0.1:5000/b", "latest", "127.0.0.1:5000/b:latest");
        check(
            &format!("localhost/b@{digest}"),
            &digest.to_string(),
            &format!("localhost/b@{digest}"),
        );
        check(
            &format!("r.io/b:4@{digest}"),
            &digest.to_string(),
            "r.io/b:4",
        );
        for wrong in [
            "debian",
            "library/debian:12",
            "https://r.io/b",
            "r.io/B",
            "r.io/b@sha256:1",
            "r.io/",
            "",
        ] {
            assert!(BaseReference::parse(wrong).is_err(), "{wrong}");
        }
    }
}
