//! State image: the memory of an interpreter after the script's `init`, as far as it differs from
//! the memory with which every instance of the engine pack starts.
//!
//! Owns the format of the file, and how an instance gets its content. Must not know how an image is
//! made. An image is data for the sandbox: a damaged or forged one can break only its own instance.
//!
//! A small image is copied into each instance. The long runs of pages of a large one are mapped, so
//! that all instances share these pages until they write to them.
//!
//! The file has 8 bytes of magic, the size of its head as u32 (little-endian), the head in JSON,
//! zeros up to a page, and the pages of all runs one after another.

mod sharing;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::Store;

use crate::sandbox::{Interpreter, Sandbox};

/// Size of a page, in bytes. A state image holds the memory of an interpreter in whole pages.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Size of a page of WebAssembly memory, by which such a memory grows, in bytes.
const WASM_PAGE_BYTES: u64 = 64 << 10;
/// First bytes of a state image.
const MAGIC: &[u8; 8] = b"SBXSTATE";
/// Maximum size of the head of a state image, in bytes. Each run of pages takes some 20 bytes.
const HEAD_BYTES: u32 = 32 << 20;
/// Minimum size of all pages of a state image that is mapped into instances, in bytes. A smaller
/// image is copied, which takes a few milliseconds and no further mappings.
const SHARED_BYTES: u64 = 32 << 20;
/// Minimum size of a run of pages that is mapped from a large state image, in bytes. Shorter runs
/// are copied: a process may have 65,530 mappings, and most runs are short but hold few bytes.
const SHARED_RUN_BYTES: u64 = 1 << 20;
/// Maximum number of runs of pages that are mapped from a state image, because a process may have
/// 65,530 mappings in all.
const SHARED_RUNS: usize = 64;
/// Format of the head of a state image that this version reads and writes.
pub(crate) const FORMAT: u32 = 1;

/// Head of a state image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRecord {
    /// Format of the head of the image.
    pub format: u32,
    /// SHA-256 digest of the stock, which is the module of CPython that was stored after the
    /// libraries were imported. The image changes the memory of this module. The record of the
    /// engine pack has the digest, too.
    pub stock_sha256: String,
    /// Digest of what the image was made from: the script, its packages and its model. The packager
    /// chooses it and compares it.
    pub inputs_sha256: String,
    /// Contract of the script.
    pub contract: String,
    /// Size of the interpreter's memory, in bytes.
    pub memory_bytes: u64,
    /// Parts of the memory that the image holds: the address and the size of each, in bytes.
    pub runs: Vec<(u64, u64)>,
}

/// Reason why a state image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; package the app again", path.display())]
    Unreadable {
        /// Path of the image.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The file does not have the format of a state image.
    #[error("{}: is not a state image: {problem}; package the app again", path.display())]
    Malformed {
        /// Path of the image.
        path: PathBuf,
        /// Difference of the file from the format of a state image.
        problem: String,
    },
    /// The image was made with another engine pack than the one that is loaded.
    #[error("{}: was made with another engine pack; package the app again with this pack", path.display())]
    Pack {
        /// Path of the image.
        path: PathBuf,
    },
}

/// State image that was opened and checked.
#[derive(Debug)]
pub struct StateImage {
    path: PathBuf,
    file: File,
    record: StateRecord,
    first_page: u64,
    /// Minimum size of a run of pages that is mapped, in bytes. Shorter runs are copied. `None` if
    /// all runs are copied.
    least_shared_bytes: Option<u64>,
}

