//! The sources in a release: the WIT files, the SDKs and the Python programs that convert models.
//!
//! Owns the choice of the repository's files that belong to the sources. Must not know archives.

use std::path::Path;
use std::process::{Command, Stdio};

use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::Sources;

use super::contents::Contents;
use super::part;

/// Path of the file with the licence, relative to the root of the repository.
const LICENSE: &str = "LICENSE";

/// Adds all sources and the licence to the files of a release. Files that git ignores are left out,
/// and so are the folders that an installed tool does not have. Fails if git fails, or if a folder
/// cannot be listed.
pub fn add(contents: &mut Contents, root: &Path) -> Result<(), Failure> {
    contents.file(&part(LICENSE), &root.join(LICENSE));
    for sources in Sources::ALL {
        let folder = sources.in_repository();
        for name in files(root, folder)? {
            let top = name.split('/').next().unwrap_or_default();
            if sources.left_out().contains(&top) {
                continue;
            }
            let from = root.join(folder).join(&name);
            let path = part(&format!("{}/{name}", sources.installed()));
            contents.file(&path, &from);
        }
    }
    Ok(())
}

/// Returns the paths of the files below a folder of the repository, relative to the folder. Files
/// that git ignores are left out. For a symbolic link to a folder, the paths of all files in that
/// folder are returned. Returns no files if the folder does not exist. Fails if git fails, or if a
/// linked folder cannot be listed.
fn files(root: &Path, folder: &str) -> Result<Vec<String>, Failure> {
    let dir = root.join(folder);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let output = Command::new("git")
        .arg("-C")
        .arg(&dir)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::toolchain(format!("git cannot be run: {error}"), GIT))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::toolchain(
            format!("`git ls-files` ended with {}: {said}", output.status),
            GIT,
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.split('\0').filter(|name| !name.is_empty());
    let mut found = Vec::new();
    for name in names {
        // A file that was removed is still listed until the removal is committed. A link to a
        // folder is listed as one file.
        if dir.join(name).is_file() {
            found.push(name.to_owned());
        } else if dir.join(name).is_dir() {
            let linked = linked(&dir.join(name))?;
            found.extend(linked.into_iter().map(|file| format!("{name}/{file}")));
        }
    }
    Ok(found)
}

/// Returns the sorted paths of all files below `dir`, a folder to which a symbolic link points. The
/// paths are relative to `dir`. Files whose names are not UTF-8 are left out. Fails if a folder
/// cannot be listed.
fn linked(dir: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |error| Failure::file(dir, "be listed", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.is_dir() {
            let below = linked(&path)?;
            found.extend(below.into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

const GIT: &str = "install git (apt-get install git), and run this command in a clone made by it";
