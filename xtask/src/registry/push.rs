//! A whole image's way into a registry.
//!
//! Owns the order: blobs, manifest by digest, manifest by tag, each only if it is not there; then a last look. Must not know
//! how the image came about.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;

use super::progress::Progress;
use super::repository::{Repository, header};
use super::source::Source;
use super::upload::{Upload, foresee, upload};
use super::{PARALLEL_BLOBS, Sent, answer};
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
    drop(progress);
    // Only now: a manifest must not point at what is missing.
    let digest = image.digest.to_string();
    let mut changed = false;
    for name in [digest.as_str(), tag] {
        if stored(target, name).await?.as_deref() != Some(&digest) {
            put_manifest(target, image, name).await?;
            changed = true;
        }
    }
    if changed && stored(target, &digest).await?.as_deref() != Some(&digest) {
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

async fn put_manifest(target: &Repository, image: &WrittenImage, name: &str) -> Result<(), Failure> {
    let action = format!("upload of the manifest as `{name}`");
    let url = target.url(&format!("manifests/{name}"))?;
    let request = |client: &reqwest::Client| {
        client.put(url.clone()).header("content-type", OCI_IMAGE_MEDIA_TYPE).body(image.manifest.clone())
    };
    let response = target.send(&action, request).await?;
    if response.status() != 201 {
        return Err(answer::unexpected(&action, response).await);
    }
    match header(&response, "docker-content-digest") {
        Some(stored) if stored != image.digest.to_string() => Err(Failure::new(
            Kind::Registry,
            format!("{action}: the registry stored {stored}, and {} was sent", image.digest),
            "something between here and the registry rewrites manifests; push past it",
        )),
        _ => Ok(()),
    }
}

/// The digest of the manifest that a tag or digest leads to; `None`: to none.
async fn stored(target: &Repository, name: &str) -> Result<Option<String>, Failure> {
    let action = format!("looking for the manifest `{name}`");
    let url = target.url(&format!("manifests/{name}"))?;
    let response =
        target.send(&action, |client| client.head(url.clone()).header("accept", OCI_IMAGE_MEDIA_TYPE)).await?;
    match response.status().as_u16() {
        // That a digest leads to itself needs no header to say so.
        200 => Ok(Some(header(&response, "docker-content-digest").unwrap_or(name).to_owned())),
        404 => Ok(None),
        _ => Err(answer::unexpected(&action, response).await),
    }
}
