//! The commands that make a function app of an image, as a script for `sh`.
//!
//! Owns which `az` commands there are, their order and their flags. Pure: no process, no file. Secrets are named as
//! variables of the environment, never written. Must not know who runs the script.

use std::fmt::Write as _;

use scorebox_host::manifest::triggers::{BlobSource, Start};

use super::{Deployment, Pull, Target, Value};

/// The script.
pub fn script(deployment: &Deployment) -> String {
    let mut script = Script::new(deployment);
    script.group();
    match deployment.target {
        Target::Premium | Target::Dedicated => script.function_app(),
        Target::ContainerApps => script.container_app(),
    }
    script.events();
    script.address();
    script.text
}

struct Script<'a> {
    deployment: &'a Deployment,
    text: String,
}

impl<'a> Script<'a> {
    fn new(deployment: &'a Deployment) -> Self {
        let mut script = Self { deployment, text: String::new() };
        let Deployment { name, image, target, .. } = deployment;
        script.line("#!/bin/sh");
        script.line(&format!("# Runs {image} as the function app {name}: {target}."));
        script.line("# Written by `cargo xtask deploy`; with --run it is run at once.");
        script.line("set -eu");
        let mut secrets: Vec<_> = deployment.secrets();
        if deployment.pull == Pull::Credentials {
            secrets.push(("SCOREBOX_REGISTRY_USERNAME", "who pulls the image"));
            secrets.push(("SCOREBOX_REGISTRY_PASSWORD", "its password"));
        }
        if deployment.event_functions().next().is_some() {
            secrets
                .push(("EVENT_STORAGE_ID", "resource id of the storage account with the containers that are watched"));
        }
        for (name, why) in secrets {
            script.line(&format!(": \"${{{name}:?{why}}}\""));
        }
        script
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// One command, its flags on lines of their own.
    fn az(&mut self, what: &str, command: &str, flags: &[&str]) {
        let _ = write!(self.text, "\n# {what}\naz {command}");
        for flag in flags {
            let _ = write!(self.text, " \\\n    {flag}");
        }
        self.text.push('\n');
    }

    /// What a command prints, for those that follow.
    fn asked(&mut self, variable: &str, command: &str) {
        self.line(&format!("{variable}=$(az {command} --output tsv)"));
    }

    fn group(&mut self) {
        let Deployment { group, location, storage, .. } = self.deployment;
        let group_and_place = format!("--name {group} --location {location}");
        self.az("The group that holds all of it.", "group create", &[&group_and_place, "--output none"]);
        self.az(
            "The app's own storage: keys, leases, receipts.",
            "storage account create",
            &[
                &format!("--name {storage} --resource-group {group} --location {location}"),
                "--sku Standard_LRS --min-tls-version TLS1_2 --allow-blob-public-access false",
                "--output none",
            ],
        );
    }

    fn function_app(&mut self) {
        let Deployment { name, group, location, storage, plan, sku, image, registry, pull, .. } = self.deployment;
        let names = format!("--name {name} --resource-group {group}");
        self.az(
            "The machines.",
            "functionapp plan create",
            &[
                &format!("--name {plan} --resource-group {group} --location {location}"),
                &format!("--sku {sku} --is-linux true"),
                "--output none",
            ],
        );
        let credentials = format!(
            "--registry-server https://{registry} --registry-username \"$SCOREBOX_REGISTRY_USERNAME\" --registry-password \
             \"$SCOREBOX_REGISTRY_PASSWORD\""
        );
        let from = format!("--plan {plan} --storage-account {storage} --functions-version 4");
        let image = format!("--image {image}");
        let mut flags = vec![names.as_str(), &from, &image, "--assign-identity '[system]' --https-only true"];
        if *pull == Pull::Credentials {
            flags.push(&credentials);
        }
        flags.push("--output none");
        self.az("The app.", "functionapp create", &flags);
        if *pull == Pull::Identity {
            let registry_name = registry.split('.').next().unwrap_or_default();
            self.line("\n# It pulls as itself.");
            self.asked("app", &format!("functionapp show {names} --query id"));
            self.asked("principal", &format!("functionapp identity show {names} --query principalId"));
            self.asked("registry", &format!("acr show --name {registry_name} --query id"));
            self.az(
                "Allowed to pull, and nothing else.",
                "role assignment create",
                &[
                    "--assignee-object-id \"$principal\" --assignee-principal-type ServicePrincipal",
                    "--role AcrPull --scope \"$registry\" --output none",
                ],
            );
            self.az(
                "No flag of `az functionapp` says so.",
                "resource update",
                &["--ids \"$app/config/web\" --set properties.acrUseManagedIdentityCreds=true", "--output none"],
            );
        }
        if self.deployment.target == Target::Dedicated {
            self.az(
                "Without it an idle app stops, and no blob or message wakes it.",
                "functionapp config set",
                &[&names, "--always-on true --output none"],
            );
        }
        let settings: Vec<_> =
            self.deployment.settings().into_iter().map(|(name, value)| setting(name, &value)).collect();
        let mut flags = vec![names.as_str(), "--settings"];
        flags.extend(settings.iter().map(String::as_str));
        flags.push("--output none");
        self.az("What the app is told; see the README.", "functionapp config appsettings set", &flags);
        self.az("It starts with all of that.", "functionapp restart", &[&names, "--output none"]);
    }

    fn container_app(&mut self) {
        let Deployment { name, group, location, storage, environment, image, registry, pull, .. } = self.deployment;
        self.az(
            "`--kind functionapp` is in this extension.",
            "extension add",
            &["--name containerapp --upgrade --only-show-errors"],
        );
        self.az(
            "Where container apps run.",
            "containerapp env create",
            &[&format!("--name {environment} --resource-group {group} --location {location}"), "--output none"],
        );
        self.line("\n# The connection string of the app's own storage, which it keeps as a secret.");
        self.asked(
            "AzureWebJobsStorage",
            &format!("storage account show-connection-string --name {storage} --resource-group {group} --query connectionString"),
        );
        let pulls = match pull {
            Pull::Identity => format!("--registry-server {registry} --registry-identity system"),
            Pull::Credentials => format!(
                "--registry-server {registry} --registry-username \"$SCOREBOX_REGISTRY_USERNAME\" --registry-password \
                 \"$SCOREBOX_REGISTRY_PASSWORD\""
            ),
        };
        let secrets: Vec<_> = std::iter::once("AzureWebJobsStorage")
            .chain(self.deployment.secrets().into_iter().map(|(name, _)| name))
            .collect();
        let kept: Vec<_> = secrets.iter().map(|name| format!("  {}=\"${name}\"", secret_name(name))).collect();
        let told: Vec<_> = secrets.iter().map(|name| format!("  {name}=secretref:{}", secret_name(name))).collect();
        let settings: Vec<_> = self
            .deployment
            .settings()
            .into_iter()
            .filter(|(_, value)| matches!(value, Value::Text(_)))
            .map(|(name, value)| setting(name, &value))
            .collect();
        let names = format!("--name {name} --resource-group {group} --environment {environment}");
        let image = format!("--image {image}");
        let mut flags =
            vec![names.as_str(), "--kind functionapp", &image, "--ingress external --target-port 80", &pulls];
        flags.push("--secrets");
        flags.extend(kept.iter().map(String::as_str));
        flags.push("--env-vars");
        flags.extend(told.iter().chain(&settings).map(String::as_str));
        flags.push("--output none");
        self.az("The app.", "containerapp create", &flags);
    }

    /// Without a subscription no event comes, and the app waits for ever.
    fn events(&mut self) {
        let Deployment { name, group, target, .. } = self.deployment;
        let functions: Vec<_> = self.deployment.event_functions().collect();
        if functions.is_empty() {
            return;
        }
        if *target == Target::ContainerApps {
            self.line("\n# Events for the functions below need the key of the system, which the portal shows under");
            self.line("# Functions > App keys; put it into BLOBS_KEY and run the rest.");
            self.line(": \"${BLOBS_KEY:?the system key blobs_extension of the app}\"");
            self.asked(
                "address",
                &format!("containerapp show --name {name} --resource-group {group} --query properties.configuration.ingress.fqdn"),
            );
        } else {
            self.line(
                "\n# Events are delivered to the extension's own address, with its key, once the app has started.",
            );
            self.asked(
                "BLOBS_KEY",
                &format!(
                    "functionapp keys list --name {name} --resource-group {group} --query systemKeys.blobs_extension"
                ),
            );
            self.asked(
                "address",
                &format!("functionapp show --name {name} --resource-group {group} --query defaultHostName"),
            );
        }
        for (function, container) in functions {
            self.az(
                &format!("Tells {function} of each blob in {container}."),
                "eventgrid event-subscription create",
                &[
                    &format!("--name {name}-{function} --source-resource-id \"$EVENT_STORAGE_ID\""),
                    "--included-event-types Microsoft.Storage.BlobCreated",
                    &format!("--subject-begins-with /blobServices/default/containers/{container}/"),
                    &format!(
                        "--endpoint \"https://$address/runtime/webhooks/blobs?functionName=Host.Functions.{function}&code=$BLOBS_KEY\""
                    ),
                    "--output none",
                ],
            );
        }
    }

    fn address(&mut self) {
        let Deployment { name, group, target, .. } = self.deployment;
        let command = match target {
            Target::ContainerApps => {
                format!(
                    "containerapp show --name {name} --resource-group {group} --query properties.configuration.ingress.fqdn"
                )
            }
            _ => format!("functionapp show --name {name} --resource-group {group} --query defaultHostName"),
        };
        self.line("\n# Where it is.");
        self.line(&format!("echo \"https://$(az {command} --output tsv)\""));
    }
}

/// A setting as an argument.
fn setting(name: &str, value: &Value) -> String {
    match value {
        Value::Text(text) => format!("  {name}='{text}'"),
        Value::Secret => format!("  {name}=\"${name}\""),
    }
}

/// A secret's name in a container app: lower-case letters, digits and `-`, at most 20.
pub fn secret_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).take(20).collect::<String>().trim_matches('-').to_owned()
}

impl Deployment {
    /// Functions that events start, and the containers that they watch.
    pub fn event_functions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifest.triggers.iter().filter_map(|trigger| match &trigger.start {
            Start::Blob(blob) if blob.source == BlobSource::EventGrid => {
                Some((trigger.function.as_str(), blob.path.split('/').next().unwrap_or_default()))
            }
            _ => None,
        })
    }
}
