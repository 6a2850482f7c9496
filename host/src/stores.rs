//! The stores of an app: what the manifest names, where the environment says that it is.
//!
//! Owns opening them, and telling an operator what would be connected to. Must not know what is kept in one, nor how a server is
//! spoken to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::deployment::{self, Environment};
use crate::error::StartupError;
use crate::manifest::{Manifest, StoreSection};
use crate::redis::raw::Connection;
use crate::redis::{Memory, Reached, Redis, Server, Store};

/// Opens every store that a manifest names. None connects before it is used.
///
/// # Errors
/// The environment holds something unusable.
pub fn open(manifest: &Manifest, environment: Environment<'_>) -> Result<BTreeMap<String, Store>, StartupError> {
    let open = |(name, section): (&String, &StoreSection)| {
        let connection = deployment::store(section, environment)?;
        let server = connection.map(|connection| server(section, connection)).transpose()?;
        let commands = Some(section.commands.clone()).filter(|commands| !commands.is_empty());
        let raw = commands
            .map(|commands| Connection::new(server.as_ref(), name, &section.prefix, commands, &section.url_variable));
        let backend: Arc<dyn Redis> = match server {
            None => Arc::new(Memory::default()),
            Some(server) => Arc::new(server),
        };
        let store = Store::new(backend, &section.prefix, section.default_ttl);
        Ok((name.clone(), raw.into_iter().fold(store, Store::with_connection)))
    };
    manifest.stores.iter().map(open).collect()
}

fn server(section: &StoreSection, connection: deployment::Connection) -> Result<Server, StartupError> {
    let server = Server::new(&connection.endpoint, connection.credentials, section.timeout);
    server.map_err(|problem| StartupError::Environment {
        variable: section.url_variable.clone(),
        problem,
        fix: "name a file of certificates in PEM with ?ca=PATH, or in SSL_CERT_FILE".to_owned(),
    })
}

/// A store as an operator wants to see it. Names addresses, as its reader may, and no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreReport {
    /// Its name in the manifest.
    pub name: String,
    /// The variable that holds its URL.
    pub variable: String,
    /// What stands before its keys.
    pub prefix: String,
    /// Where it is and who asks; or that it is kept in memory.
    pub place: String,
    /// What answered; none: it was not tried, or did not answer.
    pub reached: Option<Reached>,
    /// Why it did not answer.
    pub problem: Option<String>,
}

/// Tells where the stores of an app are by this environment, and with `connect` tries each.
///
/// # Errors
/// The manifest or the environment is unusable; a store that does not answer is no error but part of its report.
pub fn report(app: &Path, environment: Environment<'_>, connect: bool) -> Result<Vec<StoreReport>, StartupError> {
    let manifest = Manifest::read(app)?;
    let runtime = crate::app::runtime()?;
    let report = |(name, section): (&String, &StoreSection)| {
        let mut report = StoreReport {
            name: name.clone(),
            variable: section.url_variable.clone(),
            prefix: section.prefix.clone(),
            place: "in memory, since the variable is not set; lost when the process ends".to_owned(),
            reached: None,
            problem: None,
        };
        if let Some(connection) = deployment::store(section, environment)? {
            report.place = connection.endpoint.explain();
            let server = server(section, connection)?;
            if connect {
                match runtime.block_on(server.reach()) {
                    Ok(reached) => report.reached = Some(reached),
                    Err(error) => report.problem = Some(error.to_string()),
                }
            }
        }
        Ok(report)
    };
    manifest.stores.iter().map(report).collect()
}
