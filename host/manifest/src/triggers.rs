//! The section `[[trigger]]`: what starts a call.
//!
//! Owns the types of a trigger. The module `raw` owns how a trigger is written, `names` owns the
//! names that it may use, [`route`] owns the templates of HTTP routes, and `connections` owns the
//! rule that each service has a setting of its own. Must not know `function.json`, or how a call is
//! made after a trigger started it.

mod connections;
mod names;
mod raw;
pub mod route;

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

pub use self::connections::Service;
pub(super) use self::connections::{Connection, apart_from_stores};
pub(super) use self::raw::{RawTrigger, all_served, triggers};

/// One `[[trigger]]` of the manifest, which is one function of a function app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Name of the function: a letter, then letters, digits, `_` and `-`, at most 128 in all.
    pub function: String,
    /// Kind of event that starts the function, with the settings for this kind.
    pub start: Start,
}

/// Kind of event that starts a function, with the settings for this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A blob that was created or changed starts the function.
    Blob(BlobTrigger),
    /// An HTTP request to `/api/<route>` starts the function.
    Http(HttpTrigger),
    /// Messages of a queue in a storage account start the function.
    Queue(QueueTrigger),
    /// Messages of a Service Bus queue or subscription start the function.
    ServiceBus(ServiceBusTrigger),
}

/// Settings of an HTTP trigger, with `kind = "http"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Template of the function's path below `/api/`, such as `score` or `risk/{customer}`.
    pub route: String,
    /// Kind of access key that the Functions host requires from callers.
    pub auth_level: AuthLevel,
    /// HTTP methods of the requests that are scored, in upper case. Never empty.
    pub methods: Vec<String>,
    /// True if the Functions host forwards requests unchanged, and does not put them in an
    /// envelope.
    pub forwarding: bool,
}

/// Settings of a blob trigger, with `kind = "blob"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobTrigger {
    /// Path of the blobs that start the function: the container and the blob name, with
    /// placeholders such as `{name}`, e.g. `incoming/{name}.json`.
    pub path: String,
    /// Name of the app setting that holds the connection to the storage account.
    pub connection: String,
    /// Way in which the Functions host detects new and changed blobs.
    pub source: BlobSource,
    /// Path of the blob to which an answer is written. The path may have the placeholders of the
    /// field `path`. `None` if answers are dropped.
    pub output: Option<String>,
    /// Path of the blob to which the record of an input blob that can never be scored is written.
    /// `None` if no record is written.
    pub park: Option<String>,
}

/// Settings of a trigger on a queue of a storage account, with `kind = "queue"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTrigger {
    /// Name of the queue whose messages start the function.
    pub queue: String,
    /// Name of the app setting that holds the connection to the storage account.
    pub connection: String,
    /// Queue to which answers are sent. `None` if answers are dropped.
    pub output: Option<String>,
    /// Queue to which the records of messages that can never be scored are sent. `None` if such
    /// messages are left to the Functions host, which moves them to the poison queue.
    pub park: Option<String>,
    /// Number of deliveries of a message after which the Functions host moves it to the poison
    /// queue. If the last delivery fails and `park` is set, Scorebox sends the message's record to
    /// `park`.
    pub max_delivery_count: u32,
    /// Form in which messages are stored in the queues.
    pub message_encoding: MessageEncoding,
    /// Time from a failed delivery of a message to its next delivery.
    pub visibility_timeout: Duration,
}

/// Form in which messages are stored in the queues of a storage account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageEncoding {
    /// A message is stored as base64, so it may hold any bytes.
    Base64,
    /// A message is stored as it is, so it must be text that XML can hold.
    None,
}

/// Settings of a Service Bus trigger, with `kind = "service-bus"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceBusTrigger {
    /// Queue or subscription whose messages start the function.
    pub entity: Entity,
    /// Name of the app setting that holds the connection to the Service Bus namespace.
    pub connection: String,
    /// True if the queue or subscription has sessions.
    pub sessions: bool,
    /// True if one invocation of the function takes a batch of messages.
    pub many: bool,
    /// Queue or topic to which answers are sent. `None` if answers are dropped.
    pub output: Option<Target>,
    /// Queue or topic to which the records of messages that can never be scored are sent. `None` if
    /// such messages are left to Service Bus, which moves them to the dead-letter queue.
    pub park: Option<Target>,
    /// Number of deliveries of a message after which Service Bus moves it to the dead-letter queue.
    /// If the last delivery fails and `park` is set, Scorebox sends the message's record to `park`.
    pub max_delivery_count: u32,
}

/// Queue or subscription from which a Service Bus trigger receives messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// The Service Bus queue with this name.
    Queue(String),
    /// A subscription to a Service Bus topic.
    Subscription {
        /// Name of the Service Bus topic.
        topic: String,
        /// Name of the subscription to the topic.
        subscription: String,
    },
}

/// Service Bus queue or topic to which messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The Service Bus queue with this name.
    Queue(String),
    /// The Service Bus topic with this name.
    Topic(String),
}

/// Way in which the Functions host detects new and changed blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobSource {
    /// The Functions host receives events of the storage account, which arrive at once. They need
    /// an event subscription. Container Apps scale only with this source. This is the default.
    EventGrid,
    /// The Functions host scans the container and the logs of the storage account. Scans need no
    /// set-up, but detect a blob up to ten minutes late, and miss some blobs for good if many are
    /// written within a second. So scans are for trials on a local machine.
    Scan,
}

/// Kind of access key that callers of a function need: the `authLevel` of the function's HTTP
/// trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthLevel {
    /// Callers need the master key of the function app.
    Admin,
    /// Callers do not need a key.
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
    /// Returns the settings of the HTTP trigger, or `None` if the trigger is of another kind.
    #[must_use]
    pub fn http(&self) -> Option<&HttpTrigger> {
        match &self.start {
            Start::Http(http) => Some(http),
            _ => None,
        }
    }
}

/// Default of `trigger.max_delivery_count` for a Service Bus trigger: the number of deliveries
/// after which Service Bus moves a message to the dead-letter queue. Service Bus itself has the
/// same default.
pub const DEFAULT_MAX_DELIVERY_COUNT: u32 = 10;

/// Default of `trigger.max_delivery_count` for a queue of a storage account: the number of
/// deliveries after which the Functions host moves a message to the poison queue. The Functions
/// host itself has the same default.
pub const DEFAULT_MAX_DEQUEUE_COUNT: u32 = 5;
