//! The commands that make a function app from an image, as a script for `sh`.
//!
//! Owns which `az` commands there are, their order and their flags. Pure: no process, no file.
//! Secrets are named as variables of the environment, never written. Must not know who runs the
//! script, nor how text is quoted (`shell`).

use scorebox_host::manifest::triggers::{BlobSource, Start};

use super::{Deployment, Pull, Target};
use crate::functions_app::OWN_STORAGE;
use crate::shell::{Command, Script, Variable, Word};

/// Environment variable with the user name for pulling the image, with `--pull credentials`.
const USERNAME: &str = "SCOREBOX_REGISTRY_USERNAME";
/// Environment variable with the password for pulling the image, with `--pull credentials`.
const PASSWORD: &str = "SCOREBOX_REGISTRY_PASSWORD";
/// Environment variable with the resource id of the storage account whose events start functions.
const EVENT_STORAGE: &str = "EVENT_STORAGE_ID";
/// Environment variable with the key that the delivery of events needs.
const BLOBS_KEY: &str = "BLOBS_KEY";

/// Variables that the script uses itself, or that the programs in it depend on. A setting of an app
/// cannot have one of these names.
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

/// Returns the text of the script.
pub fn script(deployment: &Deployment) -> String {
    let mut script = Builder::new(deployment);
    script.group();
    match deployment.target {
        Target::Premium | Target::Dedicated => script.function_app(),
        Target::ContainerApps => script.container_app(),
    }
    script.events();
    script.address();
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
            "Runs {image} as the function app {name}: {target}."
        ));
        script.line("# Written by `cargo xtask deploy`; with --run it is run at once.");
        script.line("set -eu");
        for secret in &deployment.secrets {
            script.demand(&secret.variable, secret.why);
        }
        if deployment.pull == Pull::Credentials {
            script.demand(&Variable::fixed(USERNAME), "who pulls the image");
            script.demand(&Variable::fixed(PASSWORD), "its password");
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

    /// Adds one command, with a comment line that says what it is for.
    fn az(&mut self, what: &str, command: Command) {
        self.script.line("");
        self.script.comment(what);
        self.script.run(command);
    }

    /// Keeps the output of a command in a variable, for the commands that follow.
    fn asked(&mut self, variable: &'static str, command: Command) {
        self.script
            .keep(&Variable::fixed(variable), command.fixed("--output tsv"));
    }

    /// Returns a command about the app itself.
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
        self.az("The group that holds all of it.", group);
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

    fn function_app(&mut self) {
        let Deployment {
            plan,
            sku,
            pull,
            target,
            secrets,
            fixed,
            ..
        } = self.deployment;
        let plan = Word::text(plan);
        let machines = Command::new("az functionapp plan create").flag_line("--name", &plan);
        let machines = machines
            .flag("--resource-group", &self.group)
            .flag("--location", &self.location);
        let machines = machines
            .flag_line("--sku", &Word::text(sku))
            .fixed("--is-linux true");
        self.az("The machines.", machines.line("--output none"));
        let mut app = Command::new("az functionapp create").flag_line("--name", &self.name);
        app = app
            .flag("--resource-group", &self.group)
            .flag_line("--plan", &plan);
        app = app
            .flag("--storage-account", &self.storage)
            .fixed("--functions-version 4");
        app = app
            .flag_line("--image", &self.image)
            .line("--assign-identity '[system]' --https-only true");
        if *pull == Pull::Credentials {
            let server = Word::text("https://").and(&self.registry);
            app = credentials(app.flag_line("--registry-server", &server));
        }
        self.az("The app.", app.line("--output none"));
        if *pull == Pull::Identity {
            self.pull_as_itself();
        }
        if *target == Target::Dedicated {
            let always = self
                .of_app("az functionapp config set")
                .line("--always-on true --output none");
            self.az(
                "Without it an idle app stops, and no blob or message wakes it.",
                always,
            );
        }
        let mut settings = self
            .of_app("az functionapp config appsettings set")
            .line("--settings");
        for (name, value) in fixed {
            settings = settings.pair_line(&Word::text(name), &Word::text(value));
        }
        for secret in secrets {
            settings = settings.pair_line(
                &Word::text(secret.variable.name()),
                &Word::value_of(&secret.variable),
            );
        }
        self.az(
            "Settings of the app; xtask/docs/azure.md explains them.",
            settings.line("--output none"),
        );
        let restart = self.of_app("az functionapp restart").fixed("--output none");
        self.az("It starts with all of that.", restart);
    }

    fn pull_as_itself(&mut self) {
        let value = |variable| Word::value_of(&Variable::fixed(variable));
        let registry_name = Word::text(
            self.deployment
                .registry
                .split('.')
                .next()
                .unwrap_or_default(),
        );
        self.script.line("");
        self.script.comment("It pulls as itself.");
        self.asked(APP, self.of_app("az functionapp show").fixed("--query id"));
        self.asked(
            PRINCIPAL,
            self.of_app("az functionapp identity show")
                .fixed("--query principalId"),
        );
        self.asked(
            REGISTRY,
            Command::new("az acr show")
                .flag("--name", &registry_name)
                .fixed("--query id"),
        );
        let role = Command::new("az role assignment create")
            .flag_line("--assignee-object-id", &value(PRINCIPAL));
        let role = role
            .fixed("--assignee-principal-type ServicePrincipal")
            .line("--role AcrPull");
        self.az(
            "Allowed to pull, and nothing else.",
            role.flag("--scope", &value(REGISTRY))
                .fixed("--output none"),
        );
        let ids = value(APP).and(&Word::text("/config/web"));
        let update = Command::new("az resource update").flag_line("--ids", &ids);
        let update = update.fixed("--set properties.acrUseManagedIdentityCreds=true --output none");
        self.az("No flag of `az functionapp` says so.", update);
    }

    fn container_app(&mut self) {
        let Deployment {
            environment,
            pull,
            secrets,
            fixed,
            own_secret,
            ..
        } = self.deployment;
        let environment = Word::text(environment);
        let extension = Command::new("az extension add")
            .line("--name containerapp --upgrade --only-show-errors");
        self.az("`--kind functionapp` is in this extension.", extension);
        let place = Command::new("az containerapp env create").flag_line("--name", &environment);
        let place = place
            .flag("--resource-group", &self.group)
            .flag("--location", &self.location);
        self.az("Where container apps run.", place.line("--output none"));
        let asked =
            Command::new("az storage account show-connection-string").flag("--name", &self.storage);
        self.asked(
            OWN_STORAGE,
            asked
                .flag("--resource-group", &self.group)
                .fixed("--query connectionString"),
        );
        let mut app = Command::new("az containerapp create").flag_line("--name", &self.name);
        app = app
            .flag("--resource-group", &self.group)
            .flag("--environment", &environment);
        app = app
            .line("--kind functionapp")
            .flag_line("--image", &self.image);
        app = app
            .line("--ingress external --target-port 80")
            .flag_line("--registry-server", &self.registry);
        app = match pull {
            Pull::Identity => app.fixed("--registry-identity system"),
            Pull::Credentials => credentials(app),
        };
        app = app.line("--secrets");
        let own = Variable::fixed(OWN_STORAGE);
        let kept = || {
            let secrets = secrets
                .iter()
                .map(|secret| (&secret.variable, secret.kept_as.as_str()));
            std::iter::once((&own, own_secret.as_str())).chain(secrets)
        };
        for (variable, secret) in kept() {
            app = app.pair_line(&Word::text(secret), &Word::value_of(variable));
        }
        app = app.line("--env-vars");
        for (variable, secret) in kept() {
            let reference = Word::text("secretref:").and(&Word::text(secret));
            app = app.pair_line(&Word::text(variable.name()), &reference);
        }
        for (name, value) in fixed {
            app = app.pair_line(&Word::text(name), &Word::text(value));
        }
        self.az("The app.", app.line("--output none"));
    }

    /// Adds subscriptions for the functions that events start. Without a subscription no event
    /// arrives, and the app waits for ever.
    fn events(&mut self) {
        let functions: Vec<_> = self.deployment.event_functions().collect();
        if functions.is_empty() {
            return;
        }
        let key = Variable::fixed(BLOBS_KEY);
        self.script.line("");
        if self.deployment.target == Target::ContainerApps {
            self.script
                .comment("Events for the functions below need the key of the system, which the portal shows under");
            self.script
                .comment("Functions > App keys; put it into BLOBS_KEY and run the rest.");
            self.script
                .demand(&key, "the system key blobs_extension of the app");
        } else {
            let what = "Events are delivered to the extension's own address, with its key, once the app has started.";
            self.script.comment(what);
            let keys = self
                .of_app("az functionapp keys list")
                .fixed("--query systemKeys.blobs_extension");
            self.asked(BLOBS_KEY, keys);
        }
        self.asked(ADDRESS, self.host_name());
        for (function, container) in functions {
            let name = Word::text(&format!("{}-{function}", self.deployment.name));
            let path =
                format!("/runtime/webhooks/blobs?functionName=Host.Functions.{function}&code=");
            let endpoint = Word::text("https://").and(&Word::value_of(&Variable::fixed(ADDRESS)));
            let endpoint = endpoint.and(&Word::text(&path)).and(&Word::value_of(&key));
            let source = Word::value_of(&Variable::fixed(EVENT_STORAGE));
            let subject = Word::text(&format!("/blobServices/default/containers/{container}/"));
            let command =
                Command::new("az eventgrid event-subscription create").flag_line("--name", &name);
            let command = command.flag("--source-resource-id", &source);
            let command = command.line("--included-event-types Microsoft.Storage.BlobCreated");
            let command = command
                .flag_line("--subject-begins-with", &subject)
                .flag_line("--endpoint", &endpoint);
            self.az(
                &format!("Tells {function} of each blob in {container}."),
                command.line("--output none"),
            );
        }
    }

    fn host_name(&self) -> Command {
        match self.deployment.target {
            Target::ContainerApps => self
                .of_app("az containerapp show")
                .fixed("--query properties.configuration.ingress.fqdn"),
            _ => self
                .of_app("az functionapp show")
                .fixed("--query defaultHostName"),
        }
    }

    fn address(&mut self) {
        self.script.line("");
        self.script.comment("Where it is.");
        self.script
            .print_address(self.host_name().fixed("--output tsv"));
    }
}

/// Adds the user name and the password for pulling.
fn credentials(command: Command) -> Command {
    let value = |variable| Word::value_of(&Variable::fixed(variable));
    command
        .flag_line("--registry-username", &value(USERNAME))
        .flag("--registry-password", &value(PASSWORD))
}

impl Deployment {
    /// Returns the functions that events start, and the containers that they watch.
    pub fn event_functions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifest
            .triggers
            .iter()
            .filter_map(|trigger| match &trigger.start {
                Start::Blob(blob) if blob.source == BlobSource::EventGrid => Some((
                    trigger.function.as_str(),
                    blob.path.split('/').next().unwrap_or_default(),
                )),
                _ => None,
            })
    }
}
