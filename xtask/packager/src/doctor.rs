//! `cargo xtask doctor`: checks everything that a deployment needs, and prints a line for each
//! check.
//!
//! Owns the choice of the checks, which follows from the arguments, and their order. Must not know
//! how anything is checked: each group of checks has a module below.

mod address;
mod app;
mod arguments;
mod cgroup;
mod functions_files;
mod host;
mod image;
mod names;
mod noun;
mod registry_rights;
mod report;
mod settings;
mod sizes;
mod stores;

use std::io::Write as _;

use scorebox_host::deployment;
use scorebox_host::manifest::Manifest;
use scorebox_host::telemetry::{self, Output};
use scorebox_workspace::failure::Failure;

use self::app::AppPlace;
pub use self::arguments::DoctorArgs;
use self::image::ImageFound;
use self::noun::Noun;
use self::report::Report;
use self::settings::Settings;
use crate::format::Format;
use crate::registry::Identity;

/// Runs `cargo xtask doctor`: checks what the arguments name and prints the report. Fails if a
/// check finds a problem, or if the password or the certificates for the registry cannot be read.
pub fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let identity = args.identity.read()?;
    let mut report = Report::default();
    examine(args, &identity, &mut report);
    let text = match args.output {
        Format::Text => report.text(),
        Format::Json => report.json(),
    };
    // If the reader of standard output has gone, what was found stays the same.
    let _ = write!(std::io::stdout(), "{text}");
    report.outcome()
}

fn examine(args: &DoctorArgs, identity: &Identity, report: &mut Report) {
    // The lines that a scorer logs while it is checked go to standard error.
    if let Err(error) = telemetry::start(Output::Talk, &deployment::process) {
        app::refused(report, &error);
    }
    let image = image::examine(args, identity, report);
    let project = args
        .manifest
        .as_deref()
        .and_then(|path| app::manifest(report, path));
    let unpacked = image.as_ref().and_then(|image| image.app.as_deref());
    let place = AppPlace::of(args, project.as_ref(), unpacked);
    let built = built(args, report, project.as_ref(), image.as_ref());
    // The built app is checked. If there is only a project, the project is checked in its own
    // folder.
    let manifest = built.as_ref().or(project.as_ref());
    if manifest.is_none() && args.manifest.is_none() && args.app.is_none() && args.image.is_none() {
        report.skipped(
            Noun::Manifest,
            "none is given; name one with --manifest, --app or --image",
        );
    }
    app::examine(args, report, manifest, &place);
    let settings = Settings::read(args, report);
    settings::examine(
        report,
        project.as_ref(),
        manifest,
        settings.as_ref(),
        image.as_ref(),
    );
    stores::examine(args, report, manifest, &place, settings.as_ref());
    registry_rights::examine(args, identity, report, project.as_ref());
    names::examine(args, report, project.as_ref(), manifest);
    sizes::examine(args, report, manifest);
    host::examine(report, project.as_ref(), manifest, image.as_ref());
    address::examine(args, identity, report, manifest);
}

/// Reads the manifest of the built app: that of `--app`, or else that of the image. Adds a warning
/// to the report if the name or the version of the scorer differs from the project's, because an
/// app that was built before a change is easily deployed by mistake. Returns `None` if no built app
/// is given, or if its manifest is not valid.
fn built(
    args: &DoctorArgs,
    report: &mut Report,
    project: Option<&Manifest>,
    image: Option<&ImageFound>,
) -> Option<Manifest> {
    let (what, built) = match (&args.app, image) {
        (Some(app), _) => ("--app", app::manifest(report, app)?),
        (None, Some(image)) => ("the image", image.manifest.clone()?),
        (None, None) => return None,
    };
    if let Some(project) = project {
        let told = |manifest: &Manifest| {
            format!("{} {}", manifest.scorer.name, manifest.scorer.version)
                .trim_end()
                .to_owned()
        };
        let (of_project, of_built) = (told(project), told(&built));
        if of_project != of_built {
            report.warning(
                Noun::Manifest,
                format!("{what} holds `{of_built}`, and --manifest says `{of_project}`"),
                "build and package the project again, or name the manifest that was built",
            );
        }
    }
    Some(built)
}
