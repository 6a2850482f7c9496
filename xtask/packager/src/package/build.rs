//! Building of an image: the app folder, the host program, and the OCI image layout on disk.
//!
//! Owns the order in which they are built, and the inputs of the image's plan. Must not know
//! registries or flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::Manifest;
use scorebox_host::packaging::Times;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::{installation, workspace};

use super::graph_parts::GraphParts;
use super::options::Making;
use super::origin::origin;
use super::script_parts;
use crate::app::{self, App, MODEL_FOLDER};
use crate::component::Component;
use crate::graph_trial::Trial;
use crate::host_program;
use crate::image::attestation::artifacts;
use crate::image::layout::{self, WrittenImage};
use crate::image::{Code, Compression, Content, Inputs, plan, sample};
use crate::libraries;

/// Builds the app and the host program, and writes the image as an OCI image layout. `component` is
/// `None` if the scorer is a script or an ONNX graph. Fails if a part cannot be built, if the host
/// refuses the scorer, or if the layout cannot be written.
pub fn image(
    manifest: &Manifest,
    component: Option<&Component>,
    making: &Making<'_>,
) -> Result<WrittenImage, Failure> {
    let epoch = source_date_epoch(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())?;
    // The name of the staging folder is unique, so that two commands that run at the same time do
    // not use the same folder.
    let target = installation::cache();
    let staging = std::fs::create_dir_all(&target)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".package-")
                .tempdir_in(&target)
        })
        .map_err(|error| Failure::file(&target, "create a temporary folder", error))?;
    // The host of a script's image tries the script. Any other host is built after the scorer was
    // tried, because that takes less time.
    let early = match making.engine {
        Some(_) => Some(host(making)?),
        None => None,
    };
    let of_graphs = making.parts.map(|parts| parts.host.as_path());
    let trial = Trial {
        host: of_graphs.or(early.as_deref()),
        library: making.parts.map(|parts| parts.library.file.as_path()),
        engine: making.engine,
    };
    let mut app = app::stage(
        manifest,
        component,
        &staging.path().join("app"),
        making.cpu,
        Times::Image(epoch),
        trial,
    )?;
    let host = early.map_or_else(|| host(making), Ok)?;
    // The libraries that a dynamic host needs from a base were checked before. Without a base they
    // are copied to the image.
    if making.parts.is_none() && (making.base.is_none() || libraries::needs(&host)?.is_none()) {
        host_program::check(&host)?;
    }
    let default = || {
        workspace::target()
            .join("images")
            .join(&manifest.scorer.name)
    };
    let dir = making.output.map_or_else(default, Path::to_path_buf);
    let files = app.model.iter().map(|file| file.path.as_path());
    let shrinks =
        sample::shrinks(files).map_err(|error| Failure::file(&app.dir, "be read", error))?;
    let packages = std::mem::take(&mut app.packages);
    let inputs = Inputs {
        model_compression: if shrinks {
            Compression::Fast
        } else {
            Compression::Stored
        },
        ..inputs(app, host, epoch, making)
    };
    let origin = match making.attestation {
        Some(repository) => Some(origin(manifest, &inputs, &packages, making, repository)?),
        None => None,
    };
    layout::write(
        &plan(&inputs),
        &dir,
        making.tag,
        making.base_blobs,
        |digest, size| {
            origin
                .map(|origin| artifacts(&origin, digest, size, making.key))
                .unwrap_or_default()
        },
    )
}

/// Returns the path of the host program for the image, which is built if none is given.
fn host(making: &Making<'_>) -> Result<PathBuf, Failure> {
    match (making.parts, making.host) {
        (Some(parts), _) => Ok(parts.host.clone()),
        (None, Some(host)) => Ok(host.to_path_buf()),
        (None, None) => host_program::build(making.kind),
    }
}

fn inputs(app: App, host: PathBuf, epoch: u64, making: &Making<'_>) -> Inputs {
    let model = app.model.into_iter().map(|file| {
        (
            format!("{MODEL_FOLDER}/{}", file.name),
            Content::File(file.path),
        )
    });
    Inputs {
        name: app.report.name,
        version: app.report.version,
        world: app.report.world,
        wit_version: app.report.wit_version,
        code: match (making.engine, app.report.component_digest) {
            (Some(_), _) => Code::Script,
            (None, Some(digest)) => Code::Component(digest),
            (None, None) => Code::Graph,
        },
        model_digest: app.report.model_digest,
        epoch,
        base: making.base.clone(),
        compression: making.compression,
        model_compression: Compression::Stored,
        host: Content::File(host),
        engine: making.parts.map(GraphParts::engine).unwrap_or_default(),
        pack: making.engine.map(script_parts::layer),
        libraries: making
            .parts
            .map(|parts| {
                parts
                    .libraries
                    .iter()
                    .map(|(path, file)| (path.clone(), Content::File(file.clone())))
                    .collect()
            })
            .unwrap_or_default(),
        app: app
            .files
            .into_iter()
            .map(|(name, path)| (name, Content::File(path)))
            .collect(),
        model: model.collect::<BTreeMap<_, _>>(),
    }
}

fn source_date_epoch(value: Option<&str>) -> Result<u64, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(0);
    };
    value.parse().map_err(|_| {
        Failure::other(
            format!("SOURCE_DATE_EPOCH: `{value}` is not a number of seconds since 1970"),
            "unset it, or e.g. export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_is_a_number_or_absent() {
        assert_eq!(source_date_epoch(None), Ok(0));
        assert_eq!(source_date_epoch(Some("")), Ok(0));
        assert_eq!(source_date_epoch(Some("1700000000")), Ok(1_700_000_000));
        assert!(source_date_epoch(Some("yesterday")).is_err());
    }
}
