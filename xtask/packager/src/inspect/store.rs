//! Source of an inspected image: a registry, or an OCI image layout on this machine.
//!
//! Owns the difference between registries and layouts. Must not know what the caller looks for.
//! Everything that is requested by its digest has this digest when it is returned.

use std::path::{Path, PathBuf};

use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use serde_json::Value;

use super::documents;
use crate::image::attestation::signature_tag;
use crate::image::layout::{self, INDEX_FILE, TAG_ANNOTATION, blob_name, document};
use crate::registry::Reading;

/// Source of an inspected image.
pub enum Store {
    /// An OCI image layout: the path of its folder, and the entries of its index.
    Layout(PathBuf, Vec<Value>),
    /// A repository in a registry, opened for reading.
    Registry(Box<Reading>),
}

impl Store {
    /// Opens the OCI image layout in the folder `dir`. Fails if the folder is not a layout, or if
    /// two readers could disagree on its index.
    pub fn layout(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(INDEX_FILE);
        let text = layout::index(dir)?;
        let index =
            documents::read(&text).map_err(|error| wrong(&path.display(), &error.to_string()))?;
        let entries = index
            .get("manifests")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Ok(Self::Layout(dir.to_path_buf(), entries))
    }

    /// Returns the manifest of the inspected image. In a layout this is the first manifest in the
    /// index. In a repository it is the manifest with the tag or digest `name`. Fails if there is
    /// no such manifest, or if its bytes do not have the stated digest.
    pub fn image(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Registry(reading) => reading.manifest(name).map_err(without_verdict),
            Self::Layout(dir, entries) => {
                let digest = entries.first().and_then(digest_of);
                let digest = digest.ok_or_else(|| {
                    wrong(&dir.display(), &format!("{INDEX_FILE} names no image"))
                })?;
                self.manifest(&digest)
            }
        }
    }

    /// Returns the manifest with this digest. Fails if there is no such manifest, or if its bytes
    /// do not have the digest.
    pub fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Registry(reading) => reading
                .manifest(&digest.to_string())
                .map_err(without_verdict),
            Self::Layout(dir, _) => {
                let path = dir.join(blob_name(digest));
                let bytes =
                    document(&path).map_err(|error| wrong(&path.display(), &error.to_string()))?;
                match Digest::of(&bytes) {
                    found if found == *digest => Ok(bytes),
                    found => Err(wrong(&path.display(), &format!("has the digest {found}"))),
                }
            }
        }
    }

    /// Returns the manifest that a tag points to, or `None` if the tag does not exist. Fails if the
    /// layout or the registry cannot be read.
    pub fn find(&self, tag: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Registry(reading) => reading.find(tag).map_err(without_verdict),
            Self::Layout(_, entries) => {
                let has_tag = |entry: &&Value| {
                    let annotations = entry.get("annotations");
                    annotations
                        .and_then(|all| all.get(TAG_ANNOTATION))
                        .and_then(Value::as_str)
                        == Some(tag)
                };
                entries
                    .iter()
                    .find(has_tag)
                    .and_then(digest_of)
                    .map(|digest| self.manifest(&digest))
                    .transpose()
            }
        }
    }

    /// Returns the path of a blob's file. Fails if the blob does not have the given digest and
    /// size. `name` is the name of the blob in messages. Returns `None` if a layout names the blob
    /// but does not contain it.
    pub fn blob(&self, name: &str, digest: &Digest, size: u64) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Registry(reading) => reading
                .blob(name, digest, size)
                .map(Some)
                .map_err(without_verdict),
            Self::Layout(dir, _) => {
                let path = dir.join(blob_name(digest));
                let Ok(known) = std::fs::metadata(&path) else {
                    return Ok(None);
                };
                // Reading from a pipe could wait forever, and a file with another size is wrong in
                // any case.
                if !known.is_file() || known.len() != size {
                    return Err(wrong(
                        &path.display(),
                        &format!("is not a file of {size} bytes"),
                    ));
                }
                let file = std::fs::File::open(&path)
                    .map_err(|error| Failure::file(&path, "be read", error))?;
                let found = Digest::of_reader(file)
                    .map_err(|error| wrong(&path.display(), &error.to_string()))?;
                match found {
                    (found, _) if found != *digest => {
                        Err(wrong(&path.display(), &format!("has the digest {found}")))
                    }
                    (_, found) if found != size => Err(wrong(
                        &path.display(),
                        &format!("has {found} bytes, not {size}"),
                    )),
                    _ => Ok(Some(path)),
                }
            }
        }
    }

    /// Counts the entries in the index of a layout other than the image `image`. The first number
    /// counts entries with the tag of the image, which a reader could mistake for the image. The
    /// second number counts other images, which are not inspected. Both numbers are 0 for a
    /// registry.
    pub fn others(&self, image: &Digest) -> (usize, usize) {
        let Self::Layout(_, entries) = self else {
            return (0, 0);
        };
        let text = |entry: &Value, key: &str| {
            let annotations = entry.get("annotations");
            annotations
                .and_then(|all| all.get(key))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let tag = entries
            .first()
            .and_then(|entry| text(entry, TAG_ANNOTATION));
        let (mut doubles, mut images) = (0, 0);
        for entry in entries.iter().skip(1) {
            let own = text(entry, TAG_ANNOTATION);
            if own.is_some() && own == tag {
                doubles += 1;
            } else if entry.get("artifactType").is_none() && own != Some(signature_tag(image)) {
                images += 1;
            }
        }
        (doubles, images)
    }

    /// Returns the digests of the artifacts that are listed as referrers of an image. For a layout,
    /// these are all entries of its index that have an artifact type, whatever their subject is.
    /// Fails if the registry cannot be read.
    pub fn referrers(&self, image: &Digest) -> Result<Vec<Digest>, Failure> {
        match self {
            Self::Registry(reading) => Ok(reading
                .referrers(image)
                .map_err(without_verdict)?
                .iter()
                .filter_map(digest_of)
                .collect()),
            // Artifacts with a tag are found by their tag.
            Self::Layout(_, entries) => {
                let is_listed = |entry: &&Value| entry.get("artifactType").is_some();
                Ok(entries
                    .iter()
                    .skip(1)
                    .filter(is_listed)
                    .filter_map(digest_of)
                    .collect())
            }
        }
    }
}

