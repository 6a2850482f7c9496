//! One upload that a registry is ready to take: its chunks, and its end.
//!
//! Owns the chunks' size, and what is done about one that was cut. Must not know where the bytes come from, nor whether
//! the blob is worth sending.

use std::cell::Cell;

use reqwest::{Body, Response, Url};
use scorebox_host::text::{NAME_BYTES, quoted};

use super::answer;
use super::broken::Broken;
use super::progress::Bar;
use super::repository::{Repository, header, location};
use super::source::Reader;
use super::transport::{ATTEMPTS, backoff};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};

/// The largest body of one request: Azure Container Registry refuses a single one of more than about 20 MB.
const CHUNK_BYTES: u64 = 16 << 20;
/// A registry that wants larger ones than this is not believed.
const LARGEST_CHUNK_BYTES: u64 = 1 << 30;

/// An upload.
#[derive(Debug)]
pub struct Chunks<'a> {
    target: &'a Repository,
    action: &'a str,
    location: Url,
    /// So many bytes the registry holds.
    sent: u64,
    /// What every chunk but the last has.
    chunk_bytes: u64,
}

impl<'a> Chunks<'a> {
    /// Asks for an upload; `action` is for messages.
    pub async fn begin(target: &'a Repository, action: &'a str) -> Result<Self, Broken> {
        let url = target.url("blobs/uploads/")?;
        let response = target.send(action, |client| client.post(url.clone()).header("content-length", "0")).await?;
        match response.status().as_u16() {
            202 => Ok(Self::opened(target, action, &response)?),
            // That there is no such repository does not pass.
            404 => Err(answer::unexpected(action, response).await.into()),
            _ => Err(Broken::unexpected(action, response).await),
        }
    }

    /// Takes an upload that a registry has opened.
    pub fn opened(target: &'a Repository, action: &'a str, response: &Response) -> Result<Self, Failure> {
        let least = header(response, "oci-chunk-min-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if least > LARGEST_CHUNK_BYTES {
            return Err(Failure::new(
                Kind::Registry,
                format!("{action}: the registry takes no chunk below {least} bytes"),
                format!("set its smallest chunk to at most {LARGEST_CHUNK_BYTES} bytes"),
            ));
        }
        let location = location(action, response)?;
        Ok(Self { target, action, location, sent: 0, chunk_bytes: CHUNK_BYTES.max(least) })
    }

    /// How many bytes the next chunk must have, of a blob of this size; 0 at its end.
    pub fn wanted(&self, size: u64) -> u64 {
        size.saturating_sub(self.sent).min(self.chunk_bytes)
    }

    /// Sends one chunk, and again if it was cut and the registry knows what it holds.
    pub async fn send(&mut self, bytes: &mut Reader<'_>, size: u64, bar: &Bar) -> Result<(), Broken> {
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
            let Some((held, next)) = self.held().await else { return Err(broken) };
            self.location = next;
            // All of it: the chunk arrived, and only the answer was lost.
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
        let body = Cell::new(Some(bar.counting(self.sent, bytes.body(end - self.sent).await)));
        let request = |client: &reqwest::Client| {
            // Taken once: whether it can be sent again is for the registry to say, which knows what it holds.
            let body = Body::wrap_stream(body.take()?);
            let request = client
                .patch(self.location.clone())
                .header("content-type", "application/octet-stream")
                // With the length given the body is not sent as `Transfer-Encoding: chunked`, which some registries
                // refuse.
                .header("content-length", end - self.sent)
                .header("content-range", format!("{}-{last}", self.sent));
            Some(request.body(body))
        };
        let response = match self.target.send_once(self.action, request).await {
            Ok(response) => response,
            // That the bytes did not come is the better reason.
            Err(failure) => return Err(bytes.why().await.unwrap_or_else(|| failure.into())),
        };
        if response.status() != 202 {
            // Waited out, or provided with a new token; but the bytes were gone.
            let is_ready = matches!(response.status().as_u16(), 401 | 429 | 502 | 503 | 504);
            let broken = Broken::unexpected(self.action, response).await;
            return Err(Broken { may_pass: broken.may_pass || is_ready, ..broken });
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
            return Err(Broken { failure, may_pass: true });
        }
        Ok(location(self.action, &response)?)
    }

    /// How many bytes the registry holds, and where it goes on; `None` if the upload is lost.
    async fn held(&self) -> Option<(u64, Url)> {
        let request = |client: &reqwest::Client| client.get(self.location.clone());
        let response = self.target.send(self.action, request).await.ok()?;
        if response.status() != 204 {
            return None;
        }
        let bytes = match header(&response, "range")? {
            // Said of an empty upload and of one byte alike.
            "0-0" if self.sent == 0 => 0,
            range => end_of(range)? + 1,
        };
        Some((bytes, location(self.action, &response).unwrap_or_else(|_| self.location.clone())))
    }

    /// Says that the chunks were the blob of this digest.
    pub async fn finish(mut self, digest: &Digest) -> Result<(), Broken> {
        // The location is opaque: its query stays.
        self.location.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = |client: &reqwest::Client| client.put(self.location.clone()).header("content-length", "0");
        let response = self.target.send(self.action, request).await?;
        match response.status().as_u16() {
            201 | 204 => Ok(()),
            _ => Err(Broken::unexpected(self.action, response).await),
        }
    }
}

/// The last byte of `0-9`.
fn end_of(range: &str) -> Option<u64> {
    range.rsplit('-').next()?.parse().ok()
}
