//! `scorebox.toml`: what is true of a scorer wherever it runs.
//!
//! Owns the settings' names, defaults and checks: a raw serde twin is read and becomes a [`Manifest`] once, here. Must
//! not know the environment (that is `deployment`), nor what any setting makes the host or the packager do.

mod instances;
mod limits;
pub mod names;
mod packaged;
mod prediction_cache;
pub mod settings;
pub mod triggers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use self::instances::{Batching, Instances, Isolation, Precompiled};
pub use self::limits::Limits;
pub use self::packaged::{Packaged, PackagedFile};
pub use self::prediction_cache::PredictionCacheSection;
pub use self::triggers::{AuthLevel, Start, Trigger};

use self::instances::{RawBatching, RawInstances, RawPrecompiled};
use self::limits::RawLimits;
use self::packaged::RawPackaged;
use self::prediction_cache::RawPredictionCache;
use self::settings::{default_of, unknown_key};
use self::triggers::RawTrigger;
use crate::redis::raw::Allowed;
use crate::text::{NAME_BYTES, inset, quoted};

/// The file's name inside an app folder.
pub const MANIFEST_FILE: &str = "scorebox.toml";

/// A checked `scorebox.toml`.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file it was read from; relative paths in it start at its folder.
    pub path: PathBuf,
    /// What is scored, and with what.
    pub scorer: ScorerSection,
    /// What starts a call. Never empty: without a `[[trigger]]` there is one HTTP trigger with the route `score`.
    pub triggers: Vec<Trigger>,
    /// Key-value stores by the name that a scorer opens them by.
    pub stores: BTreeMap<String, StoreSection>,
    /// Bounds of a call and of the pool.
    pub limits: Limits,
    /// How instances come to be and how long they live.
    pub instances: Instances,
    /// Joining of concurrent calls; `None`: each call is its own.
    pub batching: Option<Batching>,
    /// Answers that are kept; `None`: each call is scored.
    pub prediction_cache: Option<PredictionCacheSection>,
    /// The component's machine code, in an app folder that has it.
    pub precompiled: Option<Precompiled>,
    /// The files as they were packaged, in an app folder that was built.
    pub packaged: Option<Packaged>,
    /// Settings that the scorer reads through `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Where the image goes.
    pub package: PackageSection,
}

/// `[scorer]`.
#[derive(Debug, Clone)]
pub struct ScorerSection {
    /// Lower-case letters, digits and `-`; names the scorer in logs, OpenAPI and the image.
    pub name: String,
    /// Free text, e.g. `1.4.0`; empty if not given.
    pub version: String,
    /// Where the component comes from; `None`: a graph of the model is the scorer.
    pub component: Option<ComponentSource>,
    /// Without a component: which graph, where the model holds several.
    pub graph: Option<String>,
    /// The model's folder or single file, if the scorer has one.
    pub model: Option<PathBuf>,
    /// Whether the packager runs `init` and stores the component as it is after it.
    pub snapshot: bool,
    /// What `model.info` tells the scorer about the model, e.g. its training run.
    pub labels: BTreeMap<String, String>,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// A Cargo package to be built for `wasm32-wasip2`; its folder.
    Cargo(PathBuf),
    /// A `.wasm` file.
    File(PathBuf),
}

/// `[stores.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSection {
    /// Name of the environment variable that holds the Redis URL. Unset or empty: the store is kept in memory.
    pub url_variable: String,
    /// Put before every key, with a `:`.
    pub prefix: String,
    /// Expiry of a value that is written without one.
    pub default_ttl: Option<Duration>,
    /// Bound on one command, connecting included.
    pub timeout: Duration,
    /// Raw commands that the scorer may send.
    pub commands: Allowed,
}

