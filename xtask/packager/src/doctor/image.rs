//! Check of an image: its layers with the host, the model and the app are fetched, and its app is
//! unpacked for further checks.
//!
//! Owns the temporary folder, and the choice of what is taken from each layer. The machine code of
//! an image is not loaded, because only a signature could say who made it. The component is
//! compiled again instead. Must not know how the app is checked. The command `inspect` verifies the
//! labels and attestations of an image.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;
use serde_json::Value;
use tempfile::TempDir;

use super::app::told;
use super::arguments::DoctorArgs;
use super::host::Marker;
use super::noun::Noun;
use super::registry_rights::reference;
use super::report::Report;
use crate::image::{APP_ROOT, HOST_PROGRAM, layer};
use crate::inspect::{self, OpenedImage, OpenedLayer};
use crate::manifest_file;
use crate::registry::Identity;

/// Names of the layers of an image that `doctor` fetches. `package` gives the layers these names.
const WANTED: [&str; 3] = ["host", "model", "app"];
/// Maximum ratio of the size of an unpacked layer to the size of its blob.
const MOST_TIMES: u64 = 100;
/// Number of bytes by which an unpacked layer may exceed `MOST_TIMES` times the size of its blob.
const MOST_BEYOND_BYTES: u64 = 64 << 20;
/// Name of the environment variable in which the stock images of Azure Functions state the version
/// of the Functions host, followed by `=`.
const FUNCTIONS_VERSION: &str = "HOST_VERSION=";

/// An image that was opened, with the facts that other checks use.
pub struct ImageFound {
    /// Folder that the app was unpacked into. `None` if the image has no app that can be unpacked,
    /// or if the manifest of the app is not valid.
    pub app: Option<PathBuf>,
    /// Manifest of the app, as it is in the image. `None` if the app cannot be unpacked, or if its
    /// manifest is not valid.
    pub manifest: Option<Manifest>,
    /// Version of the Scorebox host in the image. `None` if the image has no Scorebox host, or if
    /// the version is not found in the host program.
    pub host_version: Option<String>,
    /// Name of the base image. `None` if the image does not state its base image.
    pub base: Option<String>,
    /// Version of the Functions host in the base image. `None` if the base image does not state it
    /// in the environment variable `HOST_VERSION`.
    pub functions_version: Option<String>,
    /// Temporary folder with the unpacked app, which is removed when this value is dropped.
    _folder: TempDir,
}

impl ImageFound {
    /// Returns true if the image has the Functions host, which is part of its base.
    pub fn is_functions(&self) -> bool {
        let base = self.base.as_deref().unwrap_or_default();
        self.functions_version.is_some() || base.contains("azure-functions/")
    }
}

/// Opens the image that `--image` names, unpacks its app, and adds lines about the image and the
/// app's manifest to the report. Returns `None` if no image is given, if it cannot be opened, or if
/// it is in a registry and `--offline` is given.
pub fn examine(args: &DoctorArgs, identity: &Identity, report: &mut Report) -> Option<ImageFound> {
    let image = args.image.as_deref()?;
    let is_layout = Path::new(image).is_dir();
    if args.offline && !is_layout {
        report.skipped(Noun::Image, "not fetched, by --offline");
        return None;
    }
    match opened(args, identity, image) {
        Ok((image, folder)) => {
            said(args, report, &image);
            Some(unpacked(report, &image, folder))
        }
        Err(failure) => {
            report.failed(Noun::Image, failure);
            None
        }
    }
}

fn opened(
    args: &DoctorArgs,
    identity: &Identity,
    image: &str,
) -> Result<(OpenedImage, TempDir), Failure> {
    let target = installation::cache();
    let folder = std::fs::create_dir_all(&target)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".doctor-")
                .tempdir_in(&target)
        })
        .map_err(|error| Failure::file(&target, "create a temporary folder", error))?;
    let blobs = folder.path().join("blobs");
    std::fs::create_dir_all(&blobs).map_err(|error| Failure::file(&blobs, "be made", error))?;
    let access = |reference: &crate::registry::BaseReference| {
        identity.access(&reference.registry, args.plain_http, true)
    };
    let opened = inspect::open(image, access, &blobs, &WANTED)?;
    Ok((opened, folder))
}

fn said(args: &DoctorArgs, report: &mut Report, image: &OpenedImage) {
    let has = |name: &str| image.layers.iter().any(|layer| layer.name == name);
    let missing: Vec<_> = ["host", "app"]
        .into_iter()
        .filter(|name| !has(name))
        .collect();
    if !missing.is_empty() {
        let text = format!(
            "{}: no layer of `cargo xtask package` holds the {}",
            image.digest,
            missing.join(" and the ")
        );
        let fix = "name an image that `cargo xtask package` made";
        return report.problem(Noun::Image, text, fix);
    }
    let name = args.image.as_deref().unwrap_or_default();
    let is_tag = reference(args).is_some_and(|reference| reference.digest.is_none());
    if is_tag {
        return report.warning(
            Noun::Image,
            format!(
                "{}: the tag can be moved, so two instances could run two images",
                image.digest
            ),
            format!("deploy {}@{}", without_tag(name), image.digest),
        );
    }
    report.ok(
        Noun::Image,
        format!("{}: its own layers have their digests", image.digest),
    );
}

