//! Reading of a base image: its manifest, its configuration, and its layers if they are needed on
//! this machine.
//!
//! Owns the order of the requests and the check of every digest. Must not know how the base is
//! used. The inspection of images fetches its blobs with `fetch`, too.

use std::io::Write as _;
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _};
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;

use super::progress::{Bar, Progress};
use super::reference::BaseReference;
use super::repository::Repository;
use super::source::{Reader, Source};
use super::transport::{ATTEMPTS, PARALLEL_BLOBS, backoff};
use super::{bounds, broken::Broken, manifests};
use crate::image::base::Base;
use crate::image::manifest::{BaseManifest, Document, read};
use crate::image::unfit::UnfitImage;

/// Maximum number of documents that are read to find a manifest, including the manifest. An image
/// index may point to another index.
const MOST_LISTS: u32 = 3;

/// Reads the manifest and the config of a base image for linux/amd64. Fails if there is no such
/// image, or if its manifest or its config is invalid or has another digest than expected. Also
/// fails if the registry refuses a request or does not respond.
pub async fn resolve(repository: &Repository, reference: &BaseReference) -> Result<Base, Failure> {
    let name = reference.name();
    let unfit = |reason: UnfitImage| {
        Failure::project(
            // The text may repeat what the registry sent, so it is quoted.
            format!(
                "base `{name}` {}",
                quoted(&reason.to_string(), REASON_BYTES)
            ),
            "name a container image for linux/amd64 in package.base or after --base",
        )
    };
    let mut version = reference.version();
    let mut expected = reference.digest.clone();
    for _ in 0..MOST_LISTS {
        let action = format!("reading the manifest of base `{name}`");
        let bytes = manifests::get(repository, &action, &version, expected.as_ref()).await?;
        match read(&bytes).map_err(unfit)? {
            Document::Index(platform) => {
                version = platform.to_string();
                expected = Some(platform);
            }
            Document::Manifest(manifest) => {
                let config = config(repository, &name, &manifest).await?;
                return Base::new(name.clone(), Digest::of(&bytes), manifest, &config)
                    .map_err(unfit);
            }
        }
    }
    Err(unfit(UnfitImage::TooManyLists))
}

async fn config(
    repository: &Repository,
    name: &str,
    manifest: &BaseManifest,
) -> Result<Vec<u8>, Failure> {
    let action = format!("reading the configuration of base `{name}`");
    repository.allowance.document(&action)?;
    let bytes =
        manifests::whole(&action, repository.blob(&action, &manifest.config).await?).await?;
    manifests::check(&action, &bytes, Some(&manifest.config))?;
    Ok(bytes)
}

/// Fetches the layers of a base image into a folder. Each file is named by the hex digits of its
/// layer's digest. An existing file is kept if its digest is correct. Layers that no registry
/// stores are skipped. Fails before a layer is fetched if the layers exceed the download limit or
/// do not fit on the disk.
pub async fn layers(repository: &Repository, base: &Base, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "be made", error))?;
    let progress = Progress::new();
    let mut wanted: Vec<_> = base
        .layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| layer.urls.is_empty())
        .collect();
    wanted.sort_by_key(|(_, layer)| &layer.digest);
    wanted.dedup_by_key(|(_, layer)| &layer.digest);
    // The sum is checked first, because each layer alone could still be within the limit.
    let sizes = wanted.iter().map(|(_, layer)| layer.size);
    repository
        .allowance
        .sum(&format!("layers of base `{}`", base.name), sizes)?;
    let missing = wanted
        .iter()
        .filter(|(_, layer)| !folder.join(layer.digest.hex()).exists());
    bounds::room(
        folder,
        "layers of the base",
        missing
            .map(|(_, layer)| layer.size)
            .fold(0, u64::saturating_add),
    )?;
    let fetches = wanted.into_iter().map(|(index, layer)| {
        let progress = &progress;
        let name = format!("base-{}", index + 1);
        async move {
            fetch(
                repository,
                &name,
                &layer.digest,
                layer.size,
                folder,
                progress,
            )
            .await
        }
    });
    futures_util::stream::iter(fetches)
        .buffer_unordered(PARALLEL_BLOBS)
        .try_collect()
        .await
}

/// Fetches a blob into a folder. The file is named by the hex digits of the blob's digest. An
/// existing file is kept if its digest is correct. `name` is the name of the blob in messages.
/// Fails if the blob cannot be fetched or exceeds the download limit, or if its bytes do not have
/// the given digest and size.
pub async fn fetch(
    repository: &Repository,
    name: &str,
    digest: &Digest,
    size: u64,
    folder: &Path,
    progress: &Progress,
) -> Result<(), Failure> {
    let path = folder.join(digest.hex());
    let known = std::fs::File::open(&path)
        .ok()
        .and_then(|file| Digest::of_reader(file).ok());
    if known == Some((digest.clone(), size)) {
        return Ok(());
    }
    repository.allowance.blob(name, digest, size)?;
    bounds::room(folder, name, size)?;
    let unwritable = |error: std::io::Error| Failure::file(&path, "be written", error);
    let bar = progress.begin("fetching", name, size);
    let mut attempt = 1;
    let file = loop {
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        let write = |piece: &[u8]| file.write_all(piece).map_err(unwritable);
        match copy(
            Reader::open(Source::Registry(repository), name, digest, size).await,
            write,
            &bar,
        )
        .await
        {
            Ok(()) => break file,
            Err(broken) if broken.may_pass && attempt < ATTEMPTS => {
                tokio::time::sleep(backoff(attempt)).await;
                attempt += 1;
            }
            Err(broken) => return Err(broken.failure),
        }
    };
    bar.finish();
    // Only complete and checked files get the final name.
    file.persist(&path)
        .map_err(|error| unwritable(error.error))?;
    Ok(())
}

async fn copy(
    bytes: Result<Reader<'_>, Broken>,
    mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    bar: &Bar,
) -> Result<(), Broken> {
    let mut bytes = bytes?;
    let mut done = 0;
    while let Some(part) = bytes.part().await? {
        write(&part)?;
        done += part.len() as u64;
        bar.set(done);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
