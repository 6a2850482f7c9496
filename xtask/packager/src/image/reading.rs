//! Reader for an existing OCI layout whose image is to be pushed.
//!
//! Owns the search for the image and for the blobs that its manifest names. Must not know how the
//! image is pushed. Any image layout of one platform is accepted, whichever program wrote it. The
//! bytes of layers are not read here; the push hashes them.

use std::path::Path;

use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use scorebox_host::text::{NAME_BYTES, REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::attestation::{self, signature_tag};
use super::layout::{
    self, Attachment, Blob, INDEX_FILE, Place, TAG_ANNOTATION, WrittenImage, blob_name,
};

/// An image that was found in a layout, with the tag and the base image that the layout states.
#[derive(Debug, Clone)]
pub struct FoundImage {
    /// The found image, with its manifest and blobs.
    pub image: WrittenImage,
    /// Tag of the image in the layout. `None` if the image has no tag.
    pub tag: Option<String>,
    /// Name and digest of the base image. `None` unless the annotations of the image's manifest
    /// state both.
    pub base: Option<(String, String)>,
}

/// Reads the image of the layout in the folder `dir`: the first entry in the layout's index. Fails
/// if this entry is not an image, if a manifest or the config is missing or altered, or if a blob
/// is missing or has another size than its manifest states. Layers of the base image may be
/// missing.
pub fn read(dir: &Path) -> Result<FoundImage, Failure> {
    let index = json(dir, INDEX_FILE, &layout::index(dir)?)?;
    let entry = index
        .pointer("/manifests/0")
        .ok_or_else(|| bad(dir, &format!("{INDEX_FILE} names no image")))?;
    let digest = digest(dir, entry)?;
    let manifest = document(dir, &digest)?;
    let parsed = json(dir, "its manifest", &manifest)?;
    if text_at(&parsed, &["mediaType"]).is_some_and(|media_type| media_type != OCI_IMAGE_MEDIA_TYPE)
    {
        return Err(bad(
            dir,
            "holds a list or an artifact where the manifest of one image is expected",
        ));
    }
    let blobs = blobs(dir, &parsed)?;
    let base = ["name", "digest"].map(|part| format!("org.opencontainers.image.base.{part}"));
    let [name, base_digest] = base.map(|key| text_at(&parsed, &["annotations", &key]));
    let attachments = attachments(dir, &index, &digest)?;
    let image = WrittenImage {
        dir: dir.to_path_buf(),
        digest,
        manifest,
        blobs,
        attachments,
    };
    Ok(FoundImage {
        image,
        tag: text_at(entry, &["annotations", TAG_ANNOTATION]),
        base: name.zip(base_digest),
    })
}

/// Returns the artifacts in the layout that are attached to the image. An artifact is attached if
/// its subject is the image, or if it has the tag under which cosign stores signatures of the
/// image. Fails if the manifest of any entry in the index is missing or altered, or if a blob of an
/// artifact is missing or has another size than its manifest states.
fn attachments(dir: &Path, index: &Value, image: &Digest) -> Result<Vec<Attachment>, Failure> {
    let entries = index
        .get("manifests")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut attachments = Vec::new();
    for entry in entries.skip(1) {
        let digest = digest(dir, entry)?;
        let manifest = document(dir, &digest)?;
        let parsed = json(dir, "the manifest of an artifact", &manifest)?;
        let is_subject = text_at(&parsed, &["subject", "digest"])
            .is_some_and(|subject| subject == image.to_string());
        let tag = text_at(entry, &["annotations", TAG_ANNOTATION]);
        let tag = tag.filter(|tag| *tag == signature_tag(image));
        if !is_subject && tag.is_none() {
            continue;
        }
        let name = attestation::name(text_at(&parsed, &["artifactType"]).as_deref());
        let mut blobs = Vec::new();
        for layer in parsed
            .get("layers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            blobs.push(blob(dir, layer, name.to_owned(), false)?);
        }
        let config = parsed
            .get("config")
            .ok_or_else(|| bad(dir, "an artifact names no configuration"))?;
        blobs.push(blob(dir, config, format!("config of {name}"), false)?);
        attachments.push(Attachment {
            name: name.to_owned(),
            digest,
            manifest,
            blobs,
            tag,
        });
    }
    Ok(attachments)
}

fn blobs(dir: &Path, manifest: &Value) -> Result<Vec<Blob>, Failure> {
    let config = manifest
        .get("config")
        .ok_or_else(|| bad(dir, "its manifest names no configuration"))?;
    let config = blob(dir, config, "config".to_owned(), false)?;
    let written = document(dir, &config.digest)?;
    let names = names(&json(dir, "its configuration", &written)?);
    let layers = manifest
        .get("layers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut blobs = Vec::new();
    for (index, layer) in layers.enumerate() {
        let own = names.get(index).copied().flatten();
        let of_base = own.is_none();
        blobs.push(blob(
            dir,
            layer,
            own.map_or_else(|| format!("base-{}", index + 1), str::to_owned),
            of_base,
        )?);
    }
    blobs.push(config);
    Ok(blobs)
}

fn blob(dir: &Path, descriptor: &Value, name: String, of_base: bool) -> Result<Blob, Failure> {
    let digest = digest(dir, descriptor)?;
    let size = descriptor.get("size").and_then(Value::as_u64);
    let size = size.ok_or_else(|| bad(dir, &format!("its manifest gives `{name}` no size")))?;
    let path = dir.join(blob_name(&digest));
    let is_elsewhere = descriptor
        .get("urls")
        .and_then(Value::as_array)
        .is_some_and(|urls| !urls.is_empty());
    let place = match std::fs::metadata(&path) {
        Ok(found) if found.len() == size => Place::Layout,
        Ok(found) => {
            let problem = format!(
                "{} has {} bytes, and its manifest says {size}",
                path.display(),
                found.len()
            );
            return Err(bad(dir, &problem));
        }
        Err(_) if is_elsewhere => Place::Elsewhere,
        Err(_) if of_base => Place::Base,
        Err(error) => return Err(Failure::file(&path, "be read", error)),
    };
    let media_type = text_at(descriptor, &["mediaType"]).unwrap_or_default();
    Ok(Blob {
        name,
        media_type,
        digest,
        size,
        of_base,
        place,
    })
}

/// Returns the name of each layer, from the history in the image's config. A layer that `package`
/// did not write has the name `None`.
pub fn names(config: &Value) -> Vec<Option<&'static str>> {
    comments(config)
        .into_iter()
        .map(|comment| comment.map(|(name, _)| name))
        .collect()
}

/// Returns the name and the comment of each layer, from the history in the image's config. The
/// entry of a layer that `package` did not write is `None`.
///
/// A history can state anything, so the entry is also `None` if the name is not one that `package`
/// uses.
pub fn comments(config: &Value) -> Vec<Option<(&'static str, String)>> {
    let history = config
        .get("history")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let layers =
        history.filter(|entry| entry.get("empty_layer").and_then(Value::as_bool) != Some(true));
    let comment = |entry: &Value| {
        let ours = text_at(entry, &["created_by"]).as_deref() == Some(super::plan::CREATED_BY);
        let comment = text_at(entry, &["comment"]).filter(|_| ours)?;
        let (name, comment) = comment.split_once(": ")?;
        let name = super::plan::LAYERS
            .into_iter()
            .find(|known| *known == name)?;
        Some((name, comment.to_owned()))
    };
    layers.map(comment).collect()
}

fn document(dir: &Path, digest: &Digest) -> Result<Vec<u8>, Failure> {
    let path = dir.join(blob_name(digest));
    let bytes = layout::document(&path).map_err(|error| Failure::file(&path, "be read", error))?;
    if Digest::of(&bytes) != *digest {
        return Err(bad(
            dir,
            &format!("{} has another content than its name says", path.display()),
        ));
    }
    Ok(bytes)
}

fn json(dir: &Path, what: &str, bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| bad(dir, &quoted(&format!("{what}: {error}"), REASON_BYTES)))
}

