//! `scorebox.toml`: the settings of a scorer that are true wherever it runs.
//!
//! Owns the settings' names, defaults and checks: a raw serde twin is read and becomes a
//! [`Manifest`] once, here. Must not know the environment (that is `deployment`), nor what any
//! setting makes the host or the packager do.

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

/// Name of the manifest file inside an app folder.
pub const MANIFEST_FILE: &str = "scorebox.toml";

/// Content of a checked `scorebox.toml`.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// File that the manifest was read from. Relative paths in it start at its folder.
    pub path: PathBuf,
    /// Section `[scorer]`: the scorer and its model.
    pub scorer: ScorerSection,
    /// Triggers that start calls. Never empty: without a `[[trigger]]` there is one HTTP trigger
    /// with the route `score`.
    pub triggers: Vec<Trigger>,
    /// Key-value stores, by the name under which a scorer opens them.
    pub stores: BTreeMap<String, StoreSection>,
    /// Limits of a call and of the pool.
    pub limits: Limits,
    /// Settings for how instances are created and how long they live.
    pub instances: Instances,
    /// Settings for joining concurrent calls. `None` if each call runs by itself.
    pub batching: Option<Batching>,
    /// Settings for the cache of answers. `None` if each call is scored.
    pub prediction_cache: Option<PredictionCacheSection>,
    /// Machine code of the component, in an app folder that has it.
    pub precompiled: Option<Precompiled>,
    /// Record of the packaged files, in an app folder that was built.
    pub packaged: Option<Packaged>,
    /// Settings that the scorer reads through `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Settings of the image and its registry.
    pub package: PackageSection,
}

/// Section `[scorer]` of the manifest.
#[derive(Debug, Clone)]
pub struct ScorerSection {
    /// Name of the scorer in logs, OpenAPI and the image: lower-case letters, digits and `-`.
    pub name: String,
    /// Version of the scorer as free text, such as `1.4.0`. Empty if it is not set.
    pub version: String,
    /// Source of the component. `None` if a graph of the model is the scorer.
    pub component: Option<ComponentSource>,
    /// Name of the graph to serve without a component, if the model holds several.
    pub graph: Option<String>,
    /// Folder or single file of the model, if the scorer has one.
    pub model: Option<PathBuf>,
    /// True if the packager runs `init` and stores the component in its state after `init`.
    pub snapshot: bool,
    /// Labels of the model that a scorer reads with `model.info`, such as its training run.
    pub labels: BTreeMap<String, String>,
}

/// Source of a component: a Cargo package or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// A Cargo package that is built for `wasm32-wasip2`, given by its folder.
    Cargo(PathBuf),
    /// A `.wasm` file that was built before.
    File(PathBuf),
}

/// Section `[stores.<name>]` of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSection {
    /// Name of the environment variable that holds the Redis URL. If the variable is unset or
    /// empty, the store is kept in memory.
    pub url_variable: String,
    /// Text in front of every key, followed by a `:`.
    pub prefix: String,
    /// Expiry of a value that is written without its own expiry.
    pub default_ttl: Option<Duration>,
    /// Timeout of one command, including the connection.
    pub timeout: Duration,
    /// Raw commands that the scorer may send.
    pub commands: Allowed,
}

/// Section `[package]` of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSection {
    /// Host and port of the registry, such as `contoso.azurecr.io`.
    pub registry: Option<String>,
    /// Name of the image in the registry.
    pub repository: String,
    /// Tag that is pushed next to the digest.
    pub tag: String,
    /// Base image: `scratch`, `functions`, or the full name of an image with its registry.
    pub base: String,
    /// Licence of the scorer, as an SPDX expression.
    pub license: Option<String>,
    /// Licence of the model, as an SPDX expression.
    pub model_license: Option<String>,
    /// File with an input and its answer, to try the scorer before it is packaged.
    pub sample: Option<PathBuf>,
}

/// Error in a manifest: what is wrong, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}\n  fix: {}", inset(&path.display()), inset(problem), inset(fix))]
pub struct ManifestError {
    /// File with the error.
    pub path: PathBuf,
    /// Text that describes the problem and names the key or the line.
    pub problem: String,
    /// Instruction that fixes the problem.
    pub fix: String,
}

