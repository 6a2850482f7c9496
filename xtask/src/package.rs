//! `cargo xtask package`: from a manifest to an image, on disk and in a registry.
//!
//! Owns the order of the steps and what is said about them. Must not know how any step works.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::Manifest;
use scorebox_host::precompiled::Cpu;
use serde_json::json;

use crate::app::{self, App, MODEL_FOLDER};
use crate::args::{Format, PackageArgs};
use crate::failure::Failure;
use crate::host_program::{self, Kind};
use crate::image::layout::{self, WrittenImage};
use crate::image::{Content, Inputs, PORT, plan};
use crate::registry::{self, Sent, Target};
use crate::workspace::{self, shown};

/// Runs the command.
pub fn run(args: PackageArgs) -> Result<(), Failure> {
    let manifest = Manifest::read(&args.manifest)?;
    let registry = args.registry.as_deref().or(manifest.package.registry.as_deref());
    let repository = args.repository.as_deref().unwrap_or(&manifest.package.repository);
    let tag = args.tag.as_deref().unwrap_or(&manifest.package.tag);
    // Names are checked before anything is built: a build takes minutes.
    let target = Target::parse(registry, repository, tag)?;
    if args.push && target.is_none() {
        return Err(Failure::project(
            format!("{}: `package.registry` is not set, so there is nowhere to push to", args.manifest.display()),
            "add --registry HOST[:PORT], or `registry = \"HOST\"` under [package]",
        ));
    }
    let image = image(&manifest, args.cpu, args.host.as_deref(), args.output.as_deref(), tag)?;
    let sent = match &target {
        Some(target) if args.push => Some(registry::push(&image, target, args.plain_http)?),
        _ => None,
    };
    let reference = match &target {
        Some(target) => format!("{}/{repository}@{}", target.registry, image.digest),
        None => format!("{repository}@{}", image.digest),
    };
    eprint!("{}", table(&image, sent.as_deref()));
    eprintln!("layout: {}, tagged {tag}", shown(&image.dir));
    match (&target, &sent) {
        (Some(target), Some(_)) => {
            eprintln!("pushed: {}/{repository}:{tag}", target.registry);
            eprintln!("next: docker run --rm -p {PORT}:{PORT} {reference}");
        }
        _ => eprintln!(
            "next: cargo xtask package --manifest {} --push --registry {}",
            shown(&args.manifest),
            registry.unwrap_or("HOST[:PORT]")
        ),
    }
    let text = match args.format {
        Format::Text => reference,
        Format::Json => result(&image, sent.as_deref(), &reference, tag).to_string(),
    };
    // A reader that is gone is no reason to call a finished push a failure.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Builds everything and writes the image's layout.
pub fn image(
    manifest: &Manifest,
    cpu: Cpu,
    host: Option<&Path>,
    output: Option<&Path>,
    tag: &str,
) -> Result<WrittenImage, Failure> {
    let epoch = source_date_epoch(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())?;
    // A folder of its own: two packagings at a time, or a build beside one, must not meet.
    let target = workspace::target();
    let staging = std::fs::create_dir_all(&target)
        .and_then(|()| tempfile::Builder::new().prefix(".package-").tempdir_in(&target))
        .map_err(|error| Failure::file(&target, "take a new folder", error))?;
    let app = app::stage(manifest, &staging.path().join("app"), cpu)?;
    let host = host.map_or_else(|| host_program::build(Kind::Image), |host| Ok(host.to_path_buf()))?;
    host_program::check(&host)?;
    let default = || workspace::target().join("images").join(&manifest.scorer.name);
    let dir = output.map_or_else(default, Path::to_path_buf);
    layout::write(&plan(&inputs(app, host, epoch)), &dir, tag)
}

fn inputs(app: App, host: PathBuf, epoch: u64) -> Inputs {
    let model = app.model.into_iter().map(|file| (format!("{MODEL_FOLDER}/{}", file.name), Content::File(file.path)));
    Inputs {
        name: app.report.name,
        version: app.report.version,
        world: app.report.world,
        wit_version: app.report.wit_version,
        component_digest: app.report.component_digest,
        model_digest: app.report.model_digest,
        epoch,
        host: Content::File(host),
        app: app.files.into_iter().map(|(name, path)| (name, Content::File(path))).collect(),
        model: model.collect::<BTreeMap<_, _>>(),
    }
}

fn source_date_epoch(value: Option<&str>) -> Result<u64, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(0) };
    value.parse().map_err(|_| {
        Failure::other(
            format!("SOURCE_DATE_EPOCH: `{value}` is not a number of seconds since 1970"),
            "unset it, or e.g. export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    })
}

/// Blobs as aligned lines.
pub fn table(image: &WrittenImage, sent: Option<&[Sent]>) -> String {
    let mut text = String::new();
    let (mut sent_bytes, mut skipped_bytes) = (0, 0);
    for (index, blob) in image.blobs.iter().enumerate() {
        let fate = match sent.and_then(|sent| sent.get(index)) {
            None => "",
            Some(Sent::Uploaded) => {
                sent_bytes += blob.size;
                "  sent"
            }
            Some(Sent::Skipped) => {
                skipped_bytes += blob.size;
                "  skipped: already there"
            }
        };
        text.push_str(&format!("{:<7} {} {:>12} bytes{fate}\n", blob.name, blob.digest, blob.size));
    }
    if sent.is_some() {
        text.push_str(&format!("sent {sent_bytes} bytes, skipped {skipped_bytes} bytes\n"));
    }
    text
}

fn result(image: &WrittenImage, sent: Option<&[Sent]>, reference: &str, tag: &str) -> serde_json::Value {
    let blobs = image.blobs.iter().enumerate().map(|(index, blob)| {
        json!({
            "name": blob.name,
            "mediaType": blob.media_type,
            "digest": blob.digest.to_string(),
            "size": blob.size,
            "sent": sent.and_then(|sent| sent.get(index)).map(|sent| *sent == Sent::Uploaded),
        })
    });
    json!({
        "reference": reference,
        "digest": image.digest.to_string(),
        "tag": tag,
        "layout": image.dir.display().to_string(),
        "pushed": sent.is_some(),
        "blobs": blobs.collect::<Vec<_>>(),
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
