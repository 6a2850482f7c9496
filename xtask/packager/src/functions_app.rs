//! The files of an app folder that the Functions host reads, and the app settings that they need.
//!
//! Owns the content of `host.json` and of one `function.json` per trigger. Must not know the
//! scorer, nor where the files are written.

mod bindings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::ValueEnum;
use scorebox_host::manifest::triggers::{
    BlobSource, BlobTrigger, MessageEncoding, QueueTrigger, ServiceBusTrigger, Start,
};
use scorebox_host::manifest::{Manifest, Trigger};
use serde_json::{Value, json};

use self::bindings::bindings;
use crate::image::{APP_ROOT, HOST_PROGRAM};

/// Minimum value of `functionTimeout` in the generated `host.json`, the time after which the
/// Functions host kills its custom handler. 5 min is the default of the Functions host on the
/// Consumption plan.
const FUNCTION_TIMEOUT_LEAST: Duration = Duration::from_secs(5 * 60);

/// Name of the extension bundle that contains the triggers, and the range of its versions. Versions
/// before 4 are deprecated.
const BUNDLE: (&str, &str) = ("Microsoft.Azure.Functions.ExtensionBundle", "[4.*, 5.0.0)");

/// Name of the app setting that holds the connection to the function app's own storage account.
pub const OWN_STORAGE: &str = "AzureWebJobsStorage";

/// An app setting (an environment variable of the app) that a function app needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSetting {
    /// Name of the app setting.
    pub name: String,
    /// Value of the app setting if every app has the same value. `None` if only the user knows the
    /// value.
    pub value: Option<&'static str>,
    /// Purpose of the app setting, as text for people.
    pub why: &'static str,
    /// True if the app setting has no effect outside App Service.
    pub only_app_service: bool,
}

/// Returns the files that the Functions host reads. The keys are the paths in the app folder, and
/// the values are the contents.
pub fn files(manifest: &Manifest) -> BTreeMap<String, String> {
    let functions = manifest.triggers.iter().map(|trigger| {
        (
            format!("{}/function.json", trigger.function),
            text(&json!({ "bindings": bindings(trigger) })),
        )
    });
    std::iter::once(("host.json".to_owned(), host_json(manifest)))
        .chain(functions)
        .collect()
}

/// The way in which the Functions host logs in to storage accounts and Service Bus namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Connections {
    /// Connection strings, which are secrets.
    Strings,
    /// The identity of the app itself. App settings name the services, and the identity needs roles
    /// in the services.
    Identity,
}

/// Returns the app settings that a function app needs to run the scorer of the manifest. Settings
/// of the app's own storage account, of the triggers' connections and of the stores have no values,
/// because only the user knows them.
pub fn settings(manifest: &Manifest, connections: Connections) -> Vec<AppSetting> {
    let setting = |name: &str, value, why| AppSetting {
        name: name.to_owned(),
        value,
        why,
        only_app_service: false,
    };
    let mut settings = vec![
        setting(
            OWN_STORAGE,
            None,
            "the storage account of the function app itself: keys, leases, receipts",
        ),
        setting(
            "FUNCTIONS_EXTENSION_VERSION",
            Some("~4"),
            "the major version of the Functions host",
        ),
        setting(
            "FUNCTIONS_WORKER_RUNTIME",
            Some("custom"),
            "base images set another value",
        ),
        AppSetting {
            only_app_service: true,
            ..setting(
                "WEBSITES_ENABLE_APP_SERVICE_STORAGE",
                Some("false"),
                "otherwise the platform mounts storage over the app in the image",
            )
        },
    ];
    let triggers: BTreeSet<_> = manifest
        .triggers
        .iter()
        .flat_map(|trigger| {
            // A connection string leads to one service only. If two services share the name, the
            // app logs in with its identity: the settings for it have further words in their names.
            let is_shared = shared_connection(manifest, trigger).is_some();
            connection(trigger, connections == Connections::Identity || is_shared)
        })
        .collect();
    for (name, why) in triggers {
        // A blob trigger and a queue trigger may share an account, and a setting has one value. A
        // setting with a fixed value is listed a second time if a trigger uses its name, and
        // `deploy` refuses this name.
        let is_shared = |known: &AppSetting| known.name == name && known.value.is_none();
        if !settings.iter().any(is_shared) {
            settings.push(setting(&name, None, why));
        }
    }
    let variables: BTreeSet<_> = manifest
        .stores
        .values()
        .map(|store| store.url_variable.as_str())
        .collect();
    let why =
        "rediss://:KEY@HOST:10000 of the cache; without it each instance keeps its store in memory";
    settings.extend(variables.into_iter().map(|name| setting(name, None, why)));
    settings
}

/// Returns a trigger that reads its connection from the same app setting as `trigger`, but connects
/// to another service. Returns `None` if there is no such trigger. Two triggers share a setting
/// only if the manifest names it in both, so the sharing is intended.
pub fn shared_connection<'a>(manifest: &'a Manifest, trigger: &Trigger) -> Option<&'a Trigger> {
    let (name, service) = trigger.connection()?;
    manifest.triggers.iter().find(|other| {
        let other = other.connection();
        other.is_some_and(|(other, of)| other == name && of != service)
    })
}

