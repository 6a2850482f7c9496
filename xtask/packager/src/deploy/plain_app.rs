//! An app without the Functions host: Scorebox itself listens for requests.
//!
//! Owns the settings and the probes of the app, and the cases in which it is refused. Must not know
//! commands or templates.

use std::time::Duration;

use scorebox_host::manifest::{Manifest, Trigger};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use serde_json::{Value, json};

use super::arguments::{DeployArgs, Guard, Target};
use super::deployment::Deployment;

/// Port on which Scorebox listens in an image without the Functions host.
pub(super) const PORT: u16 = 8080;

/// Path of the liveness probe. It succeeds while the process runs.
pub(super) const LIVE: &str = "/livez";

/// Path of the readiness probe. It succeeds while the scorer is ready.
pub(super) const READY: &str = "/readyz";

/// Longest time for which Container Apps waits until a replica has stopped.
const GRACE_MOST: Duration = Duration::from_secs(600);

/// Time for which Container Apps waits by default until a replica has stopped.
const GRACE_USUAL: Duration = Duration::from_secs(30);

/// Longest time for which App Service waits until a container has stopped.
const STOP_MOST: Duration = Duration::from_secs(120);

/// Number of calls that run at a time for each core if `limits.instances` is `auto`.
const CALLS_PER_CORE: u32 = 4;

/// Settings of an app without the Functions host that a function app does not have.
#[derive(Debug)]
pub struct PlainApp {
    /// Part that refuses calls without credentials: Scorebox itself or the login of the platform.
    pub(super) guard: Guard,
    /// Number of CPU cores of a replica, in quarters of a core.
    pub(super) quarters: u32,
    pub(super) min_replicas: u32,
    pub(super) max_replicas: u32,
    /// Number of concurrent requests for each replica, above which another replica starts.
    pub(super) concurrency: u32,
    /// Time from SIGTERM until the platform may kill the process, in seconds.
    pub(super) grace_s: u64,
}

impl PlainApp {
    /// Chooses the settings of an app without the Functions host from the flags and the manifest.
    /// Fails if the base image has the Functions host, if a trigger needs it, if nothing would
    /// refuse calls without credentials, or if the minimum number of replicas is above the maximum.
    /// `base` is the name of the base image.
    pub(super) fn new(args: &DeployArgs, manifest: &Manifest, base: &str) -> Result<Self, Failure> {
        if base == "functions" || base.contains("azure-functions/") {
            return Err(Failure::project(
                "the image has the Functions host, which would listen in place of Scorebox",
                "write `base = \"scratch\"` into [package] and package again, or choose `--target premium`, \
                 `dedicated` or `container-apps`",
            ));
        }
        let other = manifest
            .triggers
            .iter()
            .find(|trigger| trigger.http().is_none());
        if let Some(Trigger { function, .. }) = other {
            return Err(Failure::project(
                format!(
                    "the trigger `{}` is not of kind `http`, and only the Functions host starts calls by others",
                    quoted(function, NAME_BYTES)
                ),
                "choose `--target premium`, `dedicated` or `container-apps`, or remove the [[trigger]]",
            ));
        }
        let guard = args.guarded_by.unwrap_or(Guard::Keys);
        let quarters = args.cpu.unwrap_or(4);
        let min_replicas = args.min_replicas.unwrap_or(1);
        let max_replicas = args.max_replicas.unwrap_or(min_replicas.max(10));
        if guard == Guard::Keys && manifest.server.key_variables.is_empty() {
            return Err(Failure::project(
                "nothing guards this app: anyone who finds its address could call it",
                "add `[server]` with `keys = [\"env:SCOREBOX_KEY_1\", \"env:SCOREBOX_KEY_2\"]` to scorebox.toml and \
                 package again, or add `--guarded-by platform` if callers log in to the platform",
            ));
        }
        if min_replicas > max_replicas {
            return Err(Failure::project(
                format!("--min-replicas {min_replicas} is more than --max-replicas {max_replicas}"),
                "give --max-replicas a number that is not less than --min-replicas",
            ));
        }
        let limits = &manifest.limits;
        let instances = limits
            .instances
            .and_then(|instances| u32::try_from(instances).ok());
        // A stop takes the lame-duck phase and the drain, and some time to end the process.
        let stop = limits.lame_duck(false) + limits.drain + Duration::from_secs(2);
        let grace = match args.target {
            Target::PlainWebApp => stop.min(STOP_MOST),
            _ => stop.max(GRACE_USUAL).min(GRACE_MOST),
        };
        Ok(Self {
            guard,
            quarters,
            min_replicas,
            max_replicas,
            concurrency: args
                .concurrency
                .or(instances)
                .unwrap_or(CALLS_PER_CORE * quarters.div_ceil(4)),
            grace_s: grace.as_secs(),
        })
    }

    /// Returns the app settings of a web app that say on which port Scorebox listens, and how long
    /// the process may take to stop.
    pub(super) fn web_settings(&self) -> [(String, String); 2] {
        [
            ("WEBSITES_PORT".to_owned(), PORT.to_string()),
            (
                "WEBSITES_CONTAINER_STOP_TIME_LIMIT".to_owned(),
                self.grace_s.to_string(),
            ),
        ]
    }

    /// Returns the number of CPU cores of a replica as Azure writes it, e.g. `0.5`.
    pub(super) fn cpu(&self) -> String {
        (f64::from(self.quarters) / 4.0).to_string()
    }

    /// Returns the memory of a replica as Azure writes it, e.g. `1Gi`. Container Apps allows one
    /// memory size for each number of cores.
    pub(super) fn memory(&self) -> String {
        format!("{}Gi", f64::from(self.quarters) / 2.0)
    }
}

impl Deployment {
    /// Returns the container of a container app as JSON for the Azure API, because the Azure CLI
    /// has no flags for its probes. The JSON has the names of secrets, but not their values.
    pub(super) fn probed_container(&self, plain: &PlainApp) -> Value {
        let probe = |kind: &str, path: &str, period: u32| {
            json!({
                "type": kind,
                "httpGet": {"path": path, "port": PORT},
                "periodSeconds": period,
                "timeoutSeconds": 2,
                "failureThreshold": 3,
            })
        };
        let fixed = self
            .fixed
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}));
        let secret = self
            .all_secrets()
            .map(|secret| json!({"name": secret.variable.name(), "secretRef": secret.kept_as}));
        json!({
            "name": "scorer",
            "image": self.image,
            "env": secret.chain(fixed).collect::<Vec<_>>(),
            "resources": {"cpu": f64::from(plain.quarters) / 4.0, "memory": plain.memory()},
            "probes": [probe("Liveness", LIVE, 10), probe("Readiness", READY, 2)],
        })
    }
}
