//! Commands for a container app without the Functions host.
//!
//! Owns their order and their flags. Must not know plans or function apps.

use super::super::arguments::{Guard, Pull};
use super::super::deployment::Deployment;
use super::super::plain_app::PlainApp;
use super::{APP, Builder, LOGIN, STATE, credentials};
use crate::shell::{Command, Variable, Word};

/// Query of `az` whose result is `guarded` if a container app refuses requests without a login, and
/// `open` otherwise.
const IS_GUARDED: &str = "--query \"platform.enabled && (globalValidation.unauthenticatedClientAction || \
                          'AllowAnonymous') != 'AllowAnonymous' && 'guarded' || 'open'\"";

/// Condition of `az resource wait` that holds once Azure has applied a change or has given it up.
const IS_OVER: &str = "--custom \"contains(['Succeeded', 'Failed', 'Canceled'], \
                       properties.provisioningState)\"";

impl Builder<'_> {
    /// Adds the commands that create a container app in which Scorebox itself listens.
    pub(super) fn plain_container_app(&mut self, plain: &PlainApp) {
        let Deployment {
            environment, pull, ..
        } = self.deployment;
        let environment = Word::text(environment);
        let app_id = || Word::value_of(&Variable::fixed(APP));
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
        self.keys();
        let number = |number: u32| Word::text(&number.to_string());
        let mut app = Command::new("az containerapp create")
            .flag_line("--name", &self.name)
            .flag("--resource-group", &self.group)
            .flag("--environment", &environment)
            .line("--container-name scorer")
            .flag("--image", &self.image)
            // Nobody may get in before the login is there.
            .line(match plain.guard {
                Guard::Keys => "--ingress external --target-port 8080 --system-assigned",
                Guard::Platform => "--ingress internal --target-port 8080 --system-assigned",
            })
            .flag_line("--registry-server", &self.registry);
        app = match pull {
            Pull::Identity => app
                .flag("--registry-identity", &app_id())
                .flag("--user-assigned", &app_id()),
            Pull::Credentials => credentials(app),
        };
        app = app
            .flag_line("--cpu", &Word::text(&plain.cpu()))
            .flag("--memory", &Word::text(&plain.memory()))
            .flag("--min-replicas", &number(plain.min_replicas))
            .flag("--max-replicas", &number(plain.max_replicas))
            .line("--scale-rule-name http --scale-rule-type http")
            .flag("--scale-rule-http-concurrency", &number(plain.concurrency))
            .flag_line(
                "--termination-grace-period",
                &Word::text(&plain.grace_s.to_string()),
            );
        app = self.secrets_of_container_app(app, None);
        self.az("The app.", app.line("--output none"));
        self.asked(APP, self.of_app("az containerapp show").fixed("--query id"));
        let url = app_id().and(&Word::text("?api-version=2024-03-01"));
        let body = serde_json::json!({
            "properties": {"template": {"containers": [self.deployment.probed_container(plain)]}},
        });
        let probes = Command::new("az rest --method patch")
            .flag("--url", &url)
            .flag_line("--body", &Word::text(&body.to_string()));
        self.az(
            "The probes, for which `az containerapp` has no flags.",
            probes.line("--output none"),
        );
        self.wait_for_container_app();
        if plain.guard == Guard::Platform {
            self.script.line("");
            self.script.comment(
                "Nobody gets in without a login. Name who logs people in with `az containerapp auth microsoft update`.",
            );
            let known = self.of_app("az containerapp auth show");
            self.asked(LOGIN, known.line(IS_GUARDED));
            let login = self
                .of_app("az containerapp auth update")
                .line("    --enabled true --action Return401 --yes --output none");
            self.script
                .run_unless(&Variable::fixed(LOGIN), "guarded", login);
            let open = self
                .of_app("az containerapp ingress enable")
                .line("--type external --target-port 8080 --output none");
            self.az("The login is there, so the app gets its address.", open);
        }
    }

    /// Adds the commands that wait until Azure has applied the last change of the app, because
    /// Azure refuses another change before that. The script fails as soon as Azure reports that it
    /// could not apply the change. The script also fails if Azure needs more than 10 minutes.
    fn wait_for_container_app(&mut self) {
        let app = Word::value_of(&Variable::fixed(APP));
        // For some states `az resource wait` fails without a reason. The state is read afterwards
        // in any case, so that the script says what to do.
        let wait = Command::new("az resource wait")
            .flag("--ids", &app)
            .line(IS_OVER)
            .line("--interval 5 --timeout 600 || :");
        self.az(
            "Azure takes the next change once this one is applied.",
            wait,
        );
        // `az resource wait` also succeeds when its timeout expires, so the state is read.
        let state = self
            .of_app("az containerapp show")
            .fixed("--query properties.provisioningState");
        self.asked(STATE, state);
        let reasons = Command::new("az monitor activity-log list")
            .flag("--resource-group", &self.group)
            .fixed("--status Failed --offset 1h --output json");
        self.script.refuse_values(
            &Variable::fixed(STATE),
            &["Failed", "Canceled"],
            "Azure could not apply the change of the app; fix the reason, which its activity log \
             says, and run this again: ",
            &reasons,
        );
        self.script.demand_value(
            &Variable::fixed(STATE),
            "Succeeded",
            "the change of the app was not applied within 10 minutes; run this again",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use clap::{Args as _, FromArgMatches as _};

    use super::super::super::arguments::DeployArgs;
    use super::super::script;
    use super::*;

    const MANIFEST: &str = "[scorer]\nname = \"risk\"\ncomponent = \"risk.wasm\"\n\
                            [[trigger]]\nkind = \"http\"\n\
                            [server]\nkeys = [\"env:SCOREBOX_KEY_1\"]\n";

    fn deployment() -> Deployment {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("scorebox.toml");
        std::fs::write(&manifest, MANIFEST).unwrap();
        let image = format!("contoso.azurecr.io/risk@sha256:{}", "0".repeat(64));
        let words = [
            "deploy",
            &image,
            "--manifest",
            manifest.to_str().unwrap(),
            "--target",
            "plain-container-app",
            "--group",
            "scoring",
            "--location",
            "westeurope",
            "--name",
            "risk",
        ];
        let command = DeployArgs::augment_args(clap::Command::new("deploy"));
        let matches = command.try_get_matches_from(words).unwrap();
        Deployment::new(&DeployArgs::from_arg_matches(&matches).unwrap()).unwrap()
    }

    /// Runs the script of a deployment with an `az` that reports `state` for the app and fails if
    /// it is told to wait, and returns what the script writes to standard error. Panics unless the
    /// script fails if, and only if, it writes something there.
    fn refusal(state: &str) -> String {
        let az = "az() { case \"$*\" in 'resource wait '*) return 1;; \
                  *'--query properties.provisioningState '*) echo \"$STATE\";; \
                  *--query*) echo answer;; esac; }\n";
        let output = Process::new("sh")
            .args(["-c", &format!("{az}{}", script(&deployment()))])
            .env("STATE", state)
            .env("SCOREBOX_KEY_1", "k")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), said.is_empty(), "{said}");
        said
    }

    #[test]
    fn a_change_that_azure_gave_up_is_not_reported_as_late() {
        for state in ["Failed", "Canceled"] {
            let said = refusal(state);
            assert!(said.contains("could not apply the change"), "{said}");
            assert!(
                said.contains("az monitor activity-log list --resource-group scoring"),
                "{said}"
            );
            assert!(!said.contains("10 minutes"), "{said}");
        }
        assert!(refusal("InProgress").contains("within 10 minutes"));
    }
}
