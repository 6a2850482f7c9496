//! Manifests in a registry: checking for them, reading and writing them.
//!
//! Owns these requests, and the check of every digest. Must not know in which order an image needs
//! them.

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::{Response, Url};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use serde_json::Value;

use super::repository::{Repository, header};
use super::{answer, bounds};
use crate::image::manifest::ACCEPTED;

/// Result of writing a manifest that the registry accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// True if the registry added the manifest to the referrers list of its subject by itself.
    pub is_listed: bool,
}

/// Returns the digest of the manifest that a repository has under this name, which is a tag or a
/// digest. If the registry does not state the digest, `name` is returned. Returns `None` if the
/// repository has no manifest under this name. Fails if the registry refuses the request, or does
/// not respond.
pub async fn stored(repository: &Repository, name: &str) -> Result<Option<String>, Failure> {
    let action = format!("looking for the manifest `{name}`");
    let url = repository.url(&format!("manifests/{name}"))?;
    let ask = |client: &reqwest::Client| {
        client
            .head(url.clone())
            .header("accept", ACCEPTED.join(", "))
    };
    let response = repository.send(&action, ask).await?;
    match response.status().as_u16() {
        // If the manifest was requested by digest, no header is needed to know its digest.
        200 => Ok(Some(
            header(&response, "docker-content-digest")
                .unwrap_or(name)
                .to_owned(),
        )),
        404 => Ok(None),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

/// Reads the manifest with this name, which is a tag or a digest. Fails if the registry refuses the
/// request or does not respond, or if the manifest does not exist, is too large or has too many
/// layers. Also fails if it has another digest than `expected`. If `expected` is `None`, the digest
/// that the registry states is used. `action` describes the request in error messages.
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

/// Reads the manifest with this tag. Returns `None` if the tag does not exist. Fails if the
/// registry refuses the request or does not respond, or if the manifest is too large, has too many
/// layers or has another digest than the registry states.
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
    repository.allowance.document(action)?;
    let url = repository.url(&format!("manifests/{name}"))?;
    repository
        .send(action, |client| {
            client
                .get(url.clone())
                .header("accept", ACCEPTED.join(", "))
        })
        .await
}

async fn read(
    action: &str,
    response: Response,
    expected: Option<&Digest>,
) -> Result<Vec<u8>, Failure> {
    let named = header(&response, "docker-content-digest").and_then(Digest::parse);
    let bytes = whole(action, response).await?;
    check(action, &bytes, expected.or(named.as_ref()))?;
    bounds::layers(action, &bytes)?;
    Ok(bytes)
}

/// Returns the entries of the referrers list that the registry itself keeps for an image. `image`
/// is the digest of the image. Returns `None` if the registry does not keep referrers lists. Fails
/// if the registry refuses a request or does not respond, or if the list has too many entries or
/// pages.
pub async fn referrers(
    repository: &Repository,
    image: &Digest,
) -> Result<Option<Vec<Value>>, Failure> {
    let action = "reading what belongs to the image";
    let mut url = repository.url(&format!("referrers/{image}"))?;
    let mut listed = Vec::new();
    let mut pages: Vec<Url> = Vec::new();
    loop {
        repository.allowance.document(action)?;
        let ask = |client: &reqwest::Client| {
            client
                .get(url.clone())
                .header("accept", OCI_IMAGE_INDEX_MEDIA_TYPE)
        };
        let response = repository.send(action, ask).await?;
        match response.status().as_u16() {
            200 => {}
            // Registries without referrers lists do not know this address.
            400 | 404 | 405 if pages.is_empty() => return Ok(None),
            _ => return Err(answer::unexpected(action, response).await),
        }
        let next = next_page(&response);
        listed.extend(entries_of(&whole(action, response).await?)?);
        bounds::referrers(listed.len())?;
        let Some(next) = next else {
            return Ok(Some(listed));
        };
        pages.push(std::mem::replace(&mut url, next));
        if pages.len() >= bounds::MOST_PAGES || pages.contains(&url) {
            return Err(bounds::pages());
        }
    }
}

/// Returns the URL of the next page of a referrers list, from the `Link` header of a response (RFC
/// 8288). Returns `None` after the last page. A URL at another host is ignored, because the page
/// would not be from the registry.
fn next_page(response: &Response) -> Option<Url> {
    let links = response
        .headers()
        .get_all("link")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let target = links.flat_map(|links| links.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        parameters.split(';').any(is_next).then_some(target)
    })?;
    response
        .url()
        .join(target)
        .ok()
        .filter(|next| next.origin() == response.url().origin())
}

/// Writes a manifest under the name `name`, which is a digest or a tag. Fails if the registry
/// refuses the manifest or stores another one.
pub async fn put(
    repository: &Repository,
    name: &str,
    media_type: &str,
    manifest: &[u8],
) -> Result<Put, Failure> {
    let action = format!("upload of the manifest as `{name}`");
    let url = repository.url(&format!("manifests/{name}"))?;
    let request = |client: &reqwest::Client| {
        client
            .put(url.clone())
            .header("content-type", media_type)
            .body(manifest.to_vec())
    };
    let response = repository.send(&action, request).await?;
    if response.status() != 201 {
        return Err(answer::unexpected(&action, response).await);
    }
    let digest = Digest::of(manifest).to_string();
    match header(&response, "docker-content-digest") {
        Some(stored) if stored != digest => Err(Failure::new(
            Kind::Registry,
            format!(
                "{action}: the registry stored {}, and {digest} was sent",
                quoted(stored, NAME_BYTES)
            ),
            "something between here and the registry rewrites manifests; push past it",
        )),
        _ => Ok(Put {
            is_listed: header(&response, "oci-subject").is_some(),
        }),
    }
}

/// Reads the whole body of a response. Fails if the body is larger than the maximum size of a
/// document (8 MiB), or does not arrive completely. `action` describes the request.
pub async fn whole(action: &str, response: Response) -> Result<Vec<u8>, Failure> {
    let most_bytes = bounds::LARGEST_DOCUMENT_BYTES;
    bounds::body(response, most_bytes)
        .await
        .map_err(|unread| unread.failure(action, most_bytes))
}

/// Fails if `bytes` do not have the digest `expected`. If `expected` is `None`, all bytes are
/// accepted. `action` describes the request.
pub fn check(action: &str, bytes: &[u8], expected: Option<&Digest>) -> Result<(), Failure> {
    let found = Digest::of(bytes);
    match expected {
        Some(expected) if *expected != found => Err(strange(
            action,
            &format!("has the digest {found}, and was asked for as {expected}"),
        )),
        _ => Ok(()),
    }
}

fn strange(action: &str, problem: &str) -> Failure {
    Failure::new(
        Kind::Registry,
        format!("{action}: it {problem}"),
        answer::NO_MANIFEST,
    )
}

/// Parses a referrers list and returns its entries. Fails if the list is not JSON.
pub fn entries_of(bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let list: Value = serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(
            Kind::Registry,
            format!("the list of what belongs to the image: {error}"),
            answer::NO_MANIFEST,
        )
    })?;
    Ok(list
        .get("manifests")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}

#[cfg(test)]
mod tests;
