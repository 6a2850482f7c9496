//! Reading one image and what belongs to it, for somebody who looks at it.
//!
//! Owns the runtime that it happens in, and where blobs are put. Must not know what is looked for.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::access::Access;
use super::progress::Progress;
use super::reference::BaseReference;
use super::repository::{Purpose, Repository};
use super::{attach, bounds, manifests, pull, runtime};
use crate::digest::Digest;
use crate::failure::Failure;

/// A repository that is read from.
#[derive(Debug)]
pub struct Reading {
    runtime: Runtime,
    repository: Repository,
    folder: PathBuf,
    progress: Progress,
}

impl Reading {
    /// Prepares for questions; blobs are put into the folder, each under the digits of its digest.
    pub fn open(access: &Access, reference: &BaseReference, folder: &Path) -> Result<Self, Failure> {
        let repository = Repository::open(access, &reference.repository, Purpose::Pull)?;
        Ok(Self { runtime: runtime()?, repository, folder: folder.to_path_buf(), progress: Progress::new() })
    }

    /// A manifest by tag or digest; one by digest is checked.
    pub fn manifest(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let action = format!("reading the manifest `{name}`");
        self.runtime.block_on(manifests::get(&self.repository, &action, name, Digest::parse(name).as_ref()))
    }

    /// The manifest that a tag leads to, if there is one.
    pub fn find(&self, tag: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.runtime.block_on(manifests::find(&self.repository, tag))
    }

    /// Fetches a blob, checks it, and returns its file.
    pub fn blob(&self, name: &str, digest: &Digest, size: u64) -> Result<PathBuf, Failure> {
        let fetch = pull::fetch(&self.repository, name, digest, size, &self.folder, &self.progress);
        self.runtime.block_on(fetch)?;
        Ok(self.folder.join(digest.hex()))
    }

    /// The entries of the list of what belongs to an image: the registry's own, or the one under a tag.
    pub fn referrers(&self, image: &Digest) -> Result<Vec<Value>, Failure> {
        self.runtime.block_on(async {
            // An empty list may be of a registry that learnt to keep one after the tag was put there.
            let listed = manifests::referrers(&self.repository, image).await?;
            if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
                return Ok(listed);
            }
            match manifests::find(&self.repository, &attach::fallback_tag(image)).await? {
                Some(list) => {
                    let listed = attach::entries_of(&list)?;
                    bounds::referrers(listed.len())?;
                    Ok(listed)
                }
                None => Ok(Vec::new()),
            }
        })
    }
}
