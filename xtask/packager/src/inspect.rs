//! `cargo xtask inspect`: shows what an image contains, and checks that it is what it claims to be.
//!
//! Owns the order of the checks. Must not know how an image is built: the command trusts only
//! digests, and a key if one is given.

mod attached;
mod container;
mod contents;
mod documents;
mod form;
mod labels;
mod layers;
mod opened;
mod ours;
mod pack;
mod report;
mod rootfs;
mod small_blob;
mod store;
mod system;

use std::path::{Path, PathBuf};

use clap::Args;
use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE};
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::{Failure, Kind};
use scorebox_workspace::installation;
use serde_json::Value;

pub use self::opened::{OpenedImage, OpenedLayer, open};
use self::report::{Report, Verdict};
use self::store::{Store, is_of_network};
use crate::format::Format;
use crate::identity::{CREDENTIALS, IdentityArgs};
use crate::image::manifest::{self, BaseManifest, Document};
use crate::image::reading;
use crate::image::unfit::UnfitImage;
use crate::registry::{BaseReference, Reading};
use crate::signing::PublicKey;

/// Maximum number of documents that are parsed to find a manifest, including the manifest. An image
/// index may point to another index.
const MOST_LISTS: u32 = 3;
/// Maximum number of layers of an image that is inspected. Docker's storage driver overlay2 accepts
/// no more.
const MOST_LAYERS: usize = 128;
/// Maximum number of problems that the final error message lists.
const MOST_REPEATED: usize = 20;

/// Flags of `cargo xtask inspect`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask inspect target/images/digits\n  cargo xtask inspect \
    contoso.azurecr.io/scoring/digits:1.0 --key scorebox.pub\n  cargo xtask inspect 127.0.0.1:5000/digits:1.0 --plain-http --output json"))]
