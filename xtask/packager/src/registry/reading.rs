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

    /// Reads the manifest with this name, which is a tag or a digest. Fails if the manifest does
    /// not exist, or if the name is a digest and the manifest has another digest.
    pub fn manifest(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let action = format!("reading the manifest `{name}`");
        self.runtime.block_on(manifests::get(
            &self.repository,
            &action,
            name,
            Digest::parse(name).as_ref(),
        ))
    }

    /// Reads the manifest with this tag. Returns `None` if the tag does not exist.
    pub fn find(&self, tag: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.runtime
            .block_on(manifests::find(&self.repository, tag))
    }

    /// Fetches a blob and returns the path of its file. Fails if the blob does not have the given
    /// digest and size. `name` is the name of the blob in messages.
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
    /// read.
    pub fn referrers(&self, image: &Digest) -> Result<Vec<Value>, Failure> {
        self.runtime.block_on(async {
            // A registry may have got its own list only after the tag was written. Its own list is
            // then empty, so the tag is read, too.
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
