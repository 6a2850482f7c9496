//! Check of the settings: the environment variables that the manifest names.
//!
//! Owns the places in which a value is looked for, and the form that each service requires of a
//! value. A value is never shown, because it may hold a password. Must not know how a store is
//! connected to.

use std::collections::BTreeMap;
use std::path::Path;

use scorebox_host::deployment;
use scorebox_host::error::StartupError;
use scorebox_host::manifest::{Manifest, Trigger};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::arguments::DoctorArgs;
use super::image::ImageFound;
use super::noun::Noun;
use super::report::Report;
use crate::functions_app::{self, AppSetting, Connections};

/// Maximum size of the file that `--settings` names, in bytes.
const LARGEST_BYTES: u64 = 1 << 20;
/// Start of a value that names a secret of Azure Key Vault. Only the platform can read the secret.
const KEY_VAULT: &str = "@Microsoft.KeyVault(";

/// Source of the values of the settings that a manifest names.
#[derive(Debug)]
pub enum Settings {
    /// The values are those of the environment variables of this process.
    Environment,
    /// The values are in a file that describes a deployed app.
    File(BTreeMap<String, String>),
}

impl Settings {
    /// Reads the file that `--settings` names. Without the flag, the settings are the environment
    /// variables of this process. If the file cannot be read, adds a line to the report and returns
    /// `None`.
    pub fn read(args: &DoctorArgs, report: &mut Report) -> Option<Self> {
        let Some(path) = &args.settings else {
            return Some(Self::Environment);
        };
        match file(path) {
            Ok(values) => Some(Self::File(values)),
            Err(failure) => {
                report.failed(Noun::Settings, failure);
                None
            }
        }
    }

    /// Returns the value of a setting, or `None` if the setting is unset or blank.
    pub fn value(&self, name: &str) -> Option<String> {
        let value = match self {
            Self::Environment => deployment::process(name),
            Self::File(values) => values.get(name).cloned(),
        };
        value.filter(|value| !value.trim().is_empty())
    }

    /// Returns the value of a setting if this process can use the value. Returns `None` if the
    /// setting is unset or blank, or if only the platform can read the value.
    pub fn usable(&self, name: &str) -> Option<String> {
        self.value(name)
            .filter(|value| !value.starts_with(KEY_VAULT))
    }

    fn place(&self) -> &'static str {
        match self {
            Self::Environment => "in the environment",
            Self::File(_) => "in the file of --settings",
        }
    }
}

/// Reads a file of settings in one of three forms: a list of objects with `name` and `value`, as
/// `az` prints it, an object, or the object `Values` of `local.settings.json`. Fails if the file
/// cannot be read, is larger than 1 MiB, or has none of these forms.
fn file(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let fix = "write it with `az functionapp config appsettings list --name NAME \
               --resource-group GROUP > FILE`, or as one JSON object of names and values";
    let refused = |problem: &str| Failure::unreadable(path, problem, fix);
    let size = std::fs::metadata(path)
        .map_err(|error| refused(&error.to_string()))?
        .len();
    if size > LARGEST_BYTES {
        return Err(refused("it has more than 1 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refused(&error.to_string()))?;
    // The error of the parser could repeat a part of a value.
    let parsed: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| refused(&format!("it is not JSON, see line {}", error.line())))?;
    let mut values = BTreeMap::new();
    let mut insert = |name: &str, value: &Value| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => return,
            other => other.to_string(),
        };
        values.insert(name.to_owned(), value);
    };
    match parsed.get("Values").unwrap_or(&parsed) {
        Value::Array(list) => {
            for entry in list {
                if let Some(name) = entry.get("name").and_then(Value::as_str) {
                    insert(name, entry.get("value").unwrap_or(&Value::Null));
                }
            }
        }
        Value::Object(object) => object.iter().for_each(|(name, value)| insert(name, value)),
        _ => return Err(refused("it is neither a list nor an object")),
    }
    Ok(values)
}

