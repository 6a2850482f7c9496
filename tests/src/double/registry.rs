//! Blobs, uploads, manifests and referrers of the fake registry, according to its rules.
//!
//! Owns the routes of the OCI distribution specification. Must not know which client sends a
//! request, because access is checked before.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::State;
use super::wire::{Answer, Request};

/// An upload that is in progress.
#[derive(Debug, Default)]
pub struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// Number that changes with every request of the upload. A client must repeat the current
    /// number to continue the upload.
    state: u64,
    is_short: bool,
}

/// Returns the digest of bytes: `sha256:` and hex digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Returns the id of an upload, which is the last part of its path.
pub fn upload_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl State {
    pub(super) fn registry(&mut self, request: &Request) -> Answer {
        let path = request.path.trim_start_matches("/v2/");
        if request.path == "/v2/" {
            return Answer::of(200).body(b"{}".to_vec());
        }
        if request.body.len() > self.rules.largest_body_bytes {
            return Answer::error(
                413,
                "SIZE_INVALID",
                "the body is larger than this registry takes in one request",
            );
        }
        if let Some((name, rest)) = path.split_once("/blobs/uploads/") {
            return self.upload(request, name, rest);
        }
        if let Some((name, digest)) = path.split_once("/blobs/") {
            return self.blob(request, name, digest);
        }
        if let Some((name, reference)) = path.split_once("/manifests/") {
            return self.manifest(request, name, reference);
        }
        if let Some((name, subject)) = path.split_once("/referrers/") {
            return self.referrers(name, subject);
        }
        if path.ends_with("/tags/list") {
            return Answer::of(200).body(b"{}".to_vec());
        }
        Answer::error(404, "UNSUPPORTED", "no such route")
    }

    fn blob(&self, request: &Request, name: &str, digest: &str) -> Answer {
        let Some(bytes) = self.blobs.get(&(name.to_owned(), digest.to_owned())) else {
            return Answer::error(404, "BLOB_UNKNOWN", "no such blob");
        };
        match (&self.rules.storage, request.method.as_str()) {
            (Some(storage), "GET") => Answer::of(307).with(
                "location",
                format!("http://{storage}/v2/{name}/blobs/{digest}?sig=right"),
            ),
            _ => Answer::of(200)
                .with("docker-content-digest", digest)
                .body(bytes.clone()),
        }
    }

    fn upload(&mut self, request: &Request, name: &str, id: &str) -> Answer {
        match request.method.as_str() {
            "POST" => self.begin(request, name),
            "PATCH" => self.piece(request, id),
            "GET" => match self.uploads.get(id) {
                Some(upload) if Self::fits(request, upload) => self.stand(204, id),
                _ => lost(),
            },
            "PUT" => self.finish(request, id),
            "DELETE" if self.uploads.remove(id).is_some() => Answer::of(204),
            "DELETE" => lost(),
            _ => Answer::error(405, "UNSUPPORTED", "no such method"),
        }
    }

    fn begin(&mut self, request: &Request, name: &str) -> Answer {
        if let (Some(digest), Some(from)) = (request.field("mount"), request.field("from")) {
            let found = self
                .blobs
                .get(&(from.to_owned(), digest.to_owned()))
                .cloned();
            if let Some(bytes) = found {
                self.blobs
                    .insert((name.to_owned(), digest.to_owned()), bytes);
                // Some registries do not send the header `Location` either.
                return Answer::of(201);
            }
        }
        self.count += 1;
        let id = format!("u{}", self.count);
        self.uploads.insert(
            id.clone(),
            Upload {
                repository: name.to_owned(),
                ..Upload::default()
            },
        );
        let answer = self.stand(202, &id);
        match self.rules.least_chunk_bytes {
            Some(least) => answer.with("oci-chunk-min-length", least.to_string()),
            None => answer,
        }
    }

    fn fits(request: &Request, upload: &Upload) -> bool {
        request.field("_state") == Some(format!("s+{}", upload.state).as_str())
    }

    /// Returns a response that states the URL and the progress of the upload `id`. The query of the
    /// URL has the number that the next request must repeat.
    fn stand(&self, status: u16, id: &str) -> Answer {
        let Some(upload) = self.uploads.get(id) else {
            return lost();
        };
        let location = format!(
            "/v2/{}/blobs/uploads/{id}?_state=s%2B{}",
            upload.repository, upload.state
        );
        let range = format!("0-{}", upload.bytes.len().saturating_sub(1));
        Answer::of(status)
            .with("location", location)
            .with("range", range)
    }

    fn piece(&mut self, request: &Request, id: &str) -> Answer {
        let least = self.rules.least_chunk_bytes;
        let Some(upload) = self
            .uploads
            .get_mut(id)
            .filter(|upload| Self::fits(request, upload))
        else {
            return lost();
        };
        if request.header("content-length").is_none() {
            return Answer::error(400, "CONTENT_LENGTH_INVALID", "a chunk needs its length");
        }
        let start = upload.bytes.len();
        let range = format!("{start}-{}", (start + request.body.len()).saturating_sub(1));
        if request.header("content-range") != Some(range.as_str()) {
            return Answer::error(416, "BLOB_UPLOAD_INVALID", "chunks must come in order");
        }
        if upload.is_short {
            return Answer::error(
                400,
                "SIZE_INVALID",
                "a chunk that is not the last is too small",
            );
        }
        upload.is_short = least.is_some_and(|least| (request.body.len() as u64) < least);
        upload.bytes.extend(&request.body);
        upload.state += 1;
        self.stand(202, id)
    }

    fn finish(&mut self, request: &Request, id: &str) -> Answer {
        let Some(upload) = self
            .uploads
            .get(id)
            .filter(|upload| Self::fits(request, upload))
        else {
            return lost();
        };
        let bytes = [upload.bytes.as_slice(), &request.body].concat();
        let found = digest(&bytes);
        if request.field("digest") != Some(found.as_str()) {
            return Answer::error(400, "DIGEST_INVALID", "these bytes have another digest");
        }
        let repository = upload.repository.clone();
        self.uploads.remove(id);
        self.blobs.insert((repository, found), bytes);
        Answer::of(201)
    }

    fn manifest(&mut self, request: &Request, name: &str, reference: &str) -> Answer {
        if request.method == "PUT" {
            return self.put(request, name, reference);
        }
        let by_tag = self.tags.get(&(name.to_owned(), reference.to_owned()));
        let digest = by_tag.map_or(reference, String::as_str).to_owned();
        match self.manifests.get(&(name.to_owned(), digest.clone())) {
            Some((media_type, bytes)) => Answer::of(200)
                .with("content-type", media_type)
                .with("docker-content-digest", digest)
                .body(bytes.clone()),
            None => Answer::error(404, "MANIFEST_UNKNOWN", "no such manifest"),
        }
    }

    fn put(&mut self, request: &Request, name: &str, reference: &str) -> Answer {
        let found = digest(&request.body);
        let Ok(manifest) = serde_json::from_slice::<Value>(&request.body) else {
            return Answer::error(400, "MANIFEST_INVALID", "not JSON");
        };
        let media_type = request
            .header("content-type")
            .unwrap_or_default()
            .to_owned();
        if manifest["mediaType"] != media_type.as_str() {
            return Answer::error(400, "MANIFEST_INVALID", "it calls itself something else");
        }
        if reference.starts_with("sha256:") && reference != found {
            return Answer::error(400, "DIGEST_INVALID", "these bytes have another digest");
        }
        let key = (name.to_owned(), found.clone());
        let before = self
            .manifests
            .insert(key.clone(), (media_type, request.body.clone()));
        let missing = self.missing(name, &found);
        if self.rules.checks_manifests && !missing.is_empty() {
            self.manifests.remove(&key);
            self.manifests.extend(before.map(|before| (key, before)));
            return Answer::error(400, "MANIFEST_BLOB_UNKNOWN", &missing.join(", "));
        }
        if !missing.is_empty() {
            self.violations
                .push(format!("a manifest of {name} names {}", missing.join(", ")));
        }
        if !reference.starts_with("sha256:") {
            self.tags
                .insert((name.to_owned(), reference.to_owned()), found.clone());
        }
        let answer = Answer::of(201).with("docker-content-digest", found);
        match manifest["subject"]["digest"].as_str() {
            Some(subject) if self.rules.lists_referrers => answer.with("oci-subject", subject),
            _ => answer,
        }
    }

    /// Returns the digests of the content that a manifest names but the repository `name` does not
    /// have. If the manifest itself is missing, only its digest is returned.
    pub(super) fn missing(&self, name: &str, digest: &str) -> Vec<String> {
        let key = |digest: &str| (name.to_owned(), digest.to_owned());
        let Some((_, bytes)) = self.manifests.get(&key(digest)) else {
            return vec![digest.to_owned()];
        };
        let manifest: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let list = |field: &str| manifest[field].as_array().cloned().unwrap_or_default();
        let blobs = list("layers")
            .into_iter()
            .chain([manifest["config"].clone()])
            .filter(|one| one["urls"].is_null());
        let blobs = blobs.filter_map(|one| one["digest"].as_str().map(str::to_owned));
        let blobs = blobs.filter(|digest| !self.blobs.contains_key(&key(digest)));
        let manifests = list("manifests")
            .into_iter()
            .filter_map(|one| one["digest"].as_str().map(str::to_owned));
        blobs
            .chain(manifests.filter(|digest| !self.manifests.contains_key(&key(digest))))
            .collect()
    }

    fn referrers(&self, name: &str, subject: &str) -> Answer {
        if !self.rules.lists_referrers {
            return Answer::error(404, "UNSUPPORTED", "no such route");
        }
        let entries = self
            .manifests
            .iter()
            .filter(|((repository, _), _)| repository == name);
        let entries = entries.filter_map(|((_, digest), (media_type, bytes))| {
            let manifest: Value = serde_json::from_slice(bytes).ok()?;
            (manifest["subject"]["digest"] == subject).then(|| {
                json!({ "mediaType": media_type, "digest": digest, "size": bytes.len(),
                    "artifactType": manifest["artifactType"], "annotations": manifest["annotations"] })
            })
        });
        let media_type = "application/vnd.oci.image.index.v1+json";
        let entries: Vec<_> = entries.collect();
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
        Answer::of(200)
            .with("content-type", media_type)
            .body(index.to_string().into_bytes())
    }
}

fn lost() -> Answer {
    Answer::error(
        404,
        "BLOB_UPLOAD_UNKNOWN",
        "no such upload, or another step of it",
    )
}
