//! Sources of a blob's bytes: a file, or another registry.
//!
//! Owns the task that reads the blob in advance of the task that sends or stores the bytes: a few
//! parts at a time, and never the whole blob. Also owns the check of the digest and size. Must not
//! know where the bytes go.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use reqwest::Response;
use scorebox_workspace::digest::{Digest, Hashing};
use scorebox_workspace::failure::{Failure, Kind};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::bounds::{LONGEST_SILENCE, Pace};
use super::broken::Broken;
use super::repository::{Repository, header};

/// Number of bytes of a file that are read at a time.
const PART_BYTES: usize = 256 << 10;
/// Number of parts of a blob that are read before they are consumed.
const PARTS_AHEAD: usize = 4;

/// File or repository from which the bytes of a blob are read.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A file on this machine with the bytes of the blob.
    File(&'a Path),
    /// A repository in a registry that has the blob.
    Registry(&'a Repository),
}

/// Reader of a blob, which is read part by part.
pub struct Reader<'a> {
    source: Source<'a>,
    name: &'a str,
    digest: &'a Digest,
    size: u64,
    parts: Arc<Mutex<Parts>>,
}

/// Parts of a blob that were read but are not consumed yet.
struct Parts {
    // The channel ends after the last byte, and only if digest and size are correct.
    coming: Receiver<Result<Bytes, Broken>>,
    rest: Bytes,
    taken: u64,
    // Error that ended the reading. It is kept for the caller, because the body that received it is
    // dropped.
    broken: Option<Broken>,
}

impl<'a> Reader<'a> {
    /// Starts to read the blob with this digest and size. `name` is the name of the blob in error
    /// messages. Fails if the file cannot be opened, if the registry does not respond or does not
    /// have a blob of this size, or if the download limit is exceeded.
    pub async fn open(
        source: Source<'a>,
        name: &'a str,
        digest: &'a Digest,
        size: u64,
    ) -> Result<Self, Broken> {
        let parts = begin(source, name, digest, size, 0).await?;
        Ok(Self {
            source,
            name,
            digest,
            size,
            parts: Arc::new(Mutex::new(parts)),
        })
    }

    /// Returns the next bytes of the blob that are available. Returns `None` after the last byte.
    /// Fails if the bytes cannot be read, or do not have the digest and size of the blob.
    pub async fn part(&mut self) -> Result<Option<Bytes>, Broken> {
        self.parts.lock().await.next(usize::MAX).await
    }

    /// Returns a stream of exactly the next `count` bytes of the blob. The stream ends with an
    /// error if the bytes cannot be read, or if the blob is shorter, or does not have its digest.
    /// If the stream is dropped before its end, call [`Reader::resume`] to continue.
    pub async fn body(&self, count: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let parts = Arc::clone(&self.parts).lock_owned().await;
        futures_util::stream::try_unfold((parts, count), next_of)
    }

    /// Returns the error that ended a stream of [`Reader::body`] too soon, and clears it. Returns
    /// `None` if no error ended a stream.
    pub async fn why(&self) -> Option<Broken> {
        self.parts.lock().await.broken.take()
    }

    /// Continues to read at the byte `position` of the blob. If the reader is at another position,
    /// or if reading has failed, the file or registry is opened again. Fails if it cannot be
    /// opened.
    pub async fn resume(&mut self, position: u64) -> Result<(), Broken> {
        let mut parts = self.parts.lock().await;
        if parts.taken != position || parts.broken.is_some() {
            *parts = begin(self.source, self.name, self.digest, self.size, position).await?;
        }
        Ok(())
    }

    /// Reads the blob to its end, and fails if the bytes do not have the expected digest and size.
    pub async fn check(self) -> Result<(), Broken> {
        let mut parts = self.parts.lock().await;
        // The remaining bytes are not needed, but the end reports whether the digest is correct.
        while parts.next(usize::MAX).await?.is_some() {}
        Ok(())
    }
}

type Body = (OwnedMutexGuard<Parts>, u64);

async fn next_of((mut parts, left): Body) -> io::Result<Option<(Bytes, Body)>> {
    if left == 0 {
        return Ok(None);
    }
    match parts
        .next(usize::try_from(left).unwrap_or(usize::MAX))
        .await
    {
        Ok(Some(part)) => {
            let left = left - part.len() as u64;
            Ok(Some((part, (parts, left))))
        }
        Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(broken) => {
            let text = broken.failure.problem.clone();
            parts.broken = Some(broken);
            Err(io::Error::other(text))
        }
    }
}

impl Parts {
    /// Returns the next bytes of the blob, at most `most` bytes. Returns `None` after the last
    /// byte. Fails if the bytes cannot be read, or do not have the digest and size of the blob.
    async fn next(&mut self, most: usize) -> Result<Option<Bytes>, Broken> {
        if self.rest.is_empty() {
            match self.coming.recv().await {
                None => return Ok(None),
                Some(part) => self.rest = part?,
            }
        }
        let part = self.rest.split_to(self.rest.len().min(most));
        self.taken += part.len() as u64;
        Ok(Some(part))
    }
}

