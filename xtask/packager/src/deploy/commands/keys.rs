//! Commands for the keys of `server.keys`, one of which the callers of an app without the Functions
//! host have to send.
//!
//! Owns the sources of a key, in this order: the environment, the app if it exists already, and
//! random numbers. A key is never printed. Must not know how the app gets a key.

use super::super::arguments::Target;
use super::{Builder, ENTRY, EXISTING};
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands that put each key of `server.keys` into the shell variable with the name
    /// of the key's app setting.
    pub(super) fn keys(&mut self) {
        let deployment = self.deployment;
        if deployment.keys.is_empty() {
            return;
        }
        let is_container_app = deployment.target.is_container_app();
        self.script.line("");
        self.script.comment(
            "The keys of the server. A key that is not in the environment stays as the app has it, or is made.",
        );
        let existing = Command::new(if is_container_app {
            "az containerapp list"
        } else {
            "az webapp list"
        });
        let existing = existing
            .flag("--resource-group", &self.group)
            .fixed("--query '[].name'");
        self.asked(EXISTING, existing);
        // Azure ignores the case of the names of apps, and a query of `az` cannot do that.
        let own = Command::new("printf '%s\\n' \"$deploy_existing\" | grep -F -i -x")
            .flag("-e", &self.name)
            .fixed("|| :");
        let (existing, entry) = (Variable::fixed(EXISTING), Variable::fixed(ENTRY));
        self.script.keep(&existing, own);
        for key in &deployment.keys {
            let (find, read) = self.known(key.variable.name());
            self.script.keep_known(
                &key.variable,
                &existing,
                (&entry, find),
                read,
                "the app has this key, but its value cannot be read; export the key",
            );
            let random = Command::new("od -An -N 32 -t x1 /dev/urandom | tr -d ' \\n'");
            self.script.keep_if_missing(&key.variable, None, random);
        }
    }

    /// Returns two commands about the app setting `name`. The first one prints nothing if the app
    /// does not have the setting. The second one prints the value of the setting. It may use the
    /// output of the first one, which is in the shell variable that `ENTRY` names.
    fn known(&self, name: &str) -> (Command, Command) {
        let asked = |words, query: String| {
            self.of_app(words)
                .flag_line("--query", &Word::text(&query))
                .fixed("--output tsv")
        };
        match self.deployment.target {
            // A secret of another name may hold the value, so the name of the secret is read from
            // the environment of the app. If the entry has no secret, the script ends, because no
            // secret has the name of a variable.
            Target::PlainContainerApp => (
                asked(
                    "az containerapp show",
                    format!(
                        "properties.template.containers[].env[] | [?name=='{name}'] | [0] | (secretRef || name)"
                    ),
                ),
                self.of_app("az containerapp secret show")
                    .flag_line("--secret-name", &Word::value_of(&Variable::fixed(ENTRY)))
                    .fixed("--query value --output tsv"),
            ),
            _ => {
                let settings = "az webapp config appsettings list";
                (
                    asked(settings, format!("[?name=='{name}'].name | [0]")),
                    asked(settings, format!("[?name=='{name}'].value | [0]")),
                )
            }
        }
    }

    /// Adds a line to the script that prints the command with which the user can read the first key
    /// of `server.keys`.
    pub(super) fn where_the_key_is(&mut self) {
        let Some(key) = self.deployment.keys.first() else {
            return;
        };
        let command = match self.deployment.target {
            Target::PlainContainerApp => self
                .of_app("az containerapp secret show")
                .flag("--secret-name", &Word::text(&key.kept_as))
                .fixed("--query value --output tsv"),
            // A query would need quotes within quotes, so this command prints all settings.
            _ => self.of_app("az webapp config appsettings list"),
        };
        self.script
            .tell("a key of the server is printed by: ", &command);
    }
}
