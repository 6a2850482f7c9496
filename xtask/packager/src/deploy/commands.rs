//! The commands that create an app in Azure from an image, as a script for `sh`.
//!
//! Owns which `az` commands there are, their order and their flags. This module is pure: it starts
//! no process and touches no file. Secrets are named as variables of the environment, never
//! written. Must not know who runs the script, nor how text is quoted (`shell`).

mod container_app;
mod events;
mod function_app;
mod keys;
mod plain_container_app;
mod plain_web_app;
mod pull;

use super::arguments::{Pull, Target};
use super::deployment::Deployment;
use crate::functions_app::OWN_STORAGE;
use crate::shell::{Command, Script, Variable, Word};

/// Name of the environment variable with the user name for pulling the image. The deployment script
/// reads the variable if `--pull credentials` is given.
const USERNAME: &str = "SCOREBOX_REGISTRY_USERNAME";
/// Name of the environment variable with the password for pulling the image. The deployment script
/// reads the variable if `--pull credentials` is given.
const PASSWORD: &str = "SCOREBOX_REGISTRY_PASSWORD";
/// Name of the environment variable with the resource id of the storage account whose blob events
/// trigger functions.
const EVENT_STORAGE: &str = "EVENT_STORAGE_ID";
/// Name of the environment variable with the system key of the app, which an event subscription
/// needs to deliver events.
const BLOBS_KEY: &str = "BLOBS_KEY";

/// Names of the environment variables that the deployment script or the catch-up script uses
/// itself, or that the programs in the scripts depend on. An app setting cannot have one of these
/// names.
pub const RESERVED: &[&str] = &[
    USERNAME,
    PASSWORD,
    EVENT_STORAGE,
    BLOBS_KEY,
    OWN_STORAGE,
    APP,
    PRINCIPAL,
    REGISTRY,
    ADDRESS,
    ROLE,
    EXISTING,
    LOGIN,
    LOGIN_BODY,
    STATE,
    ENTRY,
    MASTER_KEY,
    APP_URL,
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "HOME",
    "IFS",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OPTARG",
    "OPTIND",
    "PATH",
    "PPID",
    "PS1",
    "PS2",
    "PS4",
    "PWD",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "SHELL",
    "TMPDIR",
    "_",
];

const APP: &str = "deploy_app";
const PRINCIPAL: &str = "deploy_principal";
const REGISTRY: &str = "deploy_registry";
const ADDRESS: &str = "deploy_address";
const ROLE: &str = "deploy_role";
const EXISTING: &str = "deploy_existing";
const LOGIN: &str = "deploy_login";
const LOGIN_BODY: &str = "deploy_login_body";
const STATE: &str = "deploy_state";
const ENTRY: &str = "deploy_entry";

/// Name of the environment variable with the master key of a function app. The script that finds
/// blobs for which no function ran needs the key to call functions.
pub(super) const MASTER_KEY: &str = "MASTER_KEY";
/// Name of the environment variable with the address of a function app. The script that finds blobs
/// for which no function ran calls functions at this address.
pub(super) const APP_URL: &str = "APP_URL";

/// Returns the text of the script for `sh` whose `az` commands create the deployment.
pub fn script(deployment: &Deployment) -> String {
    let mut script = Builder::new(deployment);
    script.group();
    match (&deployment.plain, deployment.target) {
        (Some(plain), Target::PlainContainerApp) => script.plain_container_app(plain),
        (Some(plain), _) => script.plain_web_app(plain),
        (None, Target::ContainerApps | Target::PlainContainerApp) => script.container_app(),
        (None, Target::Premium | Target::Dedicated | Target::PlainWebApp) => script.function_app(),
    }
    script.events();
    script.address();
    script.where_the_key_is();
    script.script.into_text()
}

struct Builder<'a> {
    deployment: &'a Deployment,
    script: Script,
    name: Word,
    group: Word,
    location: Word,
    storage: Word,
    image: Word,
    registry: Word,
}

