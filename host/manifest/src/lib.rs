//! `scorebox.toml`: the settings of a scorer that are true wherever it runs.
//!
//! Owns the [`Manifest`] and its errors, and the single step in which the file, as serde parses it,
//! is checked and becomes a manifest. Each section has a module, which owns its settings and their
//! checks. Must not know the environment (that is `deployment` in the host), nor what any setting
//! makes the host or the packager do. It needs no runtime, no TLS and no C compiler, so that every
//! tool can read a manifest.
//!
//! # Map
//!
//! | module | owns |
//! |---|---|
//! | [`settings`] | the table of every setting, its default and the reason for it |
//! | `misfits` | errors about unknown keys and values of a wrong type |
//! | `scorer` | `[scorer]`: the name, the code, the script and the model |
//! | `contract` | `[contract]`: unstable features of the contract |
//! | `answers` | `[answers]`: what a scorer may choose of an HTTP answer |
//! | `inputs` | `[inputs.<name>]` and `[requests]`: facts about inputs; strict or lenient JSON |
//! | [`triggers`] | `[[trigger]]`: what starts a call |
//! | `stores` | `[stores.<name>]`: key-value stores |
//! | `server` | `[server]`: who may call the server |
//! | `limits` | `[limits]`: limits of a call, of an instance and of the pool |
//! | `instances` | `[instances]`, `[batching]` and `[precompiled]` |
//! | `prediction_cache` | `[prediction_cache]`: how answers are cached |
//! | `package`, `packaged` | `[package]` and `[packaged]`: the container image, and its files |
//! | [`names`] | the form of names and keys |
//! | [`azure_names`] | Azure's rules for the names of resources |
//! | [`image_names`] | the form of a registry, a repository, a tag and a digest |
//! | [`image_reference`] | references of images, divided into their parts |
//! | [`digest`] | SHA-256 digests as text |

mod answers;
pub mod azure_names;
mod contract;
pub mod digest;
pub mod image_names;
pub mod image_reference;
mod inputs;
mod instances;
mod limits;
mod misfits;
pub mod names;
mod package;
mod packaged;
mod prediction_cache;
mod scorer;
mod server;
pub mod settings;
mod stores;
pub mod triggers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scorebox_text::{NAME_BYTES, Problem, inset, quoted};
use serde::Deserialize;

pub use self::answers::Answers;
pub use self::inputs::{InputFacts, InputSection, Requests, check_columns};
pub use self::instances::{Batching, Instances, Isolation, Precompiled};
pub use self::limits::Limits;
pub use self::misfits::{near, nearest};
pub use self::package::PackageSection;
pub use self::packaged::{Packaged, PackagedFile, PackagedScript};
pub use self::prediction_cache::PredictionCacheSection;
pub use self::scorer::{ComponentSource, ScorerSection, ScriptEngine, ScriptSection};
pub use self::server::ServerSection;
pub use self::stores::StoreSection;
pub use self::triggers::{AuthLevel, Start, Trigger};

use self::instances::{RawBatching, RawInstances, RawPrecompiled};
use self::limits::RawLimits;
use self::misfits::{unknown_key, wrong_type};
use self::package::RawPackage;
use self::packaged::RawPackaged;
use self::prediction_cache::RawPredictionCache;
use self::scorer::RawScorer;
use self::stores::RawStore;
use self::triggers::RawTrigger;

/// Name of the manifest file inside an app folder.
pub const MANIFEST_FILE: &str = "scorebox.toml";

