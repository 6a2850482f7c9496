//! Reading of the sections `[[trigger]]` of `scorebox.toml`.
//!
//! Owns the keys of a section, which kind of trigger takes which key, and which keys or triggers
//! exclude each other. Must not know which names of functions, queues, blobs and app settings are
//! valid: that is in `names`.

mod blob;
mod http;
mod kinds;
mod queue;
mod service_bus;

use scorebox_text::{NAME_BYTES, Problem, quoted};
use serde::Deserialize;

pub(crate) use self::kinds::all_served;

use self::kinds::{BLOB, HTTP, QUEUE, SERVICE_BUS};
use super::names::{FUNCTION_NAME_CHARACTERS, function_name, route_name};
use super::route::Template;
use super::{AuthLevel, BlobSource, Connection, MessageEncoding, Start, Trigger};
use crate::settings::default_of;

#[derive(Default, Deserialize)]
pub(crate) struct RawTrigger {
    kind: String,
    function: Option<String>,
    route: Option<String>,
    auth_level: Option<AuthLevel>,
    methods: Option<Vec<String>>,
    forwarding: Option<bool>,
    path: Option<String>,
    connection: Option<String>,
    source: Option<BlobSource>,
    queue: Option<String>,
    topic: Option<String>,
    subscription: Option<String>,
    sessions: Option<bool>,
    cardinality: Option<Cardinality>,
    max_delivery_count: Option<u32>,
    message_encoding: Option<MessageEncoding>,
    visibility_timeout: Option<String>,
    output: Option<RawTarget>,
    park: Option<RawTarget>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cardinality {
    Many,
    One,
}

#[derive(Default, Deserialize)]
struct RawTarget {
    blob: Option<String>,
    queue: Option<String>,
    topic: Option<String>,
}

/// Checks the sections `[[trigger]]` of a manifest, and converts them to triggers. If there are no
/// such sections, returns one HTTP trigger with default settings. Fails if a section is not a valid
/// trigger, or if two triggers must not be in one app.
pub(crate) fn triggers(raw: Vec<RawTrigger>) -> Result<Vec<Trigger>, Problem> {
    let raw = if raw.is_empty() {
        vec![RawTrigger {
            kind: "http".to_owned(),
            ..RawTrigger::default()
        }]
    } else {
        raw
    };
    let mut triggers: Vec<Trigger> = Vec::with_capacity(raw.len());
    let mut connections: Vec<Connection> = Vec::new();
    for raw in raw {
        let is_named = raw.function.is_some();
        let is_connection_written = raw.connection.is_some();
        let mut trigger = raw.into_trigger()?;
        if !is_named {
            trigger.function = unused(trigger.function, &triggers);
        }
        for other in &triggers {
            compatible(other, &trigger)?;
        }
        if let Some(connection) = Connection::of(&trigger, is_connection_written) {
            connection.apart_from(&connections)?;
            connections.push(connection);
        }
        triggers.push(trigger);
    }
    Ok(triggers)
}

/// Returns a function name that no trigger in `triggers` has: `name` itself, or `name` with a
/// number.
///
/// In function names, `/` and `.` become `-`, so two routes may result in the same name.
fn unused(name: String, triggers: &[Trigger]) -> String {
    let is_unused = |name: &str| {
        !triggers
            .iter()
            .any(|other| other.function.eq_ignore_ascii_case(name))
    };
    let numbered = (2_u32..).map(|number| {
        let suffix = format!("-{number}");
        let kept = name
            .get(..name.len().min(FUNCTION_NAME_CHARACTERS - suffix.len()))
            .unwrap_or_default();
        format!("{kept}{suffix}")
    });
    std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| is_unused(name))
        .unwrap_or_default()
}

fn compatible(one: &Trigger, other: &Trigger) -> Result<(), Problem> {
    if let (Some(one), Some(other)) = (one.http(), other.http()) {
        let is_alike = one.route.eq_ignore_ascii_case(&other.route)
            || one.route.contains('{')
                && match (Template::parse(&one.route), Template::parse(&other.route)) {
                    (Ok(one), Ok(other)) => one.is_alike(&other),
                    _ => false,
                };
        let both = one
            .methods
            .iter()
            .find(|method| other.methods.contains(method));
        if let Some(method) = both.filter(|_| is_alike) {
            return Err(Problem::new(
                format!(
                    "`[[trigger]]`: two HTTP triggers have the same route for {method}: `{}` and `{}`",
                    quoted(&one.route, NAME_BYTES),
                    quoted(&other.route, NAME_BYTES)
                ),
                "remove one of them, or give them different `methods`; case and the names of \
                 parameters do not count",
            ));
        }
        if one.forwarding != other.forwarding {
            return Err(Problem::new(
                "`trigger.forwarding` differs between two HTTP triggers",
                "write the same for all: it is a setting of the whole function app",
            ));
        }
    }
    if let (Start::Queue(one), Start::Queue(other)) = (&one.start, &other.start) {
        let key = if one.max_delivery_count != other.max_delivery_count {
            "max_delivery_count"
        } else if one.message_encoding != other.message_encoding {
            "message_encoding"
        } else if one.visibility_timeout != other.visibility_timeout {
            "visibility_timeout"
        } else {
            ""
        };
        if !key.is_empty() {
            return Err(Problem::new(
                format!(
                    "`trigger.{key}` differs between the queues `{}` and `{}`",
                    one.queue, other.queue
                ),
                "write the same for all triggers of kind `queue`: it is a setting of the whole \
                 function app",
            ));
        }
    }
    // The Functions host compares names without case.
    if one.function.eq_ignore_ascii_case(&other.function) {
        return Err(Problem::new(
            format!(
                "`[[trigger]]`: two triggers make a function `{}`",
                other.function
            ),
            "give one of them another `function`; case does not count",
        ));
    }
    Ok(())
}