pub struct InspectArgs {
    /// The image, `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`, or the folder of an OCI layout.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// A public key of the curve P-256, in PEM. The image and its provenance statement must be
    /// signed with the private key that belongs to it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: a table, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Runs `cargo xtask inspect`: prints the report on an image. Fails if the image cannot be read, or
/// if a check of the image fails.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    let target = installation::cache();
    let folder = std::fs::create_dir_all(&target)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".inspect-")
                .tempdir_in(&target)
        })
        .map_err(|error| Failure::file(&target, "create a temporary folder", error))?;
    let dir = Path::new(&args.image);
    let (store, version) = if dir.is_dir() {
        (Store::layout(dir)?, String::new())
    } else {
        let reference = BaseReference::of_image(&args.image)?;
        let access = args
            .identity
            .read()?
            .access(&reference.registry, args.plain_http, true);
        let version = reference.version();
        (
            Store::Registry(Box::new(Reading::open(&access, &reference, folder.path())?)),
            version,
        )
    };
    let report = examine(&store, &args.image, &version, key.as_ref())?;
    let text = match args.output {
        Format::Text => report.table(),
        Format::Json => format!("{}\n", report.json()),
    };
    print!("{text}");
    let wrong: Vec<_> = report
        .wrong()
        .map(|(what, problem)| format!("{what}: {problem}"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let told = wrong.get(..MOST_REPEATED).unwrap_or(&wrong);
    let more = wrong.len() - told.len();
    let more = if more > 0 {
        format!("\n  and {more} more")
    } else {
        String::new()
    };
    Err(Failure::new(
        Kind::Verification,
        format!(
            "{} is not what it says it is:\n  {}{more}",
            args.image,
            told.join("\n  ")
        ),
        "do not run it; package and push it again, and find out who altered it",
    ))
}

fn examine(
    store: &Store,
    place: &str,
    version: &str,
    key: Option<&PublicKey>,
) -> Result<Report, Failure> {
    let found = find(store, place, version)?;
    let mut report = Report::new(place, Digest::of(&found.bytes));
    let raw = match documents::read(&found.bytes) {
        Ok(raw) => {
            report.note(
                "manifest",
                format!("{} bytes", found.bytes.len()),
                Verdict::Good,
            );
            raw
        }
        Err(reason) => {
            report.note("manifest", "", Verdict::Wrong(reason.to_string()));
            Value::Null
        }
    };
    let annotation = |name: &str| {
        let value = raw
            .get("annotations")?
            .get(format!("org.opencontainers.image.base.{name}"))?;
        value.as_str().map(str::to_owned)
    };
    report.base = annotation("name").zip(annotation("digest"));
    selection(store, &mut report, &found);

    let config = config(store, &mut report, &raw, &found.manifest)?;
    let comments = reading::comments(&config);
    let names: Vec<_> = comments
        .iter()
        .map(|comment| comment.as_ref().map(|(name, _)| *name))
        .collect();
    let contents = layers::examine(store, &mut report, &found.manifest, &config, &names)?;
    let ours = comments
        .into_iter()
        .skip(contents.start)
        .flatten()
        .collect::<Vec<_>>();
    container::examine(&mut report, &config, contents.start > 0);
    system::examine(&mut report, &contents);
    labels::examine(&mut report, &contents, &raw, &ours);
    let is_signed = attached::examine(store, &mut report, &contents, key)?;
    report.settle(is_signed);
    Ok(report)
}

/// Manifest of an image, and the image indexes through which it was found.
struct FoundManifest {
    bytes: Vec<u8>,
    manifest: BaseManifest,
    /// Image indexes through which the manifest was found, in the order in which they were read.
    lists: Vec<Vec<u8>>,
}

/// Finds the manifest of an image for linux/amd64. Fails if there is none, if it cannot be read, if
/// more than [`MOST_LISTS`] documents would have to be read, or if it has more than [`MOST_LAYERS`]
/// layers. `place` is the name of the image in messages, and `version` is the tag or digest of the
/// image.
fn find(store: &Store, place: &str, version: &str) -> Result<FoundManifest, Failure> {
    let unfit = |reason: UnfitImage| {
        let problem = format!("{place} {}", quoted(&reason.to_string(), REASON_BYTES));
        Failure::new(
            Kind::Verification,
            problem,
            "name a container image for linux/amd64",
        )
    };
    let mut bytes = store.image(version)?;
    let mut lists = Vec::new();
    for _ in 0..MOST_LISTS {
        match manifest::read(&bytes).map_err(unfit)? {
            Document::Manifest(manifest) if manifest.layers.len() > MOST_LAYERS => {
                return Err(unfit(UnfitImage::TooManyLayers {
                    layers: manifest.layers.len(),
                    most: MOST_LAYERS,
                }));
            }
            Document::Manifest(manifest) => {
                return Ok(FoundManifest {
                    bytes,
                    manifest,
                    lists,
                });
            }
            Document::Index(platform) => {
                let below = store.manifest(&platform)?;
                lists.push(std::mem::replace(&mut bytes, below));
            }
        }
    }
    Err(unfit(UnfitImage::TooManyLists))
}

/// Checks that a container runtime on linux/amd64 can select only one image, and adds the results
/// to the report. Each image index must have exactly one entry that fits this platform, and no
/// other entry of an OCI image layout may have the image's tag. Other images in the layout are
/// reported as not inspected.
fn selection(store: &Store, report: &mut Report, found: &FoundManifest) {
    for list in &found.lists {
        let candidates = documents::read(list).map(|list| documents::candidates(&list));
        let verdict = match candidates {
            Ok(1) => Verdict::Good,
            Ok(count) => Verdict::Wrong(format!(
                "a runtime on linux/amd64 may choose any of {count} images"
            )),
            Err(reason) => Verdict::Wrong(reason.to_string()),
        };
        report.note("list of images names one for linux/amd64", "", verdict);
    }
    let (doubles, images) = store.others(&report.digest);
    if doubles > 0 {
        report.note(
            "tag of the layout",
            "",
            Verdict::Wrong(format!("{} images have it", doubles + 1)),
        );
    }
    if images > 0 {
        let problem = format!("the layout names {images} more, which are not looked into");
        report.note("other images", "", Verdict::Open(problem));
    }
}

fn config(
    store: &Store,
    report: &mut Report,
    raw: &Value,
    manifest: &BaseManifest,
) -> Result<Value, Failure> {
    let size = raw
        .pointer("/config/size")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let media_type = raw
        .pointer("/config/mediaType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (verdict, config) = match small_blob::read(store, "config", &manifest.config, size) {
        Ok(Some(bytes)) => match documents::read(&bytes) {
            Ok(config)
                if [IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE]
                    .contains(&media_type) =>
            {
                (Verdict::Good, config)
            }
            Ok(config) => (
                Verdict::Wrong(format!("is of the type `{media_type}`, which no image has")),
                config,
            ),
            Err(reason) => (Verdict::Wrong(reason.to_string()), Value::Null),
        },
        Ok(None) => (Verdict::Wrong("is missing".to_owned()), Value::Null),
        Err(failure) if is_of_network(&failure) => return Err(failure),
        Err(failure) => (Verdict::Wrong(failure.problem), Value::Null),
    };
    report.note(
        "config",
        format!("{size} bytes, {}", manifest.config),
        verdict,
    );
    let labels = config.pointer("/config/Labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    report.labels = labels
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    Ok(config)
}