/// Returns a reference without its tag. A colon before the last slash belongs to a port.
fn without_tag(reference: &str) -> &str {
    let name = reference.rfind('/').map_or(0, |slash| slash + 1);
    let tag = reference.get(name..).and_then(|last| last.find(':'));
    let end = tag.map_or(reference.len(), |colon| name + colon);
    reference.get(..end).unwrap_or(reference)
}

/// Unpacks the app of an image and reads the facts about its hosts. For each layer that cannot be
/// unpacked, adds a line to the report.
fn unpacked(report: &mut Report, image: &OpenedImage, folder: TempDir) -> ImageFound {
    let root = folder.path().join("root");
    let mut marker = Marker::default();
    let mut is_whole = true;
    for layer in &image.layers {
        let read = match layer.name {
            "host" => scanned(layer, &mut marker),
            _ => extracted(layer, &root),
        };
        if let Err(error) = read {
            is_whole = false;
            report.failed(
                Noun::Image,
                Failure::new(
                    Kind::Verification,
                    format!("layer {} cannot be unpacked: {error}", layer.name),
                    "package the image again, and push it again",
                ),
            );
        }
    }
    let app = root.join(APP_ROOT.trim_start_matches('/'));
    let app = Some(app).filter(|app| is_whole && app.is_dir());
    let manifest = app.as_deref().and_then(|app| manifest(report, app));
    let environment = image
        .config
        .pointer("/config/Env")
        .and_then(Value::as_array);
    let mut variables = environment.into_iter().flatten().filter_map(Value::as_str);
    let functions_version = variables.find_map(|entry| entry.strip_prefix(FUNCTIONS_VERSION));
    ImageFound {
        app: app.filter(|_| manifest.is_some()),
        manifest,
        host_version: marker.version(),
        base: image.base.as_deref().map(|base| quoted(base, NAME_BYTES)),
        functions_version: functions_version.map(|version| quoted(version, NAME_BYTES)),
        _folder: folder,
    }
}

/// Reads the manifest of an unpacked app. Then removes the section about machine code from the
/// manifest's file, so that a check of the app compiles the component. If the manifest is not
/// valid, adds a line to the report and returns `None`. Also returns `None` if the file cannot be
/// written.
fn manifest(report: &mut Report, app: &Path) -> Option<Manifest> {
    let manifest = match manifest_file::read(app) {
        Ok(manifest) => manifest,
        Err(failure) => {
            report.problem(
                Noun::Manifest,
                format!(
                    "the image: {}",
                    failure
                        .problem
                        .replace(&app.display().to_string(), APP_ROOT)
                ),
                failure.fix,
            );
            return None;
        }
    };
    report.ok(Noun::Manifest, told("the image", &manifest));
    let path = app.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).ok()?;
    let mut table: toml::Table = text.parse().ok()?;
    table.remove("precompiled");
    std::fs::write(&path, table.to_string()).ok()?;
    Some(manifest)
}

/// Returns a reader of a layer's tar archive that ends after a bounded number of bytes. Fails if
/// the layer cannot be opened.
fn archive(layer: &OpenedLayer) -> io::Result<tar::Archive<impl Read>> {
    let most = layer
        .size
        .saturating_mul(MOST_TIMES)
        .saturating_add(MOST_BEYOND_BYTES);
    Ok(tar::Archive::new(
        layer::open(&layer.path, &layer.media_type)?.take(most),
    ))
}

/// Searches the host program in a layer for the version of the host. The program is not run. Fails
/// if the layer cannot be read.
fn scanned(layer: &OpenedLayer, marker: &mut Marker) -> io::Result<()> {
    for entry in archive(layer)?.entries()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new(HOST_PROGRAM.trim_start_matches('/')) {
            marker.search(&mut entry)?;
        }
    }
    Ok(())
}

/// Extracts the files of the app folder from a layer into the folder `root`. Links are left out.
/// Fails if the layer cannot be read, if a path leads out of `root`, or if a file cannot be
/// written.
fn extracted(layer: &OpenedLayer, root: &Path) -> io::Result<()> {
    let inside = Path::new(APP_ROOT.trim_start_matches('/'));
    std::fs::create_dir_all(root)?;
    for entry in archive(layer)?.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let is_ours = entry.path()?.starts_with(inside);
        // Links could lead out of the folder, and `package` writes none.
        if !is_ours || !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        // `unpack_in` skips paths with `..`.
        if !entry.unpack_in(root)? {
            let path = quoted(&entry.path()?.to_string_lossy(), NAME_BYTES);
            return Err(io::Error::other(format!("{path} leads out of the root")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::without_tag;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(without_tag("127.0.0.1:5000/a/b:1.0"), "127.0.0.1:5000/a/b");
        assert_eq!(without_tag("127.0.0.1:5000/b"), "127.0.0.1:5000/b");
        assert_eq!(
            without_tag("contoso.azurecr.io/b:1"),
            "contoso.azurecr.io/b"
        );
    }
}
