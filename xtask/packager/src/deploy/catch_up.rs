//! The catch-up script of a deployment. It finds the blobs for which no function ran, and calls the
//! function for each of them.
//!
//! Owns the choice of the evidence by which the script recognizes a missed blob. The file
//! `catch_up.sh` has the part of the script that is equal for all apps. This module is pure: it
//! starts no process and touches no file. Must not know how the app is created.

use scorebox_host::manifest::triggers::{BlobSource, BlobTrigger, Start};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;

use super::arguments::Target;
use super::commands::{APP_URL, MASTER_KEY};
use super::deployment::Deployment;
use crate::functions_app::{Connections, OWN_STORAGE};
use crate::shell::{Command, Script, Variable, Word};

/// Part of the catch-up script that is equal for all apps: the options, the shell functions and the
/// search for blobs.
const COMMON: &str = include_str!("catch_up.sh");

/// Name of the shell variable with the connection string of the app's own storage account.
const OWN_CONNECTION: &str = "own_connection";

/// Names of the variables that the catch-up script uses itself. An app setting that the script
/// reads cannot have one of these names.
const OWN: &[&str] = &[
    "AZURE_STORAGE_CONNECTION_STRING",
    "CATCH_UP_AGAIN_SECONDS",
    "CATCH_UP_STATE",
    "again_s",
    "all",
    "blobs",
    "connection",
    "dry_run",
    "endpoint",
    "etag",
    "exists",
    "function",
    "handed",
    "input",
    "missed_in_all",
    "now",
    "output",
    OWN_CONNECTION,
    "park",
    "path",
    "status",
    "tab",
    "word",
    "work",
];

/// Evidence that a function has been called for a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    /// The blobs that the function writes: the answer, or the record of a blob that can never be
    /// scored (`park`).
    Outputs,
    /// The receipts that the Functions host keeps of the blobs that its scans found.
    Receipts,
    /// The function writes nothing that could be found again, and events leave no receipts.
    Nothing,
}

/// Returns the text of the script for `sh` that finds the blobs for which no function ran, and
/// calls the function for each of them. Fails if the app has no blob trigger, if the path of a
/// trigger is malformed, or if the script cannot read an app setting that a trigger names.
pub fn script(deployment: &Deployment, connections: Connections) -> Result<String, Failure> {
    let triggers: Vec<_> = deployment.blob_triggers().collect();
    if triggers.is_empty() {
        return Err(Failure::project(
            "--catch-up: no trigger of this app starts on blobs",
            "leave out --catch-up, or add a [[trigger]] with `kind = \"blob\"` to scorebox.toml",
        ));
    }
    let mut script = Script::default();
    script.line("#!/bin/sh");
    script.comment(&format!(
        "Hands the function app {} the blobs that it missed.",
        deployment.name
    ));
    script.line("# Written by `cargo xtask deploy`. It needs `az` after `az login`, `curl`, and these variables:");
    let needed = needed(&triggers, connections)?;
    for (variable, why) in &needed {
        script.comment(&format!("  {}  {why}", variable.name()));
    }
    // Names of blobs may hold `$`, and a path in single quotes is meant as it is.
    script.line("# shellcheck disable=SC2016");
    script.line("set -eu");
    script.line(COMMON);
    for (variable, why) in needed {
        script.demand(&variable, why);
    }
    address(deployment, &mut script);
    if triggers
        .iter()
        .any(|(_, blob)| trace(blob) == Trace::Receipts || is_own(blob))
    {
        let own = Command::new("az storage account show-connection-string")
            .flag("--name", &Word::text(&deployment.storage))
            .flag("--resource-group", &Word::text(&deployment.group));
        script.keep(
            &Variable::fixed(OWN_CONNECTION),
            own.line("--query connectionString --output tsv"),
        );
    }
    for (function, blob) in triggers {
        script.line("");
        let set = |script: &mut Script, name, word: &Word| script.set(&Variable::fixed(name), word);
        set(&mut script, "function", &Word::text(function));
        set(&mut script, "path", &resolved(&blob.path)?);
        for (name, path) in [("output", &blob.output), ("park", &blob.park)] {
            let path = path.as_deref().filter(|_| trace(blob) == Trace::Outputs);
            set(&mut script, name, &resolved(path.unwrap_or_default())?);
        }
        let nothing = Word::text("");
        let (connection, endpoint) = match connections {
            _ if is_own(blob) => (Word::value_of(&Variable::fixed(OWN_CONNECTION)), nothing),
            Connections::Strings => (Word::value_of(&setting(&blob.connection)?), nothing),
            Connections::Identity => (nothing, Word::value_of(&endpoint(blob)?)),
        };
        set(&mut script, "connection", &connection);
        set(&mut script, "endpoint", &endpoint);
        script.line(match trace(blob) {
            Trace::Outputs => "catch_up outputs",
            Trace::Receipts => "catch_up receipts",
            Trace::Nothing => "catch_up nothing",
        });
    }
    script.line("");
    script.line("echo \"$missed_in_all blobs in all\" >&2");
    Ok(script.into_text())
}

