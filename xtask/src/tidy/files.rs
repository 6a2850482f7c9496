//! The files of the repository: their paths and their texts.
//!
//! Owns the walk through the tree. Must not know any rule.

use std::path::{Path, PathBuf};

use scorebox_workspace::failure::Failure;

/// Reads a file as text. Fails if the file cannot be read or is not UTF-8. The error names the
/// file.
pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, "be read", error))
}

/// Returns the paths of all files below a folder, sorted by name. Hidden files and folders are left
/// out, and so are folders named `target`. Returns no files if the folder does not exist. Fails if
/// a folder cannot be listed.
pub fn walk(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    if !dir.is_dir() {
        return Ok(found);
    }
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name == "target" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            found.extend(walk(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