/// Manifest of an app: the checked content of `scorebox.toml`, with defaults for settings that the
/// file does not set.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Path of the file that the manifest was read from. Relative paths in the manifest start at
    /// the folder of this file.
    pub path: PathBuf,
    /// Section `[scorer]`: the scorer and its model.
    pub scorer: ScorerSection,
    /// Sections `[inputs.<name>]`: facts about an input beyond its type and its shape, such as its
    /// column names, by the name of the input. Inputs without a section are not in the map.
    pub inputs: BTreeMap<String, InputSection>,
    /// Section `[requests]`: how strictly the JSON bodies of requests are read, for all inputs.
    pub requests: Requests,
    /// Section `[answers]`: what the scorer may choose of an HTTP answer.
    pub answers: Answers,
    /// Triggers that start calls, from the sections `[[trigger]]`. The list is never empty: if the
    /// file has no `[[trigger]]`, it holds one HTTP trigger with the route `score`.
    pub triggers: Vec<Trigger>,
    /// Sections `[stores.<name>]`: key-value stores, by the name under which a scorer opens them.
    pub stores: BTreeMap<String, StoreSection>,
    /// Section `[server]`: who may call the server.
    pub server: ServerSection,
    /// Section `[limits]`: limits on calls, instances and connections.
    pub limits: Limits,
    /// Section `[instances]`: the number, lifetime and isolation of instances.
    pub instances: Instances,
    /// Section `[batching]`: limits on joining concurrent calls. `None` if calls are not joined.
    pub batching: Option<Batching>,
    /// Section `[prediction_cache]`: the settings of the prediction cache. `None` if answers are
    /// not cached.
    pub prediction_cache: Option<PredictionCacheSection>,
    /// Section `[precompiled]`: the component's machine code. `None` if the app folder does not
    /// have precompiled code.
    pub precompiled: Option<Precompiled>,
    /// Section `[packaged]`: the packager's record of the files of the component, the script and
    /// the model. `None` if `scorebox build` or `scorebox package` did not write the app folder.
    pub packaged: Option<Packaged>,
    /// Section `[config]`: settings that the scorer reads through `wasi:config`, by name.
    pub config: BTreeMap<String, String>,
    /// Section `[package]`: settings of the app's container image and of its registry.
    pub package: PackageSection,
}

/// Error in a manifest or in the file of a sample: what is wrong, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
pub struct ManifestError {
    /// Path of the file that has the error.
    pub path: PathBuf,
    /// Text that describes the problem and names the key or the line in the file.
    pub problem: String,
    /// Instruction that fixes the problem.
    pub fix: String,
}

impl Manifest {
    /// Reads a manifest from the file at `path`, or from the file [`MANIFEST_FILE`] if `path` is a
    /// folder.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not TOML, if it has an unknown key or lacks a
    /// required one, if a setting does not accept its value, or if two settings exclude each other.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let path = if path.is_dir() {
            path.join(MANIFEST_FILE)
        } else {
            path.to_path_buf()
        };
        let fail = |problem: String, fix: String| ManifestError {
            path: path.clone(),
            problem,
            fix,
        };
        let bytes = std::fs::read(&path).map_err(|error| {
            fail(
                format!("cannot be read: {error}"),
                format!(
                    "name a folder that holds {MANIFEST_FILE}; `scorebox build --manifest FILE` makes one from a project, \
                     and `scorebox convert MODEL --output DIR` from a saved model or a model folder of MLflow"
                ),
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let bytes = error.as_bytes();
            let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            let problem = if is_utf16 {
                "is in UTF-16, and TOML is in UTF-8"
            } else {
                "is not in UTF-8, as TOML is"
            };
            fail(problem.to_owned(), "save the file as UTF-8".to_owned())
        })?;
        Self::parse(&path, &text)
    }

    /// Parses a manifest from the text of its file. `path` is the path of the file, which error
    /// messages name. Relative paths in the manifest start at the folder of the file.
    ///
    /// # Errors
    /// Fails if the text is not TOML, if it has an unknown key or lacks a required one, if a
    /// setting does not accept its value, or if two settings exclude each other.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let fail = |Problem { problem, fix }| ManifestError {
            path: path.to_path_buf(),
            problem,
            fix,
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            fail(Problem::new(
                format!("invalid TOML: {}", error.to_string().trim_end()),
                "correct the line shown above",
            ))
        })?;
        triggers::all_served(&table).map_err(fail)?;
        if let Some(unknown) = unknown_key(&table) {
            return Err(fail(unknown));
        }
        let raw: Raw = toml::from_str(text).map_err(|error| fail(wrong_type(error)))?;
        raw.into_manifest(path, &table).map_err(fail)
    }

    /// Returns the error for a setting of this manifest that does not fit the scorer or the
    /// platform, which is known only when the host starts.
    #[must_use]
    pub fn misfit(&self, Problem { problem, fix }: Problem) -> ManifestError {
        ManifestError {
            path: self.path.clone(),
            problem,
            fix,
        }
    }

    /// Returns the folder at which relative paths in the manifest start.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }
}

/// Sections of `scorebox.toml` that serde parses, before any value is checked.
#[derive(Deserialize)]
struct Raw {
    scorer: RawScorer,
    #[serde(default)]
    trigger: Vec<RawTrigger>,
    #[serde(default)]
    stores: BTreeMap<String, RawStore>,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    instances: RawInstances,
    batching: Option<RawBatching>,
    prediction_cache: Option<RawPredictionCache>,
    precompiled: Option<RawPrecompiled>,
    packaged: Option<RawPackaged>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    package: RawPackage,
}