impl Deployment {
    /// Returns true if a function of the app has a blob trigger.
    pub(super) fn has_blob_triggers(&self) -> bool {
        self.blob_triggers().next().is_some()
    }

    /// Returns the name of each function that has a blob trigger, and the trigger.
    fn blob_triggers(&self) -> impl Iterator<Item = (&str, &BlobTrigger)> {
        self.manifest
            .triggers
            .iter()
            .filter_map(|trigger| match &trigger.start {
                Start::Blob(blob) => Some((trigger.function.as_str(), blob)),
                _ => None,
            })
    }
}

/// Returns true if a blob trigger watches the app's own storage account, whose connection is in the
/// app setting `AzureWebJobsStorage`. A trigger can also name this setting `Storage`: for a trigger
/// with the connection `NAME`, the Functions host looks for the setting `AzureWebJobsNAME` before
/// the setting `NAME`. It ignores the case of the names.
fn is_own(blob: &BlobTrigger) -> bool {
    [OWN_STORAGE, "Storage"]
        .iter()
        .any(|own| blob.connection.eq_ignore_ascii_case(own))
}

/// Returns the evidence that the function of a trigger leaves when it is called for a blob.
fn trace(blob: &BlobTrigger) -> Trace {
    // If the trigger has `park`, the record of a blob that can never be scored must be found, too.
    let is_found = |path: &Option<String>| {
        path.as_deref()
            .is_none_or(|path| is_found_again(path, &blob.path))
    };
    if blob.output.is_some() && is_found(&blob.output) && is_found(&blob.park) {
        return Trace::Outputs;
    }
    match blob.source {
        BlobSource::Scan => Trace::Receipts,
        BlobSource::EventGrid => Trace::Nothing,
    }
}

/// Returns true if the catch-up script can find the output for a blob: if its name follows from the
/// name of the blob alone, if no other blob of the trigger leads to the same output, and if the
/// container of the output is always the same. `output` is the path of the output, and `blobs` is
/// the path of the trigger.
fn is_found_again(output: &str, blobs: &str) -> bool {
    let container = output.split('/').next().unwrap_or_default();
    let filled = placeholders(output);
    let is_made_by_the_host = |name: &String| ["rand-guid", "datetime"].contains(&name.as_str());
    // If the path of the output left out a part of the blob's name, the output of one blob would
    // count as the output of another blob.
    let identifies = placeholders(blobs).iter().all(|name| filled.contains(name));
    !container.contains('{')
        && !filled.iter().any(is_made_by_the_host)
        && identifies
        && are_apart(output)
}

/// Returns the names of the placeholders in a path of a blob trigger, e.g. `name` for `{name}`. The
/// names are in lower case, because the Functions host ignores the case of these names.
fn placeholders(path: &str) -> Vec<String> {
    path.split('{')
        .skip(1)
        .map(|part| {
            let name = part.split(['}', ':']).next().unwrap_or_default();
            name.to_ascii_lowercase()
        })
        .collect()
}

/// Returns true if there is text between any two placeholders in a path of a blob trigger. Without
/// text between them, the values of two placeholders could be separated in more than one way. An
/// app setting does not count as text, because its value may be empty.
fn are_apart(path: &str) -> bool {
    let texts: String = path.split('%').step_by(2).collect();
    !texts.contains("}{")
}

