//! The stores of an app: the manifest names them, and the environment says where they are.
//!
//! Owns opening them, and reporting to an operator which servers would be used. Must not know what
//! is kept in a store, nor the protocol of a server.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::deployment::{self, Environment};
use crate::error::StartupError;
use crate::manifest::{Manifest, StoreSection};
use crate::redis::raw::Connection;
use crate::redis::{Memory, REPLICA, Reached, Redis, Server, Store, Unreached};

/// Opens every store that a manifest defines, and returns the stores by name. A store connects to
/// its server when it is first used.
///
/// # Errors
/// Fails if the environment variable of a store does not hold a valid Redis URL, or if the
/// certificates for the connection cannot be read.
pub fn open(
    manifest: &Manifest,
    environment: Environment<'_>,
) -> Result<BTreeMap<String, Store>, StartupError> {
    let open = |(name, section): (&String, &StoreSection)| -> Result<_, StartupError> {
        let connection = deployment::store(section, environment)?;
        let server = connection
            .map(|connection| server(section, connection))
            .transpose()?;
        // The store of a script has a connection in any case, which says why it refuses a command.
        let has_connection = !section.commands.is_empty() || manifest.scorer.script.is_some();
        let commands = has_connection.then(|| section.commands.clone());
        let raw = commands.map(|commands| {
            Connection::new(
                server.as_ref(),
                name,
                &section.prefix,
                commands,
                &section.url_variable,
            )
        });
        let backend: Arc<dyn Redis> = match server {
            None => Arc::new(Memory::default()),
            Some(server) => Arc::new(server),
        };
        let store = Store::new(backend, &section.prefix, section.default_ttl);
        Ok((
            name.clone(),
            raw.into_iter().fold(store, Store::with_connection),
        ))
    };
    // Inserted one by one: `collect` would bring code that sorts.
    let mut stores = BTreeMap::new();
    for section in &manifest.stores {
        let (name, store) = open(section)?;
        stores.insert(name, store);
    }
    Ok(stores)
}

fn server(
    section: &StoreSection,
    connection: deployment::Connection,
) -> Result<Server, StartupError> {
    let server = Server::with_keepalive(
        &connection.endpoint,
        connection.credentials,
        section.timeout,
        section.keepalive,
    );
    server.map_err(|error| StartupError::Environment {
        variable: section.url_variable.clone(),
        problem: error.to_string(),
        fix: "name a file of certificates in PEM with ?ca=PATH, or in SSL_CERT_FILE".to_owned(),
    })
}

/// Report on one store, for an operator. It shows the address of the store, but not its
/// credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreReport {
    /// Name of the store in the manifest.
    pub name: String,
    /// Name of the environment variable that holds the store's URL.
    pub variable: String,
    /// Prefix of every key of the store, without the colon that follows the prefix.
    pub prefix: String,
    /// Text with the address of the store and the way of logging in, or a text that says that the
    /// store is kept in memory.
    pub place: String,
    /// Result of the connectivity check of the store. `None` if the check was not made, or if it
    /// failed.
    pub reached: Option<Reached>,
    /// Reason why the connectivity check failed. `None` if it succeeded or was not made.
    pub problem: Option<String>,
    /// Instruction that fixes the problem, or that prevents a problem which later writes would
    /// have. `None` if there is nothing to fix.
    pub fix: Option<String>,
}

/// Reports on each store of the app in the folder `app`, as `environment` configures it. If
/// `connect` is true, the connection to each store is checked, too.
///
/// # Errors
/// Fails if the manifest is invalid, if the environment variable of a store does not hold a valid
/// Redis URL, if the certificates for the connection cannot be read, or if no thread can be
/// started. A store that does not respond is not an error: its report states the problem.
pub fn report(
    app: &Path,
    environment: Environment<'_>,
    connect: bool,
) -> Result<Vec<StoreReport>, StartupError> {
    let manifest = Manifest::read(app)?;
    let runtime = crate::machine::small_runtime()?;
    let report = |(name, section): (&String, &StoreSection)| {
        let mut report = StoreReport {
            name: name.clone(),
            variable: section.url_variable.clone(),
            prefix: section.prefix.clone(),
            place: "in memory, since the variable is not set; lost when the process ends"
                .to_owned(),
            reached: None,
            problem: None,
            fix: None,
        };
        if let Some(connection) = deployment::store(section, environment)? {
            report.place = connection.endpoint.explain();
            let server = server(section, connection)?;
            if connect {
                match runtime.block_on(server.reach()) {
                    Ok(reached) => {
                        report.fix = (reached.role == REPLICA).then(|| {
                            "name the master in the URL: a replica answers reads and refuses writes"
                                .to_owned()
                        });
                        report.reached = Some(reached);
                    }
                    Err(Unreached { problem, fix }) => {
                        report.problem = Some(problem);
                        report.fix = Some(fix).filter(|fix| !fix.is_empty());
                    }
                }
            }
        }
        Ok(report)
    };
    manifest.stores.iter().map(report).collect()
}
