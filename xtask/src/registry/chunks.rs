//! One upload that a registry is ready to take: its chunks, and its end.
//!
//! Owns the chunks' size, and what is done about one that was cut. Must not know where the bytes come from, nor whether
//! the blob is worth sending.

use bytes::Bytes;
use reqwest::{Body, Response, Url};

use super::answer;
use super::broken::Broken;
use super::progress::Bar;
use super::repository::{Repository, header, location};
use super::transport::{ATTEMPTS, backoff};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};

/// The largest body of one request: Azure Container Registry refuses a single one of more than about 20 MB.
const CHUNK_BYTES: u64 = 16 << 20;
/// Chunks are held in memory, so that one can be sent again; a registry that wants larger ones than this cannot be served.
const LARGEST_CHUNK_BYTES: u64 = 256 << 20;
/// A chunk goes out in parts of this size; progress is seen after each.
const PART_BYTES: usize = 256 << 10;

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
    pub fn wanted(&self, size: u64) -> usize {
        let left = size.saturating_sub(self.sent);
        usize::try_from(left.min(self.chunk_bytes)).unwrap_or(usize::MAX)
    }

    /// Sends one chunk, and again if it was cut and the registry knows what it holds.
    pub async fn send(&mut self, piece: &Bytes, bar: &Bar) -> Result<(), Broken> {
        let end = self.sent + piece.len() as u64;
        let mut attempt = 1;
        loop {
            let broken = match self.patch(piece, bar).await {
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
            match held {
                // The chunk arrived, and only the answer was lost.
                held if held == end => break,
                held if held == self.sent => {}
                _ => return Err(broken),
            }
        }
        self.sent = end;
        bar.set(end);
        Ok(())
    }

    async fn patch(&self, piece: &Bytes, bar: &Bar) -> Result<Url, Broken> {
        let last = self.sent + (piece.len() as u64).saturating_sub(1);
        let body = || {
            let piece = piece.clone();
            let starts = (0..piece.len()).step_by(PART_BYTES);
            let parts = starts.map(move |at| piece.slice(at..piece.len().min(at + PART_BYTES)));
            Body::wrap_stream(futures_util::stream::iter(bar.counting(self.sent, parts).map(Ok::<_, std::io::Error>)))
        };
        let request = |client: &reqwest::Client| {
            client
                .patch(self.location.clone())
                .header("content-type", "application/octet-stream")
                // With the length given the body is not sent as `Transfer-Encoding: chunked`, which some registries
                // refuse.
                .header("content-length", piece.len())
                .header("content-range", format!("{}-{last}", self.sent))
                .body(body())
        };
        let response = self.target.send(self.action, request).await?;
        if response.status() != 202 {
            return Err(Broken::unexpected(self.action, response).await);
        }
        if let Some(range) = header(&response, "range")
            && end_of(range).is_some_and(|held| held != last)
        {
            let action = self.action;
            let problem = format!("{action}: the registry holds bytes {range}, and {last} was the last one sent");
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