/// `[package]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSection {
    /// Host and port of the registry, e.g. `contoso.azurecr.io`.
    pub registry: Option<String>,
    /// The image's name in the registry.
    pub repository: String,
    /// The tag that is pushed beside the digest.
    pub tag: String,
    /// The image below ours: `scratch`, or where a registry has it.
    pub base: String,
    /// The scorer's licence, as SPDX writes it.
    pub license: Option<String>,
    /// The model's licence, as SPDX writes it.
    pub model_license: Option<String>,
    /// The input by which the scorer is tried before it is packaged, with its answer.
    pub sample: Option<PathBuf>,
}

/// What is wrong with a manifest, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
pub struct ManifestError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong; names the key, or the line.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl Manifest {
    /// Reads the manifest of an app folder, or a manifest file named directly.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has a key that no setting has, or a value that a setting does not take.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let path = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_path_buf() };
        let text = std::fs::read_to_string(&path).map_err(|error| ManifestError {
            path: path.clone(),
            problem: format!("cannot be read: {error}"),
            fix: format!(
                "name a folder that holds {MANIFEST_FILE}; `cargo xtask build --manifest FILE` makes one from a project"
            ),
        })?;
        Self::parse(&path, &text)
    }

    /// Reads a manifest's text; `path` is for messages and relative paths.
    ///
    /// # Errors
    /// As [`Manifest::read`], without the reading.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let fail = |(problem, fix): (String, String)| ManifestError { path: path.to_path_buf(), problem, fix };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            fail((format!("not TOML: {}", error.to_string().trim_end()), "mend the line above".to_owned()))
        })?;
        if let Some(unknown) = unknown_key(&table) {
            return Err(fail(unknown));
        }
        let raw: Raw = toml::from_str(text).map_err(|error: toml::de::Error| {
            fail((
                error.to_string().trim_end().to_owned(),
                "see `scorebox check --explain` for every key, its form and its default".to_owned(),
            ))
        })?;
        raw.into_manifest(path).map_err(fail)
    }

    /// The folder that relative paths in the manifest start at.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

// The serde twin: the file's shape, before any value is checked.

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

