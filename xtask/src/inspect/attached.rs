//! Checks of the artifacts of an image: whether they exist, are unaltered, refer to this image, and
//! are signed.
//!
//! Owns these checks. Must not know the format of the image itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::contents::Contents;
use super::documents;
use super::labels::{listed, unknown};
use super::report::{Report, Verdict};
use super::store::{Store, digest_of};
use crate::digest::Digest;
use crate::failure::{Failure, Kind};
use crate::image::APP_ROOT;
use crate::image::attestation::{
    self, BUILD_TYPE, ENVELOPE_MEDIA_TYPE, PREDICATE_TYPE, SIGNATURE_ANNOTATION, signature_tag,
};
use crate::image::layout::LARGEST_DOCUMENT_BYTES;
use crate::image::plan::CREATED_BY;
use crate::signing::{PublicKey, opened, signed_digest};

/// One layer of an artifact.
struct Part {
    media_type: String,
    digest: Digest,
    bytes: Vec<u8>,
    signature: Option<String>,
}

/// Checks all artifacts that are listed for an image. Returns true if the image has a signature of
/// the key.
pub fn examine(
    store: &Store,
    report: &mut Report,
    contents: &Contents,
    key: Option<&PublicKey>,
) -> Result<bool, Failure> {
    let image = report.digest.clone();
    let mut sboms = Vec::new();
    let mut statements = Vec::new();
    for digest in store.referrers(&image)? {
        let manifest = match manifest(store.manifest(&digest)) {
            Ok(manifest) => manifest,
            Err(Outcome::Wrong(problem)) => {
                report.note(format!("artifact {digest}"), "", Verdict::Wrong(problem));
                continue;
            }
            Err(Outcome::Failed(failure)) => return Err(failure),
        };
        let name = attestation::name(manifest.get("artifactType").and_then(Value::as_str));
        let subject = manifest.get("subject").and_then(digest_of);
        report.check(
            format!("{name} refers to the image"),
            subject.as_ref() == Some(&image),
            || {
                format!(
                    "it refers to {}",
                    subject.map_or("nothing".to_owned(), |subject| subject.to_string())
                )
            },
        );
        for part in parts(store, report, name, &manifest) {
            match name {
                "sbom" if is_our_sbom(&part) => sboms.push(part),
                "provenance" if is_our_statement(&part) => statements.push(part),
                // Scanners and other build tools attach their own artifacts, which are not checked
                // here.
                _ => report.note(
                    format!("{name} of another tool"),
                    "",
                    Verdict::Open("not looked into".to_owned()),
                ),
            }
        }
    }
    for sbom in &sboms {
        self::sbom(report, contents, sbom);
    }
    // If there are statements with several keys, one with the given key is enough.
    let is_vouched = statements.iter().any(|part| {
        part.media_type == ENVELOPE_MEDIA_TYPE
            && opened(&part.bytes, key).is_some_and(|(_, is_signed)| is_signed)
    });
    for statement in &statements {
        self::statement(report, contents, statement, &sboms, key, is_vouched);
    }
    for (name, is_there) in [
        ("sbom", !sboms.is_empty()),
        ("provenance", !statements.is_empty()),
    ] {
        if !is_there {
            report.note(name, "", absent(key));
        }
    }
    signature(store, report, &image, key)
}

/// True if the SBOM was written by `package`.
fn is_our_sbom(part: &Part) -> bool {
    let document: Value = serde_json::from_slice(&part.bytes).unwrap_or_default();
    let tool = document
        .pointer("/metadata/tools/components/0/name")
        .and_then(Value::as_str);
    tool == Some(CREATED_BY)
}

/// True if the statement was written by `package`. A statement that cannot be parsed also counts,
/// because it may be an altered one.
fn is_our_statement(part: &Part) -> bool {
    let opened = if part.media_type == ENVELOPE_MEDIA_TYPE {
        opened(&part.bytes, None)
    } else {
        None
    };
    let bytes = opened
        .as_ref()
        .map_or(part.bytes.as_slice(), |(statement, _)| statement);
    match serde_json::from_slice::<Value>(bytes) {
        Ok(document) => {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
            text("/predicateType") == Some(PREDICATE_TYPE)
                && text("/predicate/buildDefinition/buildType") == Some(BUILD_TYPE)
        }
        Err(_) => true,
    }
}

