//! Flags of `cargo xtask deploy`.
//!
//! Owns their names and their help. Must not know what is deployed.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::functions_app::Connections;

/// Flags of `cargo xtask deploy`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cargo xtask deploy contoso.azurecr.io/risk@sha256:… --manifest scorebox.toml --target premium \\
      --group scoring --location westeurope --name contoso-risk --bicep risk.bicep")]
pub struct DeployArgs {
    /// The image, as `cargo xtask package --push` printed it.
    #[arg(value_name = "REGISTRY/REPOSITORY@sha256:HEX")]
    pub image: String,
    /// Path of the scorer's scorebox.toml. Its triggers and stores determine the settings of the
    /// app.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The hosting plan of the app. Consumption and Flex Consumption cannot run images.
    #[arg(long, value_enum)]
    pub target: Target,
    /// The resource group. It is created if it is missing.
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// The region, e.g. westeurope.
    #[arg(long, value_name = "REGION")]
    pub location: String,
    /// Name of the function app. App Service serves it at `https://NAME.azurewebsites.net`.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The storage account of the app itself [default: the app's name without `-`, plus `data`].
    #[arg(long, value_name = "NAME")]
    pub storage_account: Option<String>,
    /// Name of the hosting plan [default: NAME-plan].
    #[arg(long, value_name = "NAME")]
    pub plan: Option<String>,
    /// Size of the hosting plan [default: EP1, or B1 for a dedicated plan].
    #[arg(long, value_name = "SKU")]
    pub sku: Option<String>,
    /// Name of the environment of Container Apps [default: NAME-env].
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// The way in which the platform logs in to the registry to pull the image.
    #[arg(long, value_enum, default_value_t = Pull::Identity)]
    pub pull: Pull,
    /// The way in which the app logs in to the storage accounts and namespaces of its triggers.
    #[arg(long, value_enum, default_value_t = Connections::Strings)]
    pub connections: Connections,
    /// The base image that was given to `package --base`, if it differs from `package.base` in
    /// scorebox.toml.
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Also write a Bicep file with these resources, e.g. to risk.bicep.
    #[arg(long, value_name = "FILE")]
    pub bicep: Option<PathBuf>,
    /// Run the commands instead of printing them. Run `az login` first.
    #[arg(long, conflicts_with = "dry_run")]
    pub run: bool,
    /// Print the commands without running them, as without --run.
    #[arg(long)]
    pub dry_run: bool,
}

/// Hosting plan or service that runs a function app with an image of its own.
///
/// The plans Consumption and Flex Consumption do not accept images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Elastic Premium plan, which keeps warm instances and scales by itself.
    Premium,
    /// Dedicated plan, whose machines always run.
    Dedicated,
    /// Azure Container Apps.
    ContainerApps,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Premium => "a Premium plan",
            Self::Dedicated => "a Dedicated plan",
            Self::ContainerApps => "Container Apps",
        })
    }
}

/// Way in which the platform logs in to the registry to pull the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Pull as the app itself, which has the role AcrPull. There is no password to keep.
    Identity,
    /// Pull with the user name SCOREBOX_REGISTRY_USERNAME and the password
    /// SCOREBOX_REGISTRY_PASSWORD.
    Credentials,
}
