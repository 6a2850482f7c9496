//! Checks of the registry: the login, the rights to pull and to push, and the clock.
//!
//! Owns the choice of the registry and the repository, and the report's lines about them. Must not
//! know how a registry is queried.

use scorebox_host::manifest::Manifest;
use scorebox_workspace::failure::Failure;

use super::arguments::DoctorArgs;
use super::noun::Noun;
use super::report::Report;
use crate::registry::{self, Access, BaseReference, Grants, Identity, Skew, Target};

/// Difference between the clocks of this machine and of a server from which the report has a
/// warning, in seconds. Clocks that NTP synchronizes differ by less than a second.
const WARNED_SECONDS: u64 = 30;
/// Difference between the clocks of this machine and of a server from which tokens and signatures
/// are refused, in seconds. Microsoft Entra ID and most token services allow 5 min.
const REFUSED_SECONDS: u64 = 300;

/// Registry to which the login is checked, and repository for which the rights to pull and to push
/// are checked.
struct Place {
    registry: String,
    repository: Option<String>,
    /// True if the registry is that of `--image`. The image is in the registry already, so nothing
    /// has to be pushed.
    is_deployed: bool,
}

impl Place {
    /// Chooses the registry and the repository: those of the flags, or else those of the image, or
    /// else those of the project's manifest. The repository of the image is chosen only with the
    /// registry of the image. Returns `None` if no registry is named.
    fn of(args: &DoctorArgs, project: Option<&Manifest>) -> Option<Self> {
        let image = reference(args);
        let package = project.map(|project| &project.package);
        let of_package = package.and_then(|package| package.registry.as_deref());
        let of_image = image.as_ref().map(|image| image.registry.as_str());
        let registry = args.registry.as_deref().or(of_image).or(of_package)?;
        let is_deployed = args.registry.is_none() && image.is_some();
        let repository = match &args.repository {
            Some(repository) => Some(repository.clone()),
            None if is_deployed => image.as_ref().map(|image| image.repository.clone()),
            None => package.map(|package| package.repository.clone()),
        };
        Some(Self {
            registry: registry.to_owned(),
            repository,
            is_deployed,
        })
    }
}

/// Returns the reference of `--image`. Returns `None` if no image is given, if the image is a
/// layout, or if the reference is malformed. The check of the image reports a malformed reference.
pub fn reference(args: &DoctorArgs) -> Option<BaseReference> {
    let image = args.image.as_deref()?;
    match std::path::Path::new(image).is_dir() {
        true => None,
        false => BaseReference::of_image(image).ok(),
    }
}

/// Logs in to the registry, checks the rights to pull from the repository and to push to it, and
/// compares the clock of this machine with that of the registry. Adds the results to the report.
/// With `--offline`, or if no registry is named, nothing is sent, and the login and the rights are
/// reported as skipped.
pub fn examine(
    args: &DoctorArgs,
    identity: &Identity,
    report: &mut Report,
    project: Option<&Manifest>,
) {
    let nouns = [Noun::Login, Noun::Pull, Noun::Push];
    let Some(place) = Place::of(args, project) else {
        for noun in nouns {
            report.skipped(noun, "no registry is named; give one with --registry");
        }
        return;
    };
    if args.offline {
        for noun in nouns.into_iter().chain([Noun::Clock]) {
            report.skipped(noun, format!("{}: not asked, by --offline", place.registry));
        }
        return;
    }
    let repository = place.repository.as_deref();
    // A wrong name would only look like a missing right.
    if let Err(failure) = Target::parse(
        Some(&place.registry),
        repository.unwrap_or("any/any"),
        "latest",
    ) {
        report.failed(Noun::Login, failure);
        return no_rights(report);
    }
    let access = identity.access(&place.registry, args.plain_http, true);
    clock(report, &access);
    match registry::grants(&access, repository) {
        Ok(grants) => rights(report, &place, grants),
        Err(failure) => {
            report.failed(Noun::Login, with_offline(failure));
            no_rights(report);
        }
    }
}

/// Adds to the report that the rights to pull and to push were not checked, because the check of
/// the login failed.
fn no_rights(report: &mut Report) {
    for noun in [Noun::Pull, Noun::Push] {
        report.skipped(noun, format!("see {}", Noun::Login));
    }
}

fn with_offline(failure: Failure) -> Failure {
    Failure {
        fix: format!("{}; --offline leaves the registry out", failure.fix),
        ..failure
    }
}

fn rights(report: &mut Report, place: &Place, grants: Grants) {
    let registry = &place.registry;
    let login = match &grants.who {
        Some((origin, way)) => format!("{registry} accepts the credentials from {origin} ({way})"),
        None => format!("{registry} wants no login"),
    };
    report.ok(Noun::Login, login);
    let is_token = grants.who.is_some_and(|(_, way)| way == "Bearer");
    let repository = place.repository.as_deref().unwrap_or_default();
    let granted = |actions: &str| match is_token {
        true => format!(
            "{registry}/{repository}: granted, by a token for `repository:{repository}:{actions}`"
        ),
        false => format!("{registry}/{repository}: granted"),
    };
    for (noun, verdict, actions) in [
        (Noun::Pull, grants.pull, "pull"),
        (Noun::Push, grants.push, "pull,push"),
    ] {
        match verdict {
            None => report.skipped(noun, "no repository is named; give one with --repository"),
            Some(Ok(())) => report.ok(noun, granted(actions)),
            Some(Err(failure)) if noun == Noun::Push && place.is_deployed => {
                let text = format!(
                    "{}; an image that is there already needs no push",
                    failure.problem
                );
                report.warning(noun, text, failure.fix);
            }
            Some(Err(failure)) => report.failed(noun, failure),
        }
    }
}

fn clock(report: &mut Report, access: &Access) {
    match registry::clock(access) {
        Ok(Some(skew)) => said_of_clock(report, &access.registry, skew),
        Ok(None) => report.skipped(Noun::Clock, format!("{} states no date", access.registry)),
        // The line about the login has the reason.
        Err(_) => report.skipped(Noun::Clock, format!("{} does not answer", access.registry)),
    }
}

/// Adds the line about the clock of this machine to the report. `skew` is the difference from the
/// clock of `other`, the host name of a server.
pub fn said_of_clock(report: &mut Report, other: &str, skew: Skew) {
    let Skew { seconds, is_ahead } = skew;
    let way = if is_ahead { "ahead of" } else { "behind" };
    let text = format!("this machine is {seconds} s {way} {other}");
    let fix = "let NTP set the clock, e.g. with `timedatectl set-ntp true`, or correct the clock of \
               the other machine";
    match seconds {
        0..WARNED_SECONDS => {
            report.ok(
                Noun::Clock,
                format!("within {} s of {other}", seconds.max(1)),
            );
        }
        WARNED_SECONDS..REFUSED_SECONDS => report.warning(Noun::Clock, text, fix),
        _ => {
            let text = format!("{text}: tokens and signatures are refused from 5 min on");
            report.problem(Noun::Clock, text, fix);
        }
    }
}
