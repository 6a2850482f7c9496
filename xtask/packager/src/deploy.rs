//! `cargo xtask deploy`: deploys an image to Azure, or prints the commands that do so.
//!
//! Owns how a deployment follows from the flags and the manifest, and the cases in which a
//! deployment is refused. Must not know how commands (`commands`) or templates (`bicep`) are
//! written.

mod arguments;
mod bicep;
mod catch_up;
mod commands;
mod deployment;
mod names;
mod plain_app;
mod resource_names;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::{Args as _, FromArgMatches as _};
use scorebox_host::manifest::triggers::{BlobSource, Start};
use scorebox_host::manifest::{Manifest, Trigger, azure_names};
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::tools;

use crate::functions_app::{self, AppSetting, Connections};
use crate::manifest_file;
use crate::registry::BaseReference;
use crate::shell::Variable;

pub use self::arguments::DeployArgs;
use self::arguments::{Pull, Target};
use self::deployment::{Deployment, Secret};
use self::names::ParameterNames;
use self::plain_app::PlainApp;
use self::resource_names::{ResourceNames, check_registry};

/// Runs `cargo xtask deploy`: prints or runs the commands of the deployment, and writes the files
/// that `--bicep` and `--catch-up` name. Fails if the arguments do not describe a deployment, if a
/// file cannot be written, or if a command fails.
pub fn run(args: &DeployArgs) -> Result<(), Failure> {
    let deployment = Deployment::new(args)?;
    let mut files = Vec::new();
    if let Some(path) = &args.bicep {
        files.push((path, bicep::file(&deployment)));
    }
    if let Some(path) = &args.catch_up {
        files.push((path, catch_up::script(&deployment, args.connections)?));
    }
    for (path, text) in files {
        std::fs::write(path, text).map_err(|error| Failure::file(path, "be written", error))?;
        eprintln!("written {}", path.display());
    }
    if args.catch_up.is_none() && deployment.has_blob_triggers() {
        eprintln!("a blob trigger can miss blobs: --catch-up FILE writes a script that finds them");
    }
    let script = commands::script(&deployment);
    if args.run {
        return deployment.run(&script);
    }
    print!("{script}");
    eprintln!("nothing was run: pipe this to `sh`, or add --run");
    Ok(())
}

/// Checks the arguments `words` of `cargo xtask deploy` by the rules of that command, but does not
/// run or print anything. `image` and `manifest` are the arguments that `words` leaves out. Fails
/// if the words are not arguments of the command, or if they do not describe a deployment.
pub fn check(words: &[String], image: &str, manifest: &Path) -> Result<(), Failure> {
    let command = clap::Command::new("deploy")
        .no_binary_name(true)
        .disable_help_flag(true);
    let given = [
        OsStr::new(image),
        OsStr::new("--manifest"),
        manifest.as_os_str(),
    ];
    let given = given.into_iter().chain(words.iter().map(OsStr::new));
    let parsed = DeployArgs::augment_args(command)
        .try_get_matches_from(given)
        .and_then(|matches| DeployArgs::from_arg_matches(&matches));
    let args = parsed.map_err(|error| {
        let text = error.to_string();
        // The lines after the first empty one show the usage of a command line that the user did
        // not type.
        let lines = text.lines().take_while(|line| !line.trim().is_empty());
        let told: Vec<_> = lines.map(str::trim).collect();
        Failure::project(
            quoted(told.join(" ").trim_start_matches("error: "), REASON_BYTES),
            "write the arguments as `cargo xtask deploy --help` lists them",
        )
    })?;
    Deployment::new(&args).map(drop)
}

