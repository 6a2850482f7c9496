//! One open upload session at a registry, in which a blob is sent in chunks.
//!
//! Owns the chunk size, and the retry of a chunk that was cut off. Must not know where the bytes
//! come from, nor whether the blob should be sent.

use std::cell::Cell;

use reqwest::{Body, Response, Url};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};

use super::answer;
use super::broken::Broken;
use super::progress::Bar;
use super::repository::{Repository, header, location};
use super::source::Reader;
use super::transport::{ATTEMPTS, backoff};

/// Size of a chunk, in bytes, unless the registry demands larger chunks. Azure Container Registry
/// refuses a single request of more than about 20 MB.
const CHUNK_BYTES: u64 = 16 << 20;
/// Upper limit on the minimum chunk size that a registry may demand, in bytes. If a registry
/// demands larger chunks, the upload fails.
const LARGEST_CHUNK_BYTES: u64 = 1 << 30;

/// An open upload session at a registry, and the progress of its chunks.
#[derive(Debug)]
pub struct Chunks<'a> {
    target: &'a Repository,
    action: &'a str,
    location: Url,
    /// Number of bytes of the blob that the registry has received.
    sent: u64,
    /// Size of every chunk except the last one, in bytes.
    chunk_bytes: u64,
}

impl<'a> Chunks<'a> {
    /// Opens an upload session for a blob in the repository `target`. `action` describes the upload
    /// in error messages. Fails if the registry refuses the upload, does not respond, or demands
    /// chunks of more than 1 GiB.
    pub async fn begin(target: &'a Repository, action: &'a str) -> Result<Self, Broken> {
        let url = target.url("blobs/uploads/")?;
        let response = target
            .send(action, |client| {
                client.post(url.clone()).header("content-length", "0")
            })
            .await?;
        match response.status().as_u16() {
            202 => Ok(Self::opened(target, action, &response)?),
            // A repository that does not exist will not appear by itself, so a 404 is not retried.
            404 => Err(answer::unexpected(action, response).await.into()),
            _ => Err(Broken::unexpected(action, response).await),
        }
    }

    /// Continues an upload session that the registry has already opened. `response` is the
    /// registry's response, and `action` describes the upload in error messages. Fails if the
    /// registry demands chunks of more than 1 GiB, or if its response does not say where to
    /// continue.
    pub fn opened(
        target: &'a Repository,
        action: &'a str,
        response: &Response,
    ) -> Result<Self, Failure> {
        let least = header(response, "oci-chunk-min-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if least > LARGEST_CHUNK_BYTES {
            return Err(Failure::new(
                Kind::Registry,
                format!("{action}: the registry takes no chunk below {least} bytes"),
                format!("set its smallest chunk to at most {LARGEST_CHUNK_BYTES} bytes"),
            ));
        }
        let location = location(action, response)?;
        Ok(Self {
            target,
            action,
            location,
            sent: 0,
            chunk_bytes: CHUNK_BYTES.max(least),
        })
    }

    /// Returns the size of the next chunk of a blob with `size` bytes. The size is 0 if all bytes
    /// were sent.
    pub fn wanted(&self, size: u64) -> u64 {
        size.saturating_sub(self.sent).min(self.chunk_bytes)
    }

    /// Sends the next chunk of a blob with `size` bytes. If the connection breaks, or if the
    /// registry cannot take the chunk at the moment, the registry is asked for the number of
    /// received bytes, and the chunk is sent again if it did not arrive. Fails if the registry
    /// refuses the chunk, or has received only a part of it.
    pub async fn send(
        &mut self,
        bytes: &mut Reader<'_>,
        size: u64,
        bar: &Bar,
    ) -> Result<(), Broken> {
        let end = self.sent + self.wanted(size);
        let mut attempt = 1;
        loop {
            let broken = match self.patch(bytes, end, bar).await {
                Ok(next) => {
                    self.location = next;
                    break;
                }
                Err(broken) if !broken.may_pass || attempt == ATTEMPTS => return Err(broken),
                Err(broken) => broken,
            };
            tokio::time::sleep(backoff(attempt)).await;
            attempt += 1;
            let Some((held, next)) = self.held().await else {
                return Err(broken);
            };
            self.location = next;
            // If the registry holds the whole chunk, the chunk arrived and only the response was
            // lost.
            if held != end && held != self.sent {
                return Err(broken);
            }
            bytes.resume(held).await?;
            if held == end {
                break;
            }
        }
        self.sent = end;
        bar.set(end);
        Ok(())
    }