fn digest(dir: &Path, descriptor: &Value) -> Result<Digest, Failure> {
    let text = text_at(descriptor, &["digest"]).unwrap_or_default();
    Digest::parse(&text).ok_or_else(|| {
        bad(
            dir,
            &format!("`{}` is not a SHA-256 digest", quoted(&text, NAME_BYTES)),
        )
    })
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    path.iter()
        .try_fold(value, |value, key| value.get(key))?
        .as_str()
        .map(str::to_owned)
}

fn bad(dir: &Path, problem: &str) -> Failure {
    Failure::project(
        format!("{}: {}", dir.display(), quoted(problem, REASON_BYTES)),
        "write the layout again with `cargo xtask package --manifest FILE`",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Writes the layout of an image with two layers: a layer of a base image, whose blob is
    /// missing, and a layer of `package` with the content `own_layer`, for which the manifest
    /// states 5 bytes. Returns the digest of the image.
    fn layout(dir: &Path, own_layer: &str) -> Digest {
        let put = |bytes: &str| {
            let digest = Digest::of(bytes.as_bytes());
            let path = dir.join(blob_name(&digest));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            digest
        };
        let ours =
            json!({ "created_by": super::super::plan::CREATED_BY, "comment": "app: scorer x: y" });
        let config = json!({ "history": [{ "created_by": "b" }, { "empty_layer": true }, ours] })
            .to_string();
        let layer = |digest: &Digest, size: usize| json!({ "mediaType": "t", "digest": digest.to_string(), "size": size });
        let manifest = json!({
            "config": layer(&put(&config), config.len()),
            "layers": [layer(&Digest::of(b"base"), 4), layer(&put(own_layer), 5)],
            "annotations": { "org.opencontainers.image.base.name": "r.io/b:1", "org.opencontainers.image.base.digest": "d" },
        });
        let digest = put(&manifest.to_string());
        let entry =
            json!({ "digest": digest.to_string(), "annotations": { TAG_ANNOTATION: "v1" } });
        std::fs::write(
            dir.join(INDEX_FILE),
            json!({ "manifests": [entry] }).to_string(),
        )
        .unwrap();
        digest
    }

    #[test]
    fn image_is_found_with_its_names_and_places() {
        let dir = tempfile::tempdir().unwrap();
        let digest = layout(dir.path(), "12345");
        let found = read(dir.path()).unwrap();
        assert_eq!(
            (&found.image.digest, found.tag.as_deref()),
            (&digest, Some("v1"))
        );
        assert_eq!(found.base, Some(("r.io/b:1".to_owned(), "d".to_owned())));
        let blobs: Vec<_> = found
            .image
            .blobs
            .iter()
            .map(|blob| (blob.name.as_str(), blob.place))
            .collect();
        assert_eq!(
            blobs,
            [
                ("base-1", Place::Base),
                ("app", Place::Layout),
                ("config", Place::Layout)
            ]
        );
    }

    #[test]
    fn a_folder_without_a_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            read(dir.path())
                .unwrap_err()
                .problem
                .contains("is not an OCI layout")
        );
        let digest = layout(dir.path(), "1234");
        assert!(
            read(dir.path())
                .unwrap_err()
                .problem
                .contains("has 4 bytes, and its manifest says 5")
        );
        std::fs::write(dir.path().join(blob_name(&digest)), "{}").unwrap();
        assert!(
            read(dir.path())
                .unwrap_err()
                .problem
                .contains("another content")
        );
        std::fs::write(dir.path().join(INDEX_FILE), "{").unwrap();
        assert_eq!(read(dir.path()).unwrap_err().exit_code(), 3);
    }
}
