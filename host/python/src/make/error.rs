//! Reasons why an engine pack cannot be made.
//!
//! Owns these errors and their fixes. Must not know the steps in which they happen.

use std::io;
use std::path::PathBuf;

use zip::result::ZipError;

use super::integers::PatchError;
use crate::facts::FactError;

/// Reason why a pack cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A file or a folder cannot be read or written.
    #[error("{}: cannot {action}: {source}; see that the disk has 1 GB of room", path.display())]
    File {
        /// File or folder that cannot be read or written.
        path: PathBuf,
        /// Verb of the step that was tried, such as `be written`.
        action: &'static str,
        /// Error of the system.
        source: io::Error,
    },
    /// A wheel is not the one that is pinned.
    #[error(
        "{}: has the SHA-256 digest {found}, and {expected} is pinned; remove the file, and do not \
         trust a package index or a proxy that sends other bytes",
        path.display()
    )]
    Digest {
        /// Path of the wheel.
        path: PathBuf,
        /// Digest of the file, in hexadecimal.
        found: String,
        /// Digest of the pinned wheel, in hexadecimal.
        expected: &'static str,
    },
    /// A file cannot be read from a wheel, or cannot be written into the library of the pack.
    #[error("{archive}: the file `{name}` cannot be copied: {source}; fetch the wheel again")]
    Archive {
        /// Name of the archive.
        archive: String,
        /// Path of the file in the archive.
        name: String,
        /// Error of the archive.
        source: ZipError,
    },
    /// The module of CPython does not hold a fact that packs rely on.
    #[error("the module of the wheel cannot be the engine of a pack: {0}; use the pinned wheel")]
    Facts(#[from] FactError),
    /// The module of CPython in the wheel does not have the bytes that are changed for packs.
    #[error("the module of the wheel cannot be changed: {0}; use the pinned wheel")]
    Patch(#[from] PatchError),
    /// The module of CPython cannot be compiled, started or stored.
    #[error("the module of the wheel cannot be {action}: {reason}; use the pinned wheel")]
    Engine {
        /// Verb of the step that was tried, such as `compiled`.
        action: &'static str,
        /// Reason that Wasmtime gives.
        reason: String,
    },
    /// Python code that imports the libraries of the pack, or that clears memory afterwards,
    /// failed.
    #[error(
        "the libraries of the pack cannot be imported in the sandbox; change the wheels or \
         preload.py:\n{output}"
    )]
    Preload {
        /// Text that the interpreter wrote to standard error, and the reason why it ended.
        output: String,
    },
    /// The record of the pack cannot be written as JSON.
    #[error("the record of the pack cannot be written as JSON: {0}")]
    Record(#[from] serde_json::Error),
}

impl MakeError {
    /// Returns a function that makes an error of a file from an error of the system. `action`
    /// completes the sentence "the file cannot …", such as `be read`.
    pub(super) fn file(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            action,
            source,
        }
    }

    /// Returns a function that makes an error of CPython's module from an error of Wasmtime.
    /// `action` completes the sentence "the module cannot be …", such as `compiled`.
    pub(super) fn engine(action: &'static str) -> impl FnOnce(wasmtime::Error) -> Self {
        move |error| Self::Engine {
            action,
            reason: format!("{error:#}"),
        }
    }
}
