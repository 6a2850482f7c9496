//! The component of a scorer: built from its source, or found at the path in the manifest.
//!
//! Owns the way from `scorer.component` to a `.wasm` file, and the check whether the component
//! calls ONNX graphs, because a component that does needs an image with ONNX Runtime. Must not know
//! what the component exports: the host library checks that.

mod build_config;
mod cargo;
mod command;
mod module;
mod script;
mod world;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::{ComponentSource, Manifest};
use scorebox_host::packaging;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;

/// The component of a scorer, as a `.wasm` file that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Path of the component's `.wasm` file.
    pub file: PathBuf,
    /// True if the component imports functions that need ONNX Runtime, the engine for graphs.
    pub calls_graphs: bool,
}

/// Builds the component of a scorer, or finds its file. Returns `None` if the scorer has no
/// component, because it is an ONNX graph or a script that the host runs. Fails if the build fails
/// or makes no or several `.wasm` files, or if the file does not exist or cannot be read.
pub fn locate(manifest: &Manifest) -> Result<Option<Component>, Failure> {
    let file = match &manifest.scorer.component {
        None => return Ok(None),
        Some(ComponentSource::Cargo(dir)) => cargo::build(manifest, dir)?,
        Some(ComponentSource::Command { command, output }) => {
            module::component(manifest, command::build(manifest, command, output)?)?
        }
        Some(ComponentSource::Script { engine, entry }) => script::build(manifest, *engine, entry)?,
        Some(ComponentSource::File(file)) if file.is_file() => file.clone(),
        Some(ComponentSource::File(file)) => {
            return Err(Failure::project(
                format!(
                    "{}: `scorer.component`: {} is not a file",
                    manifest.path.display(),
                    file.display()
                ),
                "compile the component first, or name its source to have it built, e.g. `component = \
                 { cargo = \"FOLDER\" }`",
            ));
        }
    };
    let bytes = std::fs::read(&file).map_err(|error| Failure::file(&file, "be read", error))?;
    let calls_graphs = packaging::calls_graphs(&bytes);
    Ok(Some(Component { file, calls_graphs }))
}

/// Name of the file that holds the absolute path of the project's manifest. The file is in the
/// folder of the project's built component.
const OWNER: &str = "manifest";

/// Returns the folder for the built component of a project, in the cache folder of this program. If
/// the folder is missing, it is created, and the folders of projects that no longer exist are
/// removed. Fails if the project's manifest does not exist, or if a folder or a file cannot be
/// written.
fn place(manifest: &Manifest) -> Result<PathBuf, Failure> {
    let path = &manifest.path;
    let path = path
        .canonicalize()
        .map_err(|error| Failure::file(path, "be resolved", error))?;
    // Two projects with the same scorer name must not share a folder.
    let digest = Digest::of(path.as_os_str().as_bytes());
    let short = digest.hex().get(..16).unwrap_or_default().to_owned();
    let root = installation::cache().join("components");
    let place = root.join(format!("{}-{short}", manifest.scorer.name));
    if !place.is_dir() {
        sweep(&root);
    }
    std::fs::create_dir_all(&place).map_err(|error| Failure::file(&place, "be created", error))?;
    let owner = place.join(OWNER);
    std::fs::write(&owner, path.as_os_str().as_bytes())
        .map_err(|error| Failure::file(&owner, "be written", error))?;
    Ok(place)
}

/// Removes the built components of projects whose manifest no longer exists. `root` is the folder
/// that has one folder for each project. A folder that does not name its project, or that cannot be
/// removed, stays.
fn sweep(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let Ok(owner) = std::fs::read(folder.join(OWNER)) else {
            continue;
        };
        if !Path::new(OsStr::from_bytes(&owner)).exists() {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_removed_projects_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("scorebox.toml");
        std::fs::write(&manifest, "").unwrap();
        let folder = |name: &str, owner: Option<&Path>| {
            let folder = dir.path().join("components").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            if let Some(owner) = owner {
                std::fs::write(folder.join(OWNER), owner.as_os_str().as_bytes()).unwrap();
            }
            folder
        };
        let kept = [folder("a", Some(&manifest)), folder("b", None)];
        let removed = folder("c", Some(&dir.path().join("removed.toml")));
        sweep(&dir.path().join("components"));
        assert!(kept.iter().all(|folder| folder.is_dir()));
        assert!(!removed.exists());
        sweep(&dir.path().join("no-such-folder"));
    }
}