impl RawTrigger {
    fn into_trigger(self) -> Result<Trigger, Problem> {
        self.only_its_own_keys()?;
        let (default_name, function) = (self.default_name(), self.function.clone());
        let start = match self.kind.as_str() {
            HTTP => Start::Http(self.into_http()?),
            BLOB => Start::Blob(self.into_blob()?),
            QUEUE => Start::Queue(self.into_queue()?),
            _ => Start::ServiceBus(self.into_service_bus()?),
        };
        let function = match function {
            Some(name) if function_name(&name) == name => name,
            Some(name) => {
                return Err(Problem::new(
                    format!(
                        "`trigger.function`: `{}` cannot be a function's name",
                        quoted(&name, NAME_BYTES)
                    ),
                    format!(
                        "use letters, digits, `_` and `-`, a letter first, at most {FUNCTION_NAME_CHARACTERS}, and neither \
                         `host` nor `model`"
                    ),
                ));
            }
            None => function_name(&default_name),
        };
        Ok(Trigger { function, start })
    }

    /// Returns the name that the function has if the manifest does not set one. This name is made
    /// from the route, the blob's container, the queue, or the topic and the subscription. It is
    /// `score` if the section has none of these.
    fn default_name(&self) -> String {
        let named = match self.kind.as_str() {
            HTTP => self.route.as_deref().map(route_name),
            BLOB => self
                .path
                .as_deref()
                .map(|path| path.split('/').next().unwrap_or_default().to_owned()),
            _ => match (&self.queue, &self.topic, &self.subscription) {
                (None, Some(topic), Some(subscription)) => Some(format!("{topic}-{subscription}")),
                (queue, ..) => queue.clone(),
            },
        };
        named.unwrap_or_else(|| default_of("trigger.route").to_owned())
    }

    /// Checks that the section of this trigger does not have a key of another kind of trigger,
    /// because such a key would be ignored silently.
    fn only_its_own_keys(&self) -> Result<(), Problem> {
        kinds::served(&self.kind)?;
        let keys: [(&str, bool, &[&str]); 16] = [
            ("route", self.route.is_some(), &[HTTP]),
            ("auth_level", self.auth_level.is_some(), &[HTTP]),
            ("methods", self.methods.is_some(), &[HTTP]),
            ("forwarding", self.forwarding.is_some(), &[HTTP]),
            ("path", self.path.is_some(), &[BLOB]),
            ("source", self.source.is_some(), &[BLOB]),
            (
                "connection",
                self.connection.is_some(),
                &[BLOB, QUEUE, SERVICE_BUS],
            ),
            ("queue", self.queue.is_some(), &[QUEUE, SERVICE_BUS]),
            ("topic", self.topic.is_some(), &[SERVICE_BUS]),
            ("subscription", self.subscription.is_some(), &[SERVICE_BUS]),
            ("sessions", self.sessions.is_some(), &[SERVICE_BUS]),
            ("cardinality", self.cardinality.is_some(), &[SERVICE_BUS]),
            (
                "max_delivery_count",
                self.max_delivery_count.is_some(),
                &[QUEUE, SERVICE_BUS],
            ),
            (
                "message_encoding",
                self.message_encoding.is_some(),
                &[QUEUE],
            ),
            (
                "visibility_timeout",
                self.visibility_timeout.is_some(),
                &[QUEUE],
            ),
            (
                "output and `trigger.park`",
                self.output.is_some() || self.park.is_some(),
                &[BLOB, QUEUE, SERVICE_BUS],
            ),
        ];
        match keys
            .iter()
            .find(|(_, is_set, kinds)| *is_set && !kinds.contains(&self.kind.as_str()))
        {
            None => Ok(()),
            Some((key, _, kinds)) => Err(Problem::new(
                format!(
                    "`trigger.{key}` is not for a trigger of kind `{}`",
                    self.kind
                ),
                format!("remove it: it is for {}", kinds.join(" and ")),
            )),
        }
    }
}
