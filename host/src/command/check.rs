//! `scorebox check`: prints a report about an app and its settings, or why there is no report.
//!
//! Owns how the report, the settings and the error are printed. Must not know how an app is loaded.

use std::process::ExitCode;

#[cfg(not(feature = "graphs"))]
use scorebox_host::app::untried;
use scorebox_host::error::exit_code;
use scorebox_host::manifest::settings::SETTINGS;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::redis::Reached;
use scorebox_host::stores::{self, StoreReport};
use scorebox_host::telemetry::{self, Output};
use scorebox_host::text::{printable, printable_json};
use scorebox_host::{CheckReport, StartupError, check, deployment};
use serde_json::{Value, json};

use super::{error_json, exit, print};
use crate::{Check, Format};

pub fn run(arguments: Check) -> ExitCode {
    let checked = telemetry::start(Output::Talk, &deployment::process).and_then(|()| {
        let report = report(&arguments)?;
        let stores = stores::report(&arguments.app.app, &deployment::process, arguments.connect)?;
        Ok((
            report,
            stores,
            if arguments.explain {
                Some(written(&arguments)?)
            } else {
                None
            },
        ))
    });
    match checked {
        Ok((report, stores, written)) => {
            let text = match arguments.output {
                Format::Json => printable_json(&as_json(&report, &stores, written)).into_owned(),
                Format::Text => as_text(&report, &stores, written),
            };
            print(&text);
            let unreached = stores.iter().any(|store| store.problem.is_some());
            if unreached {
                ExitCode::from(exit_code::UNREACHED)
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            if arguments.output == Format::Json {
                print(&error_json(&error));
            }
            exit(&error)
        }
    }
}

/// Checks the app that the command line names, and returns the report about the app.
///
/// Each ONNX file is loaded and run in a separate process before this process loads it, so that a
/// broken file does no harm. If the scorer is a graph without a component, the separate process
/// also checks that the graph returns the answer of the sample.
#[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
fn report(arguments: &Check) -> Result<CheckReport, StartupError> {
    let manifest = Manifest::read(&arguments.app.app)?;
    let sample = arguments
        .sample
        .clone()
        .or_else(|| manifest.package.sample.clone());
    let sample = sample
        .as_deref()
        .map(scorebox_host::sample::Sample::read)
        .transpose()?;
    let is_component = !manifest.scorer.serves_graph();
    #[cfg(feature = "graphs")]
    let trial = |file: &std::path::Path, limit| {
        let sample = sample
            .as_ref()
            .filter(|_| !is_component)
            .map(|sample| sample.path.as_path());
        super::trial::examine(file, limit, sample)
    };
    #[cfg(not(feature = "graphs"))]
    let trial = untried;
    match sample.as_ref().filter(|_| is_component) {
        Some(sample) => scorebox_host::check_by(&arguments.app.app, sample, &trial),
        None => check(&arguments.app.app, &trial),
    }
}

/// Checks the app that the command line names, and returns the report about the app.
#[cfg(not(any(feature = "compiler", feature = "graphs", feature = "python")))]
fn report(arguments: &Check) -> Result<CheckReport, StartupError> {
    check(&arguments.app.app, &untried)
}

/// Reads the manifest as a TOML table, in order to show which settings the file sets.
///
/// # Errors
/// Fails if the file cannot be read, or is not a manifest.
fn written(arguments: &Check) -> Result<toml::Table, StartupError> {
    let manifest = Manifest::read(&arguments.app.app)?;
    let unreadable =
        |error: &dyn std::fmt::Display| StartupError::Host(format!("{MANIFEST_FILE}: {error}"));
    let text = std::fs::read_to_string(&manifest.path).map_err(|error| unreadable(&error))?;
    text.parse()
        .map_err(|error: toml::de::Error| unreadable(&error))
}

fn as_json(report: &CheckReport, stores: &[StoreReport], written: Option<toml::Table>) -> String {
    let mut report = serde_json::to_value(report).unwrap_or_default();
    if let Some(report) = report.as_object_mut() {
        report.insert(
            "stores".to_owned(),
            serde_json::to_value(stores).unwrap_or_default(),
        );
    }
    if let (Some(written), Some(report)) = (written, report.as_object_mut()) {
        let settings: Vec<Value> = SETTINGS
            .iter()
            .map(|setting| {
                json!({
                    "key": setting.key,
                    "form": setting.form,
                    "default": setting.default,
                    "why": setting.why,
                    "values": values(&written, setting.key),
                })
            })
            .collect();
        report.insert("settings".to_owned(), settings.into());
    }
    report.to_string()
}

fn as_text(report: &CheckReport, stores: &[StoreReport], written: Option<toml::Table>) -> String {
    let or = |text: &str, other: &str| {
        if text.is_empty() {
            other.to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut lines = vec![
        format!(
            "scorer     {} {}",
            report.name,
            or(&report.version, "(no version)")
        ),
        format!(
            "world      {} of scorebox:scoring@{}",
            report.world, report.wit_version
        ),
        format!(
            "component  {}",
            report
                .component_digest
                .as_deref()
                .unwrap_or("none: the graph or the script is served itself")
        ),
        format!(
            "model      {}",
            report.model_digest.as_deref().unwrap_or("none")
        ),
        format!("code       {}", report.code),
        format!("contract   {}", report.signature),
        "init       ok".to_owned(),
    ];
    for store in stores {
        lines.push(format!(
            "store      {} by {}: {}",
            store.name, store.variable, store.place
        ));
        if let Some(reached) = &store.reached {
            let Reached {
                mode,
                version,
                role,
                masters,
                round_trip_us,
            } = reached;
            let servers = if *masters == 1 {
                "1 server".to_owned()
            } else {
                format!("{masters} servers with keys")
            };
            lines.push(format!(
                "           answers: Redis {version}, {mode}, {role}, {servers}, {round_trip_us} us"
            ));
        }
        if let Some(problem) = &store.problem {
            lines.push(format!("           does not answer: {problem}"));
        }
        if let Some(fix) = &store.fix {
            lines.push(format!("           fix: {fix}"));
        }
    }
    if let Some(written) = written {
        lines.push(String::new());
        lines.push("settings of scorebox.toml: value here, or the default in brackets".to_owned());
        for setting in SETTINGS {
            let values = values(&written, setting.key);
            let value = match (values.is_empty(), setting.default) {
                (false, _) => values.join(", "),
                (true, "") => "(none)".to_owned(),
                (true, default) => format!("({default})"),
            };
            lines.push(String::new());
            lines.push(format!("{} = {value}", setting.key));
            lines.extend([setting.form, setting.why].map(|text| format!("    {text}")));
        }
    }
    // The lines contain text from the author, the model, a server and the environment, so they are
    // escaped.
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}

/// Returns the values that the manifest `written` sets for a key. A key that stands for many
/// entries (`<name>`, `[[trigger]]`) may have several values.
fn values(written: &toml::Table, key: &str) -> Vec<String> {
    let start = toml::Value::Table(written.clone());
    let mut found = vec![(String::new(), &start)];
    for part in key.split('.') {
        found = found
            .into_iter()
            .flat_map(|(name, value)| match value {
                toml::Value::Array(items) => {
                    items.iter().map(|item| (name.clone(), item)).collect()
                }
                value => vec![(name, value)],
            })
            .flat_map(|(name, value)| {
                let table = value.as_table();
                let inner: Vec<(String, &toml::Value)> = match (part, table) {
                    ("<name>", Some(table)) => table
                        .iter()
                        .map(|(key, value)| (format!("{key}: "), value))
                        .collect(),
                    (part, Some(table)) => table
                        .get(part)
                        .map(|value| (name, value))
                        .into_iter()
                        .collect(),
                    (_, None) => Vec::new(),
                };
                inner
            })
            .collect();
    }
    found
        .into_iter()
        .map(|(name, value)| format!("{name}{value}"))
        .collect()
}
