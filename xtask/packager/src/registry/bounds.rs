//! Limits on the sizes that a registry states and on the data that it sends.
//!
//! Owns these limits, except those on error bodies and chunks, their error texts, and the count of
//! a command's downloads. Must not know what is requested.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Response;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::answer;

/// Maximum size of a manifest, a config or an image index, in bytes. Registries accept manifests of
/// up to 4 MiB.
pub const LARGEST_DOCUMENT_BYTES: usize = 8 << 20;
/// Maximum size of a response of a token service, in bytes. Tokens with many groups in them reach
/// tens of KiB.
pub const LARGEST_TOKEN_BYTES: usize = 1 << 20;
/// Maximum number of layers of an image or an artifact. Docker builds at most 127 layers, and
/// overlayfs stacks at most 500.
pub const MOST_LAYERS: usize = 500;
/// Maximum number of entries in the referrers list of an image. The number allows one scan and one
/// signature a day for more than half a year.
pub const MOST_REFERRERS: usize = 500;
/// Maximum number of pages of a referrers list that are read. A list with more pages is refused.
pub const MOST_PAGES: usize = 16;
/// Maximum number of manifests and blobs that one command reads from one repository. Each of at
/// most `MOST_REFERRERS` artifacts needs three reads, which makes 1,500. The rest is for the image.
const MOST_READS: u32 = 2_000;
/// Maximum size of all blobs that one command reads from one repository, in bytes, unless
/// `--max-download` sets another limit. The largest base images in use (CUDA with libraries) have
/// 10 GiB.
pub const MOST_DOWNLOAD_BYTES: u64 = 32 << 30;

/// Maximum time to wait for more bytes of a response body. Registries and proxies close idle
/// connections after about this time.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Maximum time to wait for the first byte of a blob's response, including retries and the pauses
/// between them.
pub const LONGEST_FIRST_WAIT: Duration = Duration::from_secs(300);
/// Minimum number of bytes of a blob that must arrive within [`LONGEST_SILENCE`]. This is about a
/// tenth of the speed of a telephone modem.
const LEAST_BYTES: u64 = 32 << 10;

/// Reason why the body of a response was not read to its end.
#[derive(Debug)]
pub enum Unread {
    /// The body has more bytes than the limit allows.
    TooLarge,
    /// No bytes arrived for [`LONGEST_SILENCE`].
    Silent,
    /// The connection broke before the end of the body.
    Broken(reqwest::Error),
}

