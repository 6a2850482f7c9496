//! Attestations of an image: its SBOM (software bill of materials), its provenance statement, and
//! its signatures.
//!
//! Owns which artifacts are attached to an image, and their formats. Must not know files or
//! registries: it works on digests that other modules computed. An attached artifact does not
//! change the image.

mod artifact;
mod origin;
mod provenance;
mod sbom;

use scorebox_workspace::digest::Digest;

pub use self::artifact::{
    Artifact, Content, SIGNATURE_ANNOTATION, SIGNATURE_MEDIA_TYPE, signature_tag,
};
pub use self::origin::{
    Crate, FileOrigin, HostBuild, HostOrigin, Origin, PythonPackage, Revision, Role,
};
pub use self::provenance::{BUILD_TYPE, PREDICATE_TYPE};
pub use self::sbom::{SBOM_MEDIA_TYPE, library};

use crate::signing::{Key, STATEMENT_MEDIA_TYPE};
use crate::sigstore_bundle::{self, BUNDLE_MEDIA_TYPE, SIGN_PREDICATE_TYPE};

/// Media type of a DSSE envelope, which holds a statement and its signatures.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Returns the artifacts that are attached to an image: its SBOM and its provenance statement. If
/// `key` is given, the statement is signed, and a signature of the image in each of cosign's two
/// formats is added.
///
/// `image` is the digest of the image's manifest, and `manifest_bytes` is the size of the manifest
/// in bytes.
pub fn artifacts(
    origin: &Origin,
    image: &Digest,
    manifest_bytes: u64,
    key: Option<&Key>,
) -> Vec<Artifact> {
    let sbom = sbom::document(origin, image);
    let statement = provenance::statement(origin, image, &Digest::of(&sbom));
    let subject = Some((image, manifest_bytes));
    let sbom = Content::new(SBOM_MEDIA_TYPE, sbom);
    let mut artifacts = vec![Artifact::new(
        "sbom",
        Some(SBOM_MEDIA_TYPE),
        sbom,
        subject,
        None,
        origin.epoch,
        &[],
    )];
    let statement = match key {
        None => Content::new(STATEMENT_MEDIA_TYPE, statement),
        Some(key) => Content::new(ENVELOPE_MEDIA_TYPE, key.sign_statement(&statement)),
    };
    let statement = statement.with("in-toto.io/predicate-type", PREDICATE_TYPE);
    artifacts.push(Artifact::new(
        "provenance",
        Some(STATEMENT_MEDIA_TYPE),
        statement,
        subject,
        None,
        origin.epoch,
        &[],
    ));
    if let Some(key) = key {
        // Releases of cosign from version 3 on find a signature among the referrers.
        let content = Content::new(BUNDLE_MEDIA_TYPE, sigstore_bundle::sign(key, image));
        artifacts.push(Artifact::new(
            "bundle",
            Some(BUNDLE_MEDIA_TYPE),
            content,
            subject,
            None,
            origin.epoch,
            &[
                ("dev.sigstore.bundle.content", "dsse-envelope"),
                ("dev.sigstore.bundle.predicateType", SIGN_PREDICATE_TYPE),
            ],
        ));
        let (payload, signature) = key.sign_image(&origin.reference, image);
        let content =
            Content::new(SIGNATURE_MEDIA_TYPE, payload).with(SIGNATURE_ANNOTATION, &signature);
        // Older releases of cosign find a signature by its tag.
        artifacts.push(Artifact::new(
            "signature",
            None,
            content,
            None,
            Some(signature_tag(image)),
            origin.epoch,
            &[],
        ));
    }
    artifacts
}

