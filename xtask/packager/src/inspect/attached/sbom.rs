//! Check of an SBOM that `package` wrote: whether it is about the image, and agrees with the files
//! of the image.
//!
//! Owns the rule that tells the SBOMs of `package` from those of other tools. Must not know
//! signatures.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::contents::Contents;
use super::super::labels::{listed, unknown};
use super::super::report::{Report, Verdict};
use super::part::Part;
use crate::image::plan::CREATED_BY;

/// Returns true if `package` wrote the SBOM in this layer.
pub(super) fn is_ours(part: &Part) -> bool {
    let document: Value = serde_json::from_slice(&part.bytes).unwrap_or_default();
    let tool = document
        .pointer("/metadata/tools/components/0/name")
        .and_then(Value::as_str);
    tool == Some(CREATED_BY)
}

/// Compares an SBOM with the image and with the files of the image, and adds the results to the
/// report.
pub(super) fn examine(report: &mut Report, contents: &Contents, part: &Part) {
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