impl Deployment {
    fn new(args: &DeployArgs) -> Result<Self, Failure> {
        let manifest = manifest_file::read(&args.manifest)?;
        let reference = BaseReference::of_image(&args.image)?;
        if reference.digest.is_none() {
            return Err(Failure::project(
                format!(
                    "{}: has no digest, so two instances could run two images",
                    quoted(&args.image, REASON_BYTES)
                ),
                "name it as `cargo xtask package --push` printed it: REGISTRY/REPOSITORY@sha256:HEX",
            ));
        }
        if let Some((flag, targets)) = args.idle_flag() {
            return Err(Failure::project(
                format!("{flag} has no effect on {}", args.target),
                format!("leave out {flag}, or choose {targets}"),
            ));
        }
        let base = args.base.as_ref().unwrap_or(&manifest.package.base);
        let hostless = match args.target.is_plain() {
            true => Some(PlainApp::new(args, &manifest, base)?),
            false => None,
        };
        if hostless.is_none() && base == "scratch" {
            return Err(Failure::project(
                "an image on `scratch` holds no Functions host",
                "write `base = \"functions\"` into [package] and package again, or add --base here \
                 too if you gave it to `package`; an image on `scratch` runs without the Functions host, \
                 e.g. by `--target plain-container-app`",
            ));
        }
        if hostless.is_none() && !manifest.server.key_variables.is_empty() {
            return Err(Failure::project(
                "`server.keys`: the Functions host calls Scorebox without these keys, and checks its own",
                "remove `server.keys`, and say with `trigger.auth_level` which key a caller needs; or choose \
                 `--target plain-container-app` or `plain-web-app`",
            ));
        }
        if args.pull == Pull::Identity {
            pulls_from_azure(&reference.registry)?;
        }
        let ResourceNames {
            name,
            group,
            location,
            storage,
            plan,
            sku,
            environment,
        } = ResourceNames::new(args)?;
        check_registry(&reference.registry)?;
        strings_lead_to_one_service(&manifest, args)?;
        let (mut fixed, secret_settings) = settings(&manifest, args);
        if let Some(app) = &hostless {
            fixed.retain(|(name, _)| name.starts_with("WEBSITES_"));
            if args.target == Target::PlainWebApp {
                fixed.extend(app.web_settings());
            }
        }
        let mut chooser = Chooser {
            kept_as: BTreeSet::new(),
            parameters: ParameterNames::of_a_template(),
        };
        let secrets = chooser.secrets(secret_settings)?;
        let keys = chooser.secrets(key_settings(&manifest))?;
        events_name_a_container(&manifest)?;
        Ok(Self {
            target: args.target,
            pull: args.pull,
            group,
            location,
            plan,
            sku,
            environment,
            image: args.image.clone(),
            registry: reference.registry,
            fixed,
            secrets,
            keys,
            plain: hostless,
            name,
            storage,
            manifest,
        })
    }

    fn run(&self, script: &str) -> Result<(), Failure> {
        let variables = self.secrets.iter().map(|secret| secret.variable.name());
        let missing: Vec<_> = variables
            .filter(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()))
            .collect();
        if !missing.is_empty() {
            return Err(Failure::other(
                format!("the environment lacks {}", missing.join(", ")),
                "export each; the script, without --run, says what they are",
            ));
        }
        if tools::find("az").is_none() {
            return Err(Failure::toolchain(
                "`az` is not on PATH",
                "install the Azure CLI and log in with `az login`, or leave out --run and run the \
                 script elsewhere",
            ));
        }
        let failed = |error: std::io::Error| {
            Failure::other(
                format!("sh: {error}"),
                "leave out --run, and run the script by hand",
            )
        };
        let mut shell = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = shell.stdin.take() {
            // A shell that ended early reports the reason by its status.
            let _ = input.write_all(script.as_bytes());
        }
        let status = shell.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::other(
            format!("a command failed ({status}); the commands before it succeeded"),
            "fix the error shown above, and run this command again: what exists already stays as \
             it is",
        ))
    }
}

/// Returns the app settings that a function app needs, except for the setting of its own storage
/// account and, in Container Apps, the settings that only App Service uses.
///
/// The first list has the names and values of settings with fixed values. The second list has the
/// settings whose value only the user knows.
fn settings(manifest: &Manifest, args: &DeployArgs) -> (Vec<(String, String)>, Vec<AppSetting>) {
    let (mut fixed, mut secret) = (Vec::new(), Vec::<AppSetting>::new());
    for setting in functions_app::settings(manifest, args.connections) {
        let is_elsewhere = setting.only_app_service && args.target.is_container_app();
        match setting.value {
            _ if setting.name == functions_app::OWN_STORAGE || is_elsewhere => {}
            Some(value) => fixed.push((setting.name, value.to_owned())),
            // Two stores may name the same setting, which has one value.
            None if secret.iter().any(|known| known.name == setting.name) => {}
            None => secret.push(setting),
        }
    }
    (fixed, secret)
}

/// Returns the app settings that hold the keys of `server.keys`, one for each key.
fn key_settings(manifest: &Manifest) -> Vec<AppSetting> {
    let mut settings = Vec::new();
    for name in &manifest.server.key_variables {
        settings.push(AppSetting {
            name: name.clone(),
            value: None,
            why: "a key of the server, of 32 characters or more",
            only_app_service: false,
        });
    }
    settings
}

/// Names of secrets and of Bicep parameters that are already taken.
struct Chooser {
    kept_as: BTreeSet<String>,
    parameters: ParameterNames,
}

