//! The origin of an image, for its attestations.
//!
//! Owns which files and facts are recorded. Must not know the format of an attestation, or how the
//! image is built.

use std::path::Path;

use scorebox_host::graph::LIBRARY;
use scorebox_host::manifest::Manifest;
use scorebox_workspace::failure::Failure;
use serde_json::json;

use super::options::Making;
use crate::image::attestation::{FileOrigin, HostOrigin, Origin, PythonPackage, Role};
use crate::image::{APP_ROOT, Compression, Content, ENGINE_FOLDER, Inputs, PACK_FOLDER};
use crate::python::packages::Package;
use crate::{app, materials};

/// Collects the origin of an image for its attestations: the files, the crates, the base image and
/// the Git revision that went into the image. `packages` are those of a script, and `repository` is
/// the name of the image's repository.
/// Fails if a file cannot be read, or if Cargo fails.
pub(super) fn origin(
    manifest: &Manifest,
    inputs: &Inputs,
    packages: &[Package],
    making: &Making<'_>,
    repository: &str,
) -> Result<Origin, Failure> {
    let role = |name: &str| match name {
        app::COMPONENT_FILE => Role::Component,
        app::CODE_FILE => Role::Code,
        _ if app::is_in(app::SCRIPT_FOLDER, name) => Role::Script,
        _ if app::is_in(app::PACKAGES_FOLDER, name) => Role::Package,
        _ => Role::Settings,
    };
    let file = |name: &str, content: &Content, role: Role| {
        let path = format!("{}/{name}", APP_ROOT.trim_start_matches('/'));
        Ok::<_, Failure>(FileOrigin {
            path,
            digest: materials::digest(content)?,
            role,
        })
    };
    let outside = |path: &str, content: &Content, role: Role| {
        let path = path.trim_start_matches('/').to_owned();
        Ok::<_, Failure>(FileOrigin {
            path,
            digest: materials::digest(content)?,
            role,
        })
    };
    let engine = inputs.engine.iter().map(|(name, content)| {
        let role = if name == LIBRARY {
            Role::Engine
        } else {
            Role::Library
        };
        outside(&format!("{ENGINE_FOLDER}/{name}"), content, role)
    });
    let pack = inputs.pack.iter().flat_map(|pack| &pack.files);
    let pack =
        pack.map(|(name, content)| outside(&format!("{PACK_FOLDER}/{name}"), content, Role::Pack));
    let libraries = inputs
        .libraries
        .iter()
        .map(|(path, content)| outside(path, content, Role::Library));
    let settings = inputs
        .app
        .iter()
        .map(|(name, content)| file(name, content, role(name)));
    let model = inputs
        .model
        .iter()
        .map(|(name, content)| file(name, content, Role::Model));
    let build = match making.host {
        None => Some(materials::host_build(making.kind)?),
        Some(_) => None,
    };
    let base = inputs
        .base
        .as_ref()
        .map(|base| (base.name.clone(), base.digest.clone()));
    let parameters = json!({
        "scorer": inputs.name,
        "version": inputs.version,
        "world": inputs.world,
        "base": base.as_ref().map_or("scratch", |(name, _)| name),
        "compression": match inputs.compression { Compression::Zstd => "zstd", _ => "gzip" },
        "cpu": making.cpu.to_string(),
        "sourceDateEpoch": inputs.epoch,
    });
    let project = manifest.path.canonicalize().ok();
    Ok(Origin {
        repository: repository.to_owned(),
        reference: making.registry.map_or(repository.to_owned(), |registry| {
            format!("{registry}/{repository}")
        }),
        name: inputs.name.clone(),
        version: inputs.version.clone(),
        license: manifest.package.license.clone(),
        model_license: manifest.package.model_license.clone(),
        parameters: parameters.as_object().cloned().unwrap_or_default(),
        epoch: inputs.epoch,
        base,
        host: HostOrigin {
            digest: materials::digest(&inputs.host)?,
            build,
        },
        files: settings
            .chain(model)
            .chain(engine)
            .chain(pack)
            .chain(libraries)
            .collect::<Result<_, _>>()?,
        python: python(packages, making),
        revision: project
            .as_deref()
            .and_then(Path::parent)
            .and_then(materials::revision),
    })
}

/// Returns the packages of a script, and those in its engine pack. The list is empty for all other
/// scorers.
fn python(packages: &[Package], making: &Making<'_>) -> Vec<PythonPackage> {
    let Some(engine) = making.engine else {
        return Vec::new();
    };
    let wheel = &engine.record.wheel;
    let of_engine = |name: &str, version: &str, sha256: Option<String>| PythonPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        license: None,
        sha256,
        is_in_pack: true,
    };
    let libraries = engine.record.libraries.iter();
    let libraries = libraries.map(|(name, version)| of_engine(name, version, None));
    let packages = packages.iter().map(|one| PythonPackage {
        name: one.name.clone(),
        version: one.version.clone(),
        license: Some(one.license.clone()).filter(|license| !license.is_empty()),
        sha256: Some(one.sha256.clone()),
        is_in_pack: false,
    });
    std::iter::once(of_engine(
        &wheel.name,
        &wheel.version,
        Some(wheel.sha256.clone()),
    ))
    .chain(libraries)
    .chain(packages)
    .collect()
}
