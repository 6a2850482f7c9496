//! Components that Cargo builds: the component of a scorer in Rust.
//!
//! Owns the build of a Cargo package, the choice of its `.wasm` file, and the refusal of folders
//! that are not a Cargo package. Must not know flags of the compiler: `build_config` has them.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::Manifest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, Artifact, GUEST_TARGET, shown};
use scorebox_workspace::{installation, tools};

use super::build_config;

/// Builds the component of the Cargo package in the folder `dir`, and returns the path of its
/// `.wasm` file. Fails if the folder is not a package, if Cargo is not installed, if the build
/// fails, or if the build makes no or several `.wasm` files.
pub fn build(manifest: &Manifest, dir: &Path) -> Result<PathBuf, Failure> {
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
    if std::env::var_os("CARGO").is_none() && tools::find("cargo").is_none() {
        return Err(Failure::toolchain(
            "`cargo` is not installed, and the component is a Cargo package",
            format!(
                "install Rust from https://rustup.rs, and run `rustup target add {GUEST_TARGET}`"
            ),
        ));
    }
    refuse_workspace(&package)?;
    eprintln!(
        "building the component in {} for {GUEST_TARGET}",
        shown(dir)
    );
    let package = package
        .canonicalize()
        .map_err(|error| Failure::file(&package, "be resolved", error))?;
    let arguments = ["--release", "--target", GUEST_TARGET];
    let built = match is_of_the_repository(&package) {
        // The repository's own configuration has the flags, for every program that is built in it.
        true => workspace::build(dir, &arguments)?,
        false => workspace::build_configured(dir, &arguments, &build_config::of(dir)?)?,
    };
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

/// Fails if a `Cargo.toml` is that of a workspace without a package of its own, or if the file
/// cannot be read. A file that is not TOML passes.
fn refuse_workspace(file: &Path) -> Result<(), Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file(file, "be read", error))?;
    // Cargo describes a file that is not TOML.
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok(());
    };
    if table.contains_key("package") || !table.contains_key("workspace") {
        return Ok(());
    }
    Err(Failure::project(
        format!("{}: is a workspace, and not a package", file.display()),
        "name the folder of the member that is the scorer: `component = { cargo = \"FOLDER\" }`",
    ))
}

/// Returns true if a package is in the clone of the repository that this program runs from.
fn is_of_the_repository(package: &Path) -> bool {
    let root = workspace::root();
    let root = root.canonicalize().unwrap_or(root);
    installation::parts().is_none() && package.starts_with(root)
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

    #[test]
    fn a_workspace_is_not_a_package() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Cargo.toml");
        let check = |text: &str, fits: bool| {
            std::fs::write(&file, text).unwrap();
            assert_eq!(refuse_workspace(&file).is_ok(), fits, "{text}");
        };
        check("[package]\nname = \"a\"\n", true);
        check("[package]\nname = \"a\"\n[workspace]\n", true);
        check("[workspace]\nmembers = [\"a\"]\n", false);
        check("not TOML", true);
    }
}
