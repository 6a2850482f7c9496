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
    /// The hosting plan of the app. Consumption and Flex Consumption cannot run images. The plain
    /// targets run the image without the Functions host, for scorers with HTTP triggers only.
    #[arg(long, value_enum)]
    pub target: Target,
    /// The resource group. It is created if it is missing.
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// The region, e.g. westeurope.
    #[arg(long, value_name = "REGION")]
    pub location: String,
    /// Name of the app. App Service serves it at `https://NAME.azurewebsites.net`.
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
    /// The guard of an app without the Functions host: `server.keys` in scorebox.toml, or the
    /// platform's own login, which refuses every call until you name an identity provider [default:
    /// keys].
    #[arg(long, value_enum)]
    pub guarded_by: Option<Guard>,
    /// CPU cores of a replica of a plain container app: a multiple of 0.25, up to 4. The memory is
    /// 2 GiB for each core [default: 1].
    #[arg(long, value_name = "CORES", value_parser = quarters)]
    pub cpu: Option<u32>,
    /// Minimum number of replicas of a plain container app. With 0, the first call after a pause
    /// waits until a replica has started [default: 1].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub min_replicas: Option<u32>,
    /// Maximum number of replicas of a plain container app [default: 10, or --min-replicas if it is
    /// more].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_replicas: Option<u32>,
    /// Number of concurrent requests for each replica of a plain container app, above which another
    /// replica starts [default: `limits.instances` in scorebox.toml, or four for each core].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: Option<u32>,
    /// Also write a script that finds blobs for which no function ran, e.g. to catch-up.sh. Needs a
    /// blob trigger.
    #[arg(long, value_name = "FILE")]
    pub catch_up: Option<PathBuf>,
    /// Also write a Bicep file with the resources of the deployment, e.g. to risk.bicep.
    #[arg(long, value_name = "FILE")]
    pub bicep: Option<PathBuf>,
    /// Run the commands instead of printing them. Run `az login` first.
    #[arg(long, conflicts_with = "dry_run")]
    pub run: bool,
    /// Print the commands without running them, as without --run.
    #[arg(long)]
    pub dry_run: bool,
}

impl DeployArgs {
    /// Returns the first flag that is given and has no effect on the target, with a text that names
    /// the targets on which the flag has an effect. Returns `None` if there is no such flag.
    pub(super) fn idle_flag(&self) -> Option<(&'static str, &'static str)> {
        const SCALED: &str = "`--target plain-container-app`";
        const PLAIN: &str = "`--target plain-container-app` or `plain-web-app`";
        const FUNCTIONS: &str = "`--target premium`, `dedicated` or `container-apps`";
        const PLANNED: &str = "`--target premium`, `dedicated` or `plain-web-app`";
        const CONTAINER_APPS: &str = "`--target container-apps` or `plain-container-app`";
        let is_scaled = self.target == Target::PlainContainerApp;
        let is_container_app = self.target.is_container_app();
        [
            (
                self.storage_account.is_some(),
                !self.target.is_plain(),
                "--storage-account",
                FUNCTIONS,
            ),
            (self.plan.is_some(), !is_container_app, "--plan", PLANNED),
            (self.sku.is_some(), !is_container_app, "--sku", PLANNED),
            (
                self.environment.is_some(),
                is_container_app,
                "--environment",
                CONTAINER_APPS,
            ),
            (
                self.guarded_by.is_some(),
                self.target.is_plain(),
                "--guarded-by",
                PLAIN,
            ),
            (self.cpu.is_some(), is_scaled, "--cpu", SCALED),
            (
                self.min_replicas.is_some(),
                is_scaled,
                "--min-replicas",
                SCALED,
            ),
            (
                self.max_replicas.is_some(),
                is_scaled,
                "--max-replicas",
                SCALED,
            ),
            (
                self.concurrency.is_some(),
                is_scaled,
                "--concurrency",
                SCALED,
            ),
        ]
        .into_iter()
        .find(|(is_given, has_effect, ..)| *is_given && !has_effect)
        .map(|(.., flag, targets)| (flag, targets))
    }
}

