//! Flags of `cargo xtask doctor`.
//!
//! Owns their names and their help. Must not know what is checked.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{ArgGroup, Args};

use crate::format::Format;
use crate::identity::IdentityArgs;

/// Flags of `cargo xtask doctor`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("given").required(true).multiple(true).args(["manifest", "app", "image", "registry", "url"])),
    after_help = "Examples, in the order of a deployment:
  cargo xtask doctor --manifest scorebox.toml --app target/apps/risk       # before `package`
  cargo xtask doctor --manifest scorebox.toml --registry contoso.azurecr.io \\
      --memory 3.5GiB --cpus 1 -- --target premium --group scoring --location westeurope --name contoso-risk
  cargo xtask doctor --image contoso.azurecr.io/risk@sha256:… --settings settings.json --url https://risk.contoso.com

Settings are looked for in the environment, where `cargo xtask deploy --run` takes them from. Those of a deployed app come
from `az functionapp config appsettings list --name NAME --resource-group GROUP > settings.json`. `cargo xtask login --help`
says where the credentials for the registry are looked for.

Exit codes: 0 if no line is a problem, 1 if one is. Other codes are those of `cargo xtask --help`."
)]
pub struct DoctorArgs {
    /// The scorer's scorebox.toml, or the folder that holds it.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// The app folder that `cargo xtask build` wrote. The component and the model are tried there.
    #[arg(long, value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// An image that is or will be deployed: its reference, or the folder of a layout. If --app is
    /// not given, the app in the image is tried.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The registry to log in to. Overrides `package.registry` and the registry of --image.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: Option<String>,
    /// The repository whose rights are tried. Overrides `package.repository`.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// The address of a deployment that runs: its probes, version and latency are checked.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A JSON file with the settings of a deployed app, to check in place of the environment.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Memory of the container that will run the scorer, e.g. 2GiB. Default: the limit of the
    /// container, or the memory of the machine, in which this command runs.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// CPU cores of the container that will run the scorer, e.g. 0.5. Default: the cores that this
    /// command may use.
    #[arg(long, value_name = "CORES")]
    pub cpus: Option<f64>,
    /// The host program that tries ONNX graphs, e.g. the `scorebox-host` of `cargo build --release`.
    /// An installed tool has a host of its own. In the repository, graphs are not tried without this
    /// flag.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// Connect to nothing: no store, no registry and no address.
    #[arg(long)]
    pub offline: bool,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: lines, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Arguments of `cargo xtask deploy`, without the image and --manifest. The names in them are
    /// checked.
    #[arg(last = true, value_name = "DEPLOY ARGUMENTS")]
    pub deploy: Vec<String>,
}
