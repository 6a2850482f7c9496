//! `cargo xtask inspect`: what an image holds, and whether it is what it says it is.
//!
//! Owns the order of the checks. Must not know how an image is made: it trusts digests, and a key if it is given one.

mod attached;
mod contents;
mod report;
mod store;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use scorebox_host::scorer::World;
use serde_json::Value;

use self::contents::Contents;
use self::report::{Report, Verdict};
use self::store::Store;
use crate::args::{Format, InspectArgs};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::manifest::{self, Document};
use crate::image::reading;
use crate::registry::{BaseReference, Reading};
use crate::signing::PublicKey;
use crate::workspace;

/// A list may name a list.
const MOST_LISTS: u32 = 3;

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    let target = workspace::target();
    let folder = std::fs::create_dir_all(&target)
        .and_then(|()| tempfile::Builder::new().prefix(".inspect-").tempdir_in(&target))
        .map_err(|error| Failure::file(&target, "take a new folder", error))?;
    let dir = Path::new(&args.image);
    let (store, version) = if dir.is_dir() {
        (Store::layout(dir)?, String::new())
    } else {
        let reference = BaseReference::of_image(&args.image)?;
        let access = args.identity.read()?.access(&reference.registry, args.plain_http, true);
        let version = reference.version();
        (Store::Registry(Box::new(Reading::open(&access, &reference, folder.path())?)), version)
    };
    let report = examine(&store, &args.image, &version, key.as_ref())?;
    let text = match args.output {
        Format::Text => report.table(),
        Format::Json => format!("{}\n", report.json()),
    };
    // A reader that is gone is no reason to call an image wrong.
    let _ = write!(std::io::stdout(), "{text}");
    let wrong: Vec<_> = report.wrong().map(|(what, problem)| format!("{what}: {problem}")).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Verification,
        format!("{} is not what it says it is:\n  {}", args.image, wrong.join("\n  ")),
        "do not run it; package and push it again, and find out who altered it",
    ))
}

fn examine(store: &Store, place: &str, version: &str, key: Option<&PublicKey>) -> Result<Report, Failure> {
    let (bytes, document) = find(store, place, version)?;
    let digest = Digest::of(&bytes);
    let raw: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let annotation = |name: &str| {
        let value = raw.get("annotations")?.get(format!("org.opencontainers.image.base.{name}"))?;
        value.as_str().map(str::to_owned)
    };
    let base = annotation("name").zip(annotation("digest"));
    let mut report =
        Report { place: place.to_owned(), digest: digest.clone(), labels: BTreeMap::new(), base, checks: Vec::new() };
    report.note("manifest", format!("{} bytes", bytes.len()), Verdict::Good);

    let config = config(store, &mut report, &raw, &document);
    let mut contents = Contents::default();
    layers(store, &mut report, &mut contents, &document, &config);
    labels(&mut report, &contents);
    attached::examine(store, &mut report, &contents, key)?;
    Ok(report)
}

/// The manifest for our platform, as bytes and read.
fn find(store: &Store, place: &str, version: &str) -> Result<(Vec<u8>, manifest::BaseManifest), Failure> {
    let unfit = |problem: String| {
        Failure::new(Kind::Verification, format!("{place} {problem}"), "name a container image for linux/amd64")
    };
    let mut bytes = store.image(version)?;
    for _ in 0..MOST_LISTS {
        match manifest::read(&bytes).map_err(unfit)? {
            Document::Manifest(manifest) => return Ok((bytes, manifest)),
            Document::Index(platform) => bytes = store.manifest(&platform)?,
        }
    }
    Err(unfit("is a list of lists".to_owned()))
}

fn config(store: &Store, report: &mut Report, raw: &Value, document: &manifest::BaseManifest) -> Value {
    let size = raw.pointer("/config/size").and_then(Value::as_u64).unwrap_or_default();
    let (verdict, config) = match read(store, "config", &document.config, size) {
        Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
            Ok(config) => (Verdict::Good, config),
            Err(error) => (Verdict::Wrong(format!("is no configuration: {error}")), Value::Null),
        },
        Ok(None) => (Verdict::Wrong("is missing".to_owned()), Value::Null),
        Err(failure) => (Verdict::Wrong(failure.problem), Value::Null),
    };
    report.note("config", format!("{size} bytes, {}", document.config), verdict);
    let labels = config.pointer("/config/Labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    report.labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    config
}