/// Starts to read a blob at the byte `position`. The bytes before this position are read only to
/// compute the digest. Fails if the file cannot be opened, if the registry does not respond or does
/// not have a blob of this size, or if the download limit is exceeded.
async fn begin(
    source: Source<'_>,
    name: &str,
    digest: &Digest,
    size: u64,
    position: u64,
) -> Result<Parts, Broken> {
    let (sender, coming) = channel(PARTS_AHEAD);
    let mut passing = Passing {
        action: String::new(),
        hash: Hashing::new(io::sink()),
        digest: digest.clone(),
        size,
        position,
        done: 0,
    };
    match source {
        Source::File(path) => {
            passing.action = format!("reading blob `{name}`");
            let file =
                std::fs::File::open(path).map_err(|error| Failure::file(path, "be read", error))?;
            let path = path.to_path_buf();
            tokio::task::spawn_blocking(move || read_file(file, &path, passing, &sender));
        }
        Source::Registry(repository) => {
            let action = format!(
                "reading blob `{name}` of {}/{}",
                repository.registry, repository.name
            );
            repository.allowance.blob(&action, digest, size)?;
            let response = repository.blob(&action, digest).await?;
            let length =
                header(&response, "content-length").and_then(|length| length.parse::<u64>().ok());
            if let Some(length) = length.filter(|length| *length != size) {
                return Err(strange(
                    &action,
                    &format!("has {length} bytes, and its manifest says {size}"),
                )
                .into());
            }
            passing.action = action;
            tokio::spawn(read_answer(response, passing, sender));
        }
    }
    Ok(Parts {
        coming,
        rest: Bytes::new(),
        taken: position,
        broken: None,
    })
}

fn read_file(
    mut file: std::fs::File,
    path: &Path,
    mut passing: Passing,
    sender: &Sender<Result<Bytes, Broken>>,
) {
    loop {
        let mut part = BytesMut::zeroed(PART_BYTES);
        let outcome = match file.read(&mut part) {
            Ok(0) => break,
            Ok(count) => {
                part.truncate(count);
                passing.pass(part.freeze())
            }
            Err(error) => Err(Failure::file(path, "be read", error)),
        };
        let is_end = outcome.is_err();
        let part = outcome.map_err(Broken::from);
        // An empty part lies before the start position and is not sent. If the send fails, the
        // consumer is gone: the upload was given up, or it resumes elsewhere.
        if part.as_ref().is_ok_and(Bytes::is_empty) {
            continue;
        }
        if sender.blocking_send(part).is_err() || is_end {
            return;
        }
    }
    if let Err(failure) = passing.end() {
        let _ = sender.blocking_send(Err(failure.into()));
    }
}

async fn read_answer(
    mut response: Response,
    mut passing: Passing,
    sender: Sender<Result<Bytes, Broken>>,
) {
    let mut pace = Pace::default();
    loop {
        let cut = |action: &str, why: String| Broken {
            failure: Failure::new(
                Kind::Network,
                format!("{action}: {why}"),
                "run the command again",
            ),
            may_pass: true,
        };
        let asked_at = Instant::now();
        let outcome = match tokio::time::timeout(LONGEST_SILENCE, response.chunk()).await {
            Ok(Ok(Some(part))) if !pace.holds(asked_at.elapsed(), part.len()) => {
                Err(cut(&passing.action, "it comes too slowly".to_owned()))
            }
            Ok(Ok(Some(part))) => passing.pass(part).map_err(Broken::from),
            Ok(Ok(None)) if passing.done < passing.size => {
                Err(cut(&passing.action, "it ended too soon".to_owned()))
            }
            Ok(Ok(None)) => break,
            // The URL may contain a read permission, so it is removed from the message.
            Ok(Err(error)) => Err(cut(&passing.action, error.without_url().to_string())),
            Err(_) => Err(cut(
                &passing.action,
                format!("nothing came for {} s", LONGEST_SILENCE.as_secs()),
            )),
        };
        let is_end = outcome.is_err();
        if outcome.as_ref().is_ok_and(Bytes::is_empty) {
            continue;
        }
        if sender.send(outcome).await.is_err() || is_end {
            return;
        }
    }
    if let Err(failure) = passing.end() {
        let _ = sender.send(Err(failure.into())).await;
    }
}

/// Count and hash of all bytes of a blob that were read, with which the size and the digest are
/// checked.
struct Passing {
    action: String,
    hash: Hashing<io::Sink>,
    digest: Digest,
    size: u64,
    // Bytes before this position are hashed only.
    position: u64,
    done: u64,
}

impl Passing {
    /// Hashes a part of the blob, and returns the bytes of the part that the consumer needs. The
    /// returned bytes may be empty. Fails if the blob has more bytes than its manifest states.
    fn pass(&mut self, mut part: Bytes) -> Result<Bytes, Failure> {
        // Writing to a sink cannot fail.
        let _ = self.hash.write_all(&part);
        let before = usize::try_from(self.position.saturating_sub(self.done)).unwrap_or(usize::MAX);
        self.done += part.len() as u64;
        if self.done > self.size {
            return Err(strange(
                &self.action,
                &format!(
                    "has more bytes than the {} that its manifest says",
                    self.size
                ),
            ));
        }
        let _ = part.split_to(before.min(part.len()));
        Ok(part)
    }

    fn end(self) -> Result<(), Failure> {
        let (_, found, size) = self.hash.finish();
        if size != self.size {
            return Err(strange(
                &self.action,
                &format!("has {size} bytes, and its manifest says {}", self.size),
            ));
        }
        if found != self.digest {
            return Err(strange(
                &self.action,
                &format!(
                    "has the digest {found}, and was asked for as {}",
                    self.digest
                ),
            ));
        }
        Ok(())
    }
}

fn strange(action: &str, problem: &str) -> Failure {
    Failure::new(
        Kind::Registry,
        format!("{action}: it {problem}"),
        "the bytes are not those that were asked for: check the disk, the proxy and the registry's \
         storage, which may have altered them",
    )
}
