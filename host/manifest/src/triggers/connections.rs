//! The app settings with the connections of triggers.
//!
//! Owns the rule that two services do not share a setting by accident: a connection string leads to
//! one service. Must not know how a connection is made.

use std::collections::BTreeMap;

use scorebox_text::Problem;

use super::{Start, Trigger};
use crate::stores::StoreSection;

/// Name of the app setting with the connection of the function app's own storage account.
const OWN_STORAGE: &str = "AzureWebJobsStorage";

/// Beginning of the names of app settings that the Functions host tries first: for the connection
/// `Storage` it reads `AzureWebJobsStorage`.
const TRIED_FIRST: &str = "AzureWebJobs";

/// Connection of a trigger: the app setting, and the service that the setting leads to.
#[derive(Debug)]
pub(crate) struct Connection {
    setting: String,
    service: Service,
    function: String,
    /// True if the manifest has the name of the setting, and does not leave it to the default.
    is_written: bool,
}

/// Service that the connection of a trigger leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The service is a Service Bus namespace.
    ServiceBus,
    /// The service is a storage account, with its blobs and queues.
    Storage,
}

impl Service {
    /// Returns the name of the service for people, with its article.
    #[must_use]
    pub fn named(self) -> &'static str {
        match self {
            Self::ServiceBus => "a Service Bus namespace",
            Self::Storage => "a storage account",
        }
    }

    /// Returns an example of the name of a setting that leads to the service.
    fn example(self) -> &'static str {
        match self {
            Self::ServiceBus => "ServiceBusConnection",
            Self::Storage => "StorageConnection",
        }
    }
}

impl Trigger {
    /// Returns the app setting with the connection of the trigger, and the service that it leads
    /// to. Returns `None` for a trigger that needs no connection.
    #[must_use]
    pub fn connection(&self) -> Option<(&str, Service)> {
        match &self.start {
            Start::Http(_) => None,
            Start::Blob(blob) => Some((&blob.connection, Service::Storage)),
            Start::Queue(queue) => Some((&queue.connection, Service::Storage)),
            Start::ServiceBus(bus) => Some((&bus.connection, Service::ServiceBus)),
        }
    }
}

impl Connection {
    /// Returns the connection of a trigger, or `None` if the trigger needs no connection.
    /// `is_written` is true if the manifest has the name of the app setting.
    pub(super) fn of(trigger: &Trigger, is_written: bool) -> Option<Self> {
        let (setting, service) = trigger.connection()?;
        Some(Self {
            setting: setting.to_owned(),
            service,
            function: trigger.function.clone(),
            is_written,
        })
    }

    /// Checks that a connection to Service Bus does not use the app setting of the function app's
    /// own storage account, and that no connection in `others` uses the same app setting for
    /// another service. The manifest may still write one name for both services: with an identity,
    /// each service reads settings whose names begin with this name and have different endings.
    pub(super) fn apart_from(&self, others: &[Self]) -> Result<(), Problem> {
        let is_own = |name: &str| name.eq_ignore_ascii_case(OWN_STORAGE);
        if self.service != Service::Storage
            && (is_own(&self.setting) || is_own(&format!("{TRIED_FIRST}{}", self.setting)))
        {
            return Err(Problem::new(
                format!(
                    "`trigger.connection` of `{}` is the setting of the function app's own storage \
                     account, but the trigger needs {}",
                    self.function,
                    self.service.named()
                ),
                format!(
                    "write another name, e.g. `connection = \"{}\"`",
                    self.service.example()
                ),
            ));
        }
        let clash = others.iter().find(|other| {
            other.setting == self.setting
                && other.service != self.service
                && !(other.is_written && self.is_written)
        });
        let Some(other) = clash else { return Ok(()) };
        Err(Problem::new(
            format!(
                "`trigger.connection` is `{}` for `{}`, which needs {}, and for `{}`, which needs {}: one setting \
                 cannot hold both connections",
                self.setting,
                other.function,
                other.service.named(),
                self.function,
                self.service.named()
            ),
            format!(
                "write `connection = \"{}\"` into the trigger of `{}`, or write the same name into both triggers if \
                 the app uses its identity for both services",
                self.service.example(),
                self.function
            ),
        ))
    }
}

/// Checks that no trigger has its connection in the environment variable with the URL of a store.
/// Fails if one has.
pub(crate) fn apart_from_stores(
    triggers: &[Trigger],
    stores: &BTreeMap<String, StoreSection>,
) -> Result<(), Problem> {
    for trigger in triggers {
        let Some((setting, service)) = trigger.connection() else {
            continue;
        };
        if let Some((store, _)) = stores
            .iter()
            .find(|(_, store)| store.url_variable == setting)
        {
            return Err(Problem::new(
                format!(
                    "`stores.{store}.url` and `trigger.connection` of `{}` are both `{setting}`, but one setting \
                     cannot hold the URL of a Redis and the connection of {}",
                    trigger.function,
                    service.named()
                ),
                format!(
                    "write another name, e.g. `connection = \"{}\"`",
                    service.example()
                ),
            ));
        }
    }
    Ok(())
}
