//! Flags of `cargo xtask package`.
//!
//! Owns their names and their help. Must not know how an image is built.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_host::precompiled::Cpu;

use crate::format::Format;
use crate::identity::{CREDENTIALS, IdentityArgs};

/// Flags of `cargo xtask package`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("The same inputs give the same digest. Times in the image are SOURCE_DATE_EPOCH, or 1970 if that \
                        is unset.\n\n{CREDENTIALS}\n\nExamples:\n  cargo xtask package --manifest scorebox.toml\n  cargo xtask package \
                        --manifest scorebox.toml --push --registry 127.0.0.1:5000 --plain-http\n  cargo xtask package \
                        --manifest scorebox.toml --push --registry contoso.azurecr.io --dry-run \\\n      --base functions")
)]
pub struct PackageArgs {
    /// Path of the scorer's scorebox.toml.
    #[arg(long, value_name = "FILE", default_value = MANIFEST_FILE)]
    pub manifest: PathBuf,
    /// The folder for the OCI layout. A layout that is already there is replaced [default:
    /// target/images/NAME].
    #[arg(long, value_name = "DIR")]
    pub layout: Option<PathBuf>,
    /// Push the image to the registry.
    #[arg(long)]
    pub push: bool,
    /// With --push: ask which blobs the registry has, print what would be sent, and send nothing.
    #[arg(long, requires = "push")]
    pub dry_run: bool,
    /// Host and port of the registry, e.g. 127.0.0.1:5000. Overrides `package.registry`.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: Option<String>,
    /// Name of the image in the registry, e.g. scoring/digits. Overrides `package.repository`.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// Tag of the image, in addition to its digest. Overrides `package.tag`.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// The base image: `scratch`, `functions` (mcr.microsoft.com/azure-functions/node:4-node22) or
    /// `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`. Overrides `package.base`. If the base contains the
    /// Functions host, the image starts it, as the user of the base; otherwise it starts Scorebox.
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Use HTTP for the base's registry. If base and image are in one registry, --plain-http is
    /// enough.
    #[arg(long)]
    pub base_plain_http: bool,
    /// With --push: also write the base's layers into the layout. Without this flag, a push copies
    /// them between the registries, and the layout only names them. Without --push they are always
    /// written.
    #[arg(long)]
    pub base_blobs: bool,
    /// Compression of the layers. The model's layer is compressed only if it shrinks well. zstd is
    /// smaller and faster to unpack, but some services that run images cannot read it.
    #[arg(long, value_enum, default_value_t = Compressor::Gzip)]
    pub compression: Compressor,
    /// Documents to attach to the image: the list of its parts (an SBOM in CycloneDX) and the
    /// provenance statement of how it was built (SLSA), or none. The digest of the image does not
    /// change.
    #[arg(long, value_enum, default_value_t = Attest::All)]
    pub attest: Attest,
    /// A private key that signs the image (for `cosign verify`) and the provenance statement: curve
    /// P-256, in PEM, without a password.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// The CPU to compile the component for: x86-64 runs everywhere; x86-64-v2, -v3 and -v4 need
    /// newer machines; native is the highest level of this machine. The host refuses to start on a
    /// CPU below this level.
    #[arg(long, value_name = "LEVEL", default_value = "x86-64")]
    pub cpu: Cpu,
    /// A `scorebox` program to put into the image instead of building one. It must be static, or
    /// built with the feature `graphs` if the scorer has a graph. For a script, it must be built
    /// with the feature `python`.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// The ONNX Runtime library that runs the graph, for a scorer with a graph. Without this flag,
    /// the library is fetched with pip. LICENSE and ThirdPartyNotices.txt must be next to the
    /// library.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
    /// For a script: package it without samples of its native answers. Nothing then proves that it
    /// answers in the sandbox as it does in the environment of its author.
    #[arg(long)]
    pub without_proof: bool,
    /// Format of standard output: the digest reference alone, or a JSON object with every digest
    /// and size.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Documents that are attached to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attest {
    /// Attach the SBOM (CycloneDX) and the provenance statement (SLSA).
    All,
    /// Attach no documents to the image.
    None,
}

/// Compression format of the image's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compressor {
    /// gzip, which every container runtime can read.
    Gzip,
    /// zstd, which only newer container runtimes can read.
    Zstd,
}
