//! The engine pack that a command uses: CPython and its libraries, checked as a whole.
//!
//! Owns the choice of the pack, and what other modules ask about it. Must not know how a pack is
//! made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::text::inset;
use scorebox_python::pack::RECORD_FILE;
use scorebox_python::{Pack, PackRecord, Proof};
use scorebox_workspace::failure::{Failure, Kind};

use super::pack;
use super::packages::Interpreter;
use crate::shell;

/// Environment variable with the folder of an engine pack, which is used instead of the pack in the
/// cache. The host reads the same variable.
pub const PACK_VARIABLE: &str = "SCOREBOX_PYTHON_PACK";

/// An engine pack on this machine, whose files have the digests in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Folder of the engine pack.
    pub folder: PathBuf,
    /// Digest of the engine pack, as manifests and images name it: `sha256:` and 64 hex digits.
    pub digest: String,
    /// Record of the engine pack, which lists its files with their digests.
    pub record: PackRecord,
}

/// Returns the engine pack that `SCOREBOX_PYTHON_PACK` names, or else the one in the cache, which
/// is made if it is missing. Reads every byte of the pack. Fails if the pack cannot be made, or if
/// its files are not those of its record.
pub fn locate() -> Result<Engine, Failure> {
    let given = std::env::var_os(PACK_VARIABLE).filter(|folder| !folder.is_empty());
    let is_given = given.is_some();
    let folder = match given {
        Some(folder) => PathBuf::from(folder),
        None => pack::locate()?,
    };
    let opened = Pack::open(&folder, Proof::Whole).map_err(|error| {
        let path = shell::path(&folder);
        let fix = match is_given {
            true => format!("unset {PACK_VARIABLE}, so that the pack in the cache is used"),
            // The files of a pack are read-only.
            false => format!(
                "remove the pack (`chmod -R u+w {path} && rm -r {path}`), and run the command again, which makes \
                 the pack"
            ),
        };
        Failure::new(
            Kind::Verification,
            format!("the engine pack cannot be used: {}", inset(&error)),
            fix,
        )
    })?;
    Ok(Engine {
        folder: std::path::absolute(&folder)
            .map_err(|error| Failure::file(&folder, "be resolved", error))?,
        digest: format!("sha256:{}", opened.digest()),
        record: opened.record().clone(),
    })
}

impl Engine {
    /// Returns the version of Python and the libraries of the engine pack, from which it follows
    /// which packages a script still needs.
    pub fn interpreter(&self) -> Interpreter {
        Interpreter {
            python: self.record.python.clone(),
            libraries: self.record.libraries.clone(),
        }
    }

    /// Returns the version of a library in the engine pack. The text is empty if the pack does not
    /// have the library.
    pub fn library(&self, name: &str) -> &str {
        self.record.libraries.get(name).map_or("", String::as_str)
    }

    /// Returns the files of the engine pack. The keys are the paths in its folder, and the values
    /// are the paths on this machine.
    pub fn files(&self) -> BTreeMap<String, PathBuf> {
        let names = self.record.files.keys().map(String::as_str);
        let names = names.chain([RECORD_FILE]);
        let file = |name: &str| (name.to_owned(), self.folder.join(Path::new(name)));
        names.map(file).collect()
    }
}
