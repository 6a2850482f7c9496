//! The base image of a scorer's image, and the config of an image that is built on it.
//!
//! Owns the merging of the base's configuration with that of the scorer's image. Must not know
//! files or registries: it works on bytes that other modules fetched and hashed.

use scorebox_workspace::digest::Digest;
use serde_json::{Map, Value, json};

use super::container_config::ContainerConfig;
use super::manifest::{BaseLayer, BaseManifest};
use super::paths::HOST_PROGRAM;
use super::unfit::UnfitImage;

/// Path of the script that starts the Functions host in the stock images of Azure Functions.
///
/// The script does not forward SIGTERM, so every stop ends in SIGKILL
/// (Azure/azure-functions-docker, issues 404 and 677). It also installs certificates that an
/// operator mounted.
const FUNCTIONS_SCRIPT: &str = "/opt/startup/start_nonappservice.sh";
/// Path of the Functions host, which the start script of the Functions images runs.
const FUNCTIONS_HOST: &str = "/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost";
/// Environment variables that an image on a Functions base needs for a custom handler, in addition
/// to the scorer's own variables.
///
/// The first variable turns console logging on (azure-functions-core-tools, Dockerfile.custom). The
/// second variable turns off the search for .NET functions, which the stock image `dotnet-isolated`
/// turns on.
const FUNCTIONS_SETTINGS: &[&str] = &[
    "AzureFunctionsJobHost__Logging__Console__IsEnabled=true",
    "AzureWebJobsFeatureFlags=",
];

/// A base image, on which the scorer's image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Name of the base image, e.g. `mcr.microsoft.com/azure-functions/node:4-node22`.
    pub name: String,
    /// Digest of the base image's manifest for linux/amd64.
    pub digest: Digest,
    /// Layers of the base image, from the bottom up.
    pub layers: Vec<BaseLayer>,
    /// Config of the base image, as a JSON object.
    document: Map<String, Value>,
}

