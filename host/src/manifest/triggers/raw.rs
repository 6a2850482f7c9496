//! Reading of a trigger as it is written in `scorebox.toml`.
//!
//! Owns the section's keys, which kind of trigger takes which key, and what must not be written
//! together. Must not know the form of a name.

use serde::Deserialize;

use super::names::{
    FUNCTION_NAME_CHARACTERS, blob_path, connection, container, entity_name, function_name, names,
    watched_path,
};
use super::{
    AuthLevel, BlobSource, BlobTrigger, DEFAULT_MAX_DELIVERY_COUNT, Entity, HttpTrigger,
    ServiceBusTrigger, Start, Target, Trigger,
};
use crate::manifest::Misfit;
use crate::manifest::settings::default_of;
use crate::text::{NAME_BYTES, quoted};

#[derive(Default, Deserialize)]
pub(in crate::manifest) struct RawTrigger {
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

/// Returns all triggers of a manifest. If it has none, there is one HTTP trigger.
pub(in crate::manifest) fn triggers(raw: Vec<RawTrigger>) -> Result<Vec<Trigger>, Misfit> {
    let raw = if raw.is_empty() {
        vec![RawTrigger {
            kind: "http".to_owned(),
            ..RawTrigger::default()
        }]
    } else {
        raw
    };
    let mut triggers: Vec<Trigger> = Vec::with_capacity(raw.len());
    for raw in raw {
        let is_named = raw.function.is_some();
        let mut trigger = raw.into_trigger()?;
        if !is_named {
            trigger.function = unused(trigger.function, &triggers);
        }
        for other in &triggers {
            compatible(other, &trigger)?;
        }
        triggers.push(trigger);
    }
    Ok(triggers)
}

/// Returns a name that no trigger has yet, with a number if it needs one.
///
/// In names, `/` and `.` become `-`, so two routes may lead to one name.
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

fn compatible(one: &Trigger, other: &Trigger) -> Result<(), Misfit> {
    if let (Some(one), Some(other)) = (one.http(), other.http()) {
        if one.route == other.route {
            return Err((
                "`[[trigger]]`: two HTTP triggers have one route".into(),
                "remove one of them".into(),
            ));
        }
        if one.forwarding != other.forwarding {
            return Err((
                "`trigger.forwarding` differs between two HTTP triggers".into(),
                "write the same for all: it is a setting of the whole function app".into(),
            ));
        }
    }
    // The Functions host compares names without case.
    if one.function.eq_ignore_ascii_case(&other.function) {
        return Err((
            format!(
                "`[[trigger]]`: two triggers make a function `{}`",
                other.function
            ),
            "give one of them another `function`; case does not count".into(),
        ));
    }
    Ok(())
}

impl RawTrigger {
    fn into_trigger(self) -> Result<Trigger, Misfit> {
        self.only_its_own_keys()?;
        let (default_name, function) = (self.default_name(), self.function.clone());
        let start = match self.kind.as_str() {
            "http" => Start::Http(self.into_http()?),
            "blob" => Start::Blob(self.into_blob()?),
            _ => Start::ServiceBus(self.into_service_bus()?),
        };
        let function = match function {
            Some(name) if function_name(&name) == name => name,
            Some(name) => {
                return Err((
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

    /// Returns the name of the function if the manifest gives none: it comes from what starts the
    /// function.
    fn default_name(&self) -> String {
        let named = match self.kind.as_str() {
            "http" => self.route.clone(),
            "blob" => self
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

    /// Checks that the trigger has no key of another kind, which would be ignored silently.
    fn only_its_own_keys(&self) -> Result<(), Misfit> {
        const HTTP: &str = "http";
        const BLOB: &str = "blob";
        const SERVICE_BUS: &str = "service-bus";
        let kinds = [HTTP, BLOB, SERVICE_BUS];
        if !kinds.contains(&self.kind.as_str()) {
            return Err((
                format!(
                    "`trigger.kind`: `{}` is not a kind of trigger",
                    quoted(&self.kind, NAME_BYTES)
                ),
                "write \"http\", \"blob\" or \"service-bus\"".to_owned(),
            ));
        }
        let keys: [(&str, bool, &[&str]); 14] = [
            ("route", self.route.is_some(), &[HTTP]),
            ("auth_level", self.auth_level.is_some(), &[HTTP]),
            ("methods", self.methods.is_some(), &[HTTP]),
            ("forwarding", self.forwarding.is_some(), &[HTTP]),
            ("path", self.path.is_some(), &[BLOB]),
            ("source", self.source.is_some(), &[BLOB]),
            (
                "connection",
                self.connection.is_some(),
                &[BLOB, SERVICE_BUS],
            ),
            ("queue", self.queue.is_some(), &[SERVICE_BUS]),
            ("topic", self.topic.is_some(), &[SERVICE_BUS]),
            ("subscription", self.subscription.is_some(), &[SERVICE_BUS]),
            ("sessions", self.sessions.is_some(), &[SERVICE_BUS]),
            ("cardinality", self.cardinality.is_some(), &[SERVICE_BUS]),
            (
                "max_delivery_count",
                self.max_delivery_count.is_some(),
                &[SERVICE_BUS],
            ),
            (
                "output and `trigger.park`",
                self.output.is_some() || self.park.is_some(),
                &[BLOB, SERVICE_BUS],
            ),
        ];
        match keys
            .iter()
            .find(|(_, is_set, kinds)| *is_set && !kinds.contains(&self.kind.as_str()))
        {
            None => Ok(()),
            Some((key, _, kinds)) => Err((
                format!(
                    "`trigger.{key}` is not for a trigger of kind `{}`",
                    self.kind
                ),
                format!("remove it: it is for {}", kinds.join(" and ")),
            )),
        }
    }

    fn into_http(self) -> Result<HttpTrigger, Misfit> {
        let route = self
            .route
            .unwrap_or_else(|| default_of("trigger.route").to_owned());
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !route.split('/').all(plain) {
            return Err((
                format!(
                    "`trigger.route`: `{}` is not a path of letters, digits, `-`, `_` and `.`",
                    quoted(&route, NAME_BYTES)
                ),
                "write it without a leading slash and without parameters, e.g. `score`".to_owned(),
            ));
        }
        let methods = self.methods.unwrap_or_else(|| vec!["post".to_owned()]);
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let methods: Vec<String> = methods
            .iter()
            .map(|method| method.to_ascii_uppercase())
            .collect();
        if methods.is_empty()
            || methods
                .iter()
                .any(|method| !known.contains(&method.as_str()))
        {
            return Err((
                "`trigger.methods` is not a list of verbs".to_owned(),
                "write e.g. `methods = [\"post\"]`; get, post, put, patch and delete are known"
                    .to_owned(),
            ));
        }
        Ok(HttpTrigger {
            route,
            auth_level: self.auth_level.unwrap_or(AuthLevel::Function),
            methods,
            forwarding: self.forwarding.unwrap_or(true),
        })
    }

    fn into_blob(self) -> Result<BlobTrigger, Misfit> {
        let path = self.path.ok_or_else(|| {
            (
                "`trigger.path` is missing".to_owned(),
                "write container and name, e.g. `incoming/{name}`".to_owned(),
            )
        })?;
        watched_path("trigger.path", &path)?;
        let target = |key: &str, target: Option<RawTarget>| match target {
            None => Ok(None),
            Some(RawTarget {
                blob: Some(blob),
                queue: None,
                topic: None,
            }) => {
                blob_path(key, &blob)?;
                if container(&blob).eq_ignore_ascii_case(container(&path)) {
                    return Err((
                        format!(
                            "`{key}.blob` lies in the container that the trigger watches: each answer would start a call"
                        ),
                        "name another container".to_owned(),
                    ));
                }
                let unknown = names(&blob).find(|name| {
                    let made_by_the_host = ["rand-guid", "datetime"];
                    !names(&path).any(|own| own.eq_ignore_ascii_case(name))
                        && !made_by_the_host.iter().any(|made| {
                            name.split(':')
                                .next()
                                .unwrap_or_default()
                                .eq_ignore_ascii_case(made)
                        })
                });
                match unknown {
                    Some(name) => Err((
                        format!(
                            "`{key}.blob`: `trigger.path` has no `{{{}}}`",
                            quoted(name, NAME_BYTES)
                        ),
                        "use the names in `trigger.path`, {rand-guid} or {DateTime}".to_owned(),
                    )),
                    None => Ok(Some(blob)),
                }
            }
            Some(_) => Err((
                format!("`{key}` of a blob trigger is not a blob"),
                format!(
                    "write `{} = {{ blob = \"CONTAINER/{{name}}\" }}`",
                    key.trim_start_matches("trigger.")
                ),
            )),
        };
        Ok(BlobTrigger {
            connection: connection(self.connection)?,
            source: self.source.unwrap_or(BlobSource::Scan),
            output: target("trigger.output", self.output)?,
            park: target("trigger.park", self.park)?,
            path,
        })
    }

    fn into_service_bus(self) -> Result<ServiceBusTrigger, Misfit> {
        let entity = match (self.queue, self.topic, self.subscription) {
            (Some(queue), None, None) => Entity::Queue(entity_name("trigger.queue", queue)?),
            (None, Some(topic), Some(subscription)) => Entity::Subscription {
                topic: entity_name("trigger.topic", topic)?,
                subscription: entity_name("trigger.subscription", subscription)?,
            },
            _ => {
                return Err((
                    "`[[trigger]]` of kind `service-bus` has neither a queue nor a topic with its subscription"
                        .to_owned(),
                    "write `queue = \"NAME\"`, or `topic = \"NAME\"` and `subscription = \"NAME\"`".to_owned(),
                ));
            }
        };
        let target = |key: &str, target: Option<RawTarget>| match target {
            None => Ok(None),
            Some(RawTarget {
                queue: Some(queue),
                topic: None,
                blob: None,
            }) => {
                if entity == Entity::Queue(queue.clone()) {
                    return Err((
                        format!(
                            "`{key}.queue` is the queue that the trigger takes from: messages would go in a circle"
                        ),
                        "name another queue".to_owned(),
                    ));
                }
                Ok(Some(Target::Queue(entity_name(key, queue)?)))
            }
            Some(RawTarget {
                topic: Some(topic),
                queue: None,
                blob: None,
            }) => Ok(Some(Target::Topic(entity_name(key, topic)?))),
            Some(_) => Err((
                format!("`{key}` of a service-bus trigger is neither a queue nor a topic"),
                format!(
                    "write `{} = {{ queue = \"NAME\" }}`",
                    key.trim_start_matches("trigger.")
                ),
            )),
        };
        let max_delivery_count = self
            .max_delivery_count
            .unwrap_or(DEFAULT_MAX_DELIVERY_COUNT);
        if !(1..=2000).contains(&max_delivery_count) {
            return Err((
                "`trigger.max_delivery_count` is not between 1 and 2000".to_owned(),
                "write what the queue or subscription itself is set to".to_owned(),
            ));
        }
        Ok(ServiceBusTrigger {
            output: target("trigger.output", self.output)?,
            park: target("trigger.park", self.park)?,
            entity,
            connection: connection(self.connection)?,
            sessions: self.sessions.unwrap_or(false),
            many: self.cardinality == Some(Cardinality::Many),
            max_delivery_count,
        })
    }
}
