//! Runs of `cargo xtask build` and `package`, and the layouts that they write.
//!
//! Owns the project that is packaged and the reading of layouts. Must not know what an image has to
//! be.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::app::copy;
use crate::place;
use crate::run::{self, Finished};

/// Returns a temporary folder with a copy of the example `digits`, whose component is built
/// already.
#[must_use]
pub fn project() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder can be made");
    copy(&place::example("digits"), dir.path());
    dir
}

/// Runs `cargo xtask build` on a project, with nothing else in the environment. The app is written
/// into the folder `output`.
pub fn build(project: &Path, output: &Path) -> Finished {
    let mut command = xtask();
    command
        .args(["build", "--manifest"])
        .arg(project.join("scorebox.toml"));
    run::finish(command.arg("--app").arg(output), b"")
}

/// Returns a command that runs `cargo xtask package` on a project, with only `PATH` in its
/// environment. The layout is written to `output`.
#[must_use]
pub fn package(project: &Path, output: &Path) -> Command {
    package_by(project, output, &place::image_host())
}

/// Returns a command that runs `cargo xtask package` on a project, with the host program and the
/// engine for graphs that the tests have. The layout is written to `output`.
#[must_use]
pub fn package_with_engine(project: &Path, output: &Path) -> Command {
    let mut command = package_by(project, output, &place::image_host_with_graphs());
    command.arg("--engine-library").arg(place::engine_library());
    command
}

fn package_by(project: &Path, output: &Path, host: &Path) -> Command {
    let mut command = xtask();
    command
        .args(["package", "--manifest"])
        .arg(project.join("scorebox.toml"));
    command.arg("--layout").arg(output).arg("--host").arg(host);
    command
}

fn xtask() -> Command {
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs a command of `cargo xtask package`, and returns its standard output as JSON.
///
/// # Panics
/// Panics if the command fails.
#[track_caller]
pub fn packaged(command: &mut Command) -> Value {
    run::finish(command.args(["--output", "json"]), b"")
        .ended(0)
        .json()
}

/// Returns the bytes of the blob with the digest `digest` in an OCI image layout.
///
/// # Panics
/// Panics if there is no blob with this digest.
#[must_use]
pub fn blob(layout: &Path, digest: &Value) -> Vec<u8> {
    let hex = digest
        .as_str()
        .and_then(|digest| digest.strip_prefix("sha256:"))
        .expect("a digest");
    std::fs::read(layout.join("blobs/sha256").join(hex)).expect("the blob is there")
}

/// Returns the content of the file `path` from one of the gzip layers of a layout's only image.
/// Layers in other formats are ignored.
///
/// # Panics
/// Panics if none of these layers has the file.
#[must_use]
pub fn file(layout: &Path, path: &str) -> Vec<u8> {
    let (manifest, _) = documents(layout);
    let layers = manifest["layers"].as_array().expect("an image has layers");
    let layers = layers.iter().filter(|layer| {
        layer["mediaType"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("+gzip"))
    });
    for layer in layers {
        let bytes = blob(layout, &layer["digest"]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        for entry in archive.entries().expect("a layer is a tar") {
            let mut entry = entry.expect("with whole entries");
            if entry.path().expect("that have names").as_ref() == Path::new(path) {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("and content");
                return content;
            }
        }
    }
    panic!("no layer holds {path}")
}

/// Unpacks the files below the folder `folder` of a layout's only image into `to`. `folder` has no
/// `/` at its start and end.
///
/// # Panics
/// Panics if a layer cannot be read.
pub fn unpack(layout: &Path, folder: &str, to: &Path) {
    let (manifest, _) = documents(layout);
    for layer in manifest["layers"].as_array().expect("an image has layers") {
        let bytes = blob(layout, &layer["digest"]);
        let bytes = bytes.as_slice();
        let packed = layer["mediaType"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("+gzip"));
        let tar: Box<dyn Read> = if packed {
            Box::new(flate2::read::GzDecoder::new(bytes))
        } else {
            Box::new(bytes)
        };
        for entry in tar::Archive::new(tar).entries().expect("a layer is a tar") {
            let mut entry = entry.expect("with whole entries");
            let path = entry.path().expect("that have names").into_owned();
            if let Ok(below) = path.strip_prefix(folder)
                && entry.header().entry_type().is_file()
            {
                let file = to.join(below);
                std::fs::create_dir_all(file.parent().expect("it is in a folder"))
                    .expect("a folder can be made");
                entry.unpack(file).expect("a file can be written");
            }
        }
    }
}

/// Parses bytes as JSON.
///
/// # Panics
/// Panics if the bytes are not JSON.
#[must_use]
pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Returns the manifest of a layout's only image, and its configuration.
///
/// # Panics
/// Panics if the layout has no image.
#[must_use]
pub fn documents(layout: &Path) -> (Value, Value) {
    let index = json(&std::fs::read(layout.join("index.json")).expect("it is a layout"));
    let manifest = json(&blob(layout, &index["manifests"][0]["digest"]));
    let config = json(&blob(layout, &manifest["config"]["digest"]));
    (manifest, config)
}
