//! Commands for a web app of App Service without the Functions host.
//!
//! Owns their order and their flags. Must not know Container Apps or function apps.

use super::super::arguments::{Guard, Pull};
use super::super::deployment::Deployment;
use super::super::plain_app::PlainApp;
use super::{APP, Builder, LOGIN, LOGIN_BODY, PRINCIPAL, credentials_as};
use crate::shell::{Command, Variable, Word};

/// Query of `az` whose result is `guarded` if a web app refuses requests without a login, and
/// `open` otherwise.
const IS_GUARDED: &str = "--query \"properties.platform.enabled && properties.globalValidation.requireAuthentication \
                          && (properties.globalValidation.unauthenticatedClientAction || 'AllowAnonymous') != \
                          'AllowAnonymous' && 'guarded' || 'open'\"";

/// Query of `az` that prints changed settings for the web app's login: with them, a request without
/// a login is answered with the status code 401. The identity providers stay as they are.
const GUARDED: &str = "--query \"{properties: merge(properties || \\`{}\\`, {platform: merge(properties.platform || \\`{}\\`, \
                       \\`{\\\"enabled\\\": true}\\`), globalValidation: merge(properties.globalValidation || \\`{}\\`, \
                       \\`{\\\"requireAuthentication\\\": true, \\\"unauthenticatedClientAction\\\": \\\"Return401\\\"}\\`)})}\" \
                       --output json";

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
        if plain.guard == Guard::Platform {
            // Nobody may get in before the login is there.
            app = app.line("--public-network-access Disabled");
        }
        self.az("The app.", app.line("--output none"));
        if plain.guard == Guard::Platform {
            self.script.line("");
            self.asked(APP, self.of_app("az webapp show").fixed("--query id"));
            self.login();
        }
        if *pull == Pull::Credentials {
            let server = Word::text("https://").and(&self.registry);
            let container = self
                .of_app("az webapp config container set")
                .flag_line("--container-image-name", &self.image)
                .flag_line("--container-registry-url", &server);
            let container = credentials_as(
                container,
                "--container-registry-user",
                "--container-registry-password",
            );
            self.az(
                "The registry's user. `az webapp create` would put the registry before the image's name again.",
                container.line("--output none"),
            );
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
        if plain.guard == Guard::Platform {
            let url =
                Word::value_of(&Variable::fixed(APP)).and(&Word::text("?api-version=2023-12-01"));
            let open = Command::new("az rest --method patch")
                .flag("--url", &url)
                .line("--body '{\"properties\": {\"publicNetworkAccess\": \"Enabled\"}}' --output none");
            self.az("The login is there, so the app can be reached.", open);
        }
    }

    /// Adds the commands that turn on the login of the platform, unless the app already refuses
    /// requests without a login. The identity providers in the settings of the login are kept.
    fn login(&mut self) {
        let url = Word::value_of(&Variable::fixed(APP))
            .and(&Word::text("/config/authsettingsV2?api-version=2023-12-01"));
        self.script.line("");
        self.script.comment(
            "Nobody gets in without a login. Name who logs people in with `az webapp auth microsoft update`.",
        );
        let known = Command::new("az rest --method get").flag("--url", &url);
        self.asked(LOGIN, known.clone().line(IS_GUARDED));
        let (login, body) = (Variable::fixed(LOGIN), Variable::fixed(LOGIN_BODY));
        let set = Command::new("az rest --method put")
            .flag("--url", &url)
            .flag_line("--body", &Word::value_of(&body))
            .line("--output none");
        self.script
            .keep_and_run_unless(&login, "guarded", &body, known.line(GUARDED), set);
    }
}
