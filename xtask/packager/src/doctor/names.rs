//! Check of the names of a deployment.
//!
//! Owns the list of these checks. Must not know a rule: this module calls the checks of the
//! manifest, the registry client and `deploy`.

use scorebox_host::manifest::Manifest;
use scorebox_host::text::counted;
use scorebox_workspace::digest::Digest;

use super::arguments::DoctorArgs;
use super::noun::Noun;
use super::registry_rights::reference;
use super::report::Report;
use crate::deploy;
use crate::registry::Target;

/// Placeholder for the registry in the image reference with which the arguments of `deploy` are
/// checked, if no registry is named.
const ANY_REGISTRY: &str = "example.azurecr.io";

/// Checks the names in the manifest, in the reference of the image, and in the arguments of
/// `deploy`. Adds the results to the report. `project` is the manifest that `--manifest` names, and
/// `manifest` is that of the built app or of the project.
pub fn examine(
    args: &DoctorArgs,
    report: &mut Report,
    project: Option<&Manifest>,
    manifest: Option<&Manifest>,
) {
    of_image(args, report, project);
    of_deploy(args, report, project);
    match manifest {
        Some(manifest) if !report.has_problem(Noun::Names) => {
            // The manifest was read, so its names follow the rules.
            let count = counted(manifest.triggers.len() as u64, "function");
            let deploy = match args.deploy.is_empty() {
                true => "",
                false => ", and those of the deployment",
            };
            report.ok(
                Noun::Names,
                format!("the names of {count}{deploy} follow the rules"),
            );
        }
        None if !report.has(Noun::Names) => {
            report.skipped(Noun::Names, "there is no valid manifest");
        }
        _ => {}
    }
}

/// Checks the names under which the image is pushed: registry, repository and tag.
fn of_image(args: &DoctorArgs, report: &mut Report, project: Option<&Manifest>) {
    let Some(package) = project.map(|project| &project.package) else {
        return;
    };
    let registry = args.registry.as_deref().or(package.registry.as_deref());
    let repository = args.repository.as_deref().unwrap_or(&package.repository);
    if let Err(failure) = Target::parse(registry, repository, &package.tag) {
        report.failed(Noun::Names, failure);
    }
}

/// Checks the arguments of `cargo xtask deploy`, by that command's own rules.
fn of_deploy(args: &DoctorArgs, report: &mut Report, project: Option<&Manifest>) {
    if args.deploy.is_empty() {
        return;
    }
    let Some(project) = project else {
        return report.skipped(
            Noun::Names,
            "the arguments of `deploy` are checked with --manifest, the manifest of the project",
        );
    };
    if let Err(failure) = deploy::check(&args.deploy, &image(args, project), &project.path) {
        report.failed(Noun::Names, failure);
    }
}

/// Returns the image reference with which the arguments of `deploy` are checked. If `--image` has a
/// digest, this is the value of `--image`. Otherwise it consists of the repository of `--image`, or
/// of the repository that the image will be pushed to, and of a placeholder digest.
fn image(args: &DoctorArgs, project: &Manifest) -> String {
    let digest = Digest::of(b"an image that is not pushed yet");
    match (reference(args), &args.image) {
        (Some(known), Some(image)) if known.digest.is_some() => image.clone(),
        (Some(known), _) => format!("{}/{}@{digest}", known.registry, known.repository),
        (None, _) => {
            let package = &project.package;
            let registry = args.registry.as_deref().or(package.registry.as_deref());
            let repository = args.repository.as_deref().unwrap_or(&package.repository);
            format!("{}/{repository}@{digest}", registry.unwrap_or(ANY_REGISTRY))
        }
    }
}
