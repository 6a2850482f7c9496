//! Facts about the origin of an image, from which its attestations are made.
//!
//! Owns the types for these facts. Must not know the form of any attestation.

use scorebox_workspace::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

/// Facts about the origin of an image, from which its attestations are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the image's repository, without the registry.
    pub repository: String,
    /// Name of the image's repository with the registry, if the registry is known. The signature in
    /// cosign's older format covers this name.
    pub reference: String,
    /// Name of the scorer.
    pub name: String,
    /// Version of the scorer. Empty if `scorebox.toml` does not set it.
    pub version: String,
    /// Licence of the scorer, as an SPDX expression. `None` if `scorebox.toml` does not state it.
    pub license: Option<String>,
    /// Licence of the model, as an SPDX expression. `None` if `scorebox.toml` does not state it.
    pub model_license: Option<String>,
    /// Build parameters for the provenance statement. The keys are `scorer`, `version`, `world`,
    /// `base`, `compression`, `cpu` and `sourceDateEpoch`.
    pub parameters: Map<String, Value>,
    /// Time that is used for every time in the attestations, in seconds since 1970.
    pub epoch: u64,
    /// Name of the base image, and the digest of its manifest. `None` if the image has no base.
    pub base: Option<(String, Digest)>,
    /// Origin of the host program in the image.
    pub host: HostOrigin,
    /// Files that `package` puts into the image, except the host program: the files of the app
    /// folder, ONNX Runtime, the engine pack and shared libraries.
    pub files: Vec<FileOrigin>,
    /// Packages of Python in the image: those of a script, and those in its engine pack.
    pub python: Vec<PythonPackage>,
    /// Git commit of the project. `None` if the project is not in a Git repository with a commit,
    /// or if git cannot be run.
    pub revision: Option<Revision>,
}

/// Digest of the host program in an image, and the facts that are known about its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOrigin {
    /// Digest of the host program's bytes.
    pub digest: Digest,
    /// Facts about the build of the host program. `None` if the program was given with `--host`, so
    /// that nothing is known about its build.
    pub build: Option<HostBuild>,
}

/// Facts about a build of the host program: the version, the crates, the compiler and the lock
/// file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBuild {
    /// Version of the host.
    pub version: String,
    /// Crates that are compiled into the host.
    pub crates: Vec<Crate>,
    /// Name and version of the C library that is statically linked into the host, e.g. `glibc
    /// 2.36`. `None` if the C library is linked dynamically, or if it is unknown.
    pub libc: Option<String>,
    /// Version of rustc that compiled the host. `None` if the version is unknown.
    pub rustc: Option<String>,
    /// Digest of the Cargo.lock that pinned the crates of the host.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub lock: Digest,
}

fn write_digest<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::parse(&text).ok_or_else(|| de::Error::custom("not a digest"))
}

/// A crate that is compiled into the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Crate {
    /// Name of the crate, as in Cargo.lock.
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
    /// Role of the file, which determines its component type and its licence in the SBOM.
    pub role: Role,
}

/// A package of Python in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonPackage {
    /// Name of the package on PyPI.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Licence as the package states it, which need not be an SPDX expression. `None` if it is
    /// unknown.
    pub license: Option<String>,
    /// SHA-256 digest of the wheel, in hex. `None` if the package came in a wheel with others.
    pub sha256: Option<String>,
    /// True if the package is part of the engine pack, and not one of the script's own.
    pub is_in_pack: bool,
}

/// Role of a file that `package` puts into an image.
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
    /// A file of the engine pack, which runs scripts.
    Pack,
    /// A file of a script.
    Script,
    /// A file of a script's packages.
    Package,
    /// A configuration file, e.g. `scorebox.toml` or `host.json`.
    Settings,
}

/// A Git commit of the project, and whether files of its repository differed from the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Hash of the Git commit.
    pub commit: String,
    /// True if files of the repository differed from the commit when the image was built, or if
    /// this is unknown.
    pub is_changed: bool,
}
