//! A whole image's way into a registry.
//!
//! Owns the order: blobs, manifest by digest, artifacts, manifest by tag, each only if it is not there; then a last look. Must not know
//! how the image came about.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;

use super::attach::attach;
use super::progress::Progress;
use super::repository::Repository;
use super::source::Source;
use super::upload::{Upload, foresee, upload};
use super::{PARALLEL_BLOBS, Sent, manifests};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::layout::{Blob, Place, WrittenImage};

/// Gets an image into a repository under a tag, and returns what happened to each of its blobs, in their order; `base` is
/// where the layers of its base are.
pub async fn push(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
    tag: &str,
) -> Result<Vec<Sent>, Failure> {
    let progress = Progress::new();
    let outcomes = each(image, target, base, async |blob| upload(target, blob, &progress).await).await?;
    // Only now: a manifest must not point at what is missing.
    let digest = image.digest.to_string();
    let mut changed = put(target, &digest, image).await?;
    attach(target, image, &progress).await?;
    // Last: whoever pulls by tag finds all of it.
    changed |= put(target, tag, image).await?;
    drop(progress);
    if changed && manifests::stored(target, &digest).await?.as_deref() != Some(&digest) {
        return Err(Failure::new(
            Kind::Registry,
            format!("the registry took the manifest {digest}, and does not have it"),
            "look into its log; run the command again",
        ));
    }
    Ok(outcomes)
}

/// What a push would do to each of the image's blobs; sends nothing.
pub async fn rehearse(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
) -> Result<Vec<Sent>, Failure> {
    each(image, target, base, async |blob| foresee(target, blob).await).await
}

/// Does something to every blob, a few at a time, and once to those that the image names twice.
async fn each(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
    act: impl AsyncFn(&Upload<'_>) -> Result<Sent, Failure>,
) -> Result<Vec<Sent>, Failure> {
    let mut first: Vec<&Blob> = Vec::new();
    for blob in image.blobs.iter().filter(|blob| blob.place != Place::Elsewhere) {
        if !first.iter().any(|known| known.digest == blob.digest) {
            first.push(blob);
        }
    }
    let acts = first.into_iter().map(|blob| {
        let act = &act;
        async move {
            let path = image.blob_path(&blob.digest);
            let source = match (blob.place, base) {
                (Place::Base, Some(base)) => Source::Registry(base),
                _ => Source::File(&path),
            };
            let neighbour = base.filter(|base| blob.of_base && base.is_neighbour_of(target));
            let neighbour = neighbour.map(|base| base.name.as_str());
            let upload = Upload { name: &blob.name, digest: &blob.digest, size: blob.size, source, neighbour };
            Ok::<_, Failure>((blob.digest.clone(), act(&upload).await?))
        }
    });
    let done: Vec<_> = futures_util::stream::iter(acts).buffer_unordered(PARALLEL_BLOBS).try_collect().await?;
    let mut done: HashMap<Digest, Sent> = done.into_iter().collect();
    let outcome = |blob: &Blob| match blob.place {
        Place::Elsewhere => Sent::Elsewhere,
        // Taken out by the first of two; by then it is there for the second.
        _ => done.remove(&blob.digest).unwrap_or(Sent::Skipped),
    };
    Ok(image.blobs.iter().map(outcome).collect())
}

/// Writes the manifest under a name that does not lead to it; returns whether it had to.
async fn put(target: &Repository, name: &str, image: &WrittenImage) -> Result<bool, Failure> {
    if manifests::stored(target, name).await? == Some(image.digest.to_string()) {
        return Ok(false);
    }
    manifests::put(target, name, OCI_IMAGE_MEDIA_TYPE, &image.manifest).await?;
    Ok(true)
}