impl<'a> Builder<'a> {
    fn new(deployment: &'a Deployment) -> Self {
        let mut script = Script::default();
        let Deployment {
            name,
            image,
            target,
            ..
        } = deployment;
        script.line("#!/bin/sh");
        script.comment(&format!(
            "Runs {image} as the {} {name}: {target}.",
            deployment.kind()
        ));
        script.line("# Written by `cargo xtask deploy`; with --run, this command runs it at once.");
        script.line("set -eu");
        for secret in &deployment.secrets {
            script.demand(&secret.variable, secret.why);
        }
        if deployment.pull == Pull::Credentials {
            script.demand(&Variable::fixed(USERNAME), "the user who pulls the image");
            script.demand(&Variable::fixed(PASSWORD), "the password of this user");
        }
        if deployment.event_functions().next().is_some() {
            let why = "resource id of the storage account with the containers that are watched";
            script.demand(&Variable::fixed(EVENT_STORAGE), why);
        }
        Self {
            name: Word::text(name),
            group: Word::text(&deployment.group),
            location: Word::text(&deployment.location),
            storage: Word::text(&deployment.storage),
            image: Word::text(image),
            registry: Word::text(&deployment.registry),
            deployment,
            script,
        }
    }

    /// Adds a command to the deployment script, preceded by a comment line. `what` is the text of
    /// the comment, which says what the command is for.
    fn az(&mut self, what: &str, command: Command) {
        self.script.line("");
        self.script.comment(what);
        self.script.run(command);
    }

    /// Adds a command to the deployment script. The script stores the output of the command in the
    /// shell variable `variable`, which the commands that follow can use.
    fn asked(&mut self, variable: &'static str, command: Command) {
        self.script
            .keep(&Variable::fixed(variable), command.fixed("--output tsv"));
    }

    /// Returns an `az` command about the app, with the app's name and resource group as flags.
    /// `words` is the text of the command before the flags.
    fn of_app(&self, words: &'static str) -> Command {
        Command::new(words)
            .flag("--name", &self.name)
            .flag("--resource-group", &self.group)
    }

    fn group(&mut self) {
        let group = Command::new("az group create").flag_line("--name", &self.group);
        let group = group
            .flag("--location", &self.location)
            .line("--output none");
        self.az("The resource group of everything below.", group);
        if self.deployment.plain.is_some() {
            return;
        }
        let storage = Command::new("az storage account create").flag_line("--name", &self.storage);
        let storage = storage
            .flag("--resource-group", &self.group)
            .flag("--location", &self.location);
        let storage = storage
            .line("--sku Standard_LRS --min-tls-version TLS1_2 --allow-blob-public-access false");
        self.az(
            "The app's own storage: keys, leases, receipts.",
            storage.line("--output none"),
        );
    }

    fn host_name(&self) -> Command {
        match self.deployment.target {
            Target::ContainerApps | Target::PlainContainerApp => self
                .of_app("az containerapp show")
                .fixed("--query properties.configuration.ingress.fqdn"),
            Target::PlainWebApp => self
                .of_app("az webapp show")
                .fixed("--query defaultHostName"),
            Target::Premium | Target::Dedicated => self
                .of_app("az functionapp show")
                .fixed("--query defaultHostName"),
        }
    }

    fn address(&mut self) {
        self.script.line("");
        self.script.comment("The address of the app.");
        self.script
            .print_address(self.host_name().fixed("--output tsv"));
    }
}

/// Adds two flags to a command, and returns the command. The flags hold the user name and the
/// password with which the image is pulled from its registry.
fn credentials(command: Command) -> Command {
    credentials_as(command, "--registry-username", "--registry-password")
}

/// Adds the user name and the password for pulling the image to a command, as the flags `username`
/// and `password`, and returns the command.
fn credentials_as(command: Command, username: &'static str, password: &'static str) -> Command {
    let value = |variable| Word::value_of(&Variable::fixed(variable));
    command
        .flag_line(username, &value(USERNAME))
        .flag(password, &value(PASSWORD))
}
