//! Commands for a function app on a plan: they create the plan and the app, set the app's settings,
//! and let the app pull its image.
//!
//! Owns their order and their flags. Must not know Container Apps or events.

use super::super::arguments::{Pull, Target};
use super::super::deployment::Deployment;
use super::{APP, Builder, PRINCIPAL, credentials};
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands that create a function app on a hosting plan.
    pub(super) fn function_app(&mut self) {
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
        self.az(
            "The plan: the machines that run the app.",
            machines.line("--output none"),
        );
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
        self.az("Restarts the app with these settings.", restart);
    }

    fn pull_as_itself(&mut self) {
        self.script.line("");
        self.script
            .comment("The app pulls the image with its own identity.");
        self.asked(APP, self.of_app("az functionapp show").fixed("--query id"));
        self.asked(
            PRINCIPAL,
            self.of_app("az functionapp identity show")
                .fixed("--query principalId"),
        );
        self.may_pull();
        let ids = Word::value_of(&Variable::fixed(APP)).and(&Word::text("/config/web"));
        let update = Command::new("az resource update").flag_line("--ids", &ids);
        let update = update.fixed("--set properties.acrUseManagedIdentityCreds=true --output none");
        self.az("`az functionapp` has no flag for this.", update);
    }
}