impl Raw {
    /// Checks the values of all sections, and converts them to a manifest. `table` is the whole
    /// `scorebox.toml`, from which some sections are read. Fails if a setting does not accept its
    /// value.
    fn into_manifest(self, path: &Path, table: &toml::Table) -> Result<Manifest, Problem> {
        let dir = path.parent().unwrap_or(Path::new(""));
        let scorer = self.scorer.into_section(dir, table)?;
        let mut stores = BTreeMap::new();
        for (name, raw) in self.stores {
            check_name("stores.<name>", &name)?;
            let section = raw.into_section(&name, &scorer, table)?;
            stores.insert(name, section);
        }
        names::keys("config", self.config.keys())?;
        let package = self.package.into_section(&scorer, dir)?;
        let limits = self.limits.into_limits()?;
        let triggers = triggers::triggers(self.trigger)?;
        triggers::apart_from_stores(&triggers, &stores)?;
        let server = server::server(table)?;
        keys_are_no_addresses(&server, &stores)?;
        let prediction_cache = self
            .prediction_cache
            .map(|raw| raw.into_section(&stores))
            .transpose()?;
        contract::check_unstable(table)?;
        let answers = answers::answers(table, prediction_cache.is_some())?;
        if scorer.component.is_none() && self.precompiled.is_some() {
            return Err(Problem::new(
                "[precompiled] is the code of a component, and `scorer.component` names none",
                "leave [precompiled] to `scorebox build`, which writes it",
            ));
        }
        if scorer.script.is_some() && self.batching.is_some() {
            return Err(Problem::new(
                "[batching] joins calls of a scorer of tensors, and `scorer.script` takes requests",
                "remove [batching]; callers may send many rows in one request",
            ));
        }
        Ok(Manifest {
            path: path.to_path_buf(),
            scorer,
            inputs: inputs::inputs(table)?,
            requests: inputs::requests(table)?,
            answers,
            triggers,
            stores,
            server,
            limits,
            instances: self.instances.into_section()?,
            batching: self.batching.map(RawBatching::into_section).transpose()?,
            prediction_cache,
            precompiled: self
                .precompiled
                .map(|raw| raw.into_section(dir))
                .transpose()?,
            packaged: self
                .packaged
                .map(|raw| raw.into_section(dir, table))
                .transpose()?,
            config: self.config,
            package,
        })
    }
}

/// Checks that no environment variable holds both a key of the server and the URL of a store. Fails
/// if one does.
fn keys_are_no_addresses(
    server: &ServerSection,
    stores: &BTreeMap<String, StoreSection>,
) -> Result<(), Problem> {
    for (name, store) in stores {
        let variable = &store.url_variable;
        if server.key_variables.contains(variable) {
            return Err(Problem::new(
                format!("`env:{variable}` is in `server.keys` and is `stores.{name}.url`, too"),
                "name another variable in `server.keys`, e.g. `env:SCOREBOX_KEY_1`",
            ));
        }
    }
    Ok(())
}

fn check_name(key: &str, name: &str) -> Result<(), Problem> {
    let fits = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    Err(Problem::new(
        format!("`{key}`: `{}` is not a name", quoted(name, NAME_BYTES)),
        "use lower-case letters, digits and `-`, a letter first, at most 63 in all, e.g. `credit-risk`",
    ))
}

/// Maximum value of a time limit in the manifest. A day is longer than any call, start or stop.
const LIMIT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Maximum expiry of a stored value in the manifest. A thousand years are longer than any cache
/// keeps a value, and Redis stores the time of expiry in 63 bits of milliseconds.
const TTL_MOST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

fn duration(key: &str, value: &str, most: Duration) -> Result<Duration, Problem> {
    match humantime::parse_duration(value) {
        // A zero would mean "at once" to one reader and "never" to another, and no setting needs
        // it.
        Ok(duration) if (Duration::from_millis(1)..=most).contains(&duration) => Ok(duration),
        _ => Err(Problem::new(
            format!(
                "`{key}`: `{}` is not a length of time, or out of range",
                quoted(value, NAME_BYTES)
            ),
            format!(
                "write a number and a unit, at least `1ms` and at most `{}`, e.g. `250ms`, `5s`, `10m`, `1h`",
                humantime::format_duration(most)
            ),
        )),
    }
}

fn bytes(key: &str, value: &str) -> Result<u64, Problem> {
    match value.parse::<bytesize::ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err(Problem::new(
            format!("`{key}`: `{}` is not a size", quoted(value, NAME_BYTES)),
            "write a number and a unit, e.g. `512KiB`, `256MiB`",
        )),
    }
}

#[cfg(test)]
mod tests;