/// Prints to standard error the app settings that a function app with this scorer needs.
pub fn say_settings(manifest: &Manifest) {
    let settings: Vec<_> = settings(manifest, Connections::Strings)
        .into_iter()
        .map(
            |AppSetting {
                 name, value, why, ..
             }| {
                (
                    value.map_or(name.clone(), |value| format!("{name}={value}")),
                    why,
                )
            },
        )
        .collect();
    let width = settings
        .iter()
        .map(|(setting, _)| setting.len())
        .max()
        .unwrap_or_default();
    eprintln!("app settings of a function app (`cargo xtask deploy` sets them):");
    for (setting, why) in settings {
        eprintln!("  {setting:width$}  {why}");
    }
}

/// Prints to standard error the warnings about the triggers of a scorer: calls that may be late or
/// missing, and costs that can be avoided.
pub fn say_warnings(manifest: &Manifest) {
    for warning in warnings(manifest) {
        eprintln!("{warning}");
    }
}

/// Returns the warnings about the triggers of a scorer, each with its fix. The figures were
/// measured with the Functions host 4.1037 on two cores.
fn warnings(manifest: &Manifest) -> Vec<String> {
    let warning = |trigger: &Trigger| {
        let function = &trigger.function;
        match &trigger.start {
            Start::Blob(blob) if blob.source == BlobSource::Scan => Some(format!(
                "warning: {function}: a scan finds blobs up to ten minutes late, and misses some \
                 for good: 4 and 16 of 400 that were written within two seconds\n  \
                 fix: write `source = \"event-grid\"` outside local trials"
            )),
            Start::Http(http) if !http.forwarding => Some(format!(
                "warning: {function}: the Functions host puts each request into an envelope: 379 \
                 calls/s, and 1,112 if requests are forwarded\n  \
                 fix: remove `forwarding = false`"
            )),
            _ => None,
        }
    };
    manifest.triggers.iter().filter_map(warning).collect()
}

/// Returns the names and purposes of the app settings with the connection of a trigger.
/// `by_identity` is true if the app logs in with its own identity instead of a connection string.
fn connection(trigger: &Trigger, by_identity: bool) -> Vec<(String, &'static str)> {
    match &trigger.start {
        Start::Http(_) => Vec::new(),
        Start::Blob(BlobTrigger { connection, .. }) if by_identity => vec![
            (
                format!("{connection}__blobServiceUri"),
                "https://ACCOUNT.blob.core.windows.net of the containers",
            ),
            (
                format!("{connection}__queueServiceUri"),
                "https://ACCOUNT.queue.core.windows.net of the same account",
            ),
        ],
        Start::Blob(BlobTrigger { connection, .. }) => {
            vec![(
                connection.clone(),
                "connection string of the storage account with the containers",
            )]
        }
        Start::Queue(QueueTrigger { connection, .. }) if by_identity => vec![(
            format!("{connection}__queueServiceUri"),
            "https://ACCOUNT.queue.core.windows.net of the queues",
        )],
        Start::Queue(QueueTrigger { connection, .. }) => {
            vec![(
                connection.clone(),
                "connection string of the storage account with the queues",
            )]
        }
        Start::ServiceBus(ServiceBusTrigger { connection, .. }) if by_identity => {
            vec![(
                format!("{connection}__fullyQualifiedNamespace"),
                "NAMESPACE.servicebus.windows.net",
            )]
        }
        Start::ServiceBus(ServiceBusTrigger { connection, .. }) => {
            vec![(
                connection.clone(),
                "connection string of the Service Bus namespace",
            )]
        }
    }
}

fn host_json(manifest: &Manifest) -> String {
    let mut host = json!({
        "version": "2.0",
        "logging": { "logLevel": { "default": "Information" } },
        "functionTimeout": time_span(FUNCTION_TIMEOUT_LEAST.max(manifest.limits.deadline * 2)),
        "customHandler": {
            "description": {
                "defaultExecutablePath": HOST_PROGRAM,
                "arguments": ["serve", "--app", APP_ROOT],
            },
            // Forwarding applies to functions with HTTP in and HTTP out. All others receive
            // envelopes.
            "enableForwardingHttpRequest": manifest.triggers.iter().filter_map(Trigger::http).any(|http| http.forwarding),
        },
    });
    // HTTP is built into the Functions host. A bundle that the base lacks is downloaded at every
    // cold start, and that fails if the network is closed. So the bundle is named only if a trigger
    // needs it.
    let needs_bundle = manifest
        .triggers
        .iter()
        .any(|trigger| trigger.http().is_none());
    if let Some(host) = host.as_object_mut().filter(|_| needs_bundle) {
        host.insert(
            "extensionBundle".to_owned(),
            json!({"id": BUNDLE.0, "version": BUNDLE.1}),
        );
    }
    // These are settings of the whole app. All triggers on queues have the same ones.
    let queue = manifest
        .triggers
        .iter()
        .find_map(|trigger| match &trigger.start {
            Start::Queue(queue) => Some(queue),
            _ => None,
        });
    if let (Some(queue), Some(host)) = (queue, host.as_object_mut()) {
        let encoding = match queue.message_encoding {
            MessageEncoding::Base64 => "base64",
            MessageEncoding::None => "none",
        };
        let queues = json!({
            "maxDequeueCount": queue.max_delivery_count,
            "messageEncoding": encoding,
            "visibilityTimeout": time_span(queue.visibility_timeout),
        });
        host.insert("extensions".to_owned(), json!({ "queues": queues }));
    }
    text(&host)
}

/// Formats a duration as a TimeSpan of .NET, rounded up to whole seconds, e.g. `00:05:00`.
fn time_span(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let days = if days == 0 {
        String::new()
    } else {
        format!("{days}.")
    };
    format!(
        "{days}{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests;
