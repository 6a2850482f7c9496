//! Engine pack: CPython and its libraries as machine code, in a folder.
//!
//! Owns the order of the checks before the code of a pack is loaded. The code is native code that
//! no sandbox checks again. It is trusted because the record of the pack has its digest, and
//! because the process that loads it cannot write it. Must not know scripts.

mod cpu;
mod machine_code;
mod record;
mod writable;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, InstancePre};

use crate::engine::{self, ENGINE};
use crate::sandbox::{self, Sandbox};

pub use self::record::{CODE_FILE, FORMAT, PackFile, PackRecord, RECORD_FILE, Wheel};

/// Maximum size of the record of a pack, in bytes.
const RECORD_BYTES: u64 = 1 << 20;

/// Degree to which the files of a pack are compared with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Compares the sizes of the files.
    Recorded,
    /// Compares the sizes and the digests of the files. This takes about 0.2 s.
    Whole,
}

/// Reason why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The pack does not exist, or a file of it cannot be read.
    #[error("{}: cannot be read: {source}; run `scorebox build`, which makes the pack", path.display())]
    Unreadable {
        /// File or folder that cannot be read.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The record of the pack is not one that this version reads.
    #[error("{}: {problem}; make the pack with the `scorebox build` of this version", path.display())]
    Record {
        /// Path of the record.
        path: PathBuf,
        /// Problem of the record.
        problem: String,
    },
    /// The machine code was compiled for another WebAssembly engine.
    #[error(
        "{}: was compiled for another engine: `{found}`, and this host has `{}`; make the \
         pack with the `scorebox build` of this version", path.display(), ENGINE
    )]
    Engine {
        /// Folder of the pack.
        path: PathBuf,
        /// WebAssembly engine that the record names.
        found: String,
    },
    /// This machine cannot run the machine code, or this version does not know its CPU level.
    #[error("{}: was compiled for {level}: {problem}", path.display())]
    Cpu {
        /// Folder of the pack.
        path: PathBuf,
        /// CPU level that the record names.
        level: String,
        /// Feature that the machine or this version does not have, and a fix.
        problem: String,
    },
    /// A file or folder of the pack can be written by this process, by the group of the file or by
    /// everybody, or is a symbolic link. So its content cannot be trusted.
    #[error(
        "{}: can be written by this process, so its content may not be what was packaged; \
         remove the write permission (`chmod -R a-w {}`), or run as another user", path.display(), folder.display()
    )]
    Writable {
        /// Folder of the pack.
        folder: PathBuf,
        /// File or folder that can be written.
        path: PathBuf,
    },
    /// A file of the pack has another size or digest than the record states.
    #[error("{}: is not the file that the pack was made with: {problem}; make the pack again", path.display())]
    Changed {
        /// File of the pack.
        path: PathBuf,
        /// Difference from the record.
        problem: String,
    },
    /// The machine code of the pack cannot be loaded.
    #[error("{}: cannot be loaded: {reason}; make the pack again", path.display())]
    Load {
        /// File with the machine code.
        path: PathBuf,
        /// Reason that Wasmtime gives.
        reason: String,
    },
}

/// Pack that is checked and loaded.
pub struct Pack {
    folder: PathBuf,
    record: PackRecord,
    digest: String,
    engine: Engine,
    module: InstancePre<Sandbox>,
}

impl Pack {
    /// Checks a pack, and loads its machine code.
    ///
    /// # Errors
    /// Fails if the pack is incomplete, was changed, is writable by this process, or was compiled
    /// for another WebAssembly engine or another CPU.
    pub fn open(folder: &Path, proof: Proof) -> Result<Arc<Self>, PackError> {
        let (record, digest) = checked(folder, proof)?;
        let path = folder.join(CODE_FILE);
        let failed = |reason: String| PackError::Load {
            path: path.clone(),
            reason,
        };
        let engine = engine::start(&engine::config()).map_err(|error| failed(error.to_string()))?;
        let module = machine_code::load(&engine, &path)
            .and_then(|module| sandbox::linker(&engine)?.instantiate_pre(&module))
            .map_err(|error| failed(format!("{error:#}")))?;
        Ok(Arc::new(Self {
            folder: folder.to_owned(),
            record,
            digest,
            engine,
            module,
        }))
    }

    /// Returns the record of the pack.
    #[must_use]
    pub fn record(&self) -> &PackRecord {
        &self.record
    }

    /// Returns the SHA-256 digest of the record, in hexadecimal. It stands for the whole pack.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the folder of the pack.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn module(&self) -> &InstancePre<Sandbox> {
        &self.module
    }
}

/// Checks the files of a pack, without loading its code. Returns the record and its digest.
fn checked(folder: &Path, proof: Proof) -> Result<(PackRecord, String), PackError> {
    let path = folder.join(RECORD_FILE);
    let text = read(&path)?;
    let record = PackRecord::read(&text).map_err(|misfit| PackError::Record {
        path: path.clone(),
        problem: misfit.0,
    })?;
    if record.engine != ENGINE {
        return Err(PackError::Engine {
            path: folder.to_owned(),
            found: record.engine,
        });
    }
    cpu::check(&record.cpu).map_err(|unsupported| PackError::Cpu {
        path: folder.to_owned(),
        level: record.cpu.clone(),
        problem: unsupported.0,
    })?;
    writable::refuse(folder, folder)?;
    writable::refuse(folder, &path)?;
    for (name, file) in &record.files {
        let path = folder.join(name);
        writable::refuse(folder, &path)?;
        compare(&path, file, proof)?;
    }
    Ok((record, hex::encode(Sha256::digest(&text))))
}

fn read(path: &Path) -> Result<Vec<u8>, PackError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(RECORD_BYTES).read_to_end(&mut text))
        .map_err(unreadable(path))?;
    Ok(text)
}

/// Compares a file of a pack with the size and the digest in the record of the pack.
fn compare(path: &Path, recorded: &PackFile, proof: Proof) -> Result<(), PackError> {
    let changed = |problem| PackError::Changed {
        path: path.to_owned(),
        problem,
    };
    let mut file = File::open(path).map_err(unreadable(path))?;
    let size = file.metadata().map_err(unreadable(path))?.len();
    if size != recorded.size {
        let problem = format!("it has {size} bytes instead of {}", recorded.size);
        return Err(changed(problem));
    }
    if proof == Proof::Recorded {
        return Ok(());
    }
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).map_err(unreadable(path))?;
        match buffer.get(..count) {
            Some([]) | None => break,
            Some(part) => digest.update(part),
        }
    }
    let found = hex::encode(digest.finalize());
    match found == recorded.sha256 {
        true => Ok(()),
        false => Err(changed(format!(
            "it has the SHA-256 digest {found} instead of {}",
            recorded.sha256
        ))),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    move |source| PackError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