/// Reads the whole body of a response. Fails if the body has more than `most_bytes` bytes, if no
/// bytes arrive for [`LONGEST_SILENCE`], or if the connection breaks.
pub async fn body(mut response: Response, most_bytes: usize) -> Result<Vec<u8>, Unread> {
    if response
        .content_length()
        .is_some_and(|length| length > most_bytes as u64)
    {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::new();
    loop {
        match tokio::time::timeout(LONGEST_SILENCE, response.chunk()).await {
            Err(_) => return Err(Unread::Silent),
            Ok(Err(error)) => return Err(Unread::Broken(error.without_url())),
            Ok(Ok(None)) => return Ok(bytes),
            Ok(Ok(Some(part))) if bytes.len() + part.len() > most_bytes => {
                return Err(Unread::TooLarge);
            }
            Ok(Ok(Some(part))) => bytes.extend_from_slice(&part),
        }
    }
}

impl Unread {
    /// Builds the failure of the request whose response body could not be read. `action` describes
    /// the request, and `most_bytes` is the limit on the body.
    pub fn failure(self, action: &str, most_bytes: usize) -> Failure {
        match self {
            Self::TooLarge => strange(action, &format!("is larger than {most_bytes} bytes")),
            Self::Silent => silent(action, LONGEST_SILENCE),
            Self::Broken(error) => answer::unanswered(action, &error),
        }
    }
}

/// Builds the failure of a request for which no bytes arrived during the time `wait`. `action`
/// describes the request.
pub fn silent(action: &str, wait: Duration) -> Failure {
    let problem = format!("{action}: nothing came for {} s", wait.as_secs());
    Failure::new(
        Kind::Network,
        problem,
        "run the command again; if it fails again, look into the registry's log",
    )
}

fn strange(action: &str, problem: &str) -> Failure {
    Failure::new(
        Kind::Registry,
        format!("{action}: it {problem}"),
        answer::NO_MANIFEST,
    )
}

/// Fails if a manifest has more than `MOST_LAYERS` layers, because no container runtime supports
/// more. `action` describes the request. Bytes that are not a manifest are accepted here and
/// refused when they are parsed.
pub fn layers(action: &str, manifest: &[u8]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Counted {
        layers: Vec<IgnoredAny>,
    }
    match serde_json::from_slice::<Counted>(manifest) {
        Ok(counted) if counted.layers.len() > MOST_LAYERS => Err(Failure::new(
            Kind::Registry,
            format!(
                "{action}: it has {} layers, and at most {MOST_LAYERS} are read",
                counted.layers.len()
            ),
            "name an image with fewer layers, e.g. one that was built with `docker build --squash`",
        )),
        _ => Ok(()),
    }
}

/// Fails if a referrers list has more than `MOST_REFERRERS` entries, because the entries are
/// inspected one by one. `count` is the number of entries.
pub fn referrers(count: usize) -> Result<(), Failure> {
    if count <= MOST_REFERRERS {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Registry,
        format!(
            "more than {MOST_REFERRERS} artifacts are listed as belonging to the image, and none was read"
        ),
        "delete those that are out of date from the repository, or push the image under another name and inspect that",
    ))
}

/// Builds the failure for a referrers list that has more than [`MOST_PAGES`] pages, or in which a
/// page leads back to an earlier page.
pub fn pages() -> Failure {
    Failure::new(
        Kind::Registry,
        format!(
            "the list of what belongs to the image has more than {MOST_PAGES} pages, or leads back to one of them"
        ),
        "see whether a proxy answers for the registry; a registry's own list ends",
    )
}

/// Fails if `bytes` bytes do not fit on the disk of the folder `folder`. Call this function before
/// a transfer writes its first byte. `what` describes the transfer in messages.
pub fn room(folder: &Path, what: &str, bytes: u64) -> Result<(), Failure> {
    // If the file system does not report its free space, the transfer is tried.
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if bytes <= free {
        return Ok(());
    }
    Err(Failure::other(
        format!(
            "{what}: {bytes} bytes are to be written to {}, and {free} are free there",
            folder.display()
        ),
        "free space on that disk, and run the command again",
    ))
}

/// Limit on the documents and blobs that one command may read from one repository, and the amounts
/// that were read so far.
#[derive(Debug)]
pub struct Allowance {
    most_bytes: u64,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    reads: u32,
    bytes: u64,
    blobs: HashMap<Digest, u64>,
}

impl Allowance {
    /// Creates an allowance of `most_bytes` bytes, none of which is used yet.
    pub fn new(most_bytes: u64) -> Self {
        Self {
            most_bytes,
            used: Mutex::default(),
        }
    }

    /// Counts a manifest or another document that is about to be requested. `action` describes the
    /// request. Fails if the command has already requested `MOST_READS` documents and blobs.
    pub fn document(&self, action: &str) -> Result<(), Failure> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.read(action)
    }

    /// Counts a blob that is about to be requested. `size` is the size that the manifest states. A
    /// blob that is requested again is not counted again. Fails if the command has already
    /// requested `MOST_READS` documents and blobs, or if the sizes of its blobs together exceed the
    /// allowance.
    pub fn blob(&self, action: &str, digest: &Digest, size: u64) -> Result<(), Failure> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.blobs.get(digest) == Some(&size) {
            return Ok(());
        }
        used.read(action)?;
        let bytes = used.bytes.saturating_add(size);
        if bytes > self.most_bytes {
            return Err(too_much(action, bytes, self.most_bytes));
        }
        used.bytes = bytes;
        used.blobs.insert(digest.clone(), size);
        Ok(())
    }

    /// Fails if blobs of the given sizes together exceed the allowed number of bytes. `what` names
    /// the blobs in messages. The sizes are not counted as read.
    pub fn sum(&self, what: &str, sizes: impl IntoIterator<Item = u64>) -> Result<(), Failure> {
        let sum = sizes.into_iter().fold(0_u64, u64::saturating_add);
        if sum > self.most_bytes {
            return Err(too_much(what, sum, self.most_bytes));
        }
        Ok(())
    }
}