impl Manifest {
    /// Reads the manifest of an app folder, or a manifest file named directly.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not TOML, if it has an unknown key, or if a setting
    /// does not accept its value.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let path = if path.is_dir() {
            path.join(MANIFEST_FILE)
        } else {
            path.to_path_buf()
        };
        let text = std::fs::read_to_string(&path).map_err(|error| ManifestError {
            path: path.clone(),
            problem: format!("cannot be read: {error}"),
            fix: format!(
                "name a folder that holds {MANIFEST_FILE}; `cargo xtask build --manifest FILE` makes one from a project"
            ),
        })?;
        Self::parse(&path, &text)
    }

    /// Reads a manifest's text. `path` is for messages and relative paths.
    ///
    /// # Errors
    /// Fails as [`Manifest::read`] does, but reads no file.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let fail = |(problem, fix): (String, String)| ManifestError {
            path: path.to_path_buf(),
            problem,
            fix,
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            fail((
                format!("not TOML: {}", error.to_string().trim_end()),
                "mend the line above".to_owned(),
            ))
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

    /// Returns the folder at which relative paths in the manifest start.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }
}

// The following structs are the serde twin: the shape of the file, before any value is checked.

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

/// Problem and its fix, before the name of the file is known.
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
        let prediction_cache = self
            .prediction_cache
            .map(|raw| raw.into_section(&stores))
            .transpose()?;
        if scorer.component.is_none() && self.precompiled.is_some() {
            return Err((
                "[precompiled] is the code of a component, and `scorer.component` names none"
                    .to_owned(),
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
            precompiled: self
                .precompiled
                .map(|raw| raw.into_section(dir))
                .transpose()?,
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
                "write `component = \"NAME.wasm\"` or `component = { cargo = \"FOLDER\" }`"
                    .to_owned(),
            )
        };
        let component = match &self.component {
            None => None,
            Some(toml::Value::String(file)) => Some(ComponentSource::File(dir.join(file))),
            Some(toml::Value::Table(source)) if source.len() == 1 => {
                let folder = source
                    .get("cargo")
                    .and_then(toml::Value::as_str)
                    .ok_or_else(misfit)?;
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
        let url = self
            .url
            .unwrap_or_else(|| default_of("stores.<name>.url").to_owned());
        let Some(variable) = url
            .strip_prefix("env:")
            .filter(|variable| !variable.is_empty())
        else {
            // The value itself stays out of the message, because it may hold a password.
            return Err((
                format!("`stores.{name}.url` is not the name of an environment variable"),
                "write `url = \"env:NAME\"` and set NAME where the host runs: an address in the manifest would travel \
                 in the image, with its password"
                    .to_owned(),
            ));
        };
        if !names::is_variable(variable) {
            // The value stays out of this message, too, because `env:redis://…` has been written
            // before.
            return Err((
                format!("`stores.{name}.url`: what follows `env:` is not the name of an environment variable"),
                "use letters, digits and `_`, not a digit first, e.g. `url = \"env:SCOREBOX_REDIS_URL\"`".to_owned(),
            ));
        }
        // Two stores on one server must not share keys, so the names of scorer and store are in the
        // default.
        let default_prefix = if name == "default" {
            scorer.to_owned()
        } else {
            format!("{scorer}/{name}")
        };
        let prefix = self.prefix.unwrap_or(default_prefix);
        if prefix.is_empty() || prefix.contains(['*', '?', '[', ']', '{', '}', '\\', ':']) {
            let prefix = quoted(&prefix, NAME_BYTES);
            return Err((
                format!("`stores.{name}.prefix`: `{prefix}` is empty or holds one of `*?[]{{}}\\:`"),
                "choose letters, digits, `-`, `_`, `/` or `.`: the prefix keeps scorers on one Redis apart".to_owned(),
            ));
        }
        let timeout = self
            .timeout
            .unwrap_or_else(|| default_of("stores.<name>.timeout").to_owned());
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
        let base = self
            .base
            .unwrap_or_else(|| default_of("package.base").to_owned());
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
        self.repository
            .as_deref()
            .map_or(Ok(()), names::repository)?;
        self.tag.as_deref().map_or(Ok(()), names::tag)?;
        for (key, license) in [
            ("package.license", &self.license),
            ("package.model_license", &self.model_license),
        ] {
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

/// True if a reference begins with a host, as the packager needs it. The packager checks the rest
/// itself.
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
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    Err((
        format!("`{key}`: `{}` is not a name", quoted(name, NAME_BYTES)),
        "use lower-case letters, digits and `-`, a letter first, at most 63 in all, e.g. `credit-risk`".to_owned(),
    ))
}

/// Longest time of a limit. A day is longer than any call, start or stop.
const LIMIT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Longest expiry of a stored value. A thousand years are longer than any cache keeps a value, and
/// Redis counts no further than 63 bits of milliseconds.
const TTL_MOST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

fn duration(key: &str, value: &str, most: Duration) -> Result<Duration, Misfit> {
    match humantime::parse_duration(value) {
        // A zero would mean "at once" to one reader and "never" to another, and no setting needs
        // it.
        Ok(duration) if (Duration::from_millis(1)..=most).contains(&duration) => Ok(duration),
        _ => Err((
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
