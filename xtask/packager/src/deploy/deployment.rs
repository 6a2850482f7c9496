//! The content of a deployment: names, app settings and secrets.
//!
//! Owns what the commands and the Bicep file have in common. Must not know where a name comes from,
//! or how a value is written into a command or a file.

use scorebox_host::manifest::Manifest;

use super::arguments::{Guard, Pull, Target};
use super::plain_app::PlainApp;
use crate::shell::Variable;

/// An app to deploy, with everything that its commands and its Bicep file need.
#[derive(Debug)]
pub struct Deployment {
    pub(super) manifest: Manifest,
    pub(super) target: Target,
    pub(super) pull: Pull,
    pub(super) name: String,
    pub(super) group: String,
    pub(super) location: String,
    pub(super) storage: String,
    pub(super) plan: String,
    pub(super) sku: String,
    pub(super) environment: String,
    /// Reference of the app's image: registry, repository and digest.
    pub(super) image: String,
    pub(super) registry: String,
    /// Names and values of the app settings with fixed values, except for the setting of the app's
    /// own storage account.
    pub(super) fixed: Vec<(String, String)>,
    pub(super) secrets: Vec<Secret>,
    /// Keys of `server.keys`, one of which a caller has to send. The deployment script makes the
    /// keys if they are missing. Empty for a function app, whose keys the Functions host checks.
    pub(super) keys: Vec<Secret>,
    /// Facts about an app without the Functions host. `None` for a function app.
    pub(super) plain: Option<PlainApp>,
}

/// An app setting with a secret value. The deployment script takes the value from the environment
/// variable with the name of the setting. A key of `server.keys` that is not in the environment is
/// read from the app, or made.
#[derive(Debug)]
pub struct Secret {
    pub(super) variable: Variable,
    /// Purpose of the app setting, as text for the user, who passes the value.
    pub(super) why: &'static str,
    /// Name of the secret in which a container app keeps the app setting's value.
    pub(super) kept_as: String,
    /// Name of the parameter of the Bicep file that takes the app setting's value.
    pub(super) parameter: String,
}

/// Name of the secret in which a container app keeps the password for pulling its image from the
/// registry.
pub(super) const REGISTRY_PASSWORD: &str = "registry-password";

/// Name of the secret in which a container app keeps the connection string of its own storage
/// account.
pub(super) const OWN_STORAGE_SECRET: &str = "azurewebjobsstorage";

impl Deployment {
    /// Returns the app settings whose values are secrets: those that the user passes, and the keys
    /// of `server.keys`.
    pub(super) fn all_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().chain(&self.keys)
    }

    /// Returns true if the platform refuses requests without a login before they reach the app.
    pub(super) fn is_guarded_by_platform(&self) -> bool {
        self.plain
            .as_ref()
            .is_some_and(|plain| plain.guard == Guard::Platform)
    }

    /// Returns the noun for the app in the comments of the script and the Bicep file: `app` or
    /// `function app`.
    pub(super) fn kind(&self) -> &'static str {
        if self.plain.is_some() {
            "app"
        } else {
            "function app"
        }
    }

    /// Returns the name of the Azure Container Registry that has the image: the host name up to the
    /// first dot, without the hash that Azure adds to some host names after a `-`.
    pub(super) fn registry_name(&self) -> &str {
        let label = self.registry.split('.').next().unwrap_or_default();
        label.split('-').next().unwrap_or_default()
    }
}
