//! Commands for a function app in Container Apps: the environment, and the app with its secrets.
//!
//! Owns their order and their flags. Must not know plans or events.

use super::super::arguments::Pull;
use super::super::deployment::{Deployment, OWN_STORAGE_SECRET};
use super::{APP, Builder, credentials};
use crate::functions_app::OWN_STORAGE;
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands that create a function app in Container Apps.
    pub(super) fn container_app(&mut self) {
        let Deployment {
            environment, pull, ..
        } = self.deployment;
        let environment = Word::text(environment);
        let extension = Command::new("az extension add")
            .line("--name containerapp --upgrade --only-show-errors");
        self.az("`--kind functionapp` is in this extension.", extension);
        if *pull == Pull::Identity {
            // The role takes effect while the environment is created.
            self.puller();
        }
        let place = Command::new("az containerapp env create").flag_line("--name", &environment);
        let place = place
            .flag("--resource-group", &self.group)
            .flag("--location", &self.location);
        self.az(
            "The environment that the container app runs in.",
            place.line("--output none"),
        );
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
            Pull::Identity => {
                let puller = Word::value_of(&Variable::fixed(APP));
                app.flag("--registry-identity", &puller)
                    .line("--system-assigned")
                    .flag("--user-assigned", &puller)
            }
            Pull::Credentials => credentials(app),
        };
        app = self.secrets_of_container_app(app, Some(OWN_STORAGE_SECRET));
        self.az("The app.", app.line("--output none"));
    }

    /// Adds the secrets and the environment of a container app to the command that creates the app.
    /// `own_secret` is the name of the secret with the connection string of the app's own storage
    /// account, or `None` if the app has no storage account of its own.
    pub(super) fn secrets_of_container_app(
        &self,
        mut app: Command,
        own_secret: Option<&str>,
    ) -> Command {
        let own = Variable::fixed(OWN_STORAGE);
        let own = own_secret.map(|secret| (&own, secret));
        let others = self
            .deployment
            .all_secrets()
            .map(|secret| (&secret.variable, secret.kept_as.as_str()));
        let kept: Vec<_> = own.into_iter().chain(others).collect();
        if !kept.is_empty() {
            app = app.line("--secrets");
        }
        for (variable, secret) in &kept {
            app = app.pair_line(&Word::text(secret), &Word::value_of(variable));
        }
        let fixed = &self.deployment.fixed;
        if !kept.is_empty() || !fixed.is_empty() {
            app = app.line("--env-vars");
        }
        for (variable, secret) in kept {
            let reference = Word::text("secretref:").and(&Word::text(secret));
            app = app.pair_line(&Word::text(variable.name()), &reference);
        }
        for (name, value) in fixed {
            app = app.pair_line(&Word::text(name), &Word::text(value));
        }
        app
    }
}
