//! Reader for one image in a registry and for the artifacts that belong to it, used by `inspect`.
//!
//! Owns the async runtime of the requests, and the folder that blobs are put into. Must not know
//! what the caller looks for.

use std::path::{Path, PathBuf};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::access::Access;
use super::progress::Progress;
use super::reference::BaseReference;
use super::repository::{Purpose, Repository};
use super::{attach, bounds, manifests, pull, runtime};

/// A repository that is opened for reading, with a folder for the fetched blobs.
#[derive(Debug)]
pub struct Reading {
    runtime: Runtime,
    repository: Repository,
    folder: PathBuf,
    progress: Progress,
}

impl Reading {
    /// Opens the repository of an image for reading, without sending a request. Fetched blobs are
    /// stored in `folder`, each in a file that is named by the hex digits of the blob's digest.
    /// Fails if the reference does not form a URL, or if the HTTP client cannot be created.
    pub fn open(
        access: &Access,
        reference: &BaseReference,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let repository = Repository::open(access, &reference.repository, Purpose::Pull)?;
        Ok(Self {
            runtime: runtime()?,
            repository,
            folder: folder.to_path_buf(),
            progress: Progress::new(),
        })
    }

    /// Reads the manifest with this name, which is a tag or a digest. Fails if the registry refuses
    /// the request or does not respond, or if the manifest does not exist, is too large or has too
    /// many layers. Also fails if it has another digest than `name` or, for a tag, than the
    /// registry states.
    pub fn manifest(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let action = format!("reading the manifest `{name}`");
        self.runtime.block_on(manifests::get(
            &self.repository,
            &action,
            name,
            Digest::parse(name).as_ref(),
        ))
    }

    /// Reads the manifest with this tag. Returns `None` if the tag does not exist. Fails if the
    /// registry refuses the request or does not respond, or if the manifest is too large, has too
    /// many layers or has another digest than the registry states.
    pub fn find(&self, tag: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.runtime
            .block_on(manifests::find(&self.repository, tag))
    }

    /// Fetches a blob and returns the path of its file. Fails if the blob cannot be fetched, or
    /// does not have the given digest and size. `name` is the name of the blob in messages.
    pub fn blob(&self, name: &str, digest: &Digest, size: u64) -> Result<PathBuf, Failure> {
        let fetch = pull::fetch(
            &self.repository,
            name,
            digest,
            size,
            &self.folder,
            &self.progress,
        );
        self.runtime.block_on(fetch)?;
        Ok(self.folder.join(digest.hex()))
    }

    /// Returns the entries of the referrers list of an image. `image` is the digest of the image.
    /// If the registry itself keeps no list, or an empty list, the list under the fallback tag is
    /// read. Fails if the list is not valid or has too many entries, or if the registry refuses a
    /// request or does not respond.
    pub fn referrers(&self, image: &Digest) -> Result<Vec<Value>, Failure> {
        self.runtime.block_on(async {
            // A registry may have begun to keep referrers lists only after the tag was written. Its
            // own list is then empty, so the tag is read, too.
            let listed = manifests::referrers(&self.repository, image).await?;
            if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
                return Ok(listed);
            }
            match manifests::find(&self.repository, &attach::fallback_tag(image)).await? {
                Some(list) => {
                    let listed = manifests::entries_of(&list)?;
                    bounds::referrers(listed.len())?;
                    Ok(listed)
                }
                None => Ok(Vec::new()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    /// Opens a repository of a fake registry that sends the given responses, and calls `read`.
    /// Fails if `read` fails.
    fn read<T>(
        answers: Vec<String>,
        read: impl FnOnce(&Reading) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (registry, _requests) = fake::start(answers);
        let folder = tempfile::tempdir().unwrap();
        read(&Reading {
            runtime: runtime()?,
            repository: Repository::new(&registry, "a", true)?,
            folder: folder.path().to_path_buf(),
            progress: Progress::new(),
        })
    }

    /// Returns a response with the body `body`, whose header `Docker-Content-Digest` states the
    /// digest of the body.
    fn named(body: &str) -> String {
        let digest = Digest::of(body.as_bytes());
        format!("200|docker-content-digest: {digest}||{body}")
    }

    #[test]
    fn what_is_asked_for_by_digest_has_this_digest() {
        let (ours, altered) = (r#"{"layers":[]}"#, r#"{"layers":{}}"#);
        let (digest, found) = (Digest::of(ours.as_bytes()), Digest::of(altered.as_bytes()));
        let name = digest.to_string();
        let refuse = |refused: Failure| {
            assert_eq!(refused.exit_code(), 5, "{refused}");
            for part in [&name, &found.to_string()] {
                assert!(refused.problem.contains(part), "{refused}");
            }
        };
        refuse(read(vec![named(altered)], |reading| reading.manifest(&name)).unwrap_err());
        let size = altered.len() as u64;
        let blob = |reading: &Reading| reading.blob("x", &digest, size);
        refuse(read(vec![named(altered)], blob).unwrap_err());
        assert!(read(vec![named(ours)], blob).is_ok());
        let manifest = read(vec![named(ours)], |reading| reading.manifest(&name));
        assert_eq!(manifest.unwrap(), ours.as_bytes());
        // A tag accepts any manifest that has the digest that the registry names.
        let moved = read(vec![named(altered)], |reading| reading.manifest("1"));
        assert_eq!(moved.unwrap(), altered.as_bytes());
    }

    #[test]
    fn the_list_of_referrers_under_a_tag_has_the_digest_that_the_registry_names() {
        let image = Digest::of(b"image");
        let list = r#"{"manifests":[{}]}"#;
        let ask = |answer: String| {
            let answers = vec!["404".to_owned(), answer];
            read(answers, |reading| reading.referrers(&image)).map(|listed| listed.len())
        };
        assert_eq!(ask(named(list)), Ok(1));
        let altered = named(list).replace("[{}]", "[]");
        let refused = ask(altered).unwrap_err();
        assert!(refused.problem.contains("has the digest"), "{refused}");
    }
}