fn layers(
    store: &Store,
    report: &mut Report,
    contents: &mut Contents,
    document: &manifest::BaseManifest,
    config: &Value,
) {
    let names = reading::names(config);
    let diff_ids = config.pointer("/rootfs/diff_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    for (index, layer) in document.layers.iter().enumerate() {
        let name = names.get(index).cloned().flatten().unwrap_or_else(|| format!("base-{}", index + 1));
        let what = format!("layer {name}");
        let is_of_base = name.starts_with("base-");
        let unpack = |path: &Path, contents: &mut Contents| {
            if is_of_base { Contents::pass(path, &layer.media_type) } else { contents.add(path, &layer.media_type) }
        };
        let verdict = if !layer.urls.is_empty() {
            Verdict::Open("kept in no registry".to_owned())
        } else {
            match store.blob(&name, &layer.digest, layer.size) {
                Err(failure) => Verdict::Wrong(failure.problem),
                Ok(None) if is_of_base => Verdict::Open("the layout does not hold it".to_owned()),
                Ok(None) => Verdict::Wrong("is missing".to_owned()),
                Ok(Some(path)) => match unpack(&path, contents) {
                    Err(error) => Verdict::Wrong(format!("cannot be unpacked: {error}")),
                    Ok(found) if diff_ids.get(index).and_then(Value::as_str) == Some(&found.to_string()) => {
                        Verdict::Good
                    }
                    Ok(found) => {
                        Verdict::Wrong(format!("its tar has the digest {found}, and the configuration says another"))
                    }
                },
            }
        };
        contents.is_damaged |= !is_of_base && verdict != Verdict::Good;
        report.note(what, format!("{} bytes, {}", layer.size, layer.digest), verdict);
    }
    report.check("layers hold files and folders only", contents.strange.is_empty(), || {
        format!("{} would hide what lies below", contents.strange.join(", "))
    });
    report.check("configuration names every layer", diff_ids.len() == document.layers.len(), || {
        format!("it names {}, and there are {}", diff_ids.len(), document.layers.len())
    });
}

/// Whether the labels tell the truth about the files.
fn labels(report: &mut Report, contents: &Contents) {
    let label = |report: &Report, name: &str| report.labels.get(&format!("dev.scorebox.{name}")).cloned();
    let compare = |report: &mut Report, name: &str, found: Option<String>| {
        let said = label(report, name);
        let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        if contents.is_damaged {
            report.note(format!("label dev.scorebox.{name}"), "", unknown());
            return;
        }
        report.check(format!("label dev.scorebox.{name}"), said == found, || {
            format!("says {}, and the files say {}", shown(said), shown(found))
        });
    };
    compare(report, "component.digest", contents.of_app("component.wasm").map(ToString::to_string));
    compare(report, "model.digest", contents.model.as_ref().map(ToString::to_string));
    let manifest = contents.kept.get("scorebox.toml").and_then(|bytes| std::str::from_utf8(bytes).ok());
    let manifest: toml::Table = manifest.and_then(|text| text.parse().ok()).unwrap_or_default();
    let setting = |section: &str, key: &str| {
        let value = manifest.get(section).and_then(|section| section.get(key));
        value.and_then(toml::Value::as_str).map(str::to_owned)
    };
    compare(report, "scorer.name", setting("scorer", "name"));
    compare(report, "scorer.version", setting("scorer", "version").filter(|version| !version.is_empty()));
    let (world, version) = match contents.kept.get("component.wasm") {
        Some(component) => contract(component),
        // A graph is served as a scorer of tensors is, and knows no contract.
        None => (Some(World::TensorScoring.to_string()).filter(|_| setting("scorer", "component").is_none()), None),
    };
    compare(report, "world", world);
    compare(report, "wit-version", version);
    // The machine code is what runs; it must be the one that was made of this component.
    let code = setting("precompiled", "digest");
    let found = setting("precompiled", "file").and_then(|file| contents.of_app(&file).map(ToString::to_string));
    if !contents.is_damaged {
        report.check("precompiled.digest in scorebox.toml", code == found, || {
            "another file stands where the machine code should".to_owned()
        });
    }
}

/// What is said of files that could not be read.
fn unknown() -> Verdict {
    Verdict::Open("a layer could not be read".to_owned())
}

/// World and version of the contract that a component's exports speak of.
fn contract(component: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(wit_component::DecodedWasm::Component(resolve, world)) = wit_component::decode(component) else {
        return (None, None);
    };
    let exports = resolve.worlds.get(world).map(|world| &world.exports);
    let names = exports.into_iter().flatten().map(|(key, _)| resolve.name_world_key(key));
    names
        .filter_map(|name| {
            let (interface, version) = name.strip_prefix("scorebox:scoring/")?.split_once('@')?;
            let world = interface.strip_suffix("scorer")?;
            Some((Some(format!("{world}scoring")), Some(version.to_owned())))
        })
        .next()
        .unwrap_or_default()
}

/// A small blob, whole.
fn read(store: &Store, name: &str, digest: &Digest, size: u64) -> Result<Option<Vec<u8>>, Failure> {
    const LARGEST_DOCUMENT_BYTES: u64 = 64 << 20;
    if size > LARGEST_DOCUMENT_BYTES {
        return Err(Failure::other(format!("has {size} bytes, more than is read"), ""));
    }
    let Some(path) = store.blob(name, digest, size)? else { return Ok(None) };
    std::fs::read(&path).map(Some).map_err(|error| Failure::file(&path, "be read", error))
}
