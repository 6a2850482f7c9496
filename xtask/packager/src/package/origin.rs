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
use crate::image::attestation::{FileOrigin, HostOrigin, Origin, Role};
use crate::image::{APP_ROOT, Compression, Content, ENGINE_FOLDER, Inputs};
use crate::{app, materials};

/// Collects the origin of an image for its attestations: the files, the crates, the base image and
/// the Git revision that went into the image. `repository` is the name of the image's repository.
/// Fails if a file cannot be read, or if Cargo fails.
pub(super) fn origin(
    manifest: &Manifest,
    inputs: &Inputs,
    making: &Making<'_>,
    repository: &str,
) -> Result<Origin, Failure> {
    let role = |name: &str| match name {
        app::COMPONENT_FILE => Role::Component,
        app::CODE_FILE => Role::Code,
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
        None => Some(materials::host_build(making.parts.is_some())?),
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
            .chain(libraries)
            .collect::<Result<_, _>>()?,
        revision: project
            .as_deref()
            .and_then(Path::parent)
            .and_then(materials::revision),
    })
}
