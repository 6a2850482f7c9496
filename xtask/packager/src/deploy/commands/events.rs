//! Commands for functions that events trigger: one event subscription for each of these functions.
//!
//! Owns the choice of these functions, and the address to which their events are sent. Must not
//! know how the app is created.

use scorebox_host::manifest::triggers::{BlobSource, Start};

use super::super::arguments::Target;
use super::super::deployment::Deployment;
use super::{ADDRESS, BLOBS_KEY, Builder, EVENT_STORAGE};
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands that create an event subscription for each function with a trigger on
    /// events. Without a subscription no event arrives, and the function is never called.
    pub(super) fn events(&mut self) {
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
                &format!("Notifies {function} of each blob in {container}."),
                command.line("--output none"),
            );
        }
    }
}

impl Deployment {
    /// Returns the name of each function with a trigger on events, and the blob container whose
    /// events trigger it.
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
