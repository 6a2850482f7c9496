//! Where a blob's bytes come from: a file, or another registry.
//!
//! Owns reading them in pieces of a known length, and the check that they are the bytes that were named. Must not know
//! where they go.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::broken::Broken;
use super::repository::{Repository, header};
use crate::digest::{Digest, Hashing};
use crate::failure::{Failure, Kind};

/// The longest that a registry may be silent in the middle of a blob.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Where a blob is.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// On this machine.
    File(&'a Path),
    /// In a registry.
    Registry(&'a Repository),
}

/// A blob that is being read.
pub struct Reader<'a> {
    action: String,
    digest: &'a Digest,
    inner: Inner<'a>,
    hash: Hashing<io::Sink>,
}

enum Inner<'a> {
    File { path: &'a Path, file: File },
    // What came beyond the last piece belongs to the next one.
    Answer { response: Response, rest: Bytes },
}

impl<'a> Reader<'a> {
    /// Begins to read; `name` is for messages.
    pub async fn open(source: Source<'a>, name: &str, digest: &'a Digest, size: u64) -> Result<Self, Broken> {
        let (action, inner) = match source {
            Source::File(path) => {
                let file = File::open(path).await.map_err(|error| Failure::file(path, "be read", error))?;
                (format!("reading blob `{name}`"), Inner::File { path, file })
            }
            Source::Registry(repository) => {
                let action = format!("reading blob `{name}` of {}/{}", repository.registry, repository.name);
                let response = repository.blob(&action, digest).await?;
                let length = header(&response, "content-length").and_then(|length| length.parse::<u64>().ok());
                if let Some(length) = length.filter(|length| *length != size) {
                    return Err(strange(&action, &format!("has {length} bytes, and its manifest says {size}")).into());
                }
                (action, Inner::Answer { response, rest: Bytes::new() })
            }
        };
        Ok(Self { action, digest, inner, hash: Hashing::new(io::sink()) })
    }

    /// The next bytes, exactly so many.
    pub async fn next(&mut self, count: usize) -> Result<Bytes, Broken> {
        let piece = match &mut self.inner {
            Inner::File { path, file } => {
                let mut piece = vec![0; count];
                file.read_exact(&mut piece).await.map_err(|error| Failure::file(path, "be read", error))?;
                Bytes::from(piece)
            }
            Inner::Answer { response, rest } => read(&self.action, response, rest, count).await?,
        };
        // A sink takes everything.
        let _ = io::Write::write_all(&mut self.hash, &piece);
        Ok(piece)
    }

    /// Checks, at the end, that these were the bytes that were named.
    pub fn check(self) -> Result<(), Failure> {
        let (_, digest, _) = self.hash.finish();
        if digest == *self.digest {
            return Ok(());
        }
        Err(strange(&self.action, &format!("has the digest {digest}, and was asked for as {}", self.digest)))
    }
}

async fn read(action: &str, response: &mut Response, rest: &mut Bytes, count: usize) -> Result<Bytes, Broken> {
    let mut piece = BytesMut::with_capacity(count);
    while piece.len() < count {
        if rest.is_empty() {
            let cut = |why: String| Broken {
                failure: Failure::new(Kind::Network, format!("{action}: {why}"), "run the command again"),
                may_pass: true,
            };
            *rest = match tokio::time::timeout(LONGEST_SILENCE, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => return Err(cut("it ended too soon".to_owned())),
                // The address may hold a right to read.
                Ok(Err(error)) => return Err(cut(error.without_url().to_string())),
                Err(_) => return Err(cut(format!("nothing came for {} s", LONGEST_SILENCE.as_secs()))),
            };
        }
        let part = rest.split_to(rest.len().min(count - piece.len()));
        piece.extend_from_slice(&part);
    }
    Ok(piece.freeze())
}

fn strange(action: &str, problem: &str) -> Failure {
    Failure::new(
        Kind::Registry,
        format!("{action}: it {problem}"),
        "what was read is not what was named: a proxy or the registry's storage may have altered it",
    )
}