#[derive(Deserialize)]
struct RawScorer {
    name: String,
    #[serde(default)]
    version: String,
    component: Option<toml::Value>,
    graph: Option<String>,
    model: Option<PathBuf>,
    snapshot: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawStore {
    url: Option<String>,
    prefix: Option<String>,
    default_ttl: Option<String>,
    timeout: Option<String>,
    #[serde(default)]
    commands: Vec<String>,
}

#[derive(Default, Deserialize)]
struct RawPackage {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    base: Option<String>,
    license: Option<String>,
    model_license: Option<String>,
    sample: Option<PathBuf>,
}

/// A problem and its fix, before the file's name is known.
type Misfit = (String, String);

impl Raw {
    fn into_manifest(self, path: &Path) -> Result<Manifest, Misfit> {
        let dir = path.parent().unwrap_or(Path::new(""));
        let scorer = self.scorer.into_section(dir)?;
        let mut stores = BTreeMap::new();
        for (name, raw) in self.stores {
            check_name("stores.<name>", &name)?;
            let section = raw.into_section(&name, &scorer.name)?;
            stores.insert(name, section);
        }
        names::keys("config", self.config.keys())?;
        let package = self.package.into_section(&scorer, dir)?;
        let limits = self.limits.into_limits()?;
        let prediction_cache = self.prediction_cache.map(|raw| raw.into_section(&stores)).transpose()?;
        if scorer.component.is_none() && self.precompiled.is_some() {
            return Err((
                "[precompiled] is the code of a component, and `scorer.component` names none".to_owned(),
                "leave [precompiled] to `cargo xtask build`, which writes it".to_owned(),
            ));
        }
        Ok(Manifest {
            path: path.to_path_buf(),
            scorer,
            triggers: triggers::triggers(self.trigger)?,
            stores,
            limits,
            instances: self.instances.into_section()?,
            batching: self.batching.map(RawBatching::into_section).transpose()?,
            prediction_cache,
            precompiled: self.precompiled.map(|raw| raw.into_section(dir)).transpose()?,
            packaged: self.packaged.map(|raw| raw.into_section(dir)).transpose()?,
            config: self.config,
            package,
        })
    }
}

impl RawScorer {
    fn into_section(self, dir: &Path) -> Result<ScorerSection, Misfit> {
        check_name("scorer.name", &self.name)?;
        names::line("scorer.version", &self.version, NAME_BYTES)?;
        names::keys("scorer.labels", self.labels.keys())?;
        let misfit = || {
            (
                "`scorer.component` is neither a file's name nor a source".to_owned(),
                "write `component = \"NAME.wasm\"` or `component = { cargo = \"FOLDER\" }`".to_owned(),
            )
        };
        let component = match &self.component {
            None => None,
            Some(toml::Value::String(file)) => Some(ComponentSource::File(dir.join(file))),
            Some(toml::Value::Table(source)) if source.len() == 1 => {
                let folder = source.get("cargo").and_then(toml::Value::as_str).ok_or_else(misfit)?;
                Some(ComponentSource::Cargo(dir.join(folder)))
            }
            Some(_) => return Err(misfit()),
        };
        match (&component, &self.model, &self.graph) {
            (None, None, _) => {
                return Err((
                    "there is neither `scorer.component` nor `scorer.model`, so nothing computes".to_owned(),
                    "write `component = \"NAME.wasm\"` or `component = { cargo = \"FOLDER\" }`; or, to serve an ONNX file \
                     itself, `model = \"FILE.onnx\"`"
                        .to_owned(),
                ));
            }
            (Some(_), _, Some(_)) => {
                return Err((
                    "`scorer.graph` says which graph is served itself, and `scorer.component` what is served instead"
                        .to_owned(),
                    "remove one of the two".to_owned(),
                ));
            }
            _ => {}
        }
        Ok(ScorerSection {
            name: self.name,
            version: self.version,
            component,
            graph: self.graph,
            model: self.model.map(|model| dir.join(model)),
            snapshot: self.snapshot.unwrap_or(true),
            labels: self.labels,
        })
    }
}

impl RawStore {
    fn into_section(self, name: &str, scorer: &str) -> Result<StoreSection, Misfit> {
        let url = self.url.unwrap_or_else(|| default_of("stores.<name>.url").to_owned());
        let Some(variable) = url.strip_prefix("env:").filter(|variable| !variable.is_empty()) else {
            // The value itself stays out of the message: it may hold a password.
            return Err((
                format!("`stores.{name}.url` is not the name of an environment variable"),
                "write `url = \"env:NAME\"` and set NAME where the host runs: an address in the manifest would travel \
                 in the image, with its password"
                    .to_owned(),
            ));
        };
        if !names::is_variable(variable) {
            // The same holds here: `env:redis://…` was written before.
            return Err((
                format!("`stores.{name}.url`: what follows `env:` is not the name of an environment variable"),
                "use letters, digits and `_`, not a digit first, e.g. `url = \"env:SCOREBOX_REDIS_URL\"`".to_owned(),
            ));
        }
        // Two stores on one server must not share keys either.
        let default_prefix = if name == "default" { scorer.to_owned() } else { format!("{scorer}/{name}") };
        let prefix = self.prefix.unwrap_or(default_prefix);
        if prefix.is_empty() || prefix.contains(['*', '?', '[', ']', '{', '}', '\\', ':']) {
            let prefix = quoted(&prefix, NAME_BYTES);
            return Err((
                format!("`stores.{name}.prefix`: `{prefix}` is empty or holds one of `*?[]{{}}\\:`"),
                "choose letters, digits, `-`, `_`, `/` or `.`: the prefix keeps scorers on one Redis apart".to_owned(),
            ));
        }
        let timeout = self.timeout.unwrap_or_else(|| default_of("stores.<name>.timeout").to_owned());
        Ok(StoreSection {
            url_variable: variable.to_owned(),
            prefix,
            default_ttl: self
                .default_ttl
                .map(|ttl| duration("stores.<name>.default_ttl", &ttl, TTL_MOST))
                .transpose()?,
            timeout: duration("stores.<name>.timeout", &timeout, LIMIT_MOST)?,
            commands: Allowed::parse(&self.commands)
                .map_err(|(problem, fix)| (format!("`stores.{name}.commands`: {problem}"), fix))?,
        })
    }
}

impl RawPackage {
    fn into_section(self, scorer: &ScorerSection, dir: &Path) -> Result<PackageSection, Misfit> {
        let base = self.base.unwrap_or_else(|| default_of("package.base").to_owned());
        if !["scratch", "functions"].contains(&base.as_str()) && !names_a_registry(&base) {
            let base = quoted(&base, NAME_BYTES);
            return Err((
                format!("`package.base`: `{base}` is neither `scratch` nor `functions` nor an image with its registry"),
                "write HOST[:PORT]/NAME[:TAG][@sha256:HEX] in full, `functions` for the usual image of Azure Functions, or \
                 `scratch`"
                    .to_owned(),
            ));
        }
        self.registry.as_deref().map_or(Ok(()), names::registry)?;
        self.repository.as_deref().map_or(Ok(()), names::repository)?;
        self.tag.as_deref().map_or(Ok(()), names::tag)?;
        for (key, license) in [("package.license", &self.license), ("package.model_license", &self.model_license)] {
            names::line(key, license.as_deref().unwrap_or_default(), NAME_BYTES)?;
        }
        let tag = match (self.tag, scorer.version.as_str()) {
            (Some(tag), _) => tag,
            (None, "") => default_of("package.tag").to_owned(),
            (None, version) => version.to_owned(),
        };
        Ok(PackageSection {
            registry: self.registry,
            repository: self.repository.unwrap_or_else(|| scorer.name.clone()),
            tag,
            base,
            license: self.license,
            model_license: self.model_license,
            sample: self.sample.map(|sample| dir.join(sample)),
        })
    }
}

/// Whether a reference begins with a host, as the packager needs it; it checks the rest itself.
fn names_a_registry(reference: &str) -> bool {
    reference.split_once('/').is_some_and(|(host, name)| {
        let is_host = host == "localhost" || host.contains(['.', ':']);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]+".contains(c);
        is_host
            && !host.ends_with(':')
            && !name.is_empty()
            && reference.chars().all(is_plain)
            && !reference.starts_with('-')
    })
}

