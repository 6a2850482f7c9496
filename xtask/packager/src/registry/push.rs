//! Push of a whole image into a registry.
//!
//! Owns the order of the steps: the blobs, the manifest under its digest, the artifacts, and the
//! manifest under the tag are written, each only if it is missing. If the manifest was written, the
//! registry is asked for it at the end. Must not know how the image was built.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};

use super::attach::attach;
use super::manifests;
use super::progress::Progress;
use super::repository::Repository;
use super::sent::Sent;
use super::source::Source;
use super::transport::PARALLEL_BLOBS;
use super::upload::{Upload, foresee, upload};
use crate::image::layout::{Blob, Place, WrittenImage};

/// Pushes an image to a repository under a tag. Returns the result for each blob, in the order of
/// the image's blobs. `base` is the repository that has the layers of the base image. Fails if the
/// registry refuses a blob, a manifest or an artifact, does not respond, or does not keep the
/// manifest.
pub async fn push(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
    tag: &str,
) -> Result<Vec<Sent>, Failure> {
    let progress = Progress::new();
    let outcomes = each(image, target, base, async |blob| {
        upload(target, blob, &progress).await
    })
    .await?;
    // The manifest is written after the blobs, because it must not point to missing blobs.
    let digest = image.digest.to_string();
    let mut changed = put(target, &digest, image).await?;
    attach(target, image, &progress).await?;
    // The tag is written last, so that a pull by tag finds the whole image.
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

/// Returns the result that a push would have for each blob of the image. Nothing is sent. `base` is
/// the repository that has the layers of the base image. Fails if the registry does not answer the
/// question whether it has a blob.
pub async fn rehearse(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
) -> Result<Vec<Sent>, Failure> {
    each(image, target, base, async |blob| {
        foresee(target, blob).await
    })
    .await
}

/// Calls `act` for every blob of an image, for a few at a time, and returns the results in the
/// order of the image's blobs. `base` is the repository that has the layers of the base image. For
/// a blob that the image names twice, `act` is called once. For a blob that no registry stores,
/// `act` is not called. Fails at the first failure of `act`.
async fn each(
    image: &WrittenImage,
    target: &Repository,
    base: Option<&Repository>,
    act: impl AsyncFn(&Upload<'_>) -> Result<Sent, Failure>,
) -> Result<Vec<Sent>, Failure> {
    let mut first: Vec<&Blob> = Vec::new();
    for blob in image
        .blobs
        .iter()
        .filter(|blob| blob.place != Place::Elsewhere)
    {
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
            let upload = Upload {
                name: &blob.name,
                digest: &blob.digest,
                size: blob.size,
                source,
                neighbour,
            };
            Ok::<_, Failure>((blob.digest.clone(), act(&upload).await?))
        }
    });
    let done: Vec<_> = futures_util::stream::iter(acts)
        .buffer_unordered(PARALLEL_BLOBS)
        .try_collect()
        .await?;
    let mut done: HashMap<Digest, Sent> = done.into_iter().collect();
    let outcome = |blob: &Blob| match blob.place {
        Place::Elsewhere => Sent::Elsewhere,
        // The first of two equal blobs takes the outcome. For the second, the blob exists by then.
        _ => done.remove(&blob.digest).unwrap_or(Sent::Skipped),
    };
    Ok(image.blobs.iter().map(outcome).collect())
}

/// Writes the manifest of an image under a name, which is a digest or a tag, unless the repository
/// already has the manifest under this name. Returns true if the manifest was written. Fails if the
/// registry refuses the manifest, or does not respond.
async fn put(target: &Repository, name: &str, image: &WrittenImage) -> Result<bool, Failure> {
    if manifests::stored(target, name).await? == Some(image.digest.to_string()) {
        return Ok(false);
    }
    manifests::put(target, name, OCI_IMAGE_MEDIA_TYPE, &image.manifest).await?;
    Ok(true)
}
