//! Kinds of triggers: those that Scorebox serves, and those that exist on Azure Functions only.
//!
//! Owns the names of the kinds, and the advice for each kind that is not served. Must not know the
//! other settings of a trigger.

use scorebox_text::{NAME_BYTES, Problem, quoted};

pub(super) const BLOB: &str = "blob";
pub(super) const HTTP: &str = "http";
pub(super) const QUEUE: &str = "queue";
pub(super) const SERVICE_BUS: &str = "service-bus";

/// Kinds of triggers that Scorebox serves, each with all names that may mean it, in lower case and
/// without separators.
const SERVED: [(&str, &[&str]); 4] = [
    (BLOB, &["blob", "blobs", "blobstorage", "storageblob"]),
    (HTTP, &["http", "https", "webhook", "rest"]),
    (QUEUE, &["queue", "queues", "queuestorage", "storagequeue"]),
    (
        SERVICE_BUS,
        &["servicebus", "servicebusqueue", "servicebustopic"],
    ),
];

/// Kinds of triggers that Azure Functions has and Scorebox does not serve, in lower case and
/// without separators. Each group has the advice for the author of the manifest.
const FOREIGN: [(&[&str], &str); 4] = [
    (
        &["timer", "schedule", "cron"],
        "to score at fixed times, let a scheduled job call a trigger of kind \"http\" or send a message",
    ),
    (
        &["eventgrid"],
        "for the events of blobs, write `kind = \"blob\"` and `source = \"event-grid\"`; let Event Grid deliver other \
         events to a queue",
    ),
    (
        &[
            "eventhub",
            "eventhubs",
            "iothub",
            "kafka",
            "rabbitmq",
            "cosmosdb",
            "documentdb",
            "sql",
            "mysql",
            "kusto",
            "table",
            "redis",
            "redispubsub",
            "redislist",
            "redisstream",
            "signalr",
            "webpubsub",
            "webpubsubcontext",
            "daprbinding",
            "daprserviceinvocation",
            "daprtopic",
            "dapr",
            "sendgrid",
            "twilio",
            "mcptool",
            "mcp",
        ],
        "let another function forward what it receives to a queue",
    ),
    (
        &[
            "orchestration",
            "activity",
            "entity",
            "durable",
            "warmup",
            "manual",
            "generic",
        ],
        "leave this function to an app of its own",
    ),
];

/// Checks that the kinds of all triggers in a manifest are served, before other settings of these
/// triggers are checked. `table` is the whole manifest.
///
/// # Errors
/// Fails if the kind of a trigger is not served.
pub(crate) fn all_served(table: &toml::Table) -> Result<(), Problem> {
    let triggers = table.get("trigger").and_then(toml::Value::as_array);
    for trigger in triggers.into_iter().flatten() {
        if let Some(kind) = trigger.get("kind").and_then(toml::Value::as_str) {
            served(kind)?;
        }
    }
    Ok(())
}

/// Checks that a kind of trigger is served.
///
/// # Errors
/// Fails if the kind is not served. If it is another name of a served kind, the error names this
/// kind. Otherwise the error lists the served kinds, with advice if Azure Functions has the kind.
pub(super) fn served(kind: &str) -> Result<(), Problem> {
    if SERVED.iter().any(|(served, _)| *served == kind) {
        return Ok(());
    }
    let shown = quoted(kind, NAME_BYTES);
    let mut plain = kind.to_ascii_lowercase();
    plain.retain(|c| c.is_ascii_alphanumeric());
    let plain = plain.strip_suffix("trigger").unwrap_or(&plain);
    let problem = format!("`trigger.kind`: `{shown}` is not a kind of trigger");
    if let Some((served, _)) = SERVED.iter().find(|(_, names)| names.contains(&plain)) {
        return Err(Problem::new(
            problem,
            format!("write `kind = \"{served}\"`"),
        ));
    }
    let all = "\"http\", \"blob\", \"queue\" or \"service-bus\"";
    match FOREIGN.iter().find(|(names, _)| names.contains(&plain)) {
        Some((_, advice)) => Err(Problem::new(
            format!("{problem} here: Scorebox does not serve this trigger of Azure Functions"),
            format!("write {all}; {advice}"),
        )),
        None => Err(Problem::new(problem, format!("write {all}"))),
    }
}
