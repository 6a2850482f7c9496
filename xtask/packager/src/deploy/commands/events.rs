//! Commands for functions that Event Grid events of blobs trigger: one event subscription for each
//! of these functions.
//!
//! Owns the choice of these functions, and the address to which their events are sent. Must not
//! know how the app is created.

use scorebox_host::manifest::triggers::{BlobSource, Start};

use super::super::arguments::Target;
use super::super::deployment::Deployment;
use super::{ADDRESS, BLOBS_KEY, Builder, EVENT_STORAGE};
use crate::shell::{Command, Variable, Word};

impl Builder<'_> {
    /// Adds the commands that create an event subscription for each function that Event Grid events
    /// trigger. Without a subscription no event arrives, and the function is never called.
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
        let mut names = Vec::new();
        for (function, container) in functions {
            let name = subscription_name(&self.deployment.name, function, &names);
            names.push(name.clone());
            let name = Word::text(&name);
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

/// Returns a name for the event subscription of a function. The name has 3 to 64 letters, digits
/// and hyphens, as Azure requires. It differs from all names in `taken` by more than the case of
/// letters.
fn subscription_name(app: &str, function: &str, taken: &[String]) -> String {
    const LONGEST: usize = 64;
    let whole = format!("{app}-{function}").replace('_', "-");
    let cut = |end: &str| {
        let kept: String = whole.chars().take(LONGEST - end.len()).collect();
        format!("{}{end}", kept.trim_end_matches('-'))
    };
    let mut name = cut("");
    let is_taken = |name: &String| taken.iter().any(|other| other.eq_ignore_ascii_case(name));
    for number in 2_u32.. {
        if !is_taken(&name) {
            break;
        }
        name = cut(&format!("-{number}"));
    }
    name
}

impl Deployment {
    /// Returns the name of each function that Event Grid events trigger, and the name of the blob
    /// container whose events trigger it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_event_subscriptions_are_those_that_azure_accepts() {
        assert_eq!(
            subscription_name("risk", "in_coming", &[]),
            "risk-in-coming"
        );
        let long = "x".repeat(128);
        let first = subscription_name("risk", &long, &[]);
        let second = subscription_name("risk", &long, std::slice::from_ref(&first));
        assert_eq!((first.len(), second.len()), (64, 64));
        assert!(second.ends_with("x-2"), "{second}");
    }
}
