//! `cargo xtask push`: pushes an OCI layout to a registry.
//!
//! Owns the order of the steps and their messages. Must not know how the image was made.

use std::path::PathBuf;

use clap::Args;
use scorebox_workspace::failure::Failure;

use crate::format::Format;
use crate::identity::{CREDENTIALS, IdentityArgs};
use crate::image::layout::Place;
use crate::image::reading::{self, FoundImage};
use crate::outcome::Outcome;
use crate::registry::{self, BasePlace, Identity, Target};

/// Flags of `cargo xtask push`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask push target/images/digits --registry contoso.azurecr.io --repository \
    scoring/digits\n  cargo xtask push target/images/digits --registry 127.0.0.1:5000 --repository digits --plain-http --output json"))]
pub struct PushArgs {
    /// Folder of the OCI layout.
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    /// Host and port of the registry, e.g. 127.0.0.1:5000.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: String,
    /// Name of the image in the registry, e.g. scoring/digits.
    #[arg(long, value_name = "NAME")]
    pub repository: String,
    /// Tag of the image, in addition to its digest [default: the tag in the layout,
    /// or latest].
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Ask which blobs the registry has, print what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Use HTTP for the registry of the base image, if the layout names the base's layers without
    /// holding them.
    #[arg(long)]
    pub base_plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: the digest reference alone, or a JSON object with every digest
    /// and size.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Runs `cargo xtask push`: pushes the image of an OCI image layout to a registry. Fails if the
/// layout is invalid, or if the registry refuses the image or does not respond.
pub fn run(args: &PushArgs) -> Result<(), Failure> {
    let found = reading::read(&args.layout)?;
    let tag = args
        .tag
        .as_deref()
        .or(found.tag.as_deref())
        .unwrap_or("latest");
    let target = Target::parse(Some(&args.registry), &args.repository, tag);
    let target = target.map_err(|failure| place_of_tag(failure, args))?;
    let Some(target) = target else {
        return Ok(());
    };
    let identity = args.identity.read()?;
    let place = base_place(args, &identity, &found)?;
    let access = identity.access(&target.registry, args.plain_http, true);
    let sent = registry::push(&found.image, &target, &access, place.as_ref(), args.dry_run)?;
    let outcome = Outcome {
        image: &found.image,
        registry: Some(&target.registry),
        repository: &target.repository,
        tag,
        sent: Some(&sent),
        dry_run: args.dry_run,
    };
    eprint!("{}", outcome.table());
    if let Some(place) = outcome.place() {
        eprintln!("{place}");
    }
    outcome.print(args.output);
    Ok(())
}

/// Adds an explanation to the fix of a failure about the tag: the tag is that of the image in the
/// layout, because `--tag` is not given. Returns the failure unchanged if it is not about the tag,
/// or if `--tag` is given.
fn place_of_tag(failure: Failure, args: &PushArgs) -> Failure {
    if args.tag.is_some() || !failure.problem.starts_with("tag ") {
        return failure;
    }
    Failure {
        fix: format!(
            "{}; the layout has this tag, and --tag gives another one",
            failure.fix
        ),
        ..failure
    }
}

/// Returns the place of the base image whose layers a layout names but does not contain. Returns
/// `None` if the layout contains every blob that registries store. Fails if layers are missing and
/// the layout does not name its base image.
fn base_place(
    args: &PushArgs,
    identity: &Identity,
    found: &FoundImage,
) -> Result<Option<BasePlace>, Failure> {
    let missing = found
        .image
        .blobs
        .iter()
        .find(|blob| blob.place == Place::Base);
    let (missing, (name, digest)) = match (missing, &found.base) {
        (None, _) => return Ok(None),
        (Some(missing), Some(base)) => (missing, base),
        (Some(missing), None) => {
            return Err(Failure::project(
                format!(
                    "{}: does not hold {}, and does not name the base that it belongs to",
                    args.layout.display(),
                    missing.digest
                ),
                "write the layout again with `cargo xtask package --manifest FILE --base-blobs`",
            ));
        }
    };
    eprintln!(
        "base: {name}, {digest}; the layout does not hold {}",
        missing.name
    );
    BasePlace::beside(
        name,
        args.base_plain_http,
        identity,
        &args.registry,
        args.plain_http,
    )
    .map(Some)
}
