//! What is said about an image beside it: its parts, how it was made, and who vouches for it.
//!
//! Owns what is attached to an image and in which form. Must not know files or registries: it works on digests that
//! somebody else has computed. The image itself does not change by what is attached to it.

mod artifact;
mod provenance;
mod sbom;

use serde_json::{Map, Value, json};

pub use self::artifact::{Artifact, Content, SIGNATURE_ANNOTATION, SIGNATURE_MEDIA_TYPE, signature_tag};
pub use self::provenance::BUILD_TYPE;

use crate::digest::Digest;
use crate::signing::{Key, STATEMENT_MEDIA_TYPE};

/// The form of the list of parts (<https://cyclonedx.org/specification/overview/>).
pub const SBOM_MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";
/// The form of a signed statement.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// What the statement about the making is a case of.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// Everything that is known about where an image came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The image's name, without its registry.
    pub repository: String,
    /// The same with its registry, if one is known: what a signature is for.
    pub reference: String,
    /// The scorer's name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// The scorer's licence, as SPDX writes it.
    pub license: Option<String>,
    /// The model's licence, as SPDX writes it.
    pub model_license: Option<String>,
    /// What was asked for, by the names of flags and manifest keys.
    pub parameters: Map<String, Value>,
    /// Seconds since 1970 for every time.
    pub epoch: u64,
    /// Name and digest of the image below.
    pub base: Option<(String, Digest)>,
    /// The host program.
    pub host: HostOrigin,
    /// Files of the app folder.
    pub files: Vec<FileOrigin>,
    /// The commit that the project stood at.
    pub revision: Option<Revision>,
}

/// Where the host program came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOrigin {
    /// Of the program.
    pub digest: Digest,
    /// What it was built from; `None` if it was built elsewhere.
    pub build: Option<HostBuild>,
}

/// A build of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBuild {
    /// The host's own version.
    pub version: String,
    /// What is compiled into it.
    pub crates: Vec<Crate>,
    /// The C library that is linked into it, e.g. `glibc 2.36`; `None` where it is not, or not known.
    pub libc: Option<String>,
    /// What compiled it.
    pub rustc: Option<String>,
    /// Of Cargo.lock.
    pub lock: Digest,
}

/// A crate that is compiled into the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    /// As crates.io knows it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// As SPDX writes it, if it says.
    pub license: Option<String>,
    /// SHA-256 of its package, in hex; `None` for those of this workspace.
    pub checksum: Option<String>,
}

/// A file of the app folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrigin {
    /// Where it stands in the image, without a leading slash.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
    /// What it is.
    pub role: Role,
}

/// What a file of the app folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The scorer's component.
    Component,
    /// The component's machine code.
    Code,
    /// The library that runs graphs.
    Engine,
    /// A library of the system, or a licence.
    Library,
    /// Part of the model.
    Model,
    /// A description.
    Settings,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its name.
    pub commit: String,
    /// Whether files differed from it.
    pub is_changed: bool,
}

/// Writes what is attached to an image: its list of parts, the statement about its making, and with a key a signature.
pub fn artifacts(origin: &Origin, image: &Digest, manifest_bytes: u64, key: Option<&Key>) -> Vec<Artifact> {
    let sbom = sbom::document(origin, image);
    let statement = provenance::statement(origin, image, &Digest::of(&sbom));
    let subject = Some((image, manifest_bytes));
    let sbom = Content::new(SBOM_MEDIA_TYPE, sbom);
    let mut artifacts = vec![Artifact::new("sbom", Some(SBOM_MEDIA_TYPE), sbom, subject, None, origin.epoch)];
    let statement = match key {
        None => Content::new(STATEMENT_MEDIA_TYPE, statement),
        Some(key) => Content::new(ENVELOPE_MEDIA_TYPE, key.sign_statement(&statement)),
    };
    let statement = statement.with("in-toto.io/predicate-type", PREDICATE_TYPE);
    artifacts.push(Artifact::new("provenance", Some(STATEMENT_MEDIA_TYPE), statement, subject, None, origin.epoch));
    if let Some(key) = key {
        let (payload, signature) = key.sign_image(&origin.reference, image);
        let content = Content::new(SIGNATURE_MEDIA_TYPE, payload).with(SIGNATURE_ANNOTATION, &signature);
        // Found by its tag, as every release of cosign finds it.
        artifacts.push(Artifact::new("signature", None, content, None, Some(signature_tag(image)), origin.epoch));
    }
    artifacts
}

