//! Registry client: reads base images and inspected images, and pushes built images into a
//! repository.
//!
//! Owns every request to a registry. Must not know how an image was built: it sends the bytes of a
//! layout unchanged.

mod access;
mod answer;
mod attach;
mod auth;
mod bounds;
mod broken;
mod chunks;
mod clock;
mod error_body;
#[cfg(test)]
pub(crate) mod fake;
mod grants;
mod manifests;
mod progress;
mod pull;
mod push;
mod reading;
mod reference;
mod repository;
mod sent;
mod session;
mod source;
mod transport;
mod trusted_realm;
mod upload;

use std::path::Path;

use scorebox_host::manifest::image_names;
use scorebox_workspace::failure::Failure;

pub use self::access::{Access, Identity};
pub use self::auth::Challenge;
pub use self::clock::Skew;
pub use self::grants::Grants;
pub use self::reading::Reading;
pub use self::reference::BaseReference;
pub use self::sent::Sent;
pub use self::trusted_realm::TrustedRealm;

use self::reference::failure;
use self::repository::{Purpose, Repository};
use crate::image::base::Base;
use crate::image::layout::WrittenImage;

/// Chooses the cryptography that TLS uses in this process. Call this function before creating an
/// HTTP client.
pub fn install_cryptography() {
    // Installing it fails only if another one is installed already, and that one works too.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The registry, repository and tag to which an image is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host and port of the registry, e.g. `localhost:5000`.
    pub registry: String,
    /// Name of the repository, e.g. `scoring/credit-risk`.
    pub repository: String,
    /// Tag that is written for the image, in addition to its digest.
    pub tag: String,
}

/// Reference of a base image, and the access to the registry that has it.
#[derive(Debug, Clone)]
pub struct BasePlace {
    /// Reference of the base image: registry, repository, tag and digest.
    pub reference: BaseReference,
    /// Scheme, credentials and limits for requests to the registry of the base image.
    pub access: Access,
}

impl BasePlace {
    /// Parses the reference of a base image and chooses the access to its registry, over HTTP if
    /// `plain_http` is true. Fails if `name` is not the reference of an image.
    ///
    /// If the base is in the registry to which the image is pushed, the scheme and the user of the
    /// push are also used to read the base. `registry` is the registry of the push, and
    /// `registry_plain_http` is true if the push is over HTTP.
    pub fn beside(
        name: &str,
        plain_http: bool,
        identity: &Identity,
        registry: &str,
        registry_plain_http: bool,
    ) -> Result<Self, Failure> {
        let reference = BaseReference::parse(name)?;
        let shared = reference.registry == registry;
        let access = identity.access(
            &reference.registry,
            plain_http || (registry_plain_http && shared),
            shared,
        );
        Ok(Self { reference, access })
    }

    /// Reads the manifest and the config of the base image for linux/amd64. Fails if there is no
    /// such image.
    pub fn find(&self) -> Result<Base, Failure> {
        block_on(pull::resolve(&self.repository()?, &self.reference))
    }

    /// Fetches the layers of the base image into a folder. Each file is named by the hex digits of
    /// its layer's digest. Fails if a layer cannot be fetched, or does not have its digest.
    pub fn fetch(&self, base: &Base, folder: &Path) -> Result<(), Failure> {
        block_on(pull::layers(&self.repository()?, base, folder))
    }

    fn repository(&self) -> Result<Repository, Failure> {
        Repository::open(&self.access, &self.reference.repository, Purpose::Pull)
    }
}

/// Pushes an image: sends the blobs that the registry does not have. Returns the result for each
/// blob, in the order of the image's blobs.
///
/// `base` is the place of the base image, whose layers are copied from its registry. If `dry_run`
/// is true, nothing is sent, and the results are those that a push would have. Fails if the
/// registry refuses a blob or the manifest, or does not respond.
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

/// Returns the rights that a registry grants with the given access. If a repository is given, the
/// rights to read and write the repository are tested. Fails if the registry does not accept the
/// credentials or does not respond. A missing right is not an error.
pub fn grants(access: &Access, repository: Option<&str>) -> Result<Grants, Failure> {
    block_on(grants::find(access, repository))
}

/// Compares the clock of this machine with the clock of a registry, as its header `Date` states it.
/// No credentials are sent. Returns `None` if the registry states no date. Fails if the registry
/// does not respond.
pub fn clock(access: &Access) -> Result<Option<Skew>, Failure> {
    block_on(clock::compare(access))
}

/// Creates an HTTP client with the certificates and timeouts that are used for registries. It
/// follows no redirects. Fails if TLS cannot be set up.
pub fn client(access: &Access) -> Result<reqwest::Client, Failure> {
    transport::client(&access.registry, &access.certificates)
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(work)
}

/// Creates the async runtime for the requests of one command. Fails if the operating system cannot
/// provide it.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::other(
                format!("no runtime for sockets: {error}"),
                "see the limits on open files and processes",
            )
        })
}

impl Target {
    /// Checks that registry, repository and tag form an image reference, and returns them. Without
    /// a registry, only repository and tag are checked, and `None` is returned. Fails if a part is
    /// invalid. The error shows only the invalid part, because the caller may not have given the
    /// other parts.
    pub fn parse(
        registry: Option<&str>,
        repository: &str,
        tag: &str,
    ) -> Result<Option<Self>, Failure> {
        if let Some(registry) = registry {
            image_names::registry("registry", registry).map_err(failure)?;
        }
        image_names::repository("repository", repository).map_err(failure)?;
        image_names::tag("tag", tag).map_err(failure)?;
        // On Docker Hub, only Docker's own repositories have a name without a folder.
        if registry == Some("docker.io") && !repository.contains('/') {
            return Err(Failure::project(
                format!("repository `{repository}` has no folder, and Docker Hub wants one"),
                format!("write the name of your account in front: `NAME/{repository}`"),
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
            assert_eq!(
                Target::parse(registry, repository, tag).is_ok(),
                fits,
                "{registry:?} {repository} {tag}"
            );
        };
        check(
            Some("contoso.azurecr.io"),
            "scoring/credit-risk",
            "1.0",
            true,
        );
        check(Some("127.0.0.1:5000"), "digits", "latest", true);
        check(Some("localhost"), "digits", "latest", true);
        check(Some("contoso"), "digits", "latest", false);
        check(
            Some("https://contoso.azurecr.io"),
            "digits",
            "latest",
            false,
        );
        check(Some("contoso.azurecr.io"), "Digits", "latest", false);
        check(None, "digits", "latest", true);
        check(None, "digits", "a b", false);
        check(None, "digits@sha256", "x", false);
        check(None, "", "x", false);
        check(Some("docker.io"), "contoso/digits", "latest", true);
        check(Some("docker.io"), "digits", "latest", false);
        check(Some("[::1]:5000"), "digits", "latest", true);
    }

    #[test]
    fn an_error_shows_the_part_that_is_wrong_and_no_other() {
        let check = |registry: Option<&str>, repository: &str, tag: &str, expected: &str| {
            let failure = Target::parse(registry, repository, tag).unwrap_err();
            assert_eq!(failure.problem, expected);
        };
        let url = "https://contoso.azurecr.io";
        let problem = "registry `https://contoso.azurecr.io` begins with `https://`";
        check(Some(url), "any", "latest", problem);
        let problem = "repository `Digits` has the capital letter `D` as its character 1";
        check(Some("contoso.azurecr.io"), "Digits", "1.0", problem);
        check(None, "Digits", "1.0", problem);
        check(
            None,
            "digits",
            "a b",
            "tag `a b` has a space as its character 2",
        );
    }
}
