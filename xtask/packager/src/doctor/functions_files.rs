//! Check of `host.json` and the `function.json` files against the manifest.
//!
//! Owns the choice of the differences that are problems. Must not know how the files are written:
//! this module compares them with those that `build` would write.

use std::path::Path;

use scorebox_host::functions::FunctionApp;
use scorebox_host::manifest::{Manifest, Trigger};
use scorebox_host::text::{NAME_BYTES, counted, quoted};
use serde_json::Value;

use super::noun::Noun;
use super::report::Report;
use crate::functions_app;

/// Name of the settings file of the Functions host.
const HOST_FILE: &str = "host.json";
/// Maximum size of a `host.json` or `function.json` file that is compared with the manifest, in
/// bytes.
const LARGEST_BYTES: u64 = 1 << 20;

/// Compares the files that the Functions host reads with those that the manifest asks for. `app` is
/// what the host read from the files, and `again` is the command that writes the files again.
pub fn examine(report: &mut Report, manifest: &Manifest, app: &FunctionApp, again: &str) {
    let folder = manifest.dir();
    if !folder.join(HOST_FILE).is_file() {
        match manifest.packaged {
            Some(_) => report.problem(
                Noun::HostJson,
                "the app folder has no host.json, so the Functions host would start nothing",
                format!("build the app again: {again} writes host.json"),
            ),
            None => report.skipped(Noun::HostJson, "`cargo xtask build` writes host.json"),
        }
        return;
    }
    let expected = functions_app::files(manifest);
    let before = report.has_problem(Noun::HostJson);
    for (name, text) in &expected {
        let Ok(expected) = serde_json::from_str::<Value>(text) else {
            continue;
        };
        match read(&folder.join(name)) {
            Some(found) if name == HOST_FILE => {
                of_host(report, manifest, app, &expected, &found, again)
            }
            Some(found) => of_function(report, name, &expected, &found, again),
            None => report.problem(
                Noun::HostJson,
                format!("{name} is missing or is not JSON, so its trigger never starts a call"),
                format!("build the app again: {again} writes {name}"),
            ),
        }
    }
    if before || report.has_problem(Noun::HostJson) {
        return;
    }
    let text = format!(
        "host.json starts the host; {}",
        counted(app.functions.len() as u64, "function")
    );
    report.ok(Noun::HostJson, text);
}

fn read(path: &Path) -> Option<Value> {
    let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= LARGEST_BYTES);
    let text = std::fs::read_to_string(path).ok().filter(|_| is_small)?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
}

/// Checks `host.json`. Only a setting that keeps calls from being answered is a problem, and one
/// that may do so or makes calls slower is a warning. The operator may choose everything else in
/// the file.
fn of_host(
    report: &mut Report,
    manifest: &Manifest,
    app: &FunctionApp,
    expected: &Value,
    found: &Value,
    again: &str,
) {
    const HANDLER: &str = "/customHandler/description";
    let fix = format!("build the app again: {again} writes host.json");
    if found.pointer(HANDLER) != expected.pointer(HANDLER) {
        let started = found
            .pointer("/customHandler/description/defaultExecutablePath")
            .and_then(Value::as_str)
            .unwrap_or("nothing");
        let started = quoted(started, NAME_BYTES);
        let text =
            format!("host.json starts `{started}` with other arguments than an image's host needs");
        match manifest.packaged {
            Some(_) => report.problem(Noun::HostJson, text, fix.clone()),
            // A folder that was laid out by hand may have its program elsewhere.
            None => report.warning(Noun::HostJson, text, fix.clone()),
        }
    }
    let deadline = manifest.limits.deadline;
    if let Some(timeout) = app.timeout.filter(|timeout| *timeout <= deadline) {
        report.problem(
            Noun::HostJson,
            format!(
                "`functionTimeout` of host.json is {} s, and `limits.deadline` is {} s: the \
                 Functions host kills the handler, with every call in flight, before a call may end",
                timeout.as_secs(),
                deadline.as_secs_f64()
            ),
            "set `functionTimeout` to more than `limits.deadline`, or lower `limits.deadline` in \
             scorebox.toml",
        );
    }
    let needs_bundle = expected.get("extensionBundle").is_some();
    if needs_bundle && found.get("extensionBundle").is_none() && found.get("extensions").is_none() {
        report.problem(
            Noun::HostJson,
            "host.json names no `extensionBundle`, so triggers other than HTTP never start a call",
            fix.clone(),
        );
    }
    let forwards = |value: &Value| {
        value.pointer("/customHandler/enableForwardingHttpRequest") == Some(&Value::Bool(true))
    };
    let has_http = manifest
        .triggers
        .iter()
        .any(|trigger: &Trigger| trigger.http().is_some());
    if has_http && forwards(expected) && !forwards(found) {
        report.warning(
            Noun::HostJson,
            "host.json does not forward HTTP requests: each call is put into an envelope, which \
             is slower and cannot hold binary answers",
            fix,
        );
    }
}

/// Checks one `function.json`, whose path in the app folder is `name`: every value in `expected`,
/// which follows from the manifest, must also be in `found`.
fn of_function(report: &mut Report, name: &str, expected: &Value, found: &Value, again: &str) {
    if let Some(pointer) = difference(expected, found, &mut String::new()) {
        report.problem(
            Noun::HostJson,
            format!("{name} is not what scorebox.toml says: `{pointer}` differs"),
            format!("build the app again: {again} writes {name}"),
        );
    }
}

/// Returns the JSON pointer of the first value in `expected` that `found` does not have. Additional
/// members of `found` do not count. Returns `None` if `found` has all values. `at` is the JSON
/// pointer that leads to `expected` and `found`.
fn difference(expected: &Value, found: &Value, at: &mut String) -> Option<String> {
    let mut below = |name: &str, expected: &Value, found: Option<&Value>| {
        let length = at.len();
        at.push('/');
        at.push_str(name);
        let differs = match found {
            Some(found) => difference(expected, found, at),
            None => Some(at.clone()),
        };
        at.truncate(length);
        differs
    };
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .find_map(|(name, value)| below(name, value, found.get(name))),
        (Value::Array(expected), Value::Array(found)) => expected
            .iter()
            .enumerate()
            .find_map(|(index, value)| below(&index.to_string(), value, found.get(index))),
        (expected, found) if expected == found => None,
        _ => Some(at.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_and_additions_are_not() {
        let check = |found: Value, pointer: Option<&str>| {
            let expected = json!({ "bindings": [{ "type": "blob", "path": "in/{name}" }] });
            let differs = difference(&expected, &found, &mut String::new());
            assert_eq!(differs.as_deref(), pointer, "{found}");
        };
        check(
            json!({ "bindings": [{ "type": "blob", "path": "in/{name}", "x": 1 }, {}], "y": 2 }),
            None,
        );
        check(
            json!({ "bindings": [{ "type": "blob", "path": "other" }] }),
            Some("/bindings/0/path"),
        );
        check(json!({ "bindings": [] }), Some("/bindings/0"));
        check(json!({ "bindings": {} }), Some("/bindings"));
        check(json!([]), Some(""));
    }
}