/// What an artifact of this type is called; one without a type is a signature of cosign's.
pub fn name(artifact_type: Option<&str>) -> &'static str {
    match artifact_type {
        Some(SBOM_MEDIA_TYPE) => "sbom",
        Some(STATEMENT_MEDIA_TYPE) => "provenance",
        Some(_) => "artifact",
        None => "signature",
    }
}

/// `[{"name": NAME, "value": VALUE}]`, as CycloneDX notes what it has no field for.
fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("dev.scorebox.{name}"), "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn origin() -> Origin {
        let file = |path: &str, role| FileOrigin { path: path.to_owned(), digest: Digest::of(path.as_bytes()), role };
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
            revision: Some(Revision { commit: "c0ffee".into(), is_changed: true }),
        }
    }

    fn json_of(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn list_of_parts_names_each_with_digest_and_licence() {
        let image = Digest::of(b"image");
        let artifacts = artifacts(&origin(), &image, 10, None);
        let document = json_of(&artifacts[0].content.bytes);
        assert_eq!((&document["bomFormat"], &document["specVersion"]), (&json!("CycloneDX"), &json!("1.6")));
        assert_eq!(document["metadata"]["component"]["hashes"][0]["content"], image.hex());
        let parts = document["components"].as_array().unwrap();
        let part = |name: &str| parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(part("bytes")["purl"], "pkg:cargo/bytes@1.0.0");
        assert_eq!(part("bytes")["hashes"][0]["content"], "ab");
        assert_eq!(part("bytes")["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(part("glibc")["version"], "2.36");
        let model = part("model/w.safetensors");
        assert_eq!(
            (&model["type"], &model["licenses"][0]["expression"]),
            (&json!("machine-learning-model"), &json!("BSD-3-Clause"))
        );
        assert_eq!(part("scorebox")["hashes"][0]["content"], Digest::of(b"host").hex());
        assert_eq!(part("r.io/b:1")["hashes"][0]["content"], Digest::of(b"base").hex());
        // Every reference leads somewhere.
        let mut known: Vec<_> = parts.iter().map(|part| &part["bom-ref"]).collect();
        known.push(&document["metadata"]["component"]["bom-ref"]);
        for dependency in document["dependencies"].as_array().unwrap() {
            for name in dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]) {
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
        let named = |name: &str| digests.iter().find(|one| one["name"] == name).unwrap()["digest"].clone();
        assert_eq!(named("component.wasm")["sha256"], origin().files[0].digest.hex());
        assert_eq!(named("base r.io/b:1")["sha256"], Digest::of(b"base").hex());
        assert_eq!(named("project")["gitCommit"], "c0ffee");
        let sbom = &statement["predicate"]["runDetails"]["byproducts"][0];
        assert_eq!(sbom["digest"]["sha256"], Digest::of(&artifacts[0].content.bytes).hex());
    }

    #[test]
    fn attachments_refer_to_the_image_and_the_signature_to_its_tag() {
        let image = Digest::of(b"image");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        use p256::pkcs8::EncodePrivateKey as _;
        let pem = p256::SecretKey::from_slice(&[7; 32]).unwrap().to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
        std::fs::write(&path, pem.as_str()).unwrap();
        let key = Key::read(&path).unwrap();
        let signed = artifacts(&origin(), &image, 10, Some(&key));
        assert_eq!(signed.iter().map(|one| one.name).collect::<Vec<_>>(), ["sbom", "provenance", "signature"]);
        let manifest = json_of(&signed[0].manifest);
        assert_eq!(manifest["subject"]["digest"], image.to_string());
        assert_eq!(manifest["artifactType"], SBOM_MEDIA_TYPE);
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
        let signature = json_of(&signed[2].manifest);
        assert_eq!(signature["layers"][0]["mediaType"], SIGNATURE_MEDIA_TYPE);
        assert!(signature["layers"][0]["annotations"][SIGNATURE_ANNOTATION].is_string());
        assert_eq!(signed[2].tag.as_deref(), Some(format!("sha256-{}.sig", image.hex()).as_str()));
        // The same inputs, the same bytes.
        assert_eq!(artifacts(&origin(), &image, 10, Some(&key)), signed);
    }
}