impl StateImage {
    /// Opens a state image, and checks its head. The pages are not read.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not a state image.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let unreadable = |source| StateError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let malformed = |problem| StateError::Malformed {
            path: path.to_owned(),
            problem,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut start = [0; 12];
        file.read_exact(&mut start).map_err(unreadable)?;
        let [magic @ .., a, b, c, d] = start;
        let head_bytes = u32::from_le_bytes([a, b, c, d]);
        if magic != *MAGIC || head_bytes > HEAD_BYTES {
            return Err(malformed("its first bytes are others".to_owned()));
        }
        let mut head = vec![0; head_bytes as usize];
        file.read_exact(&mut head).map_err(unreadable)?;
        let record: StateRecord =
            serde_json::from_slice(&head).map_err(|error| malformed(error.to_string()))?;
        let first_page = (12 + u64::from(head_bytes)).next_multiple_of(PAGE_BYTES);
        let size = file.metadata().map_err(unreadable)?.len();
        match record.page_bytes() {
            Some(bytes) if first_page.checked_add(bytes) == Some(size) => Ok(Self {
                path: path.to_owned(),
                file,
                least_shared_bytes: record.least_shared_bytes(),
                record,
                first_page,
            }),
            Some(_) => Err(malformed("it has another size than its head".to_owned())),
            None => Err(malformed("its head makes no sense".to_owned())),
        }
    }

    /// Returns the head of the image.
    #[must_use]
    pub fn record(&self) -> &StateRecord {
        &self.record
    }

    /// Reads the whole file of the image, and returns its SHA-256 digest in hexadecimal.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn sha256(&self) -> Result<String, StateError> {
        let mut digest = Sha256::new();
        let (mut buffer, mut place) = (vec![0; 1 << 20], 0);
        loop {
            let read = self.file.read_at(&mut buffer, place);
            let count = read.map_err(|source| StateError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
            match buffer.get(..count) {
                Some([]) | None => return Ok(hex::encode(digest.finalize())),
                Some(part) => digest.update(part),
            }
            place += count as u64;
        }
    }

    /// Checks that the image was made with the engine pack whose module has the digest
    /// `stock_sha256`.
    ///
    /// # Errors
    /// Fails if the image was made with another engine pack.
    pub(crate) fn fits(&self, stock_sha256: &str) -> Result<(), StateError> {
        match self.record.stock_sha256 == stock_sha256 {
            true => Ok(()),
            false => Err(StateError::Pack {
                path: self.path.clone(),
            }),
        }
    }

    /// Copies the pages of the image into the memory of a new interpreter, or maps them.
    ///
    /// # Errors
    /// Fails if the file cannot be read or mapped, or if the interpreter may not have as much
    /// memory as the image needs.
    pub(crate) async fn restore(
        &self,
        store: &mut Store<Sandbox>,
        interpreter: &Interpreter,
    ) -> wasmtime::Result<()> {
        let memory = interpreter.memory;
        let wanted = self.record.memory_bytes;
        let present = u64::try_from(memory.data_size(&*store))?;
        if let Some(more) = wanted.checked_sub(present) {
            memory
                .grow_async(&mut *store, more / WASM_PAGE_BYTES)
                .await?;
        }
        let mut mapped = 0;
        let mut place = self.first_page;
        for &(start, bytes) in &self.record.runs {
            let range = usize::try_from(start)?..usize::try_from(start + bytes)?;
            let is_long = self.least_shared_bytes.is_some_and(|least| bytes >= least);
            if is_long && mapped < SHARED_RUNS {
                mapped += 1;
                sharing::map(&mut *store, memory, range, &self.file, place)?;
            } else {
                let data = memory.data_mut(&mut *store);
                let to = data.get_mut(range).ok_or_else(sharing::too_large)?;
                self.file.read_exact_at(to, place)?;
            }
            place += bytes;
        }
        Ok(())
    }
}

impl StateRecord {
    /// Computes the field of this name of [`StateImage`].
    fn least_shared_bytes(&self) -> Option<u64> {
        if self.page_bytes()? < SHARED_BYTES {
            return None;
        }
        let mut sizes: Vec<_> = self.runs.iter().map(|&(_, bytes)| bytes).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        let least = sizes.get(SHARED_RUNS - 1).copied();
        Some(least.unwrap_or_default().max(SHARED_RUN_BYTES))
    }

    /// Returns the size of all pages of the image, in bytes. Returns `None` if the head is
    /// inconsistent: it has the format of another version, the memory has an impossible size, or a
    /// run is empty, does not consist of pages, is out of order or ends after the memory.
    fn page_bytes(&self) -> Option<u64> {
        let mut end = 0;
        let mut sum = 0;
        for &(start, bytes) in &self.runs {
            let are_pages = start.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES);
            if !are_pages || bytes == 0 || start < end {
                return None;
            }
            end = start.checked_add(bytes)?;
            sum += bytes;
        }
        let fits = self.format == FORMAT
            && self.memory_bytes <= 1 << 32
            && self.memory_bytes.is_multiple_of(WASM_PAGE_BYTES)
            && end <= self.memory_bytes;
        fits.then_some(sum)
    }

    /// Returns the content of a state image with this head. `memory` is the whole memory of the
    /// interpreter.
    ///
    /// # Errors
    /// Fails if the head is inconsistent with the memory.
    #[cfg(any(test, feature = "compiler"))]
    pub(crate) fn image(&self, memory: &[u8]) -> io::Result<Vec<u8>> {
        let invalid = || io::Error::other("the runs of the state image are not in the memory");
        let head = serde_json::to_vec(self)?;
        let head_bytes = u32::try_from(head.len()).map_err(io::Error::other)?;
        let mut image = [&MAGIC[..], &head_bytes.to_le_bytes(), &head].concat();
        let padded = (image.len() as u64).next_multiple_of(PAGE_BYTES);
        image.resize(usize::try_from(padded).map_err(io::Error::other)?, 0);
        self.page_bytes().ok_or_else(invalid)?;
        for &(start, bytes) in &self.runs {
            let (start, end) = (start as usize, (start + bytes) as usize);
            image.extend_from_slice(memory.get(start..end).ok_or_else(invalid)?);
        }
        Ok(image)
    }
}

