//! Artifacts of an image, such as attestations and signatures, and their upload to the repository
//! of the image.
//!
//! Owns how artifacts are found in the registry: by the registry's own list of referrers, or by a
//! fallback tag if the registry does not have such lists (OCI distribution specification,
//! "Referrers Tag Schema"). Must not know the content of artifacts.

use std::io::Write as _;

use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use serde_json::{Value, json};

use super::manifests::{self, Put};
use super::progress::Progress;
use super::repository::Repository;
use super::source::Source;
use super::transport::ATTEMPTS;
use super::upload::{Upload, upload};
use crate::image::layout::{Attachment, WrittenImage};

/// Uploads the artifacts of an image that are missing in the repository, and makes sure that they
/// are listed as referrers of the image. A signature in cosign's older format is not a referrer,
/// but is written under the tag of cosign. Fails if the registry refuses an artifact or the list,
/// or does not respond.
pub async fn attach(
    target: &Repository,
    image: &WrittenImage,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut is_listed = None;
    for attachment in &image.attachments {
        for blob in &attachment.blobs {
            let path = image.blob_path(&blob.digest);
            let source = Source::File(&path);
            let upload_of = Upload {
                name: &blob.name,
                digest: &blob.digest,
                size: blob.size,
                source,
                neighbour: None,
            };
            upload(target, &upload_of, progress).await?;
        }
        if let Some(tag) = &attachment.tag {
            sign(target, attachment, tag, progress).await?;
            continue;
        }
        entries.push(attachment.entry());
        // The response to the first written artifact shows whether the registry lists referrers.
        is_listed = is_listed.or(put(target, attachment).await?.map(|put| put.is_listed));
    }
    if entries.is_empty() || is_listed == Some(true) {
        return Ok(());
    }
    list(target, &image.digest, &entries, is_listed).await
}

async fn put(target: &Repository, attachment: &Attachment) -> Result<Option<Put>, Failure> {
    let digest = attachment.digest.to_string();
    if manifests::stored(target, &digest).await?.as_deref() == Some(&digest) {
        return Ok(None);
    }
    manifests::put(target, &digest, OCI_IMAGE_MEDIA_TYPE, &attachment.manifest)
        .await
        .map(Some)
}

/// Writes a signature of an image under `tag`, the tag at which cosign looks for signatures of the
/// image. If the tag already holds signatures of other keys, they are kept, as cosign does. Fails
/// if the registry refuses the signature, or does not respond.
async fn sign(
    target: &Repository,
    attachment: &Attachment,
    tag: &str,
    progress: &Progress,
) -> Result<(), Failure> {
    if manifests::stored(target, tag).await? == Some(attachment.digest.to_string()) {
        return Ok(());
    }
    let beside = match manifests::find(target, tag).await? {
        Some(there) => beside(&there, &attachment.manifest),
        None => Beside::Nobody,
    };
    match beside {
        Beside::Ours => Ok(()),
        Beside::Nobody => {
            manifests::put(target, tag, OCI_IMAGE_MEDIA_TYPE, &attachment.manifest).await?;
            Ok(())
        }
        Beside::Others { manifest, config } => {
            let digest = Digest::of(&config);
            let folder = std::env::temp_dir();
            let unwritable =
                |error: std::io::Error| Failure::file(&folder, "hold a small file", error);
            let mut file = tempfile::NamedTempFile::new().map_err(unwritable)?;
            file.write_all(&config).map_err(unwritable)?;
            let (name, source) = ("config of signature", Source::File(file.path()));
            let blob = Upload {
                name,
                digest: &digest,
                size: config.len() as u64,
                source,
                neighbour: None,
            };
            upload(target, &blob, progress).await?;
            manifests::put(target, tag, OCI_IMAGE_MEDIA_TYPE, &manifest).await?;
            Ok(())
        }
    }
}

