//! The reading of a `scorebox.toml` on behalf of a command.
//!
//! Owns the failure that a command ends with if the manifest, or a file that it names, is wrong.
//! Must not know the keys of a manifest.

use std::path::Path;

use scorebox_host::manifest::{Manifest, ManifestError};
use scorebox_workspace::failure::Failure;

/// Reads and checks a manifest. A manifest that is missing or wrong is a fault of the project.
pub fn read(path: &Path) -> Result<Manifest, Failure> {
    Manifest::read(path).map_err(failure)
}

/// Returns the failure of a command that cannot go on because of a manifest.
pub fn failure(error: ManifestError) -> Failure {
    Failure::project(
        format!("{}: {}", error.path.display(), error.problem),
        error.fix,
    )
}
