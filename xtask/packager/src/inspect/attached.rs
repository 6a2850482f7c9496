//! Checks of the artifacts of an image: whether they exist, are unaltered, refer to this image, and
//! are signed.
//!
//! Owns these checks. Must not know the format of the image itself.

mod part;
mod provenance;
mod sbom;
mod signatures;

use scorebox_workspace::failure::Failure;
use serde_json::Value;

use self::part::Part;
use super::contents::Contents;
use super::documents;
use super::report::{Report, Verdict};
use super::small_blob;
use super::store::{Store, digest_of, is_of_network};
use crate::image::attestation::{self, ENVELOPE_MEDIA_TYPE, SIGNATURE_ANNOTATION};
use crate::image::layout::LARGEST_DOCUMENT_BYTES;
use crate::signing::{PublicKey, opened};

/// Checks the artifacts of an image, which are its referrers and its cosign signatures, and adds
/// the results to the report. Returns true if the image has a signature that `key` verifies, and
/// false if `key` is `None`. Fails only if the list of referrers cannot be read or the registry
/// does not respond.
pub fn examine(
    store: &Store,
    report: &mut Report,
    contents: &Contents,
    key: Option<&PublicKey>,
) -> Result<bool, Failure> {
    let image = report.digest.clone();
    let mut sboms = Vec::new();
    let mut statements = Vec::new();
    let mut bundles = Vec::new();
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
        for part in parts(store, report, name, &manifest)? {
            match name {
                "sbom" if sbom::is_ours(&part) => sboms.push(part),
                "provenance" if provenance::is_ours(&part) => statements.push(part),
                "bundle" if signatures::is_signature(&part) => bundles.push(part),
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
        sbom::examine(report, contents, sbom);
    }
    // If there are statements with several keys, one with the given key is enough.
    let is_vouched = statements.iter().any(|part| {
        part.media_type == ENVELOPE_MEDIA_TYPE
            && opened(&part.bytes, key).is_some_and(|(_, is_signed)| is_signed)
    });
    for statement in &statements {
        provenance::examine(report, contents, statement, &sboms, key, is_vouched);
    }
    for (name, is_there) in [
        ("sbom", !sboms.is_empty()),
        ("provenance", !statements.is_empty()),
    ] {
        if !is_there {
            report.note(name, "", absent(key));
        }
    }
    signatures::examine(store, report, &bundles, &image, key)
}

/// Returns the verdict for an artifact that does not exist. Its absence is an error only if `key`
/// is given, because without a key no artifact is required.
fn absent(key: Option<&PublicKey>) -> Verdict {
    match key {
        None => Verdict::Open(
            "there is none, so nothing proves who built the image; ask for one, and check it with \
             --key"
                .to_owned(),
        ),
        Some(_) => Verdict::Wrong("there is none".to_owned()),
    }
}

enum Outcome {
    Wrong(String),
    Failed(Failure),
}

/// Parses the manifest of an artifact, for which `bytes` is the result of reading it. If the
/// manifest is missing or invalid, the error is `Outcome::Wrong`, which the report shows as a
/// failed check. If the registry does not respond, the error is `Outcome::Failed`, which ends the
/// inspection.
fn manifest(bytes: Result<Vec<u8>, Failure>) -> Result<Value, Outcome> {
    match bytes {
        Ok(bytes) => documents::read(&bytes).map_err(|reason| Outcome::Wrong(reason.to_string())),
        Err(failure) if is_of_network(&failure) => Err(Outcome::Failed(failure)),
        Err(failure) => Err(Outcome::Wrong(failure.problem)),
    }
}

/// Reads the config and the layers of an artifact, and adds the results to the report. Returns the
/// layers whose digest and size are correct. A layer of more than [`LARGEST_DOCUMENT_BYTES`] is
/// left out. Fails if the registry does not respond.
fn parts(
    store: &Store,
    report: &mut Report,
    name: &str,
    manifest: &Value,
) -> Result<Vec<Part>, Failure> {
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
        match small_blob::read(store, &what, &digest, size) {
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
            Err(failure) if is_of_network(&failure) => return Err(failure),
            Err(failure) => report.note(what, "", Verdict::Wrong(failure.problem)),
        }
    }
    Ok(parts)
}