/// Content that the registry already has under the tag at which cosign looks for the signatures of
/// an image.
enum Beside {
    /// The tag does not exist, or its content is not a manifest with signatures, so the new
    /// signature replaces it.
    Nobody,
    /// The tag already holds the new signature, so nothing has to be written.
    Ours,
    /// The tag holds signatures of other keys. `manifest` and `config` are the bytes of a new
    /// manifest and config, which contain these signatures and the new one.
    Others { manifest: Vec<u8>, config: Vec<u8> },
}

fn beside(there: &[u8], ours: &[u8]) -> Beside {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (mut manifest, ours) = (read(there), read(ours));
    let layers = |manifest: &Value| {
        manifest
            .get("layers")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut all = layers(&manifest);
    let is_same = |one: &Value, other: &Value| {
        one.get("digest") == other.get("digest")
            && one.get("annotations") == other.get("annotations")
    };
    let new: Vec<_> = layers(&ours)
        .into_iter()
        .filter(|layer| !all.iter().any(|one| is_same(one, layer)))
        .collect();
    if new.is_empty() {
        return Beside::Ours;
    }
    if all.is_empty()
        || manifest.get("mediaType").and_then(Value::as_str) != Some(OCI_IMAGE_MEDIA_TYPE)
    {
        return Beside::Nobody;
    }
    all.extend(new);
    let diff_ids: Vec<_> = all.iter().filter_map(|layer| layer.get("digest")).collect();
    let history = vec![json!({}); all.len()];
    let config = json!({ "architecture": "", "os": "", "config": {}, "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = config.to_string().into_bytes();
    if let Some(manifest) = manifest.as_object_mut() {
        let descriptor = json!({ "mediaType": IMAGE_CONFIG_MEDIA_TYPE, "digest": Digest::of(&config).to_string(),
            "size": config.len() });
        manifest.insert("config".to_owned(), descriptor);
        manifest.insert("layers".to_owned(), all.into());
    }
    Beside::Others {
        manifest: manifest.to_string().into_bytes(),
        config,
    }
}

/// Makes sure that the referrers list of an image contains all entries in `entries`. `is_listed` is
/// true if the registry has listed the entries by itself, false if the registry does not keep
/// referrers lists, and `None` if this is not known. Fails if the registry refuses the list, or if
/// another client keeps changing it.
async fn list(
    target: &Repository,
    image: &Digest,
    entries: &[Value],
    is_listed: Option<bool>,
) -> Result<(), Failure> {
    let tag = fallback_tag(image);
    let whole = index(entries);
    // If the list holds only these entries, it needs no further request.
    if manifests::stored(target, &tag)
        .await?
        .is_some_and(|stored| stored == Digest::of(&whole).to_string())
    {
        return Ok(());
    }
    // If nothing was sent this time, no response has shown whether the registry has its own list.
    if is_listed.is_none()
        && let Some(listed) = manifests::referrers(target, image).await?
        && missing(&listed, entries).is_empty()
    {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let listed = match manifests::find(target, &tag).await? {
            Some(bytes) => manifests::entries_of(&bytes)?,
            None => Vec::new(),
        };
        let missing = missing(&listed, entries);
        if missing.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = listed.into_iter().chain(missing).collect();
        // Another client may write its own list at this moment, so the list is read again.
        manifests::put(target, &tag, OCI_IMAGE_INDEX_MEDIA_TYPE, &index(&all)).await?;
    }
    Err(Failure::new(
        Kind::Registry,
        format!(
            "the tag `{tag}`, which lists what belongs to the image, does not keep what is put there"
        ),
        "another push may be changing it at this moment; run the command again",
    ))
}

/// Returns the tag of the referrers list of an image in registries that do not keep such lists by
/// themselves. `image` is the digest of the image.
pub fn fallback_tag(image: &Digest) -> String {
    format!("sha256-{}", image.hex())
}

fn missing(listed: &[Value], entries: &[Value]) -> Vec<Value> {
    let is_listed = |entry: &&Value| {
        listed
            .iter()
            .any(|one| one.get("digest") == entry.get("digest"))
    };
    entries
        .iter()
        .filter(|entry| !is_listed(entry))
        .cloned()
        .collect()
}

fn index(entries: &[Value]) -> Vec<u8> {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": entries });
    index.to_string().into_bytes()
}