/// Returns the environment variables that the catch-up script needs, with their purpose: the
/// connections of the triggers, and the app settings that the paths of the triggers name. Fails if
/// the script cannot read a variable with one of these names, or if a path has an odd number of
/// `%`.
fn needed(
    triggers: &[(&str, &BlobTrigger)],
    connections: Connections,
) -> Result<Vec<(Variable, &'static str)>, Failure> {
    let mut needed: Vec<(Variable, &'static str)> = Vec::new();
    let mut add = |variable: Variable, why| {
        if !needed.iter().any(|(known, _)| *known == variable) {
            needed.push((variable, why));
        }
    };
    for (_, blob) in triggers {
        match connections {
            _ if is_own(blob) => {}
            Connections::Strings => add(
                setting(&blob.connection)?,
                "connection string of the storage account with the containers",
            ),
            Connections::Identity => add(
                endpoint(blob)?,
                "https://ACCOUNT.blob.core.windows.net of the containers",
            ),
        }
        for path in [Some(&blob.path), blob.output.as_ref(), blob.park.as_ref()] {
            for (part, is_setting) in parts(path.map_or("", String::as_str))? {
                if is_setting {
                    add(setting(part)?, "the app setting that stands in a path");
                }
            }
        }
    }
    Ok(needed)
}

/// Adds to the catch-up script the commands that find the address and the master key of the app.
/// The master key of an app in Container Apps cannot be found by a command: the user passes it.
fn address(deployment: &Deployment, script: &mut Script) {
    let (url, key) = (Variable::fixed(APP_URL), Variable::fixed(MASTER_KEY));
    let of_app = |words: &'static str| {
        Command::new(words)
            .flag("--name", &Word::text(&deployment.name))
            .flag("--resource-group", &Word::text(&deployment.group))
    };
    let host = if deployment.target == Target::ContainerApps {
        script.demand(
            &key,
            "the master key of the app, which the portal shows under Functions > App keys",
        );
        of_app("az containerapp show").line("--query properties.configuration.ingress.fqdn")
    } else {
        let keys = of_app("az functionapp keys list").line("--query masterKey --output tsv");
        script.keep_if_missing(&key, None, keys);
        of_app("az functionapp show").line("--query defaultHostName")
    };
    let host = host.fixed("--output tsv");
    script.keep_if_missing(&url, None, host);
    script.line("case $APP_URL in *://*) ;; *) APP_URL=https://$APP_URL ;; esac");
}

/// Returns the app setting with the address of the blob service of the trigger's storage account.
/// Fails if the catch-up script cannot read an environment variable with the name of this setting.
fn endpoint(blob: &BlobTrigger) -> Result<Variable, Failure> {
    setting(&format!("{}__blobServiceUri", blob.connection))
}

/// Returns a path of a blob trigger as a word of the catch-up script, in which the values of app
/// settings replace their names. Fails if the path has an odd number of `%`, or if the script
/// cannot read an app setting that the path names.
fn resolved(path: &str) -> Result<Word, Failure> {
    let mut word = Word::text("");
    for (number, (part, is_setting)) in parts(path)?.into_iter().enumerate() {
        let part = match is_setting {
            true => Word::value_of(&setting(part)?),
            false => Word::text(part),
        };
        word = if number == 0 { part } else { word.and(&part) };
    }
    Ok(word)
}

/// Returns the parts of a blob trigger's path: texts, and names of app settings between two `%`.
/// The boolean is true if the part is the name of an app setting. Fails if the path has an odd
/// number of `%`.
fn parts(path: &str) -> Result<Vec<(&str, bool)>, Failure> {
    let parts: Vec<_> = path.split('%').collect();
    if parts.len() % 2 == 0 {
        return Err(Failure::project(
            format!(
                "`{}`: a `%` has no second one, and %SETTING% stands for an app setting",
                quoted(path, NAME_BYTES)
            ),
            "write the name of the setting between two `%`, or leave the `%` out",
        ));
    }
    let parts = parts.into_iter().enumerate();
    Ok(parts
        .map(|(number, part)| (part, number % 2 == 1))
        .filter(|(part, is_setting)| *is_setting || !part.is_empty())
        .collect())
}

/// Checks the name of an app setting that the catch-up script reads as an environment variable.
/// Fails if the name is invalid, or if the script, the shell or the platform uses the name itself.
fn setting(name: &str) -> Result<Variable, Failure> {
    let variable = Variable::new(name)?;
    if OWN.contains(&name) || super::is_reserved(name) {
        return Err(Failure::project(
            format!("`{name}`: the catch-up script or the platform uses this name itself"),
            "choose another name for the app setting, e.g. `INCOMING_CONTAINER`",
        ));
    }
    Ok(variable)
}

#[cfg(test)]
mod tests;
