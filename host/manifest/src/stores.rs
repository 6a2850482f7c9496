//! The sections `[stores.<name>]` of the manifest.
//!
//! Owns the name of the environment variable with the store's URL, the prefix of the keys, and the
//! limits of a store. Must not know the address of a server, or how a store is opened.

use std::time::Duration;

use scorebox_store::raw::Allowed;
use scorebox_text::{NAME_BYTES, Problem, quoted};
use serde::Deserialize;

use super::scorer::ScorerSection;
use super::settings::default_of;
use super::{LIMIT_MOST, TTL_MOST, duration, names};

/// Maximum value of `stores.<name>.keepalive`, the time after which a connection without traffic is
/// checked.
const KEEPALIVE_MOST: Duration = Duration::from_secs(9 * 3600);

/// Section `[stores.<name>]` of the manifest: one key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSection {
    /// Name of the environment variable that holds the Redis URL. If the variable is unset or
    /// empty, the store is kept in memory.
    pub url_variable: String,
    /// Prefix of every key of the store, without the colon that follows the prefix.
    pub prefix: String,
    /// Expiry of a value that is written without an expiry. `None` if such a value never expires.
    pub default_ttl: Option<Duration>,
    /// Timeout of one command to the store's server, including the time to connect.
    pub timeout: Duration,
    /// Time after which a connection without traffic is checked, and replaced if the server does
    /// not answer on it.
    pub keepalive: Duration,
    /// Redis commands that the scorer may send to the store, through the interface `redis` or from
    /// a script. Empty if it may not send any.
    pub commands: Allowed,
}

#[derive(Deserialize)]
pub(super) struct RawStore {
    url: Option<String>,
    prefix: Option<String>,
    default_ttl: Option<String>,
    timeout: Option<String>,
    keepalive: Option<String>,
    #[serde(default)]
    commands: Vec<String>,
}

impl RawStore {
    /// Checks the values of the section `[stores.<name>]`. `table` is the whole `scorebox.toml`,
    /// which shows whether the key `commands` is there.
    pub(super) fn into_section(
        mut self,
        name: &str,
        scorer: &ScorerSection,
        table: &toml::Table,
    ) -> Result<StoreSection, Problem> {
        let url = self
            .url
            .unwrap_or_else(|| default_of("stores.<name>.url").to_owned());
        let Some(variable) = url
            .strip_prefix("env:")
            .filter(|variable| !variable.is_empty())
        else {
            // The value itself stays out of the message, because it may hold a password.
            return Err(Problem::new(
                format!("`stores.{name}.url` is not the name of an environment variable"),
                "write `url = \"env:NAME\"` and set NAME where the host runs: an address in the manifest would travel \
                 in the image, with its password",
            ));
        };
        if !names::is_variable(variable) {
            // The value stays out of the message, because some authors write `env:redis://…`, an
            // address with a password.
            return Err(Problem::new(
                format!(
                    "`stores.{name}.url`: what follows `env:` is not the name of an environment variable"
                ),
                "use letters, digits and `_`, not a digit first, e.g. `url = \"env:SCOREBOX_REDIS_URL\"`",
            ));
        }
        // Two stores on one server must not share keys, so the names of scorer and store are in the
        // default.
        let default_prefix = if name == "default" {
            scorer.name.clone()
        } else {
            format!("{}/{name}", scorer.name)
        };
        let section = table.get("stores").and_then(|stores| stores.get(name));
        let has_commands = section.is_some_and(|section| section.get("commands").is_some());
        if scorer.script.is_some() && !has_commands {
            // A script was written for a whole server. All its commands are on the store's own
            // keys.
            self.commands.push("@all".to_owned());
        }
        let prefix = self.prefix.unwrap_or(default_prefix);
        if prefix.is_empty() || prefix.contains(['*', '?', '[', ']', '{', '}', '\\', ':']) {
            let prefix = quoted(&prefix, NAME_BYTES);
            return Err(Problem::new(
                format!(
                    "`stores.{name}.prefix`: `{prefix}` is empty or holds one of `*?[]{{}}\\:`"
                ),
                "choose letters, digits, `-`, `_`, `/` or `.`: the prefix keeps scorers on one Redis apart",
            ));
        }
        let timeout = self
            .timeout
            .unwrap_or_else(|| default_of("stores.<name>.timeout").to_owned());
        let keepalive = self
            .keepalive
            .unwrap_or_else(|| default_of("stores.<name>.keepalive").to_owned());
        let keepalive_key = format!("stores.{name}.keepalive");
        let keepalive = duration(&keepalive_key, &keepalive, LIMIT_MOST)?;
        // The kernel counts the time of a keepalive in seconds, up to 32767.
        if !(Duration::from_secs(1)..=KEEPALIVE_MOST).contains(&keepalive) {
            return Err(Problem::new(
                format!("`{keepalive_key}` is out of range"),
                "write at least `1s` and at most `9h`; Azure forgets a connection after 4 minutes at the earliest",
            ));
        }
        Ok(StoreSection {
            url_variable: variable.to_owned(),
            prefix,
            default_ttl: self
                .default_ttl
                .map(|ttl| duration("stores.<name>.default_ttl", &ttl, TTL_MOST))
                .transpose()?,
            timeout: duration("stores.<name>.timeout", &timeout, LIMIT_MOST)?,
            keepalive,
            commands: Allowed::parse(&self.commands).map_err(|Problem { problem, fix }| {
                Problem::new(format!("`stores.{name}.commands`: {problem}"), fix)
            })?,
        })
    }
}