impl Base {
    /// Builds a base image from its fetched manifest and config. Fails if the config is not a JSON
    /// object, if the image is not for linux/amd64, or if the manifest and the config contradict
    /// each other.
    pub fn new(
        name: String,
        digest: Digest,
        manifest: BaseManifest,
        config: &[u8],
    ) -> Result<Self, UnfitImage> {
        let document: Map<String, Value> =
            serde_json::from_slice(config).map_err(UnfitImage::NoConfiguration)?;
        let base = Self {
            name,
            digest,
            layers: manifest.layers,
            document,
        };
        let text = |key: &str| {
            base.document
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match (text("os"), text("architecture")) {
            ("linux", "amd64") => {}
            (os, architecture) => {
                return Err(UnfitImage::OtherPlatform {
                    os: os.to_owned(),
                    architecture: architecture.to_owned(),
                });
            }
        }
        match (base.diff_ids().len(), base.layers.len()) {
            (ids, layers) if ids == layers => Ok(base),
            (ids, layers) => Err(UnfitImage::LayersDiffer {
                layers,
                in_configuration: ids,
            }),
        }
    }

    /// Returns true if the environment variables or the command of the base image are those of an
    /// image with the Functions host. In this case the main program of the base is kept, because
    /// the Functions host starts the scorer as `host.json` says. Returns false for an image that
    /// starts Scorebox itself.
    pub fn is_functions(&self) -> bool {
        let sets = |name: &str| self.env().iter().any(|entry| variable(entry) == name);
        let command = [self.texts("Entrypoint"), self.texts("Cmd")].concat();
        // `package` sets the variables of a Functions base in every image, also in one without it.
        if command
            .first()
            .is_some_and(|program| program == HOST_PROGRAM)
        {
            return false;
        }
        let starts_host = |word: &String| {
            word.contains("azure-functions-host") || word.contains("Microsoft.Azure.WebJobs.Script")
        };
        sets("AzureWebJobsScriptRoot")
            || sets("FUNCTIONS_WORKER_RUNTIME")
            || command.iter().any(starts_host)
    }

    /// Returns the config of an image on this base, without the layers that `package` adds: author,
    /// platform, container settings, and the layers and history of the base. `ours` has the
    /// container settings of the image.
    pub fn document(&self, ours: &ContainerConfig) -> Map<String, Value> {
        // Docker's own fields describe the container in which the base was built, so they are
        // dropped.
        let kept = [
            "author",
            "architecture",
            "os",
            "os.version",
            "os.features",
            "variant",
        ];
        let kept = kept
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), self.document.get(*key)?.clone())));
        let mut document: Map<_, _> = kept.collect();
        document.insert("config".to_owned(), self.container(ours));
        document.insert(
            "rootfs".to_owned(),
            json!({ "type": "layers", "diff_ids": self.diff_ids() }),
        );
        document.insert("history".to_owned(), self.history().into());
        document
    }

    fn container(&self, ours: &ContainerConfig) -> Value {
        let mut container = self.container_object().cloned().unwrap_or_default();
        let mut labels = container
            .get("Labels")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        // A base may itself be a Scorebox image. What it says about its own scorer is not true for
        // this one.
        labels.retain(|name, _| !name.starts_with("dev.scorebox."));
        labels.extend(
            ours.labels
                .iter()
                .map(|(name, value)| (name.clone(), json!(value))),
        );
        container.insert("Labels".to_owned(), labels.into());
        container.insert("Env".to_owned(), json!(self.joined_env(ours)));
        if self.is_functions() {
            if self.texts("Entrypoint").is_empty() && self.texts("Cmd") == [FUNCTIONS_SCRIPT] {
                container.remove("Cmd");
                container.insert("Entrypoint".to_owned(), json!([FUNCTIONS_HOST]));
            }
        } else {
            // These keys belong to the base's own program. If `Cmd` stayed, it would become the
            // arguments of the host.
            for key in ["Cmd", "Healthcheck", "StopSignal", "OnBuild", "ArgsEscaped"] {
                container.remove(key);
            }
            container.insert("Entrypoint".to_owned(), json!(ours.entrypoint));
            container.insert("User".to_owned(), json!(ours.user));
            container.insert("WorkingDir".to_owned(), json!(ours.working_dir));
            container.insert("ExposedPorts".to_owned(), json!(ours.exposed_ports));
        }
        container.into()
    }

    /// Returns the environment variables of the base image, overridden and extended by those in
    /// `ours`, the container settings of the scorer's image. On a Functions base,
    /// [`FUNCTIONS_SETTINGS`] are added as well. The `PATH` of the base is kept, because it points
    /// to the base's own programs.
    fn joined_env(&self, ours: &ContainerConfig) -> Vec<String> {
        let mut joined = self.env();
        let settings = if self.is_functions() {
            FUNCTIONS_SETTINGS
        } else {
            &[]
        };
        for entry in ours
            .env
            .iter()
            .map(String::as_str)
            .chain(settings.iter().copied())
        {
            let name = variable(entry);
            match joined.iter_mut().find(|known| variable(known) == name) {
                Some(_) if name == "PATH" => {}
                Some(known) => entry.clone_into(known),
                // An empty value only clears a variable that the base sets.
                None if entry.ends_with('=') => {}
                None => joined.push(entry.to_owned()),
            }
        }
        joined
    }

    /// Returns the history of the base image. Readers of images require one entry for each layer,
    /// next to entries without a layer. If the number of entries for layers differs from the number
    /// of layers, one entry for each layer is generated instead.
    fn history(&self) -> Vec<Value> {
        let told = self
            .document
            .get("history")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let is_layer =
            |entry: &&Value| entry.get("empty_layer").and_then(Value::as_bool) != Some(true);
        if told.iter().filter(is_layer).count() == self.layers.len() {
            return told;
        }
        self.layers
            .iter()
            .map(|layer| json!({ "comment": format!("layer {} of the base", layer.digest) }))
            .collect()
    }

    fn diff_ids(&self) -> Vec<Value> {
        let rootfs = self.document.get("rootfs");
        rootfs
            .and_then(|rootfs| rootfs.get("diff_ids"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    fn env(&self) -> Vec<String> {
        self.texts("Env")
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let values = self
            .container_object()
            .and_then(|config| config.get(key))
            .and_then(Value::as_array);
        values
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    fn container_object(&self) -> Option<&Map<String, Value>> {
        self.document.get("config").and_then(Value::as_object)
    }
}

/// Returns the name of the variable in an environment entry `NAME=value`.
fn variable(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests;