/// Returns the runs of pages in which `now` differs from `before`: the address and the size of
/// each, in bytes. Pages after the end of `before` are compared with zeros.
#[cfg(any(test, feature = "compiler"))]
pub(crate) fn difference(before: &[u8], now: &[u8]) -> Vec<(u64, u64)> {
    let zeros = [0; PAGE_BYTES as usize];
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut start = 0;
    let pages = now.chunks(zeros.len());
    let old = before
        .chunks(zeros.len())
        .chain(std::iter::repeat(&zeros[..]));
    for (page, old) in pages.zip(old) {
        if page != old {
            match runs.last_mut() {
                Some((first, bytes)) if *first + *bytes == start => *bytes += PAGE_BYTES,
                _ => runs.push((start, PAGE_BYTES)),
            }
        }
        start += PAGE_BYTES;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(memory_bytes: u64, runs: Vec<(u64, u64)>) -> StateRecord {
        StateRecord {
            format: FORMAT,
            stock_sha256: "5".repeat(64),
            inputs_sha256: "1".repeat(64),
            contract: "{}".to_owned(),
            memory_bytes,
            runs,
        }
    }

    #[test]
    fn an_image_holds_the_pages_that_differ() {
        let before = vec![0; 64 << 10];
        let mut now = vec![0; 128 << 10];
        for place in [1, 4096, 20_000, 100_000] {
            now[place] = 7;
        }
        let runs = difference(&before, &now);
        assert_eq!(runs, [(0, 8192), (16_384, 4096), (98_304, 4096)]);
        let record = record(128 << 10, runs);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.state");
        let bytes = record.image(&now).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let image = StateImage::open(&path).unwrap();
        assert_eq!(*image.record(), record);
        let digest = hex::encode(Sha256::digest(&bytes));
        assert_eq!(image.sha256().unwrap(), digest);
        image.fits(&"5".repeat(64)).unwrap();
        let error = image.fits("other").unwrap_err();
        assert!(error.to_string().contains("another engine pack"), "{error}");
        let mut page = vec![0; 4096];
        let place = image.first_page + 8192;
        image.file.read_exact_at(&mut page, place).unwrap();
        assert_eq!(page[20_000 - 16_384], 7);
    }

    #[test]
    fn the_largest_runs_of_a_large_image_are_mapped() {
        let runs = |sizes: &[u64]| {
            let mut start = 0;
            let place = |&bytes: &u64| {
                start += bytes + PAGE_BYTES;
                (start - bytes - PAGE_BYTES, bytes)
            };
            let runs = sizes.iter().map(place).collect();
            record(1 << 32, runs).least_shared_bytes()
        };
        assert_eq!(runs(&[16 << 20, 15 << 20]), None);
        assert_eq!(runs(&[32 << 20, PAGE_BYTES]), Some(SHARED_RUN_BYTES));
        let many: Vec<_> = (1..=SHARED_RUNS as u64 + 2)
            .map(|size| size << 20)
            .collect();
        assert_eq!(runs(&many), Some(3 << 20));
    }

    #[test]
    fn damaged_images_are_refused() {
        let good = record(64 << 10, vec![(0, 4096)]).image(&[1; 4096]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.state");
        let short = good.len() - 1;
        let mut huge = good.clone();
        huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        for bad in [
            &good[..short],
            &good[..20],
            b"",
            &huge,
            &[&b"X"[..], &good].concat(),
        ] {
            std::fs::write(&path, bad).unwrap();
            StateImage::open(&path).unwrap_err();
        }
        for runs in [
            vec![(0, 100)],
            vec![(1, 4096)],
            vec![(0, 0)],
            vec![(4096, 4096), (0, 4096)],
            vec![(0, 1 << 20)],
            vec![(1 << 63, 1 << 63)],
        ] {
            assert_eq!(
                record(64 << 10, runs.clone()).page_bytes(),
                None,
                "{runs:?}"
            );
        }
        assert_eq!(record(100, vec![]).page_bytes(), None);
        assert_eq!(record(1 << 40, vec![]).page_bytes(), None);
    }
}
