//! Attestations of an image: its list of parts (SBOM), its provenance, and its signature.
//!
//! Owns which artifacts are attached to an image, and their formats. Must not know files or
//! registries: it works on digests that other modules computed. An attached artifact does not
//! change the image.

mod artifact;
mod provenance;
mod sbom;

use scorebox_workspace::digest::Digest;
use serde_json::{Map, Value, json};

pub use self::artifact::{
    Artifact, Content, SIGNATURE_ANNOTATION, SIGNATURE_MEDIA_TYPE, signature_tag,
};
pub use self::provenance::BUILD_TYPE;

use crate::signing::{Key, STATEMENT_MEDIA_TYPE};

/// Media type of the SBOM in CycloneDX (<https://cyclonedx.org/specification/overview/>).
pub const SBOM_MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";
/// Media type of a DSSE envelope, which holds a statement and its signatures.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Predicate type of the provenance statement.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// Facts about the origin of an image, from which its attestations are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the image's repository, without the registry.
    pub repository: String,
    /// Name of the image's repository with the registry, if the registry is known. The signature
    /// covers this name.
    pub reference: String,
    /// Name of the scorer.
    pub name: String,
    /// Version of the scorer. Empty if the manifest does not set it.
    pub version: String,
    /// Licence of the scorer, as an SPDX expression. `None` if the scorer states none.
    pub license: Option<String>,
    /// Licence of the model, as an SPDX expression. `None` if the scorer does not state the
    /// licence.
    pub model_license: Option<String>,
    /// Build parameters. The keys are the names of flags, or of keys in the manifest.
    pub parameters: Map<String, Value>,
    /// Time that is used for every time in the attestations, in seconds since 1970.
    pub epoch: u64,
    /// Name of the base image, and the digest of its manifest. `None` if the image has no base.
    pub base: Option<(String, Digest)>,
    /// Origin of the host program in the image.
    pub host: HostOrigin,
    /// Files of the app folder, and the libraries that are packaged with the host program.
    pub files: Vec<FileOrigin>,
    /// Git commit of the project. `None` if the project is not in a Git repository.
    pub revision: Option<Revision>,
}

/// Origin of the host program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOrigin {
    /// Digest of the host program's bytes.
    pub digest: Digest,
    /// Facts about the build of the host program. `None` if the program was not built by this
    /// command.
    pub build: Option<HostBuild>,
}

/// Facts about a build of the host program: version, crates, compiler and lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBuild {
    /// Version of the host.
    pub version: String,
    /// Crates that are compiled into the host.
    pub crates: Vec<Crate>,
    /// Name and version of the C library that is statically linked into the host, e.g. `glibc
    /// 2.36`. `None` if no C library is linked, or if the C library is unknown.
    pub libc: Option<String>,
    /// Version of rustc that compiled the host. `None` if the version is unknown.
    pub rustc: Option<String>,
    /// Digest of the Cargo.lock that pinned the crates of the host.
    pub lock: Digest,
}

/// A crate that is compiled into the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    /// Name of the crate on crates.io.
    pub name: String,
    /// Version of the crate.
    pub version: String,
    /// Licence of the crate, as an SPDX expression. `None` if the crate states none.
    pub license: Option<String>,
    /// SHA-256 digest of the crate's package, in hex. `None` for crates of this workspace.
    pub checksum: Option<String>,
}

/// A file that `package` puts into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrigin {
    /// Path of the file in the image, without a leading slash.
    pub path: String,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Role of the file in the image.
    pub role: Role,
}

/// Role that a file has in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The scorer's WebAssembly component.
    Component,
    /// The machine code that was compiled from the component.
    Code,
    /// The ONNX Runtime library, which runs graphs.
    Engine,
    /// A shared library of the system, or the text of a licence.
    Library,
    /// A file of the model.
    Model,
    /// A configuration file, e.g. `scorebox.toml` or `host.json`.
    Settings,
}

/// A Git commit of the project, and whether files of the project differed from the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Hash of the Git commit.
    pub commit: String,
    /// True if files of the project differed from the commit when the image was built.
    pub is_changed: bool,
}

/// Returns the artifacts that are attached to an image: its SBOM, its provenance statement and, if
/// `key` is given, a signature.
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
    ));
    if let Some(key) = key {
        let (payload, signature) = key.sign_image(&origin.reference, image);
        let content =
            Content::new(SIGNATURE_MEDIA_TYPE, payload).with(SIGNATURE_ANNOTATION, &signature);
        // Every release of cosign finds a signature by its tag.
        artifacts.push(Artifact::new(
            "signature",
            None,
            content,
            None,
            Some(signature_tag(image)),
            origin.epoch,
        ));
    }
    artifacts
}

/// Returns the name of an artifact with the given artifact type, e.g. `sbom`. `None` stands for a
/// signature of cosign, which has no artifact type.
pub fn name(artifact_type: Option<&str>) -> &'static str {
    match artifact_type {
        Some(SBOM_MEDIA_TYPE) => "sbom",
        Some(STATEMENT_MEDIA_TYPE) => "provenance",
        Some(_) => "artifact",
        None => "signature",
    }
}

/// Returns a CycloneDX property, `{"name": NAME, "value": VALUE}`. Properties state facts for which
/// CycloneDX has no field.
fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("dev.scorebox.{name}"), "value": value })
}

#[cfg(test)]
mod tests {
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
            ["sbom", "provenance", "signature"]
        );
        let manifest = json_of(&signed[0].manifest);
        assert_eq!(manifest["subject"]["digest"], image.to_string());
        assert_eq!(manifest["artifactType"], SBOM_MEDIA_TYPE);
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.oci.empty.v1+json"
        );
        let signature = json_of(&signed[2].manifest);
        assert_eq!(signature["layers"][0]["mediaType"], SIGNATURE_MEDIA_TYPE);
        assert!(signature["layers"][0]["annotations"][SIGNATURE_ANNOTATION].is_string());
        assert_eq!(
            signed[2].tag.as_deref(),
            Some(format!("sha256-{}.sig", image.hex()).as_str())
        );
        // Equal inputs must give equal bytes.
        assert_eq!(artifacts(&origin(), &image, 10, Some(&key)), signed);
    }
}
