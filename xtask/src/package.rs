//! `cargo xtask package`: from a manifest to an image, on disk and in a registry.
//!
//! Owns the order of the steps and their messages. Must not know how any step works.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::graph::LIBRARY;
use scorebox_host::manifest::Manifest;
use scorebox_host::packaging::Times;
use scorebox_host::precompiled::Cpu;
use serde_json::json;

use crate::app::{self, App, MODEL_FOLDER, Trial};
use crate::args::{Attest, Compressor, PackageArgs};
use crate::component::{self, Component};
use crate::engine_library::{self, EngineLibrary};
use crate::failure::Failure;
use crate::host_program::{self, Kind};
use crate::image::attestation::{FileOrigin, HostOrigin, Origin, Role, artifacts};
use crate::image::base::Base;
use crate::image::layout::{self, WrittenImage};
use crate::image::{APP_ROOT, Compression, Content, ENGINE_FOLDER, Inputs, PORT, plan, sample};
use crate::outcome::Outcome;
use crate::registry::{self, BasePlace, Target};
use crate::signing::Key;
use crate::workspace::{self, shown};
use crate::{functions_app, libraries, materials, shell};

/// Port of the Functions host in its images.
const FUNCTIONS_PORT: u16 = 80;

/// Runs `cargo xtask package`.
pub fn run(args: PackageArgs) -> Result<(), Failure> {
    let manifest = Manifest::read(&args.manifest)?;
    let registry = args
        .registry
        .as_deref()
        .or(manifest.package.registry.as_deref());
    let repository = args
        .repository
        .as_deref()
        .unwrap_or(&manifest.package.repository);
    let tag = args.tag.as_deref().unwrap_or(&manifest.package.tag);
    // Names are checked before anything is built, because a build takes minutes.
    let target = Target::parse(registry, repository, tag)?;
    if args.push && target.is_none() {
        return Err(Failure::project(
            format!(
                "{}: `package.registry` is not set, so there is nowhere to push to",
                args.manifest.display()
            ),
            "add --registry HOST[:PORT], or `registry = \"HOST\"` under [package]",
        ));
    }
    let key = args.sign_key.as_deref().map(Key::read).transpose()?;
    if key.is_some() && args.attest == Attest::None {
        return Err(Failure::other(
            "--sign-key signs what --attest none leaves out",
            "leave out one of the two",
        ));
    }
    let identity = args.identity.read()?;
    let place = match args.base.as_deref().unwrap_or(&manifest.package.base) {
        "scratch" => None,
        base => {
            let registry = registry.unwrap_or_default();
            Some(BasePlace::beside(
                base,
                args.base_plain_http,
                &identity,
                registry,
                args.plain_http,
            )?)
        }
    };
    // The base is looked up before the build too: a wrong name should not be found after minutes.
    let base = place.as_ref().map(BasePlace::find).transpose()?;
    let base_blobs = match (&place, &base) {
        (Some(place), Some(base)) => {
            eprintln!(
                "base: {}, {}, {} layers",
                base.name,
                base.digest,
                base.layers.len()
            );
            base_blobs(&args, place, base)?
        }
        _ => None,
    };
    let beside = place.as_ref().zip(base.as_ref());
    if let (Some(host), Some((place, base))) = (&args.host, beside) {
        libraries_are_there(host, None, place, base)?;
    }
    let component = component::locate(&manifest)?;
    let parts = match &component {
        Some(component) if !component.calls_graphs => None,
        _ => Some(GraphParts::new(
            args.host.as_deref(),
            args.engine_library.as_deref(),
            base.is_none(),
        )?),
    };
    if let (Some(parts), Some((place, base))) = (&parts, beside) {
        libraries_are_there(&parts.host, Some(parts), place, base)?;
    }
    // On a base with the Functions host, that host listens on the port of its images.
    let base_is_functions = base.as_ref().is_some_and(Base::is_functions);
    let port = if base_is_functions {
        FUNCTIONS_PORT
    } else {
        PORT
    };
    let making = Making {
        cpu: args.cpu,
        host: args.host.as_deref(),
        parts: parts.as_ref(),
        output: args.layout.as_deref(),
        tag,
        compression: match args.compression {
            Compressor::Gzip => Compression::Gzip,
            Compressor::Zstd => Compression::Zstd,
        },
        base,
        base_blobs: base_blobs.as_deref(),
        attestation: (args.attest == Attest::All).then_some(repository),
        registry,
        key: key.as_ref(),
    };
    let image = image(&manifest, component.as_ref(), &making)?;
    let sent = match &target {
        Some(target) if args.push => {
            let access = identity.access(&target.registry, args.plain_http, true);
            Some(registry::push(
                &image,
                target,
                &access,
                place.as_ref(),
                args.dry_run,
            )?)
        }
        _ => None,
    };
    let registry = target.as_ref().map(|target| target.registry.as_str());
    let outcome = Outcome {
        image: &image,
        registry,
        repository,
        tag,
        sent: sent.as_deref(),
        dry_run: args.dry_run,
    };
    eprint!("{}", outcome.table());
    eprintln!("layout: {}, tagged {tag}", shown(&image.dir));
    if base_is_functions
        || manifest
            .triggers
            .iter()
            .any(|trigger| trigger.http().is_none())
    {
        functions_app::say_settings(&manifest);
    }
    match outcome.place() {
        Some(place) => {
            eprintln!("{place}");
            if !args.dry_run {
                let reference = shell::argument(&outcome.reference());
                eprintln!("next: docker run --rm -p {PORT}:{port} {reference}");
            }
        }
        None => {
            let (layout, registry) = (
                shell::argument(&shown(&image.dir)),
                registry.map(shell::argument),
            );
            eprintln!(
                "next: cargo xtask push {layout} --registry {}",
                registry.as_deref().unwrap_or("HOST[:PORT]")
            );
        }
    }
    outcome.print(args.output);
    Ok(())
}

