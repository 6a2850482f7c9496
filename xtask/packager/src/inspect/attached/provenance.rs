//! Check of a provenance statement that `package` wrote: whether it is signed, is about the image,
//! and agrees with the files of the image.
//!
//! Owns the rule that tells the statements of `package` from those of other tools. Must not know
//! the signature of the image.

use serde_json::Value;

use super::super::contents::Contents;
use super::super::labels::{listed, unknown};
use super::super::report::{Report, Verdict};
use super::part::Part;
use crate::image::APP_ROOT;
use crate::image::attestation::{BUILD_TYPE, ENVELOPE_MEDIA_TYPE, PREDICATE_TYPE};
use crate::signing::{PublicKey, opened};

/// Returns true if `package` wrote the provenance statement in this layer. Also returns true for a
/// statement that is not JSON, and for an envelope that cannot be opened, because they may be
/// altered statements of `package`.
pub(super) fn is_ours(part: &Part) -> bool {
    let opened = (part.media_type == ENVELOPE_MEDIA_TYPE).then(|| opened(&part.bytes, None));
    let bytes = match &opened {
        None => part.bytes.as_slice(),
        Some(Some((statement, _))) => statement.as_slice(),
        Some(None) => return true,
    };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(document) => {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
            text("/predicateType") == Some(PREDICATE_TYPE)
                && text("/predicate/buildDefinition/buildType") == Some(BUILD_TYPE)
        }
        Err(_) => true,
    }
}

/// Checks the signature of a provenance statement, compares the statement with the image, its files
/// and its SBOMs, and adds the results to the report. `is_vouched` is true if at least one
/// statement of the image is signed with the private key of `key`.
pub(super) fn examine(
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
                Verdict::Wrong("is not a signed statement".to_owned()),
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use scorebox_workspace::digest::Digest;
    use serde_json::json;

    use super::*;
    use crate::signing::STATEMENT_MEDIA_TYPE;

    #[test]
    fn a_broken_envelope_is_not_of_another_tool() {
        let check = |media_type: &str, text: &str, expected: bool| {
            let part = Part {
                media_type: media_type.to_owned(),
                digest: Digest::of(text.as_bytes()),
                bytes: text.as_bytes().to_vec(),
                signature: None,
            };
            assert_eq!(is_ours(&part), expected, "{media_type} {text}");
        };
        let own = json!({
            "predicateType": PREDICATE_TYPE,
            "predicate": { "buildDefinition": { "buildType": BUILD_TYPE } },
        });
        let other = json!({ "predicateType": "https://spdx.dev/Document" });
        let envelope = |payload: &str| {
            let signatures = [json!({ "sig": "" })];
            json!({ "payloadType": STATEMENT_MEDIA_TYPE, "payload": payload, "signatures": signatures })
        };
        for (statement, expected) in [(&own, true), (&other, false)] {
            let text = statement.to_string();
            check(STATEMENT_MEDIA_TYPE, &text, expected);
            let sealed = envelope(&STANDARD.encode(&text)).to_string();
            check(ENVELOPE_MEDIA_TYPE, &sealed, expected);
        }
        check(STATEMENT_MEDIA_TYPE, "{", true);
        for broken in [json!({}), json!([]), envelope("%"), other] {
            check(ENVELOPE_MEDIA_TYPE, &broken.to_string(), true);
        }
        check(ENVELOPE_MEDIA_TYPE, "{", true);
    }
}
