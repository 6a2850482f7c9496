//! The SBOM of a release in CycloneDX 1.6, which lists its crates, its programs and ONNX Runtime.
//!
//! Owns that document. Must not know how the parts are built.

use scorebox_host::graph::{ENGINE, LIBRARY};
use scorebox_workspace::digest::Digest;
use serde_json::json;

use super::contents::Contents;
use crate::image::attestation::{Crate, library};
use crate::image::plan::rfc3339;

/// Returns the SBOM of a release as JSON. `crates` are the crates that are compiled into the
/// programs. The crates of Scorebox itself are left out. `epoch` is the time of the release, in
/// seconds since 1970.
pub fn document(crates: &[Crate], contents: &Contents, epoch: u64) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut parts: Vec<_> = crates
        .iter()
        .filter(|one| !one.name.starts_with("scorebox-"))
        .map(library)
        .collect();
    let files = contents
        .iter()
        .filter(|(path, file)| file.is_program || path.ends_with(LIBRARY));
    for (path, file) in files {
        // The files were read before, for their digests in the list of parts.
        let digest = file.read().map(|bytes| Digest::of(&bytes)).ok();
        let hashes = digest.map(|digest| json!([{ "alg": "SHA-256", "content": digest.hex() }]));
        let is_engine = path.ends_with(LIBRARY);
        let mut part = json!({
            "type": if is_engine { "library" } else { "application" },
            "bom-ref": path, "name": path, "hashes": hashes.unwrap_or_default(),
        });
        if is_engine && let Some(part) = part.as_object_mut() {
            part.insert("description".to_owned(), json!(ENGINE));
            part.insert("licenses".to_owned(), json!([{ "expression": "MIT" }]));
        }
        parts.push(part);
    }
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(epoch),
            "component": {
                "type": "application", "bom-ref": "scorebox", "name": "scorebox", "version": version,
                "licenses": [{ "expression": env!("CARGO_PKG_LICENSE") }],
            },
        },
        "components": parts,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_and_programs_are_listed() {
        let one = Crate {
            name: "a".to_owned(),
            version: "1.0.0+b".to_owned(),
            license: Some("MIT/Apache-2.0".to_owned()),
            checksum: None,
        };
        let mut contents = Contents::default();
        contents.bytes("wit/world.wit", Vec::new());
        contents.bytes(&format!("engine/{LIBRARY}"), b"x".to_vec());
        let text = document(&[one], &contents, 0);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let parts = document["components"].as_array().unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0]["purl"], "pkg:cargo/a@1.0.0%2Bb");
        assert_eq!(parts[1]["description"], ENGINE);
    }
}
