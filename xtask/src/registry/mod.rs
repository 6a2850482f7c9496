//! Registries: what is read of a base, and an image's way into another one.
//!
//! Owns every request to a registry. Must not know how an image came about: it sends a layout's bytes as they are.

mod access;
mod answer;
mod attach;
mod auth;
mod bounds;
mod broken;
mod chunks;
#[cfg(test)]
mod fake;
mod grants;
mod manifests;
mod progress;
mod pull;
mod push;
mod reading;
mod reference;
mod repository;
mod session;
mod source;
mod transport;
mod upload;

use std::path::Path;

use oci_client::Reference;
use scorebox_host::text::{REASON_BYTES, quoted};

pub use self::access::{Access, Identity};
pub use self::auth::TrustedRealm;
pub use self::grants::Grants;
pub use self::reading::Reading;
pub use self::reference::BaseReference;

use self::repository::{Purpose, Repository};
use crate::failure::Failure;
use crate::image::base::Base;
use crate::image::layout::WrittenImage;

/// Blobs on their way at a time; each may hold a chunk in memory.
const PARALLEL_BLOBS: usize = 4;

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
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was read from the base's registry and sent on.
    Copied,
    /// It was sent from this machine.
    Uploaded,
    /// No registry keeps it.
    Elsewhere,
}

/// Where a base stands, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct BasePlace {
    /// The name.
    pub reference: BaseReference,
    /// How its registry is spoken to.
    pub access: Access,
}

impl BasePlace {
    /// Reads a base's name; where it stands in the image's own registry, that is spoken to in the same way, by the same
    /// user.
    pub fn beside(
        name: &str,
        plain_http: bool,
        identity: &Identity,
        registry: &str,
        registry_plain_http: bool,
    ) -> Result<Self, Failure> {
        let reference = BaseReference::parse(name)?;
        let shared = reference.registry == registry;
        let access = identity.access(&reference.registry, plain_http || (registry_plain_http && shared), shared);
        Ok(Self { reference, access })
    }

    /// Finds the image for our platform.
    pub fn find(&self) -> Result<Base, Failure> {
        block_on(pull::resolve(&self.repository()?, &self.reference))
    }

    /// Fetches the base's layers into a folder, each under the digits of its digest.
    pub fn fetch(&self, base: &Base, folder: &Path) -> Result<(), Failure> {
        block_on(pull::layers(&self.repository()?, base, folder))
    }

    fn repository(&self) -> Result<Repository, Failure> {
        Repository::open(&self.access, &self.reference.repository, Purpose::Pull)
    }
}

/// Sends what the registry does not have, or only says what would be sent; returns what happened, or would, to each of the
/// image's blobs, in their order.
pub fn push(
    image: &WrittenImage,
    target: &Target,
    access: &Access,
    base: Option<&BasePlace>,
    dry_run: bool,
) -> Result<Vec<Sent>, Failure> {
    let base = base.map(BasePlace::repository).transpose()?;
    let repository = Repository::open(access, &target.repository, Purpose::Push)?;
    if dry_run {
        block_on(push::rehearse(image, &repository, base.as_ref()))
    } else {
        block_on(push::push(image, &repository, base.as_ref(), &target.tag))
    }
}

/// Finds out what a registry grants, in a repository if one is given.
pub fn grants(access: &Access, repository: Option<&str>) -> Result<Grants, Failure> {
    block_on(grants::find(access, repository))
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(work)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::other(format!("no runtime for sockets: {error}"), "see the limits on open files and processes")
    })
}

impl Target {
    /// Checks names; without a registry, those of repository and tag alone.
    pub fn parse(registry: Option<&str>, repository: &str, tag: &str) -> Result<Option<Self>, Failure> {
        let host = registry.unwrap_or("registry.invalid");
        let whole = format!("{host}/{repository}:{tag}");
        let shown = quoted(&whole, REASON_BYTES);
        let reference: Reference = whole.parse().map_err(|error| {
            Failure::project(
                format!("`{shown}` is not an image reference: {error}"),
                "check registry (HOST[:PORT]), repository (lower-case path) and tag, in [package] or in the flags",
            )
        })?;
        // A first part without dot or port is read as a folder on Docker Hub, which the author did not mean.
        if reference.registry() != host || reference.repository() != repository || reference.tag() != Some(tag) {
            return Err(Failure::project(
                format!("`{shown}` would be read as `{}`", quoted(&reference.whole(), REASON_BYTES)),
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
