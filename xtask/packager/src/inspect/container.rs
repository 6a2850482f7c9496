//! Check of how a container of an inspected image starts: program, user, variables and volumes.
//!
//! Owns the comparison with the container settings that `package` writes. Must not know the layers,
//! except whether there is a base image. A base image has its own variables and start command. A
//! fact that only the author of the base image can know is reported as a claim that only a
//! signature can confirm.

use std::collections::BTreeSet;

use scorebox_host::text::{NAME_BYTES, quoted};
use serde_json::{Map, Value};

use super::ours::OURS;
use super::report::Report;
use crate::image::plan;

/// Keys of the container settings whose values `package` copies from the base image.
const KEPT_OF_BASE: [&str; 11] = [
    "Domainname",
    "Hostname",
    "Image",
    "MacAddress",
    "NetworkDisabled",
    "OpenStdin",
    "Shell",
    "StdinOnce",
    "Tty",
    "Volumes",
    "AttachStderr",
];
/// Keys of the container settings for attached streams. `package` copies their values from the base
/// image.
const ATTACHED: [&str; 2] = ["AttachStdin", "AttachStdout"];
/// Keys of the container settings whose values `package` copies if the base image starts the
/// Functions host.
const KEPT_OF_FUNCTIONS: [&str; 5] = ["Cmd", "Healthcheck", "StopSignal", "OnBuild", "ArgsEscaped"];
/// Environment variables of the Scorebox host that only change what is logged.
const LOGGING: [&str; 2] = ["SCOREBOX_LOG", "SCOREBOX_LOG_FORMAT"];

/// Compares the container settings in an image's config with those that `package` writes, and adds
/// the results to the report. `has_base` is true if the image has a base image.
pub fn examine(report: &mut Report, config: &Value, has_base: bool) {
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let platform = format!("{}/{}", text("os"), text("architecture"));
    report.check(
        "image is for linux/amd64",
        platform == "linux/amd64",
        || format!("it is for {}", quoted(&platform, NAME_BYTES)),
    );
    let none = Map::new();
    let container = config
        .get("config")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let written = serde_json::to_value(plan::start()).unwrap_or_default();
    let is_ours = container.get("Entrypoint") == written.get("Entrypoint");
    let by_functions = has_base && !is_ours;
    let mut problems = Vec::new();
    for (key, value) in container {
        let is_written = written.get(key).is_some_and(|written| written == value);
        let is_kept = KEPT_OF_BASE.contains(&key.as_str()) || ATTACHED.contains(&key.as_str());
        let is_known = match key.as_str() {
            // Labels and variables are checked separately.
            "Labels" | "Env" => true,
            "Entrypoint" | "User" | "WorkingDir" | "ExposedPorts" if by_functions => true,
            key if by_functions && KEPT_OF_FUNCTIONS.contains(&key) => true,
            _ => is_written || (has_base && is_kept) || (is_kept && is_nothing(value)),
        };
        if !is_known {
            problems.push(format!(
                "{} is {}",
                quoted(key, NAME_BYTES),
                quoted(&value.to_string(), NAME_BYTES)
            ));
        }
    }
    let expected = written
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str());
    let may_lack = |key: &str| key == "Labels" || (by_functions && key != "Env");
    for key in expected.filter(|key| !may_lack(key) && !container.contains_key(*key)) {
        problems.push(format!("{key} is missing"));
    }
    problems.extend(mounted(container));
    report.check(
        "container starts as `package` writes it",
        problems.is_empty(),
        || problems.join(", "),
    );
    if by_functions {
        let words = |key: &str| {
            container
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let command: Vec<_> = words("Entrypoint")
            .chain(words("Cmd"))
            .filter_map(Value::as_str)
            .collect();
        report.check(
            "image names a program to start",
            !command.is_empty(),
            || "it names none".to_owned(),
        );
        let shown = quoted(&command.join(" "), NAME_BYTES);
        report.needs_key(
            "program of the base that starts the host",
            format!("the image starts `{shown}`"),
        );
    }
    variables(report, container, &written, has_base);
}

/// Returns true if a value in the container settings is null, false or empty, so that it has no
/// effect.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Array(array) => array.is_empty(),
        _ => false,
    }
}

/// Returns a problem for each volume that covers a path in [`OURS`]: the app, the host program, the
/// engine pack or ONNX Runtime. In a container, the volume would replace the files at this path. A
/// volume inside such a path, or with `..` in its path, is a problem as well.
fn mounted(container: &Map<String, Value>) -> Vec<String> {
    let volumes = container
        .get("Volumes")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let is_over = |volume: &str| {
        let clean: Vec<_> = volume
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        let is_there = |place: &str| {
            let place: Vec<_> = place.split('/').filter(|part| !part.is_empty()).collect();
            place.starts_with(&clean) || clean.starts_with(&place)
        };
        clean.contains(&"..") || OURS.into_iter().any(is_there)
    };
    let over = volumes
        .map(|(volume, _)| volume)
        .filter(|volume| is_over(volume));
    over.map(|volume| format!("a volume covers `{}`", quoted(volume, NAME_BYTES)))
        .collect()
}

