//! `[[trigger]]`: what starts a call.
//!
//! Owns what a trigger is. How one is written stands in `raw`, which names it may use in `names`. Must not know
//! `function.json`, nor how a call that was started is made.

mod names;
mod raw;

use std::fmt;

use serde::Deserialize;

pub(super) use self::raw::{RawTrigger, triggers};

/// One `[[trigger]]`, which is one function of a function app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The function's name: a letter, then letters, digits, `_` and `-`, at most 128 in all.
    pub function: String,
    /// What starts it.
    pub start: Start,
}

/// What starts a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A blob that was created or changed.
    Blob(BlobTrigger),
    /// HTTP requests to `/api/<route>`.
    Http(HttpTrigger),
    /// Messages of a Service Bus queue or subscription.
    ServiceBus(ServiceBusTrigger),
}

/// `kind = "http"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// The path below `/api/`.
    pub route: String,
    /// Which key the Functions host asks callers for.
    pub auth_level: AuthLevel,
    /// Upper-case verbs; never empty.
    pub methods: Vec<String>,
    /// Whether the Functions host sends requests on as they came, rather than in an envelope.
    pub forwarding: bool,
}

/// `kind = "blob"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobTrigger {
    /// Container and name, which may hold `{names}`, e.g. `incoming/{name}.json`.
    pub path: String,
    /// Name of the app setting with the storage account.
    pub connection: String,
    /// How the Functions host learns of a blob.
    pub source: BlobSource,
    /// Where the answer goes; it may use the names of `path`.
    pub output: Option<String>,
    /// Where the record of a blob that can never be scored goes.
    pub park: Option<String>,
}

/// `kind = "service-bus"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceBusTrigger {
    /// Where messages come from.
    pub entity: Entity,
    /// Name of the app setting with the namespace.
    pub connection: String,
    /// Whether the entity has sessions.
    pub sessions: bool,
    /// Whether one call of the function takes many messages.
    pub many: bool,
    /// Where answers go.
    pub output: Option<Target>,
    /// Where messages go that can never be scored.
    pub park: Option<Target>,
    /// Deliveries after which Service Bus itself gives a message up; the last of them parks.
    pub max_delivery_count: u32,
}

/// What a Service Bus trigger listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A queue.
    Queue(String),
    /// A subscription of a topic.
    Subscription {
        /// The topic.
        topic: String,
        /// The subscription.
        subscription: String,
    },
}

/// Where messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A queue.
    Queue(String),
    /// A topic.
    Topic(String),
}

/// How the Functions host learns of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobSource {
    /// Events of the storage account: at once, and the only source that scales Container Apps.
    EventGrid,
    /// It looks into the container and the account's logs: no set-up, and up to ten minutes late.
    Scan,
}

/// The `authLevel` of a function's HTTP trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthLevel {
    /// The app's master key.
    Admin,
    /// No key.
    Anonymous,
    /// A function key.
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
    /// The HTTP trigger, if it is one.
    #[must_use]
    pub fn http(&self) -> Option<&HttpTrigger> {
        match &self.start {
            Start::Http(http) => Some(http),
            _ => None,
        }
    }
}

/// Deliveries of a message until Service Bus gives it up, if nobody says otherwise to it.
pub const DEFAULT_MAX_DELIVERY_COUNT: u32 = 10;