impl Used {
    fn read(&mut self, action: &str) -> Result<(), Failure> {
        self.reads = self.reads.saturating_add(1);
        if self.reads <= MOST_READS {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Registry,
            format!(
                "{action}: more than {MOST_READS} manifests and blobs would be read for one image"
            ),
            "delete from the repository what is attached to the image and out of date",
        ))
    }
}

fn too_much(what: &str, bytes: u64, most_bytes: u64) -> Failure {
    Failure::new(
        Kind::Registry,
        format!(
            "{what}: the registry states {bytes} bytes in all, and at most {most_bytes} are downloaded"
        ),
        "if the image is meant to be so large, add `--max-download SIZE`, e.g. `--max-download 100GiB`",
    )
}

/// Measurement of the speed at which a blob arrives. A blob is too slow if fewer than
/// [`LEAST_BYTES`] bytes arrive within [`LONGEST_SILENCE`].
#[derive(Debug, Default)]
pub struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Counts `bytes` bytes of the blob, which arrived after waiting for the time `waited`. Returns
    /// false if the blob is too slow. Only time spent waiting for bytes counts.
    pub fn holds(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.waited < LONGEST_SILENCE {
            return true;
        }
        std::mem::take(self).bytes >= LEAST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_counts_each_blob_once_and_ends() {
        let allowance = Allowance::new(100);
        let digest = |text: &str| Digest::of(text.as_bytes());
        for _ in 0..3 {
            assert_eq!(allowance.blob("a", &digest("a"), 60), Ok(()));
        }
        let refused = allowance.blob("b", &digest("b"), 41).unwrap_err();
        assert!(
            refused.problem.contains("101 bytes") && refused.fix.contains("--max-download"),
            "{refused}"
        );
        assert_eq!(allowance.blob("c", &digest("c"), 40), Ok(()));
        assert!(
            allowance.blob("a", &digest("a"), u64::MAX).is_err(),
            "another size is another claim"
        );
        assert!(allowance.sum("all", [u64::MAX, u64::MAX]).is_err());
        assert_eq!(allowance.sum("all", [60, 40]), Ok(()));
    }

    #[test]
    fn reads_are_counted() {
        let allowance = Allowance::new(100);
        for _ in 0..MOST_READS {
            assert_eq!(allowance.document("a"), Ok(()));
        }
        assert_eq!(allowance.document("a").unwrap_err().exit_code(), 5);
    }

    #[test]
    fn a_trickle_is_no_body() {
        let mut pace = Pace::default();
        assert!((0..59).all(|_| pace.holds(Duration::from_secs(1), 1)));
        assert!(
            !pace.holds(Duration::from_secs(1), 1),
            "60 bytes in a minute"
        );
        assert!(
            (0..600).all(|_| pace.holds(Duration::from_secs(1), 1 << 10)),
            "1 KiB a second"
        );
        assert!(
            (0..100_000).all(|_| pace.holds(Duration::ZERO, 1)),
            "nobody waited"
        );
    }

    #[test]
    fn a_full_disk_is_known_before() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(room(dir.path(), "x", 1), Ok(()));
        let refused = room(dir.path(), "x", u64::MAX).unwrap_err();
        assert!(refused.problem.contains("are free there"), "{refused}");
    }
}