/// Checks that a base has the libraries that a dynamic host needs. For this the base's layers are
/// fetched.
fn libraries_are_there(
    host: &Path,
    parts: Option<&GraphParts>,
    place: &BasePlace,
    base: &Base,
) -> Result<(), Failure> {
    let Some(mut needs) = libraries::needs(host)? else {
        return Ok(());
    };
    if let Some(parts) = parts {
        needs.add(&parts.library.file)?;
    }
    let folder = base_folder();
    place.fetch(base, &folder)?;
    let layers = base.layers.iter().filter(|layer| layer.urls.is_empty());
    let layers: Vec<_> = layers
        .map(|layer| (folder.join(layer.digest.hex()), layer.media_type.clone()))
        .collect();
    libraries::check(host, &needs, &base.name, &layers)
}

/// Returns the folder for base layers, in the target folder. Layers are kept, because a base is
/// large and rarely changes.
fn base_folder() -> PathBuf {
    workspace::target().join("base-blobs")
}

/// Returns the folder with the base's layers. `None` if the layout does not hold them.
fn base_blobs(
    args: &PackageArgs,
    place: &BasePlace,
    base: &Base,
) -> Result<Option<PathBuf>, Failure> {
    if args.push && !args.base_blobs {
        return Ok(None);
    }
    let folder = base_folder();
    place.fetch(base, &folder)?;
    Ok(Some(folder))
}

/// Additional parts of an image with a graph: a host that runs it, the library, and the shared
/// libraries that both need.
pub struct GraphParts {
    host: PathBuf,
    library: EngineLibrary,
    /// Shared libraries, by their paths in the image. Empty if there is a base, because the base
    /// has them.
    libraries: BTreeMap<String, PathBuf>,
}

impl GraphParts {
    /// Builds or checks the host, and fetches or checks the library.
    fn new(host: Option<&Path>, library: Option<&Path>, on_nothing: bool) -> Result<Self, Failure> {
        let library = engine_library::locate(library)?;
        let host = host.map_or_else(
            || host_program::build(Kind::ImageWithGraphs),
            |host| Ok(host.to_path_buf()),
        )?;
        let Some(needs) = libraries::needs(&host)? else {
            return Err(Failure::toolchain(
                format!(
                    "{}: is linked statically, and such a program cannot load the library that runs graphs",
                    shown(&host)
                ),
                "leave --host out, or build one with `--features graphs`",
            ));
        };
        let programs = [host.as_path(), library.file.as_path()];
        let libraries = if on_nothing {
            libraries::bundle(&needs, &programs)?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            host,
            library,
            libraries,
        })
    }

    /// Returns the library and its licence files, by their names.
    fn engine(&self) -> BTreeMap<String, Content> {
        let files = std::iter::once(&self.library.file).chain(&self.library.texts);
        files
            .filter_map(|file| {
                Some((
                    file.file_name()?.to_str()?.to_owned(),
                    Content::File(file.clone()),
                ))
            })
            .collect()
    }
}

