//! Manifests in a registry: looked for, read, written.
//!
//! Owns these questions, and the check of every digest. Must not know in which order an image needs them.

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::Response;
use serde_json::Value;

use super::repository::{Repository, header};
use super::{answer, attach};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::manifest::ACCEPTED;

/// Registries take manifests up to 4 MiB; a configuration is of that order.
const LARGEST_DOCUMENT_BYTES: usize = 8 << 20;

/// A manifest that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// Whether the registry listed it under its subject by itself.
    pub is_listed: bool,
}

/// The digest of the manifest that a tag or digest leads to; `None`: to none.
pub async fn stored(repository: &Repository, name: &str) -> Result<Option<String>, Failure> {
    let action = format!("looking for the manifest `{name}`");
    let url = repository.url(&format!("manifests/{name}"))?;
    let ask = |client: &reqwest::Client| client.head(url.clone()).header("accept", ACCEPTED.join(", "));
    let response = repository.send(&action, ask).await?;
    match response.status().as_u16() {
        // That a digest leads to itself needs no header to say so.
        200 => Ok(Some(header(&response, "docker-content-digest").unwrap_or(name).to_owned())),
        404 => Ok(None),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

/// Reads a manifest, which must have this digest if one is given; `action` is for messages.
pub async fn get(
    repository: &Repository,
    action: &str,
    name: &str,
    expected: Option<&Digest>,
) -> Result<Vec<u8>, Failure> {
    match ask(repository, action, name).await? {
        response if response.status() == 200 => read(action, response, expected).await,
        response => Err(answer::unexpected(action, response).await),
    }
}

/// Reads the manifest that a tag leads to; `None`: there is none.
pub async fn find(repository: &Repository, tag: &str) -> Result<Option<Vec<u8>>, Failure> {
    let action = format!("reading the manifest `{tag}`");
    let response = ask(repository, &action, tag).await?;
    match response.status().as_u16() {
        200 => Ok(Some(read(&action, response, None).await?)),
        404 => Ok(None),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

async fn ask(repository: &Repository, action: &str, name: &str) -> Result<Response, Failure> {
    let url = repository.url(&format!("manifests/{name}"))?;
    repository.send(action, |client| client.get(url.clone()).header("accept", ACCEPTED.join(", "))).await
}

async fn read(action: &str, response: Response, expected: Option<&Digest>) -> Result<Vec<u8>, Failure> {
    let named = header(&response, "docker-content-digest").and_then(Digest::parse);
    let bytes = whole(action, response).await?;
    check(action, &bytes, expected.or(named.as_ref()))?;
    Ok(bytes)
}

/// What the registry itself lists as belonging to an image; `None`: it keeps no such list.
pub async fn referrers(repository: &Repository, image: &Digest) -> Result<Option<Vec<Value>>, Failure> {
    let action = "reading what belongs to the image";
    let url = repository.url(&format!("referrers/{image}"))?;
    let ask = |client: &reqwest::Client| client.get(url.clone()).header("accept", OCI_IMAGE_INDEX_MEDIA_TYPE);
    let response = repository.send(action, ask).await?;
    match response.status().as_u16() {
        200 => Ok(Some(attach::entries_of(&whole(action, response).await?)?)),
        // Registries without such a list know nothing of the address.
        400 | 404 | 405 => Ok(None),
        _ => Err(answer::unexpected(action, response).await),
    }
}

/// Writes a manifest by digest or by tag.
pub async fn put(repository: &Repository, name: &str, media_type: &str, manifest: &[u8]) -> Result<Put, Failure> {
    let action = format!("upload of the manifest as `{name}`");
    let url = repository.url(&format!("manifests/{name}"))?;
    let request =
        |client: &reqwest::Client| client.put(url.clone()).header("content-type", media_type).body(manifest.to_vec());
    let response = repository.send(&action, request).await?;
    if response.status() != 201 {
        return Err(answer::unexpected(&action, response).await);
    }
    let digest = Digest::of(manifest).to_string();
    match header(&response, "docker-content-digest") {
        Some(stored) if stored != digest => Err(Failure::new(
            Kind::Registry,
            format!("{action}: the registry stored {stored}, and {digest} was sent"),
            "something between here and the registry rewrites manifests; push past it",
        )),
        _ => Ok(Put { is_listed: header(&response, "oci-subject").is_some() }),
    }
}

/// The whole body of an answer, up to a bound.
pub async fn whole(action: &str, mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| answer::unanswered(action, &error.without_url()))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LARGEST_DOCUMENT_BYTES {
            return Err(strange(action, &format!("is larger than {LARGEST_DOCUMENT_BYTES} bytes")));
        }
    }
    Ok(bytes)
}

/// Refuses bytes that are not those that were named.
pub fn check(action: &str, bytes: &[u8], expected: Option<&Digest>) -> Result<(), Failure> {
    let found = Digest::of(bytes);
    match expected {
        Some(expected) if *expected != found => {
            Err(strange(action, &format!("has the digest {found}, and was asked for as {expected}")))
        }
        _ => Ok(()),
    }
}

fn strange(action: &str, problem: &str) -> Failure {
    Failure::new(Kind::Registry, format!("{action}: it {problem}"), answer::NO_MANIFEST)
}