fn variables(report: &mut Report, container: &Map<String, Value>, written: &Value, has_base: bool) {
    let list = |value: Option<&Value>| -> Vec<String> {
        let entries = value.and_then(Value::as_array).into_iter().flatten();
        entries
            .map(|entry| entry.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let (found, ours) = (list(container.get("Env")), list(written.get("Env")));
    let name = |entry: &str| {
        entry
            .split_once('=')
            .map_or(entry, |(name, _)| name)
            .to_owned()
    };
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let own: BTreeSet<_> = ours
        .iter()
        .map(|entry| name(entry).to_ascii_lowercase())
        .collect();
    for entry in &found {
        let name = name(entry);
        let shown = quoted(entry, NAME_BYTES);
        // The Functions host ignores the case of variable names.
        let folded = name.to_ascii_lowercase();
        let is_own = ours.contains(entry) || (has_base && name == "PATH");
        let is_double = !seen.insert(if own.contains(&folded) {
            folded.clone()
        } else {
            name.clone()
        });
        let is_other = if has_base {
            own.contains(&folded)
        } else {
            true
        };
        let is_obeyed = name.starts_with("LD_") && name != "LD_LIBRARY_PATH"
            || name.starts_with("SCOREBOX_") && !LOGGING.contains(&name.as_str())
            || name == "GLIBC_TUNABLES"
            || folded.contains("customhandler")
            || folded == "websites_enable_app_service_storage";
        if is_double {
            problems.push(format!("`{shown}` is set twice"));
        } else if !is_own && (is_other || is_obeyed) {
            problems.push(format!("`{shown}` is not what `package` writes"));
        } else if name == "LD_LIBRARY_PATH" {
            report.needs_key(
                "variables of the base",
                format!("`{shown}` says where libraries are looked for"),
            );
        }
    }
    let is_there = |entry: &String| found.contains(entry) || has_base && name(entry) == "PATH";
    for entry in ours.iter().filter(|entry| !is_there(entry)) {
        problems.push(format!("`{entry}` is missing"));
    }
    report.check(
        "variables are those that `package` writes",
        problems.is_empty(),
        || problems.join(", "),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(has_base: bool, change: impl FnOnce(&mut Value)) -> String {
        let mut container = serde_json::to_value(plan::start()).unwrap();
        change(&mut container);
        let config = json!({ "os": "linux", "architecture": "amd64", "config": container });
        let mut report = Report::new("here", scorebox_workspace::digest::Digest::of(b""));
        examine(&mut report, &config, has_base);
        report
            .wrong()
            .map(|(_, problem)| problem.to_owned())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn what_package_writes_is_right_and_every_change_is_found() {
        assert_eq!(
            (wrong(false, |_| ()), wrong(true, |_| ())),
            (String::new(), String::new())
        );
        let changes: [(&str, Value); 9] = [
            ("Entrypoint", json!(["/usr/bin/other"])),
            ("Cmd", json!(["--config", "/x"])),
            ("cmd", json!(["--config", "/x"])),
            ("User", json!("0")),
            ("WorkingDir", json!("/tmp")),
            ("Volumes", json!({ "/data": {} })),
            ("Healthcheck", json!({ "Test": ["CMD", "/x"] })),
            ("OnBuild", json!(["RUN x"])),
            ("ExposedPorts", json!({ "22/tcp": {} })),
        ];
        for (key, value) in changes {
            let found = wrong(false, |container| container[key] = value);
            assert!(found.contains(key), "{key}: {found}");
        }
        let found = wrong(false, |container| {
            drop(container.as_object_mut().unwrap().remove("User"))
        });
        assert!(found.contains("User is missing"), "{found}");
    }

    #[test]
    fn variables_that_change_what_runs_are_found_on_a_base_too() {
        let with = |has_base: bool, entry: &str| {
            wrong(has_base, |container| {
                container["Env"].as_array_mut().unwrap().push(entry.into())
            })
        };
        for entry in [
            "LD_PRELOAD=/x.so",
            "LD_AUDIT=/x.so",
            "SCOREBOX_ENGINE_LIBRARY=/x.so",
            "AzureWebJobsScriptRoot=/x",
            "azurewebjobsscriptroot=/x",
            "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath=/x",
            "WEBSITES_ENABLE_APP_SERVICE_STORAGE=true",
        ] {
            assert!(
                with(false, entry).contains(entry) && with(true, entry).contains(entry),
                "{entry}"
            );
        }
        assert_eq!(
            (with(true, "LANG=C"), with(true, "SCOREBOX_LOG=debug")),
            (String::new(), String::new())
        );
        assert!(with(false, "LANG=C").contains("LANG=C"));
    }

    #[test]
    fn a_volume_over_the_app_is_found_on_a_base() {
        let with = |volume: &str| {
            wrong(true, |container| {
                container["Volumes"] = json!({ volume: {} })
            })
        };
        for volume in [
            "/home",
            "/",
            "/home/site/wwwroot",
            "//home/./site/wwwroot/model",
            "/usr/bin",
            "/x/../home",
        ] {
            assert!(with(volume).contains("a volume covers"), "{volume}");
        }
        assert_eq!(with("/data"), "");
    }
}
