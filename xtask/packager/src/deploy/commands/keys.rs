//! Commands for the keys of a server without the Functions host.
//!
//! Owns where a key comes from: the environment, the app that is there already, or random numbers. A
//! key is never printed. Must not know how the app gets it.

use super::super::arguments::Target;
use super::{Builder, EXISTING};
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands after which each key of the server is in a shell variable.
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
        let query = format!("[?name=='{}'].name | [0]", deployment.name);
        let existing = existing
            .flag("--resource-group", &self.group)
            .flag("--query", &Word::text(&query));
        self.asked(EXISTING, existing);
        for key in &deployment.keys {
            let (words, name) = match deployment.target {
                Target::PlainContainerApp => (
                    "az containerapp secret list --show-values",
                    key.kept_as.as_str(),
                ),
                _ => ("az webapp config appsettings list", key.variable.name()),
            };
            let query = Word::text(&format!("[?name=='{name}'].value | [0]"));
            let known = self.of_app(words).flag_line("--query", &query);
            self.script.keep_if_missing(
                &key.variable,
                Some(&Variable::fixed(EXISTING)),
                known.fixed("--output tsv"),
            );
            let random = Command::new("od -An -N 32 -t x1 /dev/urandom | tr -d ' \\n'");
            self.script.keep_if_missing(&key.variable, None, random);
        }
    }

    /// Adds a line that says how to read a key of the server.
    pub(super) fn where_the_key_is(&mut self) {
        let Some(key) = self.deployment.keys.first() else {
            return;
        };
        let command = match self.deployment.target {
            Target::PlainContainerApp => self
                .of_app("az containerapp secret show")
                .flag("--secret-name", &Word::text(&key.kept_as))
                .fixed("--query value --output tsv"),
            // Without a query, which would need quotes within quotes.
            _ => self.of_app("az webapp config appsettings list"),
        };
        self.script
            .tell("a key of the server is printed by: ", &command);
    }
}
