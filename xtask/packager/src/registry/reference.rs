//! Image references: the names of base images, and of images that are inspected or deployed.
//!
//! Owns their parsing. Must not know what is requested from the registry.

use scorebox_host::manifest::image_reference::{self, ImageReference};
use scorebox_host::text::Problem;
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
    /// `functions`. Fails if the host is missing or another part is invalid, e.g. if the digest is
    /// not SHA-256.
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
    /// `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`. Fails if the host is missing or another part is
    /// invalid, e.g. if the digest is not SHA-256.
    pub fn of_image(text: &str) -> Result<Self, Failure> {
        let fix = "write HOST[:PORT]/NAME[:TAG][@sha256:HEX] in full, e.g. contoso.azurecr.io/scoring/digits:1.0, or the \
                   folder of a layout";
        Self::read(text, "image", fix)
    }

    fn read(text: &str, what: &str, fix: &str) -> Result<Self, Failure> {
        let ImageReference {
            registry,
            repository,
            tag,
            digest,
        } = image_reference::parse(what, text, fix).map_err(failure)?;
        Ok(Self {
            registry,
            repository,
            tag,
            digest: digest.as_deref().and_then(Digest::parse),
        })
    }

    /// Returns the last part of the manifest's URL: the digest if there is one, or else the tag, or
    /// `latest` if there is neither.
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

/// Converts a problem with a part of an image reference to a failure of the kind `Project`.
pub fn failure(Problem { problem, fix }: Problem) -> Failure {
    Failure::project(problem, fix)
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
        let wrong = BaseReference::of_image("r.io/Risk:1").unwrap_err();
        assert_eq!(
            wrong.problem,
            "image `r.io/Risk:1`: repository `Risk` has the capital letter `R` as its character 1"
        );
        assert_eq!(wrong.fix, "write `risk`");
    }
}