/// Hosting plan or service that runs an app with an image of its own.
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
    /// Azure Container Apps, without the Functions host.
    PlainContainerApp,
    /// App Service, without the Functions host.
    PlainWebApp,
}

impl Target {
    /// Returns true if the image of the app has no Functions host, so that Scorebox itself listens.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::PlainContainerApp | Self::PlainWebApp)
    }

    /// Returns true if the app is a container app.
    pub fn is_container_app(self) -> bool {
        matches!(self, Self::ContainerApps | Self::PlainContainerApp)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Premium => "a Premium plan",
            Self::Dedicated => "a Dedicated plan",
            Self::ContainerApps => "Container Apps",
            Self::PlainContainerApp => "Container Apps, without the Functions host",
            Self::PlainWebApp => "App Service, without the Functions host",
        })
    }
}

/// Way in which the platform logs in to the registry to pull the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Pull as the app itself, which gets a role for this. There is no password to keep. The
    /// registry must be an Azure Container Registry.
    Identity,
    /// Pull with the user name SCOREBOX_REGISTRY_USERNAME and the password
    /// SCOREBOX_REGISTRY_PASSWORD.
    Credentials,
}

/// Guard of an app without the Functions host: the part that refuses calls without credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Guard {
    /// The server accepts only calls that have one of its keys.
    Keys,
    /// The platform refuses every call without a login.
    Platform,
}

/// Error for a number of CPU cores that a container app cannot have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a multiple of 0.25, from 0.25 to 4")]
struct NotQuarters;

/// Parses a number of CPU cores, and returns it in quarters of a core. Fails if the number is not a
/// multiple of 0.25 from 0.25 to 4.
fn quarters(text: &str) -> Result<u32, NotQuarters> {
    let quarters = text.parse::<f64>().ok().map(|cores| cores * 4.0);
    (1..=16)
        .find(|number| quarters == Some(f64::from(*number)))
        .ok_or(NotQuarters)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parsed(target: &str, flag: &str, value: &str) -> DeployArgs {
        let command = DeployArgs::augment_args(clap::Command::new("deploy"));
        let words = "deploy r.io/a@sha256:0 --manifest m --group g --location l --name n --target";
        let words = words.split(' ').chain([target, flag, value]);
        DeployArgs::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn a_flag_without_an_effect_on_the_target_is_found() {
        let functions = &["premium", "dedicated", "container-apps"];
        let plans = &["premium", "dedicated", "plain-web-app"];
        let plain = &["plain-container-app", "plain-web-app"];
        let cases: [(&str, &str, &[&str]); 6] = [
            ("--storage-account", "data", functions),
            ("--plan", "p", plans),
            ("--sku", "EP1", plans),
            (
                "--environment",
                "e",
                &["container-apps", "plain-container-app"],
            ),
            ("--guarded-by", "keys", plain),
            ("--cpu", "1", &["plain-container-app"]),
        ];
        for (flag, value, targets) in cases {
            for target in Target::value_variants() {
                let target = target.to_possible_value().unwrap();
                let target = target.get_name();
                let idle = parsed(target, flag, value).idle_flag();
                match idle {
                    None => assert!(targets.contains(&target), "{flag} {target}"),
                    Some((found, others)) => {
                        assert_eq!(found, flag, "{target}");
                        assert!(!targets.contains(&target), "{flag} {target}");
                        assert!(targets.iter().all(|one| others.contains(one)), "{others}");
                    }
                }
            }
        }
    }

    #[test]
    fn cores_are_quarters() {
        for (text, expected) in [("0.25", 1), ("1", 4), ("1.5", 6), ("4.0", 16)] {
            assert_eq!(quarters(text), Ok(expected), "{text}");
        }
        for text in ["0", "0.3", "-1", "4.25", "one", "", "NaN", "1e9"] {
            assert!(quarters(text).is_err(), "{text}");
        }
    }
}