/// Options for building an image, in addition to its manifest.
pub struct Making<'a> {
    /// CPU that the component is compiled for.
    pub cpu: Cpu,
    /// Host program that is built already. If `None`, one is built.
    pub host: Option<&'a Path>,
    /// Parts for a scorer that is an ONNX graph or calls graphs. `None` for other scorers.
    pub parts: Option<&'a GraphParts>,
    /// Folder of the OCI layout. If `None`, it is the default folder.
    pub output: Option<&'a Path>,
    /// Tag of the image in the layout.
    pub tag: &'a str,
    /// Compression of the layers, except for the model's layer if it does not shrink.
    pub compression: Compression,
    /// Base image below Scorebox's own layers. `None` means `scratch`.
    pub base: Option<Base>,
    /// Folder with the base's layers. `None` if the layout does not hold them.
    pub base_blobs: Option<&'a Path>,
    /// Repository name recorded in the attestations. `None` disables attestations.
    pub attestation: Option<&'a str>,
    /// Registry that the image is built for. `None` if no registry is known.
    pub registry: Option<&'a str>,
    /// Private key that signs the image and the statement. `None` disables signatures.
    pub key: Option<&'a Key>,
}

impl<'a> Making<'a> {
    /// Returns the default options: no base image, gzip layers, no attestations.
    pub fn of(output: &'a Path, tag: &'a str) -> Self {
        Self {
            cpu: Cpu::Baseline,
            host: None,
            parts: None,
            output: Some(output),
            tag,
            compression: Compression::Gzip,
            base: None,
            base_blobs: None,
            attestation: None,
            registry: None,
            key: None,
        }
    }
}

/// Builds the app and the host, and writes the image's layout.
pub fn image(
    manifest: &Manifest,
    component: Option<&Component>,
    making: &Making<'_>,
) -> Result<WrittenImage, Failure> {
    let epoch = source_date_epoch(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())?;
    // The staging folder has a name of its own, so that packagings and builds at the same time do
    // not meet.
    let target = workspace::target();
    let staging = std::fs::create_dir_all(&target)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".package-")
                .tempdir_in(&target)
        })
        .map_err(|error| Failure::file(&target, "take a new folder", error))?;
    let trial = Trial {
        host: making.parts.map(|parts| parts.host.as_path()),
        library: making.parts.map(|parts| parts.library.file.as_path()),
    };
    let app = app::stage(
        manifest,
        component,
        &staging.path().join("app"),
        making.cpu,
        Times::Image(epoch),
        trial,
    )?;
    let host = match making.parts {
        Some(parts) => parts.host.clone(),
        None => making.host.map_or_else(
            || host_program::build(Kind::Image),
            |host| Ok(host.to_path_buf()),
        )?,
    };
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
    let inputs = Inputs {
        model_compression: if shrinks {
            Compression::Fast
        } else {
            Compression::Stored
        },
        ..inputs(app, host, epoch, making)
    };
    let origin = match making.attestation {
        Some(repository) => Some(origin(manifest, &inputs, making, repository)?),
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

/// Collects the origin of an image: the files, the crates, the base and the revision that went into
/// it.
fn origin(
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
    let beside = |path: &str, content: &Content, role: Role| {
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
        beside(&format!("{ENGINE_FOLDER}/{name}"), content, role)
    });
    let libraries = inputs
        .libraries
        .iter()
        .map(|(path, content)| beside(path, content, Role::Library));
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
        component_digest: app.report.component_digest,
        model_digest: app.report.model_digest,
        epoch,
        base: making.base.clone(),
        compression: making.compression,
        model_compression: Compression::Stored,
        host: Content::File(host),
        engine: making.parts.map(GraphParts::engine).unwrap_or_default(),
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