/// Returns the verdict for a missing artifact. Without a key no artifact is required. With a key,
/// the image must be signed.
fn absent(key: Option<&PublicKey>) -> Verdict {
    match key {
        None => Verdict::Open(
            "there is none, so nobody vouches for it; ask for one, and check it with --key"
                .to_owned(),
        ),
        Some(_) => Verdict::Wrong("there is none".to_owned()),
    }
}

enum Outcome {
    Wrong(String),
    Failed(Failure),
}

/// Parses the manifest of an artifact. A wrong response of the registry is a finding, a missing
/// response is a failure.
fn manifest(bytes: Result<Vec<u8>, Failure>) -> Result<Value, Outcome> {
    match bytes {
        Ok(bytes) => documents::read(&bytes).map_err(Outcome::Wrong),
        Err(failure) if failure.kind == Kind::Network => Err(Outcome::Failed(failure)),
        Err(failure) => Err(Outcome::Wrong(failure.problem)),
    }
}

/// Reads the configuration and the layers of an artifact. Returns the layers whose digest and size
/// are correct.
fn parts(store: &Store, report: &mut Report, name: &str, manifest: &Value) -> Vec<Part> {
    let layers = manifest
        .get("layers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut parts = Vec::new();
    for (descriptor, is_layer) in layers
        .map(|layer| (layer, true))
        .chain(manifest.get("config").map(|one| (one, false)))
    {
        let size = descriptor
            .get("size")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let what = if is_layer {
            name.to_owned()
        } else {
            format!("config of {name}")
        };
        let Some(digest) = digest_of(descriptor) else {
            report.note(
                what,
                "",
                Verdict::Wrong("its manifest names no digest".to_owned()),
            );
            continue;
        };
        if size > LARGEST_DOCUMENT_BYTES {
            // Artifacts of `package` are small. The list of a scanner can have any size.
            report.note(
                what,
                "",
                Verdict::Open(format!("has {size} bytes, more than is looked into")),
            );
            continue;
        }
        match super::read(store, &what, &digest, size) {
            Ok(Some(bytes)) => {
                report.note(what, format!("{size} bytes, {digest}"), Verdict::Good);
                if is_layer {
                    let text =
                        |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
                    let annotations = descriptor.get("annotations");
                    let signature = text(annotations.and_then(|all| all.get(SIGNATURE_ANNOTATION)));
                    let media_type = text(descriptor.get("mediaType")).unwrap_or_default();
                    parts.push(Part {
                        media_type,
                        digest,
                        bytes,
                        signature,
                    });
                }
            }
            Ok(None) => report.note(what, "", Verdict::Wrong("is missing".to_owned())),
            Err(failure) => report.note(what, "", Verdict::Wrong(failure.problem)),
        }
    }
    parts
}

fn sbom(report: &mut Report, contents: &Contents, part: &Part) {
    let document: Value = serde_json::from_slice(&part.bytes).unwrap_or_default();
    let hash = |component: &Value| {
        component
            .pointer("/hashes/0/content")
            .and_then(Value::as_str)
            .map(|hex| format!("sha256:{hex}"))
    };
    let image = document.pointer("/metadata/component").and_then(hash);
    report.check(
        "sbom is about the image",
        image == Some(report.digest.to_string()),
        || {
            format!(
                "it is about {}",
                image.unwrap_or_else(|| "nothing".to_owned())
            )
        },
    );
    let mut differing = Vec::new();
    let mut unlisted: BTreeSet<_> = contents.files.keys().map(String::as_str).collect();
    let components = document.get("components").and_then(Value::as_array);
    for component in components.into_iter().flatten() {
        let properties = component
            .get("properties")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let paths = properties
            .filter(|one| one.get("name").and_then(Value::as_str) == Some("dev.scorebox.path"));
        for path in paths.filter_map(|one| one.get("value")?.as_str()) {
            unlisted.remove(path);
            if contents.files.get(path).map(ToString::to_string) != hash(component) {
                differing.push(path.to_owned());
            }
        }
    }
    let count = components.map_or(0, Vec::len);
    let unlisted: Vec<_> = unlisted.into_iter().collect();
    let verdict = match (differing.as_slice(), unlisted.as_slice()) {
        _ if contents.is_damaged => unknown(),
        ([], []) => Verdict::Good,
        ([], some) => Verdict::Wrong(format!("it leaves out {}", listed(some))),
        (some, _) => Verdict::Wrong(format!("it gives other digests for {}", listed(some))),
    };
    report.note(
        "sbom agrees with the files",
        format!("{count} parts"),
        verdict,
    );
}

fn statement(
    report: &mut Report,
    contents: &Contents,
    part: &Part,
    sboms: &[Part],
    key: Option<&PublicKey>,
    is_vouched: bool,
) {
    let is_envelope = part.media_type == ENVELOPE_MEDIA_TYPE;
    let (bytes, is_signed) = match is_envelope.then(|| opened(&part.bytes, key)) {
        None => (part.bytes.clone(), false),
        Some(Some(both)) => both,
        Some(None) => {
            report.note(
                "provenance",
                "",
                Verdict::Wrong("is no signed statement".to_owned()),
            );
            return;
        }
    };
    let verdict = match (key, is_envelope, is_signed) {
        (_, true, true) => Verdict::Good,
        (None, true, _) => Verdict::Open("signed; give --key to check it".to_owned()),
        (None, false, _) => Verdict::Open("not signed".to_owned()),
        (Some(_), ..) if is_vouched => {
            Verdict::Open("another one is signed with this key".to_owned())
        }
        (Some(_), false, _) => Verdict::Wrong("is not signed".to_owned()),
        (Some(_), true, false) => Verdict::Wrong("is not signed with this key".to_owned()),
    };
    report.note("signature of the provenance", "", verdict);
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let sha256 = |one: &Value| {
        one.pointer("/digest/sha256")
            .and_then(Value::as_str)
            .map(|hex| format!("sha256:{hex}"))
    };
    let image = document.pointer("/subject/0").and_then(sha256);
    report.check(
        "provenance is about the image",
        image == Some(report.digest.to_string()),
        || {
            format!(
                "it is about {}",
                image.unwrap_or_else(|| "nothing".to_owned())
            )
        },
    );
    let sbom = document
        .pointer("/predicate/runDetails/byproducts/0")
        .and_then(sha256);
    let is_known = sboms
        .iter()
        .any(|part| Some(part.digest.to_string()) == sbom);
    report.check("provenance names the sbom", is_known, || {
        "it names another one".to_owned()
    });
    let went_in = document
        .pointer("/predicate/buildDefinition/resolvedDependencies")
        .and_then(Value::as_array);
    let differing = went_in.into_iter().flatten().filter_map(|one| {
        let name = one.get("name")?.as_str()?;
        let path = format!("{}/{name}", APP_ROOT.trim_start_matches('/'));
        let found = contents
            .files
            .get(&path)
            .or_else(|| contents.files.get(name))?;
        (Some(found.to_string()) != sha256(one)).then(|| name.to_owned())
    });
    let differing: Vec<_> = differing.collect();
    let verdict = match differing.as_slice() {
        _ if contents.is_damaged => unknown(),
        [] => Verdict::Good,
        some => Verdict::Wrong(format!("it gives other digests for {}", listed(some))),
    };
    report.note("provenance agrees with the files", "", verdict);
}

/// Checks the signature of the image. Returns true if the image has a signature of the key.
fn signature(
    store: &Store,
    report: &mut Report,
    image: &Digest,
    key: Option<&PublicKey>,
) -> Result<bool, Failure> {
    let found = match store.find(&signature_tag(image)) {
        Ok(found) => found,
        Err(failure) if failure.kind == Kind::Network => return Err(failure),
        Err(failure) => {
            report.note("signature", "", Verdict::Wrong(failure.problem));
            return Ok(false);
        }
    };
    let Some(bytes) = found else {
        report.note("signature", "", absent(key));
        return Ok(false);
    };
    let manifest = match documents::read(&bytes) {
        Ok(manifest) => manifest,
        Err(problem) => {
            report.note("signature", "", Verdict::Wrong(problem));
            return Ok(false);
        }
    };
    let parts = parts(store, report, "signature", &manifest);
    let speaks = |part: &&Part| signed_digest(&part.bytes).as_ref() == Some(image);
    report.check(
        "signature is about the image",
        parts.iter().any(|part| speaks(&part)),
        || "it is about another one".to_owned(),
    );
    let verdict = match key {
        None => Verdict::Open("signed; give --key to check it".to_owned()),
        Some(key) => {
            let is_good = |part: &Part| {
                part.signature
                    .as_deref()
                    .is_some_and(|one| key.verify(&part.bytes, one))
            };
            if parts.iter().filter(speaks).any(is_good) {
                Verdict::Good
            } else {
                Verdict::Wrong("is not made with this key".to_owned())
            }
        }
    };
    let is_signed = verdict == Verdict::Good;
    report.note("signature of the image", "", verdict);
    Ok(is_signed)
}