/// Checks the settings that the manifest names, and adds the results to the report. If `settings`
/// are those of a deployed function app, also checks the settings that every function app needs.
pub fn examine(
    report: &mut Report,
    project: Option<&Manifest>,
    manifest: Option<&Manifest>,
    settings: Option<&Settings>,
    image: Option<&ImageFound>,
) {
    let Some(settings) = settings else { return };
    let Some(manifest) = manifest.or(project) else {
        return report.skipped(Noun::Settings, "there is no manifest that names any");
    };
    let before = report.has_problem(Noun::Settings);
    let by_events = manifest
        .triggers
        .iter()
        .any(|trigger: &Trigger| trigger.http().is_none());
    let has_base = project.is_some_and(|project| project.package.base != "scratch");
    let is_functions = by_events || has_base || image.is_some_and(ImageFound::is_functions);
    let identity = functions_app::settings(manifest, Connections::Identity);
    let stores: Vec<_> = manifest
        .stores
        .values()
        .map(|store| store.url_variable.as_str())
        .collect();
    let mut set = Vec::new();
    of_server(report, &manifest.server.key_variables, settings, &mut set);
    for setting in functions_app::settings(manifest, Connections::Strings) {
        let name = setting.name.as_str();
        if stores.contains(&name) {
            of_store(report, name, settings, &mut set);
        } else if is_functions && setting.value.is_none() && name != functions_app::OWN_STORAGE {
            of_connection(report, &setting, &identity, settings, &mut set);
        } else if let (true, Settings::File(values)) = (is_functions, settings) {
            of_app(report, &setting, values, &mut set);
        }
    }
    if !set.is_empty() {
        let text = format!("set {}: {}", settings.place(), set.join(", "));
        report.ok(Noun::Settings, text);
    } else if !before && !report.has(Noun::Settings) {
        report.ok(Noun::Settings, "the manifest names none");
    }
}

/// Checks the settings that hold the keys of `server.keys`. The report has the names of the
/// settings, but not the keys. Adds the names of the settings that are correct to `set`.
fn of_server(report: &mut Report, names: &[String], settings: &Settings, set: &mut Vec<String>) {
    let mut is_any = names.is_empty();
    for name in names {
        let Some(value) = settings.value(name) else {
            continue;
        };
        is_any = true;
        let value = settings.usable(name).is_some().then_some(value);
        // Each key is checked alone, so that a problem names its setting. A key that only the
        // platform can read is passed as missing, and the error about that is ignored.
        match deployment::keys(std::slice::from_ref(name), &|_| value.clone()) {
            Err(StartupError::Environment { problem, fix, .. }) if value.is_some() => {
                report.problem(Noun::Settings, format!("`{name}` {problem}"), fix);
            }
            _ => set.push(name.clone()),
        }
    }
    if is_any {
        return;
    }
    let listed = names.join(", ");
    let text = format!(
        "`server.keys`: none of {listed} is set {}",
        settings.place()
    );
    match settings {
        Settings::File(_) => report.problem(
            Noun::Settings,
            text,
            "set one to a key of 32 to 1024 visible ASCII characters; without a key the host does not start",
        ),
        Settings::Environment => report.warning(
            Noun::Settings,
            text,
            "set one before you start the host here; `cargo xtask deploy` makes keys for an app that has none",
        ),
    }
}

fn of_store(report: &mut Report, name: &str, settings: &Settings, set: &mut Vec<String>) {
    match settings.value(name) {
        Some(value) => {
            if is_plain(report, name, &value) {
                set.push(name.to_owned());
            }
        }
        None => report.warning(
            Noun::Settings,
            format!(
                "`{name}` is not set {}: each instance would keep its store in memory, and lose it \
                 when it stops",
                settings.place()
            ),
            format!(
                "set `{name}` to redis://HOST:6379 or rediss://:KEY@HOST:10000, with `%2F` for each \
                 `/` in the key; or remove the store from scorebox.toml"
            ),
        ),
    }
}

