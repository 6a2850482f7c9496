//! The section `[[trigger]]`: what starts a call.
//!
//! Owns the types of a trigger. The module `raw` owns how a trigger is written, and `names` owns
//! the names that it may use. Must not know `function.json`, or how a call is made once it was
//! started.

mod names;
mod raw;

use std::fmt;

use serde::Deserialize;

pub(super) use self::raw::{RawTrigger, triggers};

/// One `[[trigger]]` of the manifest, which is one function of a function app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Name of the function: a letter, then letters, digits, `_` and `-`, at most 128 in all.
    pub function: String,
    /// Event that starts the function, with the settings for this kind of event.
    pub start: Start,
}

/// Event that starts a function, with the settings for this kind of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A blob that was created or changed.
    Blob(BlobTrigger),
    /// HTTP requests to `/api/<route>`.
    Http(HttpTrigger),
    /// Messages of a Service Bus queue or subscription.
    ServiceBus(ServiceBusTrigger),
}

/// An HTTP trigger: `kind = "http"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Path of the function below `/api/`, such as `score`.
    pub route: String,
    /// Kind of key that the Functions host requires from callers.
    pub auth_level: AuthLevel,
    /// HTTP methods that score a request, in upper case. Never empty.
    pub methods: Vec<String>,
    /// True if the Functions host forwards requests unchanged, and does not put them in an
    /// envelope.
    pub forwarding: bool,
}

/// A blob trigger: `kind = "blob"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobTrigger {
    /// Container and name of the blobs, which may hold `{names}`, e.g. `incoming/{name}.json`.
    pub path: String,
    /// Name of the app setting that holds the connection to the storage account.
    pub connection: String,
    /// Way in which the Functions host learns of a blob.
    pub source: BlobSource,
    /// Path of the blob that an answer is written to. It may use the `{names}` of `path`. `None` if
    /// answers are dropped.
    pub output: Option<String>,
    /// Path of the blob that the record of an input is written to if the input can never be scored.
    /// `None` if no record is written.
    pub park: Option<String>,
}

/// A Service Bus trigger: `kind = "service-bus"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceBusTrigger {
    /// Queue or subscription that messages come from.
    pub entity: Entity,
    /// Name of the app setting that holds the connection to the Service Bus namespace.
    pub connection: String,
    /// True if the queue or subscription has sessions.
    pub sessions: bool,
    /// True if one invocation of the function takes a batch of messages.
    pub many: bool,
    /// Queue or topic that answers are sent to. `None` if answers are dropped.
    pub output: Option<Target>,
    /// Queue or topic for messages that can never be scored. `None` if they go to the dead-letter
    /// queue.
    pub park: Option<Target>,
    /// Number of deliveries after which Service Bus itself gives a message up. If the last delivery
    /// fails, the host sends the message to `park`.
    pub max_delivery_count: u32,
}

/// Queue or subscription that a Service Bus trigger listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A Service Bus queue, by its name.
    Queue(String),
    /// A subscription of a Service Bus topic.
    Subscription {
        /// Name of the Service Bus topic.
        topic: String,
        /// Name of the topic's subscription.
        subscription: String,
    },
}

/// Queue or topic that messages are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Service Bus queue, by its name.
    Queue(String),
    /// A Service Bus topic, by its name.
    Topic(String),
}

/// Way in which the Functions host learns of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobSource {
    /// Events of the storage account, which come at once. Only this source scales Container Apps.
    EventGrid,
    /// Scans of the container and of the account's logs. They need no set-up, and are up to ten
    /// minutes late.
    Scan,
}

/// Kind of key that callers of a function need: the `authLevel` of the function's HTTP trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthLevel {
    /// Callers need the master key of the function app.
    Admin,
    /// Callers need no key.
    Anonymous,
    /// Callers need a function key.
    Function,
}

impl fmt::Display for AuthLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Anonymous => "anonymous",
            Self::Function => "function",
        })
    }
}

impl Trigger {
    /// Returns the HTTP trigger, or `None` if the function has a trigger of another kind.
    #[must_use]
    pub fn http(&self) -> Option<&HttpTrigger> {
        match &self.start {
            Start::Http(http) => Some(http),
            _ => None,
        }
    }
}

/// Number of deliveries after which Service Bus gives a message up if the manifest sets no number.
/// It is the default of Service Bus itself.
pub const DEFAULT_MAX_DELIVERY_COUNT: u32 = 10;