impl Chooser {
    /// Chooses the name of the secret and of the Bicep parameter for each app setting. Fails if the
    /// name of an app setting cannot be that of an environment variable, if the deployment script
    /// or Azure itself uses the name, or if two app settings would get the same name of a secret.
    fn secrets(&mut self, settings: Vec<AppSetting>) -> Result<Vec<Secret>, Failure> {
        settings
            .into_iter()
            .map(|setting| self.secret(setting))
            .collect()
    }

    fn secret(&mut self, setting: AppSetting) -> Result<Secret, Failure> {
        if is_reserved(&setting.name) {
            return Err(Failure::project(
                format!(
                    "`{}` cannot be the name of your setting: the script or the platform uses it",
                    setting.name
                ),
                "choose another name in `url = \"env:NAME\"` of the store, in `connection` of the trigger or in \
                 `server.keys`, e.g. `SCORING_REDIS_URL`, and package again",
            ));
        }
        let kept_as = names::secret(&setting.name);
        if !self.kept_as.insert(kept_as.clone()) {
            return Err(Failure::project(
                format!(
                    "`{}`: a secret with the name `{kept_as}` holds another setting already",
                    setting.name
                ),
                "choose another name in `url = \"env:NAME\"` of the store, in `connection` of the trigger or in \
                 `server.keys`, and package again",
            ));
        }
        Ok(Secret {
            kept_as,
            parameter: self.parameters.name(&setting.name),
            variable: Variable::new(&setting.name)?,
            why: setting.why,
        })
    }
}

/// Returns true if the deployment script or Azure itself uses an app setting or an environment
/// variable with the name `name`.
fn is_reserved(name: &str) -> bool {
    let platform = [
        "FUNCTIONS_",
        "WEBSITE_",
        "WEBSITES_",
        "DOCKER_REGISTRY_SERVER_",
        "AzureWebJobsScriptRoot",
        "AzureWebJobsFeatureFlags",
    ];
    commands::RESERVED.contains(&name) || platform.iter().any(|start| name.starts_with(start))
}

/// Fails if `registry` is not an Azure Container Registry, because an identity of Azure cannot log
/// in to any other registry.
fn pulls_from_azure(registry: &str) -> Result<(), Failure> {
    let registry = registry.to_ascii_lowercase();
    let name = azure_names::AZURE_REGISTRIES
        .iter()
        .find_map(|suffix| registry.strip_suffix(suffix));
    if name.is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    Err(Failure::project(
        format!(
            "--pull identity: `{}` is not an Azure Container Registry, so an identity of Azure cannot log in to it",
            quoted(&registry, REASON_BYTES)
        ),
        "add `--pull credentials`, with SCOREBOX_REGISTRY_USERNAME and SCOREBOX_REGISTRY_PASSWORD in the environment; or \
         push the image to a registry at `NAME.azurecr.io`",
    ))
}

/// Fails if Event Grid events trigger a function, and the name of the blob container comes from an
/// app setting. An event subscription needs the name, but the value of an app setting is known only
/// inside the app.
fn events_name_a_container(manifest: &Manifest) -> Result<(), Failure> {
    let is_setting = |trigger: &&Trigger| match &trigger.start {
        Start::Blob(blob) => {
            let container = blob.path.split('/').next().unwrap_or_default();
            blob.source == BlobSource::EventGrid && container.contains('%')
        }
        _ => false,
    };
    match manifest.triggers.iter().find(is_setting) {
        None => Ok(()),
        Some(trigger) => Err(Failure::project(
            format!(
                "`trigger.path` of `{}`: its container is an app setting, but a subscription to \
                 events needs its name",
                trigger.function
            ),
            "write the container's name into `trigger.path`, or use `source = \"scan\"`, which can \
             miss blobs",
        )),
    }
}

/// Fails if the app logs in with connection strings, and two triggers of different services name
/// the same app setting, because a connection string leads to one service only.
fn strings_lead_to_one_service(manifest: &Manifest, args: &DeployArgs) -> Result<(), Failure> {
    if args.connections == Connections::Identity {
        return Ok(());
    }
    for trigger in &manifest.triggers {
        let other = functions_app::shared_connection(manifest, trigger);
        let (Some(other), Some((setting, service))) = (other, trigger.connection()) else {
            continue;
        };
        let of = other
            .connection()
            .map_or("", |(_, service)| service.named());
        return Err(Failure::project(
            format!(
                "`trigger.connection` is `{setting}` for `{}`, which needs {}, and for `{}`, which needs {of}: no \
                 connection string leads to both",
                trigger.function,
                service.named(),
                other.function
            ),
            "add `--connections identity`, or write another `connection` into one of the triggers and package again",
        ));
    }
    Ok(())
}