/// Checks the setting of a trigger's connection: its connection string, or the settings in
/// `identity` with which the app's identity logs in. Adds the names of the settings that are
/// correct to `set`.
fn of_connection(
    report: &mut Report,
    setting: &AppSetting,
    identity: &[AppSetting],
    settings: &Settings,
    set: &mut Vec<String>,
) {
    let name = &setting.name;
    if let Some(value) = settings.value(name) {
        if is_plain(report, name, &value) && is_of_service(report, setting, &value) {
            set.push(name.clone());
        }
        return;
    }
    let start = format!("{name}__");
    let by_identity: Vec<_> = identity
        .iter()
        .filter(|setting| setting.name.starts_with(&start))
        .collect();
    let is_set = |setting: &&&AppSetting| settings.value(&setting.name).is_some();
    if !by_identity.iter().any(|setting| is_set(&setting)) {
        return report.problem(
            Noun::Settings,
            format!("`{name}` is not set {}", settings.place()),
            format!(
                "set `{name}`: {}; or let the app log in with its identity, and set {}",
                setting.why,
                listed(&by_identity)
            ),
        );
    }
    for setting in by_identity {
        match settings.value(&setting.name) {
            Some(_) => set.push(setting.name.clone()),
            None => report.problem(
                Noun::Settings,
                format!("`{}` is not set {}", setting.name, settings.place()),
                format!("set `{}`: {}", setting.name, setting.why),
            ),
        }
    }
}

fn listed(settings: &[&AppSetting]) -> String {
    let names: Vec<_> = settings
        .iter()
        .map(|setting| format!("`{}`", setting.name))
        .collect();
    names.join(" and ")
}

/// Checks a setting that every function app needs. `values` are the settings of a deployed app. If
/// the setting is correct, its name is added to `set`.
fn of_app(
    report: &mut Report,
    setting: &AppSetting,
    values: &BTreeMap<String, String>,
    set: &mut Vec<String>,
) {
    let name = &setting.name;
    let found = values.get(name).map(String::as_str);
    match (setting.value, found) {
        (None, Some(value)) if !value.trim().is_empty() => set.push(name.clone()),
        (Some(value), Some(found)) if value.eq_ignore_ascii_case(found.trim()) => {
            set.push(name.clone());
        }
        // On Container Apps this setting does not exist.
        (Some(_), None) if setting.only_app_service => {}
        // The app's identity can take the place of the connection string.
        (None, None)
            if values.iter().any(|(key, value)| {
                key.starts_with(&format!("{name}__")) && !value.trim().is_empty()
            }) =>
        {
            set.push(name.clone());
        }
        (value, found) => {
            let text = match found {
                Some(_) => format!("`{name}` of the deployed app has another value"),
                None => format!("`{name}` of the deployed app is not set"),
            };
            let fix = match value {
                Some(value) => format!("set `{name}` to `{value}`: {}", setting.why),
                None => format!("set `{name}`: {}", setting.why),
            };
            report.problem(Noun::Settings, text, fix);
        }
    }
}

/// Returns true if the value of the setting `name` has no white space and no quotes around it,
/// which are usually a mistake in copying. Otherwise adds a problem to the report and returns
/// false.
fn is_plain(report: &mut Report, name: &str, value: &str) -> bool {
    let is_blank = value != value.trim();
    let is_quoted = value.starts_with(['"', '\'']) || value.ends_with(['"', '\'']);
    if !is_blank && !is_quoted {
        return true;
    }
    let what = if is_quoted { "quotes" } else { "white space" };
    report.problem(
        Noun::Settings,
        format!("the value of `{name}` has {what} around it"),
        format!("set `{name}` again, without the {what}"),
    );
    false
}

/// Returns true if `value` looks like a connection string of the service that the trigger needs, or
/// is a secret of Azure Key Vault. Otherwise adds a problem to the report and returns false.
fn is_of_service(report: &mut Report, setting: &AppSetting, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if value.starts_with(KEY_VAULT) {
        return true;
    }
    let (service, is_right) = if setting.why.contains("Service Bus") {
        (
            "Endpoint=sb://NAMESPACE.servicebus.windows.net/;…",
            lower.contains("endpoint=sb://"),
        )
    } else if setting.why.contains("storage account") {
        let parts = [
            "accountname=",
            "usedevelopmentstorage=true",
            "blobendpoint=",
            "queueendpoint=",
        ];
        (
            "DefaultEndpointsProtocol=https;AccountName=…",
            parts.iter().any(|part| lower.contains(part)),
        )
    } else {
        return true;
    };
    if is_right {
        return true;
    }
    let why = setting.why;
    report.problem(
        Noun::Settings,
        format!(
            "the value of `{}` is not a {why}",
            quoted(&setting.name, NAME_BYTES)
        ),
        format!(
            "set `{}` to the {why}, which looks like `{service}`",
            setting.name
        ),
    );
    false
}