/// Returns the digest in a descriptor, or `None` if the descriptor has no valid digest.
pub fn digest_of(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor.get("digest")?.as_str()?)
}

fn wrong(what: &dyn std::fmt::Display, problem: &str) -> Failure {
    Failure::new(
        Kind::Verification,
        format!("{what}: {}", quoted(problem, REASON_BYTES)),
        "write the layout again with `cargo xtask package`",
    )
}

/// Converts the failure of a registry that cannot serve a request now to that of a registry that
/// does not respond. Both say nothing about the image. Returns any other failure, such as that of
/// bytes with another digest, as it is.
fn without_verdict(failure: Failure) -> Failure {
    match failure.kind {
        Kind::Unavailable => Failure {
            kind: Kind::Network,
            ..failure
        },
        _ => failure,
    }
}

/// Returns true if something could not be read because the registry did not respond, or could not
/// serve the request. Such a failure says nothing about the image.
pub fn is_of_network(failure: &Failure) -> bool {
    failure.kind == Kind::Network
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{BaseReference, Identity, fake};

    /// Requests the blob with the content `blob` from a fake registry that sends the response
    /// `answer`. Returns the path of the fetched file, or the failure.
    fn read(blob: &str, answer: &str) -> Result<Option<PathBuf>, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (registry, _requests) = fake::start(vec![answer]);
        let folder = tempfile::tempdir().unwrap();
        let access = Identity::default().access(&registry, true, true);
        let reference = BaseReference::of_image(&format!("{registry}/a:1")).unwrap();
        let reading = Reading::open(&access, &reference, folder.path()).unwrap();
        let (digest, size) = (Digest::of(blob.as_bytes()), blob.len() as u64);
        Store::Registry(Box::new(reading)).blob("x", &digest, size)
    }

    #[test]
    fn a_registry_that_cannot_serve_a_blob_gives_no_verdict_on_it() {
        assert!(read("ours", "200||ours").is_ok());
        // The status code 501 is not retried.
        let unserved = read("ours", "501").unwrap_err();
        assert!(is_of_network(&unserved), "{unserved}");
        assert_eq!(unserved.exit_code(), 6);
        for answer in ["200||hers", "404"] {
            let wrong = read("ours", answer).unwrap_err();
            assert!(!is_of_network(&wrong), "{answer}: {wrong}");
        }
    }
}
