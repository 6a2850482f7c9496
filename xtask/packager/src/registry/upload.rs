//! Upload of one blob into a repository.
//!
//! Owns the check whether the repository has the blob, the mount of the blob from another
//! repository, and the attempts to send the blob. Must not know what the blob holds.

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};

use super::answer;
use super::broken::Broken;
use super::chunks::Chunks;
use super::progress::{Bar, Progress};
use super::repository::Repository;
use super::sent::Sent;
use super::source::{Reader, Source};
use super::transport::{ATTEMPTS, backoff};

/// A blob to upload to a repository.
#[derive(Debug)]
pub struct Upload<'a> {
    /// Name of the blob in messages.
    pub name: &'a str,
    /// Digest of the blob's bytes.
    pub digest: &'a Digest,
    /// Size of the blob, in bytes.
    pub size: u64,
    /// File or repository from which the bytes of the blob are read.
    pub source: Source<'a>,
    /// Name of another repository in the target registry that has the blob, so that the blob can be
    /// mounted from it. `None` if no such repository is known.
    pub neighbour: Option<&'a str>,
}

/// Uploads a blob to a repository, and returns how the repository got the blob. If the repository
/// has the blob already, nothing is sent. Fails if the registry refuses the blob, or if the bytes
/// do not have its digest.
pub async fn upload(
    target: &Repository,
    blob: &Upload<'_>,
    progress: &Progress,
) -> Result<Sent, Failure> {
    if is_there(target, blob).await? {
        return Ok(Sent::Skipped);
    }
    let action = format!("upload of blob `{}`", blob.name);
    let mut opened = None;
    if let Some(neighbour) = blob.neighbour {
        match mount(target, &action, blob.digest, neighbour).await? {
            Mounted::Yes => return Ok(Sent::Mounted),
            Mounted::No(chunks) => opened = chunks,
        }
    }
    let (verb, outcome) = match blob.source {
        Source::File(_) => ("sending", Sent::Uploaded),
        Source::Registry(_) => ("copying", Sent::Copied),
    };
    let bar = progress.begin(verb, blob.name, blob.size);
    let mut attempt = 1;
    loop {
        match send_whole(target, &action, blob, opened.take(), &bar).await {
            Ok(()) => break,
            // After a broken session it is unknown what the registry holds, so the upload starts
            // again.
            Err(broken) if broken.may_pass && attempt < ATTEMPTS => {
                tokio::time::sleep(backoff(attempt)).await;
                attempt += 1;
            }
            Err(broken) => return Err(broken.failure),
        }
    }
    bar.finish();
    Ok(outcome)
}

/// Returns the result that the upload of a blob would have. Only the target repository is asked
/// whether it has the blob. Nothing is sent. Fails if the registry refuses the request, or does not
/// respond.
pub async fn foresee(target: &Repository, blob: &Upload<'_>) -> Result<Sent, Failure> {
    Ok(
        match (is_there(target, blob).await?, blob.neighbour, blob.source) {
            (true, ..) => Sent::Skipped,
            (false, Some(_), _) => Sent::Mounted,
            (false, None, Source::Registry(_)) => Sent::Copied,
            (false, None, Source::File(_)) => Sent::Uploaded,
        },
    )
}

async fn is_there(target: &Repository, blob: &Upload<'_>) -> Result<bool, Failure> {
    let action = format!("looking for blob `{}`", blob.name);
    let url = target.url(&format!("blobs/{}", blob.digest))?;
    let response = target
        .send(&action, |client| client.head(url.clone()))
        .await?;
    match response.status().as_u16() {
        // If a registry redirects to the storage that holds the blob, it has the blob.
        200 | 302 | 307 => Ok(true),
        404 => Ok(false),
        _ => Err(answer::unexpected(&action, response).await),
    }
}

enum Mounted<'a> {
    Yes,
    /// The registry did not mount the blob. It may have opened an upload session instead. `None` if
    /// it did not.
    No(Option<Chunks<'a>>),
}

async fn mount<'a>(
    target: &'a Repository,
    action: &'a str,
    digest: &Digest,
    neighbour: &str,
) -> Result<Mounted<'a>, Failure> {
    let mut url = target.url("blobs/uploads/")?;
    url.query_pairs_mut()
        .append_pair("mount", &digest.to_string())
        .append_pair("from", neighbour);
    let request = |client: &reqwest::Client| client.post(url.clone()).header("content-length", "0");
    let response = match target.send_beside(neighbour, action, request).await {
        // The user may be allowed to write to the target but not to read the neighbour. The upload
        // that follows finds out which right is missing.
        Err(failure) if matches!(failure.kind, Kind::Registry | Kind::Unavailable) => {
            return Ok(Mounted::No(None));
        }
        outcome => outcome?,
    };
    match response.status().as_u16() {
        201 => Ok(Mounted::Yes),
        202 => Ok(Mounted::No(Some(Chunks::opened(
            target, action, &response,
        )?))),
        // A registry that does not mount, or not from this repository, may still accept the bytes.
        400 | 403 | 404 | 405 => Ok(Mounted::No(None)),
        _ => Err(answer::unexpected(action, response).await),
    }
}

async fn send_whole(
    target: &Repository,
    action: &str,
    blob: &Upload<'_>,
    opened: Option<Chunks<'_>>,
    bar: &Bar,
) -> Result<(), Broken> {
    let mut bytes = Reader::open(blob.source, blob.name, blob.digest, blob.size).await?;
    let mut chunks = match opened {
        Some(chunks) => chunks,
        None => Chunks::begin(target, action).await?,
    };
    while chunks.wanted(blob.size) > 0 {
        chunks.send(&mut bytes, blob.size, bar).await?;
    }
    // The digest is checked before the registry is asked to complete the blob.
    bytes.check().await?;
    chunks.finish(blob.digest).await
}

#[cfg(test)]
mod tests;
