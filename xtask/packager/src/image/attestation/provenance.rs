//! Provenance statement of an image: an in-toto statement with the SLSA predicate.
//!
//! Owns this document, which states the build parameters and the inputs. Times and paths of the
//! machine are left out, so that equal inputs give an equal statement. Must not know how the
//! document is attached or signed.

use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use super::origin::{FileOrigin, Origin};
use super::sbom::SBOM_MEDIA_TYPE;
use crate::image::{APP_ROOT, HOST_PROGRAM};

/// Type of the predicate in the provenance statement: SLSA provenance, version 1.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// Build type of the provenance statement, which defines the meaning of its parameters and
/// dependencies. The page `xtask/docs/image.md` describes this build type.
pub const BUILD_TYPE: &str = "tag:scorebox.dev,2026:package/v1";
/// Id of the builder in the provenance statement. It stands for any user who ran
/// `cargo xtask package` on their own machine, which is SLSA build level 1.
const BUILDER: &str = "tag:scorebox.dev,2026:cargo-xtask";

/// Returns the provenance statement of an image as JSON. `image` is the digest of the image, and
/// `sbom` is the digest of its SBOM.
pub fn statement(origin: &Origin, image: &Digest, sbom: &Digest) -> Vec<u8> {
    let sha256 = |digest: &Digest| json!({ "sha256": digest.hex() });
    let mut went_in = Vec::new();
    if let Some(revision) = &origin.revision {
        went_in.push(
            json!({ "name": "project", "digest": { "gitCommit": revision.commit },
            "annotations": { "changedSince": revision.is_changed } }),
        );
    }
    if let Some((name, digest)) = &origin.base {
        went_in.push(json!({ "name": format!("base {name}"), "digest": sha256(digest) }));
    }
    let host = json!({ "name": HOST_PROGRAM.trim_start_matches('/'), "digest": sha256(&origin.host.digest) });
    went_in.push(host);
    went_in.extend(origin.files.iter().map(file));
    let mut made_with = json!({});
    if let (Some(build), Some(made_with)) = (&origin.host.build, made_with.as_object_mut()) {
        went_in.push(json!({ "name": "Cargo.lock", "digest": sha256(&build.lock) }));
        made_with.insert("rustc".to_owned(), json!(build.rustc));
        made_with.insert("libc".to_owned(), json!(build.libc));
    }
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": origin.repository, "digest": sha256(image) }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": origin.parameters,
                "internalParameters": made_with,
                "resolvedDependencies": went_in,
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { "xtask": env!("CARGO_PKG_VERSION") } },
                "byproducts": [{ "name": "sbom", "mediaType": SBOM_MEDIA_TYPE, "digest": sha256(sbom) }],
            },
        },
    });
    statement.to_string().into_bytes()
}

fn file(file: &FileOrigin) -> Value {
    let name = file
        .path
        .strip_prefix(APP_ROOT.trim_start_matches('/'))
        .unwrap_or(&file.path)
        .trim_start_matches('/');
    json!({ "name": name, "digest": { "sha256": file.digest.hex() } })
}