fn check_name(key: &str, name: &str) -> Result<(), Misfit> {
    let fits = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    Err((
        format!("`{key}`: `{}` is not a name", quoted(name, NAME_BYTES)),
        "use lower-case letters, digits and `-`, a letter first, at most 63 in all, e.g. `credit-risk`".to_owned(),
    ))
}

/// A day is longer than any call, start or stop; a thousand years, than any cache (and Redis counts no further than 63
/// bits of milliseconds).
const LIMIT_MOST: Duration = Duration::from_secs(24 * 3600);
const TTL_MOST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

fn duration(key: &str, value: &str, most: Duration) -> Result<Duration, Misfit> {
    match humantime::parse_duration(value) {
        // A zero would mean "at once" to one reader and "never" to another; no setting needs it.
        Ok(duration) if (Duration::from_millis(1)..=most).contains(&duration) => Ok(duration),
        _ => Err((
            format!("`{key}`: `{}` is not a length of time, or out of range", quoted(value, NAME_BYTES)),
            format!(
                "write a number and a unit, at least `1ms` and at most `{}`, e.g. `250ms`, `5s`, `10m`, `1h`",
                humantime::format_duration(most)
            ),
        )),
    }
}

fn bytes(key: &str, value: &str) -> Result<u64, Misfit> {
    match value.parse::<bytesize::ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err((
            format!("`{key}`: `{}` is not a size", quoted(value, NAME_BYTES)),
            "write a number and a unit, e.g. `512KiB`, `256MiB`".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