/// Returns the name of an artifact with the given artifact type, e.g. `sbom`, or `artifact` for a
/// type that `package` does not write. `None` stands for a signature of cosign, which has no
/// artifact type.
pub fn name(artifact_type: Option<&str>) -> &'static str {
    match artifact_type {
        Some(SBOM_MEDIA_TYPE) => "sbom",
        Some(STATEMENT_MEDIA_TYPE) => "provenance",
        Some(BUNDLE_MEDIA_TYPE) => "bundle",
        Some(_) => "artifact",
        None => "signature",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    pub fn origin() -> Origin {
        let file = |path: &str, role| FileOrigin {
            path: path.to_owned(),
            digest: Digest::of(path.as_bytes()),
            role,
        };
        let one = |name: &str, checksum: Option<&str>| Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT OR Apache-2.0".to_owned()),
            checksum: checksum.map(str::to_owned),
        };
        Origin {
            repository: "scoring/digits".into(),
            reference: "r.io/scoring/digits".into(),
            name: "digits".into(),
            version: "1.2.3".into(),
            license: None,
            model_license: Some("BSD-3-Clause".into()),
            parameters: Map::from_iter([("cpu".to_owned(), json!("x86-64"))]),
            epoch: 0,
            base: Some(("r.io/b:1".into(), Digest::of(b"base"))),
            host: HostOrigin {
                digest: Digest::of(b"host"),
                build: Some(HostBuild {
                    version: "0.1.0".into(),
                    crates: vec![one("bytes", Some("ab")), one("scorebox-host", None)],
                    libc: Some("glibc 2.36".into()),
                    rustc: Some("rustc 1.95.0".into()),
                    lock: Digest::of(b"lock"),
                }),
            },
            files: vec![
                file("home/site/wwwroot/component.wasm", Role::Component),
                file("home/site/wwwroot/model/w.safetensors", Role::Model),
            ],
            python: Vec::new(),
            revision: Some(Revision {
                commit: "c0ffee".into(),
                is_changed: true,
            }),
        }
    }

    fn json_of(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn list_of_parts_names_the_packages_of_a_script() {
        let package = |name: &str, sha256: Option<&str>| PythonPackage {
            name: name.to_owned(),
            version: "1.0+x".to_owned(),
            license: sha256.map(|_| "MIT License".to_owned()),
            sha256: sha256.map(str::to_owned),
            is_in_pack: sha256.is_none(),
        };
        let origin = Origin {
            python: vec![package("numpy", None), package("redis", Some("ab"))],
            ..origin()
        };
        let document = json_of(&sbom::document(&origin, &Digest::of(b"image")));
        let find = |purl: &str| {
            let parts = document["components"].as_array().unwrap().iter();
            parts.clone().find(|part| part["purl"] == purl).unwrap()
        };
        let numpy = find("pkg:pypi/numpy@1.0%2Bx");
        assert_eq!(numpy["properties"][0]["value"], "engine pack");
        let redis = find("pkg:pypi/redis@1.0%2Bx");
        assert_eq!(redis["hashes"][0]["content"], "ab");
        assert_eq!(redis["licenses"][0]["license"]["name"], "MIT License");
    }

    #[test]
    fn list_of_parts_names_each_with_digest_and_licence() {
        let image = Digest::of(b"image");
        let artifacts = artifacts(&origin(), &image, 10, None);
        let document = json_of(&artifacts[0].content.bytes);
        assert_eq!(
            (&document["bomFormat"], &document["specVersion"]),
            (&json!("CycloneDX"), &json!("1.6"))
        );
        assert_eq!(
            document["metadata"]["component"]["hashes"][0]["content"],
            image.hex()
        );
        let parts = document["components"].as_array().unwrap();
        let part = |name: &str| {
            parts
                .iter()
                .find(|part| part["name"] == name)
                .unwrap_or_else(|| panic!("{name}"))
        };
        assert_eq!(part("bytes")["purl"], "pkg:cargo/bytes@1.0.0");
        assert_eq!(part("bytes")["hashes"][0]["content"], "ab");
        assert_eq!(
            part("bytes")["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(part("glibc")["version"], "2.36");
        let model = part("model/w.safetensors");
        assert_eq!(
            (&model["type"], &model["licenses"][0]["expression"]),
            (&json!("machine-learning-model"), &json!("BSD-3-Clause"))
        );
        assert_eq!(
            part("scorebox")["hashes"][0]["content"],
            Digest::of(b"host").hex()
        );
        assert_eq!(
            part("r.io/b:1")["hashes"][0]["content"],
            Digest::of(b"base").hex()
        );
        // Every reference must point to a part of the document.
        let mut known: Vec<_> = parts.iter().map(|part| &part["bom-ref"]).collect();
        known.push(&document["metadata"]["component"]["bom-ref"]);
        for dependency in document["dependencies"].as_array().unwrap() {
            for name in dependency["dependsOn"]
                .as_array()
                .unwrap()
                .iter()
                .chain([&dependency["ref"]])
            {
                assert!(known.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn statement_is_about_the_image_and_names_what_went_in() {
        let image = Digest::of(b"image");
        let artifacts = artifacts(&origin(), &image, 10, None);
        let statement = json_of(&artifacts[1].content.bytes);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], image.hex());
        assert_eq!(statement["predicateType"], PREDICATE_TYPE);
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["cpu"], "x86-64");
        let digests = definition["resolvedDependencies"].as_array().unwrap();
        let named =
            |name: &str| digests.iter().find(|one| one["name"] == name).unwrap()["digest"].clone();
        assert_eq!(
            named("component.wasm")["sha256"],
            origin().files[0].digest.hex()
        );
        assert_eq!(named("base r.io/b:1")["sha256"], Digest::of(b"base").hex());
        assert_eq!(named("project")["gitCommit"], "c0ffee");
        let sbom = &statement["predicate"]["runDetails"]["byproducts"][0];
        assert_eq!(
            sbom["digest"]["sha256"],
            Digest::of(&artifacts[0].content.bytes).hex()
        );
    }

    #[test]
    fn attachments_refer_to_the_image_and_the_signature_to_its_tag() {
        let image = Digest::of(b"image");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        use p256::pkcs8::EncodePrivateKey as _;
        let pem = p256::SecretKey::from_slice(&[7; 32])
            .unwrap()
            .to_pkcs8_pem(p256::pkcs8::LineEnding::LF)
            .unwrap();
        std::fs::write(&path, pem.as_str()).unwrap();
        let key = Key::read(&path).unwrap();
        let signed = artifacts(&origin(), &image, 10, Some(&key));
        assert_eq!(
            signed.iter().map(|one| one.name).collect::<Vec<_>>(),
            ["sbom", "provenance", "bundle", "signature"]
        );
        let manifest = json_of(&signed[0].manifest);
        assert_eq!(manifest["subject"]["digest"], image.to_string());
        assert_eq!(manifest["artifactType"], SBOM_MEDIA_TYPE);
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.oci.empty.v1+json"
        );
        let bundle = json_of(&signed[2].manifest);
        assert_eq!(bundle["artifactType"], BUNDLE_MEDIA_TYPE);
        assert_eq!(bundle["layers"][0]["mediaType"], BUNDLE_MEDIA_TYPE);
        assert_eq!(bundle["subject"]["digest"], image.to_string());
        assert_eq!(
            bundle["annotations"]["dev.sigstore.bundle.predicateType"],
            SIGN_PREDICATE_TYPE
        );
        let signature = json_of(&signed[3].manifest);
        assert_eq!(signature["layers"][0]["mediaType"], SIGNATURE_MEDIA_TYPE);
        assert!(signature["layers"][0]["annotations"][SIGNATURE_ANNOTATION].is_string());
        assert_eq!(
            signed[3].tag.as_deref(),
            Some(format!("sha256-{}.sig", image.hex()).as_str())
        );
        // Equal inputs must give equal bytes.
        assert_eq!(artifacts(&origin(), &image, 10, Some(&key)), signed);
    }
}
