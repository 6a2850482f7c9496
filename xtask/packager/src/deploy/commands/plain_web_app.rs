//! Commands for a web app of App Service without the Functions host.
//!
//! Owns their order and their flags. Must not know Container Apps or function apps.

use super::super::arguments::{Guard, Pull};
use super::super::deployment::Deployment;
use super::super::plain_app::PlainApp;
use super::{APP, Builder, LOGIN, PRINCIPAL, credentials_as};
use crate::shell::{Command, Variable, Word};

/// Settings of the web app's login, as JSON. Requests without a login are answered with 401.
const LOGIN_BODY: &str = "--body '{\"properties\": {\"platform\": {\"enabled\": true}, \"globalValidation\": \
                          {\"requireAuthentication\": true, \"unauthenticatedClientAction\": \"Return401\"}}}'";

impl Builder<'_> {
    /// Adds the commands that create a web app in which Scorebox itself listens.
    pub(super) fn plain_web_app(&mut self, plain: &PlainApp) {
        let Deployment {
            plan,
            sku,
            pull,
            fixed,
            ..
        } = self.deployment;
        let plan = Word::text(plan);
        let machines = Command::new("az appservice plan create")
            .flag_line("--name", &plan)
            .flag("--resource-group", &self.group)
            .flag("--location", &self.location)
            .flag_line("--sku", &Word::text(sku))
            .fixed("--is-linux");
        self.az(
            "The plan: the machines that run the app.",
            machines.line("--output none"),
        );
        self.keys();
        let mut app = Command::new("az webapp create")
            .flag_line("--name", &self.name)
            .flag("--resource-group", &self.group)
            .flag_line("--plan", &plan)
            .flag_line("--container-image-name", &self.image)
            .line("--assign-identity '[system]' --https-only true");
        if *pull == Pull::Credentials {
            let server = Word::text("https://").and(&self.registry);
            app = credentials_as(
                app.flag_line("--container-registry-url", &server),
                "--container-registry-user",
                "--container-registry-password",
            );
        }
        self.az("The app.", app.line("--output none"));
        self.script.line("");
        self.asked(APP, self.of_app("az webapp show").fixed("--query id"));
        if plain.guard == Guard::Platform {
            self.login();
        }
        if *pull == Pull::Identity {
            self.script
                .comment("The app pulls the image with its own identity.");
            self.asked(
                PRINCIPAL,
                self.of_app("az webapp identity show")
                    .fixed("--query principalId"),
            );
            self.may_pull();
        }
        let config = self
            .of_app("az webapp config set")
            .line("--always-on true --min-tls-version 1.2 --ftps-state Disabled");
        let config = match pull {
            Pull::Identity => config.line(
                "--generic-configurations '{\"healthCheckPath\": \"/readyz\", \"acrUseManagedIdentityCreds\": true}'",
            ),
            Pull::Credentials => {
                config.line("--generic-configurations '{\"healthCheckPath\": \"/readyz\"}'")
            }
        };
        self.az(
            "Instances that do not answer at this path get no calls, and are replaced.",
            config.line("--output none"),
        );
        let mut settings = self
            .of_app("az webapp config appsettings set")
            .line("--settings");
        for (name, value) in fixed {
            settings = settings.pair_line(&Word::text(name), &Word::text(value));
        }
        for secret in self.deployment.all_secrets() {
            settings = settings.pair_line(
                &Word::text(secret.variable.name()),
                &Word::value_of(&secret.variable),
            );
        }
        self.az(
            "Settings of the app; a value may be a reference to a key vault.",
            settings.line("--output none"),
        );
        let restart = self.of_app("az webapp restart").fixed("--output none");
        self.az("Restarts the app with these settings.", restart);
    }

    /// Adds the commands that turn on the login of the platform, unless it is on already: its settings
    /// may name identity providers, which must stay.
    fn login(&mut self) {
        let url = Word::value_of(&Variable::fixed(APP))
            .and(&Word::text("/config/authsettingsV2?api-version=2023-12-01"));
        self.script.line("");
        self.script.comment(
            "Nobody gets in without a login. Name who logs people in with `az webapp auth microsoft update`.",
        );
        let known = Command::new("az rest --method get").flag("--url", &url);
        self.asked(LOGIN, known.line("--query properties.platform.enabled"));
        let set = Command::new("az rest --method put")
            .flag("--url", &url)
            .line(LOGIN_BODY)
            .line("--output none");
        self.script.run_unless(&Variable::fixed(LOGIN), "true", set);
    }
}