    async fn patch(&self, bytes: &mut Reader<'_>, end: u64, bar: &Bar) -> Result<Url, Broken> {
        let last = end.saturating_sub(1);
        let body = Cell::new(Some(
            bar.counting(self.sent, bytes.body(end - self.sent).await),
        ));
        let request = |client: &reqwest::Client| {
            // The body can be taken only once. Whether to send it again depends on the number of
            // bytes that the registry holds.
            let body = Body::wrap_stream(body.take()?);
            let request = client
                .patch(self.location.clone())
                .header("content-type", "application/octet-stream")
                // With a content length the body is not sent with `Transfer-Encoding: chunked`,
                // which some registries refuse.
                .header("content-length", end - self.sent)
                .header("content-range", format!("{}-{last}", self.sent));
            Some(request.body(body))
        };
        let response = match self.target.send_once(self.action, request).await {
            Ok(response) => response,
            // If the source of the bytes failed, its error explains the failed request better.
            Err(failure) => return Err(bytes.why().await.unwrap_or_else(|| failure.into())),
        };
        if response.status() != 202 {
            // The transport has waited, or the session has fetched a new token, but the body was
            // already used up. So another attempt with a new body may succeed.
            let is_ready = matches!(response.status().as_u16(), 401 | 429 | 502 | 503 | 504);
            let broken = Broken::unexpected(self.action, response).await;
            return Err(Broken {
                may_pass: broken.may_pass || is_ready,
                ..broken
            });
        }
        if let Some(range) = header(&response, "range")
            && end_of(range).is_some_and(|held| held != last)
        {
            let action = self.action;
            let problem = format!(
                "{action}: the registry holds bytes {}, and {last} was the last one sent",
                quoted(range, NAME_BYTES)
            );
            let failure = Failure::new(Kind::Registry, problem, "run the command again");
            return Err(Broken {
                failure,
                may_pass: true,
            });
        }
        Ok(location(self.action, &response)?)
    }

    /// Asks the registry how many bytes of the upload it has received, and at which URL the upload
    /// continues. Returns `None` if the upload session is lost, or if the registry does not say.
    async fn held(&self) -> Option<(u64, Url)> {
        let request = |client: &reqwest::Client| client.get(self.location.clone());
        let response = self.target.send(self.action, request).await.ok()?;
        if response.status() != 204 {
            return None;
        }
        let bytes = match header(&response, "range")? {
            // A registry reports `0-0` both for an empty upload and for an upload of one byte.
            "0-0" if self.sent == 0 => 0,
            range => end_of(range)? + 1,
        };
        Some((
            bytes,
            location(self.action, &response).unwrap_or_else(|_| self.location.clone()),
        ))
    }

    /// Completes the upload of the blob with this digest after all chunks were sent. Fails if the
    /// registry refuses the blob, e.g. because its bytes have another digest.
    pub async fn finish(mut self, digest: &Digest) -> Result<(), Broken> {
        // The location is opaque, so its query is kept.
        self.location
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let request = |client: &reqwest::Client| {
            client
                .put(self.location.clone())
                .header("content-length", "0")
        };
        let response = self.target.send(self.action, request).await?;
        match response.status().as_u16() {
            201 | 204 => Ok(()),
            _ => Err(Broken::unexpected(self.action, response).await),
        }
    }
}

/// Returns the position of the last byte in a range such as `0-9`, or `None` if the text is not a
/// range.
fn end_of(range: &str) -> Option<u64> {
    range.rsplit('-').next()?.parse().ok()
}
