//! `cargo xtask package`: builds an image from a manifest, on disk and in a registry.
//!
//! Owns the order of the steps and their messages. Must not know how any step works.

mod arguments;
pub mod build;
mod graph_parts;
pub mod options;
mod origin;
mod script_parts;

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{Manifest, image_names};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

pub use self::arguments::PackageArgs;

use self::arguments::{Attest, Compressor};
use self::build::image;
use self::graph_parts::GraphParts;
use self::options::Making;
use crate::host_program::Kind;
use crate::image::base::Base;
use crate::image::{Compression, PORT};
use crate::outcome::Outcome;
use crate::python::engine;
use crate::registry::{self, BasePlace, Target};
use crate::signing::Key;
use crate::{
    app, component, functions_app, graph_trial, host_program, libraries, manifest_file, shell,
};

/// Port that the Functions host listens on in its own images.
const FUNCTIONS_PORT: u16 = 80;

/// Runs `cargo xtask package`: builds an image from a scorer's manifest, and pushes the image if
/// `--push` is given. Fails if the manifest or an argument is invalid, if the image cannot be
/// built, or if the registry refuses it or does not respond.
pub fn run(args: PackageArgs) -> Result<(), Failure> {
    let manifest = manifest_file::read(&args.manifest)?;
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
    let target = Target::parse(registry, repository, tag)
        .map_err(|failure| place_of_tag(failure, &args, &manifest, tag))?;
    say_tag(&args, &manifest, tag);
    if args.push && target.is_none() {
        return Err(Failure::project(
            format!(
                "{}: `package.registry` is not set, so there is nowhere to push to",
                args.manifest.display()
            ),
            "add --registry HOST[:PORT], or `registry = \"HOST\"` under [package]",
        ));
    }
    if let Some(host) = &args.host {
        host_program::is_of_this_release(host)?;
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
    script_parts::check_proof(&manifest, args.without_proof)?;
    let component = component::locate(&manifest)?;
    if let Some(component) = &component {
        app::examine(&manifest, component)?;
    }
    let script = manifest.scorer.script.as_ref();
    let engine = script.map(|_| engine::locate()).transpose()?;
    let needs_graphs = match &component {
        Some(component) => component.calls_graphs,
        None => graph_trial::needs_library(&manifest),
    };
    let kind = Kind::of_image(script.is_some(), needs_graphs);
    let parts = match needs_graphs {
        false => None,
        true => Some(GraphParts::new(
            kind,
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
    if base_is_functions && !manifest.server.key_variables.is_empty() {
        return Err(Failure::project(
            "`server.keys`: the Functions host on the base calls Scorebox without these keys, and checks its own",
            "remove `server.keys`, and say with `trigger.auth_level` which key a caller needs; or package on `scratch`",
        ));
    }
    let port = if base_is_functions {
        FUNCTIONS_PORT
    } else {
        PORT
    };
    let making = Making {
        cpu: args.cpu,
        host: args.host.as_deref(),
        kind,
        engine: engine.as_ref(),
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
        functions_app::say_warnings(&manifest);
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
            let layout = shell::path(&image.dir);
            let registry = registry.map(shell::argument);
            let registry = registry.as_deref().unwrap_or("HOST[:PORT]");
            let repository = shell::argument(repository);
            let scheme = if args.plain_http { " --plain-http" } else { "" };
            let identity = args.identity.words();
            eprintln!(
                "next: cargo xtask push {layout} --registry {registry} \
                 --repository {repository}{scheme}{identity}"
            );
        }
    }
    outcome.print(args.output);
    Ok(())
}

/// Adds an explanation to the fix of a failure about the tag, if the tag is the scorer's version.
/// It is the version if neither `--tag` nor `package.tag` is set. Returns the failure unchanged if
/// it is not about the tag, if `--tag` is given, or if the tag is not the version.
fn place_of_tag(failure: Failure, args: &PackageArgs, manifest: &Manifest, tag: &str) -> Failure {
    if args.tag.is_some() || tag != manifest.scorer.version || !failure.problem.starts_with("tag ")
    {
        return failure;
    }
    Failure {
        fix: format!(
            "{}; write it into `package.tag` or after --tag, because the tag is `scorer.version` \
             if there is none",
            failure.fix
        ),
        ..failure
    }
}

/// Prints a note if the tag differs from the scorer's version because no tag can have the `+` of a
/// version.
fn say_tag(args: &PackageArgs, manifest: &Manifest, tag: &str) {
    let version = &manifest.scorer.version;
    if args.tag.is_none() && version != tag && image_names::tag_of_version(version) == tag {
        eprintln!(
            "tag: {tag}, because no tag can have the `+` of the version {version}; --tag chooses \
             another one"
        );
    }
}

/// Fails unless a base image has the shared libraries that a dynamically linked host needs. A host
/// that is linked statically needs none. If `parts` is given, the libraries that ONNX Runtime needs
/// are checked as well. The layers of the base are fetched for this check.
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

/// Returns the path of the folder that keeps the layers of base images. The layers are kept because
/// a base image is large and rarely changes.
fn base_folder() -> PathBuf {
    installation::cache().join("base-blobs")
}

/// Fetches the layers of the base image, and returns the path of the folder with the layers.
/// Returns `None` with `--push` and without `--base-blobs`, because the layout then does not
/// contain the layers. Fails if a layer cannot be fetched.
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
