//! The component of a scorer: built from its source, or found at the path in the manifest.
//!
//! Owns the way from `scorer.component` to a `.wasm` file, and the check whether the component
//! calls graphs, because such a component needs another image. Must not know what the component
//! exports: the host library checks that.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{ComponentSource, Manifest};
use scorebox_host::packaging;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, Artifact, GUEST_TARGET, shown};

/// The component of a scorer, as a `.wasm` file that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Path of the component's `.wasm` file.
    pub file: PathBuf,
    /// True if the component imports functions that need ONNX Runtime, the engine for graphs.
    pub calls_graphs: bool,
}

/// Builds the component of a scorer, or finds its file. Returns `None` if the scorer is an ONNX
/// graph without a component. Fails if the build fails or makes no or several `.wasm` files, or if
/// the file does not exist.
pub fn locate(manifest: &Manifest) -> Result<Option<Component>, Failure> {
    let file = match &manifest.scorer.component {
        None => return Ok(None),
        Some(ComponentSource::Cargo(dir)) => build(manifest, dir)?,
        Some(ComponentSource::File(file)) if file.is_file() => file.clone(),
        Some(ComponentSource::File(file)) => {
            return Err(Failure::project(
                format!(
                    "{}: `scorer.component`: {} is not a file",
                    manifest.path.display(),
                    file.display()
                ),
                "compile the component first, or write `component = { cargo = \"FOLDER\" }` to have it compiled",
            ));
        }
    };
    let bytes = std::fs::read(&file).map_err(|error| Failure::file(&file, "be read", error))?;
    let calls_graphs = packaging::calls_graphs(&bytes);
    Ok(Some(Component { file, calls_graphs }))
}

fn build(manifest: &Manifest, dir: &Path) -> Result<PathBuf, Failure> {
    let package = dir.join("Cargo.toml");
    if !package.is_file() {
        return Err(Failure::project(
            format!(
                "{}: `scorer.component`: {} does not exist",
                manifest.path.display(),
                package.display()
            ),
            "name the folder of a Cargo package, relative to the manifest",
        ));
    }
    eprintln!(
        "building the component in {} for {GUEST_TARGET}",
        shown(dir)
    );
    let package = package
        .canonicalize()
        .map_err(|error| Failure::file(&package, "be resolved", error))?;
    let built = workspace::build(dir, &["--release", "--target", GUEST_TARGET])?;
    match modules(&built, &package).as_slice() {
        [file] => Ok(file.clone()),
        [] => Err(Failure::project(
            format!("{}: the package makes no .wasm file", package.display()),
            "add `[lib]` with `crate-type = [\"cdylib\"]` to its Cargo.toml",
        )),
        several => Err(Failure::project(
            format!(
                "{}: the package makes {} .wasm files",
                package.display(),
                several.len()
            ),
            format!(
                "keep one, or name the right one: `component = \"FILE.wasm\"`; there are {}",
                several
                    .iter()
                    .map(|file| shown(file))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )),
    }
}

/// Returns the `.wasm` files that Cargo built for the package itself, and not for its dependencies.
/// `package` is the path of the package's Cargo.toml.
fn modules(built: &[Artifact], package: &Path) -> Vec<PathBuf> {
    let own = built.iter().filter(|artifact| artifact.manifest == package);
    own.flat_map(|artifact| &artifact.files)
        .filter(|file| file.extension() == Some("wasm".as_ref()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_packages_own_modules_count() {
        let artifact = |manifest: &str, files: &[&str]| Artifact {
            manifest: manifest.into(),
            name: "x".into(),
            files: files.iter().map(PathBuf::from).collect(),
            executable: None,
        };
        let built = [
            artifact("/dep/Cargo.toml", &["/t/dep.wasm"]),
            artifact("/own/Cargo.toml", &["/t/own.wasm", "/t/libown.rlib"]),
        ];
        assert_eq!(
            modules(&built, Path::new("/own/Cargo.toml")),
            [PathBuf::from("/t/own.wasm")]
        );
    }
}
