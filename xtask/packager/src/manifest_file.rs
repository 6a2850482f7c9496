//! Reads the `scorebox.toml` that is given to a command.
//!
//! Owns the failure that a command ends with if the manifest, or a file that it names, is wrong.
//! Must not know the keys of a manifest.

use std::path::Path;

use scorebox_host::manifest::{Manifest, ManifestError};
use scorebox_workspace::failure::Failure;

use crate::mlflow;

/// Reads and checks the manifest at a path. Fails with a [`Failure`] of the kind `Project` if the
/// manifest is missing or invalid, or if the path is that of a model folder of MLflow.
pub fn read(path: &Path) -> Result<Manifest, Failure> {
    if let Some(folder) = mlflow::folder(path) {
        return Err(mlflow::not_a_project(&folder));
    }
    Manifest::read(path).map_err(|error| {
        let is_readable = std::fs::read(&error.path).is_ok();
        let failure = failure(error);
        if is_readable {
            return failure;
        }
        // The fix of the host is for someone who has no app folder yet.
        Failure {
            fix: "give --manifest the scorebox.toml of a project, or the folder that holds it"
                .to_owned(),
            ..failure
        }
    })
}

/// Converts an error in a manifest to a [`Failure`] of the kind `Project`, which ends a command.
pub fn failure(error: ManifestError) -> Failure {
    Failure::project(
        format!("{}: {}", error.path.display(), error.problem),
        error.fix,
    )
}
