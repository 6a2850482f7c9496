//! A whole image's way into a registry.
//!
//! Owns the order: blobs, manifest by digest, manifest by tag, a last look. Must not know how the image came about.

use std::io::{IsTerminal as _, Write as _};

use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use reqwest::{Client, Url};

use super::transport::{client, send};
use super::upload::{Upload, header, join, upload};
use super::{Sent, Target, answer};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::layout::{Blob, WrittenImage};

/// Sends what the registry does not have, and returns what happened to each of the image's blobs, in their order.
pub fn push(image: &WrittenImage, target: &Target, plain_http: bool) -> Result<Vec<Sent>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::other(format!("no runtime for sockets: {error}"), "see the limits on open files and processes")
    })?;
    runtime.block_on(push_all(image, target, plain_http))
}

async fn push_all(image: &WrittenImage, target: &Target, plain_http: bool) -> Result<Vec<Sent>, Failure> {
    let client = client(&target.registry)?;
    let scheme = if plain_http { "http" } else { "https" };
    let base = format!("{scheme}://{}/v2/{}/", target.registry, target.repository);
    let base = Url::parse(&base).map_err(|error| {
        Failure::project(format!("`{base}`: {error}"), "write the registry as HOST[:PORT], without https://")
    })?;
    let mut outcomes = Vec::new();
    for blob in &image.blobs {
        let path = image.blob_path(&blob.digest);
        let one = Upload { name: blob.name, digest: &blob.digest, size: blob.size, path: &path };
        outcomes.push(upload(&client, &base, &one, &|sent| show_progress(blob, sent)).await?);
    }
    put_manifest(&client, &base, image, &image.digest.to_string()).await?;
    put_manifest(&client, &base, image, &target.tag).await?;
    look(&client, &base, &image.digest).await?;
    Ok(outcomes)
}

/// Rewrites one line on a terminal; in a log the lines at the end are enough.
fn show_progress(blob: &Blob, sent: u64) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let end = if sent == blob.size { "\r\x1b[K" } else { "" };
        // A terminal that went away is no reason to stop.
        let _ = write!(out, "\r\x1b[Ksending {}: {} of {} MiB{end}", blob.name, sent >> 20, blob.size >> 20);
        let _ = out.flush();
    }
}

async fn put_manifest(client: &Client, base: &Url, image: &WrittenImage, name: &str) -> Result<(), Failure> {
    let action = format!("upload of the manifest as `{name}`");
    let url = join(base, &format!("manifests/{name}"))?;
    let request = || client.put(url.clone()).header("content-type", OCI_IMAGE_MEDIA_TYPE).body(image.manifest.clone());
    let response = send(&action, request).await?;
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

async fn look(client: &Client, base: &Url, digest: &Digest) -> Result<(), Failure> {
    let action = "a last look at the manifest";
    let url = join(base, &format!("manifests/{digest}"))?;
    let response = send(action, || client.head(url.clone()).header("accept", OCI_IMAGE_MEDIA_TYPE)).await?;
    match response.status().as_u16() {
        200 => Ok(()),
        _ => Err(answer::unexpected(action, response).await),
    }
}
