//! Artifacts' way into a registry, beside the image that they belong to.
//!
//! Owns how they are found there: by the registry's own list of referrers, or by the tag that stands for it where the
//! registry keeps no such list (OCI distribution specification, "Referrers Tag Schema"). Must not know what they say.

use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde_json::{Value, json};

use super::answer;
use super::manifests::{self, Put};
use super::progress::Progress;
use super::repository::Repository;
use super::source::Source;
use super::transport::ATTEMPTS;
use super::upload::{Upload, upload};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::layout::{Attachment, WrittenImage};

/// Sends an image's artifacts, as far as they are not there.
pub async fn attach(target: &Repository, image: &WrittenImage, progress: &Progress) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut is_listed = None;
    for attachment in &image.attachments {
        for blob in &attachment.blobs {
            let path = image.blob_path(&blob.digest);
            let source = Source::File(&path);
            let upload_of = Upload { name: &blob.name, digest: &blob.digest, size: blob.size, source, neighbour: None };
            upload(target, &upload_of, progress).await?;
        }
        let put = put(target, attachment).await?;
        if attachment.tag.is_none() {
            entries.push(attachment.entry());
            // What the registry says when it takes one holds for all.
            is_listed = is_listed.or(put.map(|put| put.is_listed));
        }
    }
    if entries.is_empty() || is_listed == Some(true) {
        return Ok(());
    }
    list(target, &image.digest, &entries, is_listed).await
}

async fn put(target: &Repository, attachment: &Attachment) -> Result<Option<Put>, Failure> {
    let digest = attachment.digest.to_string();
    let mut last = None;
    for name in [Some(digest.as_str()), attachment.tag.as_deref()].into_iter().flatten() {
        if manifests::stored(target, name).await?.as_deref() != Some(&digest) {
            last = Some(manifests::put(target, name, OCI_IMAGE_MEDIA_TYPE, &attachment.manifest).await?);
        }
    }
    Ok(last)
}

/// Sees to it that the list of what refers to an image names all of these.
async fn list(target: &Repository, image: &Digest, entries: &[Value], is_listed: Option<bool>) -> Result<(), Failure> {
    let tag = fallback_tag(image);
    let whole = index(entries);
    // Nothing more has to be asked about a list that holds ours alone.
    if manifests::stored(target, &tag).await?.is_some_and(|stored| stored == Digest::of(&whole).to_string()) {
        return Ok(());
    }
    // Nothing was sent this time, so the registry did not say whether it keeps a list of its own.
    if is_listed.is_none()
        && let Some(listed) = manifests::referrers(target, image).await?
        && missing(&listed, entries).is_empty()
    {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let listed = match manifests::find(target, &tag).await? {
            Some(bytes) => entries_of(&bytes)?,
            None => Vec::new(),
        };
        let missing = missing(&listed, entries);
        if missing.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = listed.into_iter().chain(missing).collect();
        // Somebody else may have put a list of theirs in between; so it is read again.
        manifests::put(target, &tag, OCI_IMAGE_INDEX_MEDIA_TYPE, &index(&all)).await?;
    }
    Err(Failure::new(
        Kind::Registry,
        format!("the tag `{tag}`, which lists what belongs to the image, does not keep what is put there"),
        "somebody else may change it at this moment; run the command again",
    ))
}

/// Where registries without a list of their own keep it.
pub fn fallback_tag(image: &Digest) -> String {
    format!("sha256-{}", image.hex())
}

/// The entries of a list.
pub fn entries_of(bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let list: Value = serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(Kind::Registry, format!("the list of what belongs to the image: {error}"), answer::NO_MANIFEST)
    })?;
    Ok(list.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn missing(listed: &[Value], entries: &[Value]) -> Vec<Value> {
    let is_listed = |entry: &&Value| listed.iter().any(|one| one.get("digest") == entry.get("digest"));
    entries.iter().filter(|entry| !is_listed(entry)).cloned().collect()
}

fn index(entries: &[Value]) -> Vec<u8> {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": entries });
    index.to_string().into_bytes()
}
