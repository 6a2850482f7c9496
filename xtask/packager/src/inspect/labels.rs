//! Check of the metadata of an image: labels, annotations, and the comments in its history.
//!
//! Owns the comparison of the metadata with the files of the image. Must not know where the files
//! come from.

use std::collections::BTreeSet;
use std::path::Path;

use scorebox_host::component::outline;
use scorebox_host::manifest::Manifest;
use scorebox_host::scorer::World;
use scorebox_host::text::{NAME_BYTES, quoted};
use serde_json::Value;

use super::contents::Contents;
use super::pack::{EnginePack, pack};
use super::report::{Report, Verdict};
use crate::app::{
    CODE_FILE, COMPONENT_FILE, MODEL_FOLDER, PACKAGES_FOLDER, SCRIPT_FOLDER, STATE_FILE, is_in,
};
use crate::functions_app;
use crate::image::{APP_ROOT, Code, HOST_PROGRAM, plan};

/// Prefix of all labels that Scorebox defines.
const PREFIX: &str = "dev.scorebox.";
/// Labels that are compared with the files of the image. The prefix `dev.scorebox.` is left out.
const COMPARED: [&str; 8] = [
    "component.digest",
    "model.digest",
    "pack.digest",
    "pack.python",
    "scorer.name",
    "scorer.version",
    "world",
    "wit-version",
];

/// Returns the verdict for a check that needs files of a layer that could not be read.
pub fn unknown() -> Verdict {
    Verdict::Open("a layer could not be read".to_owned())
}

/// Compares the labels, annotations and history of the image with its files, and adds the results
/// to the report. `comments` has the name and the history comment of each layer of `package`.
pub fn examine(
    report: &mut Report,
    contents: &Contents,
    manifest: &Value,
    comments: &[(&'static str, String)],
) {
    let settings = Settings::new(contents);
    labels(report, contents, &settings);
    annotations(report, contents, manifest, &settings);
    history(report, contents, comments, &settings);
    app(report, contents, &settings);
}

/// Parsed `scorebox.toml` from the app folder of the image. It is empty if the file is missing or
/// cannot be parsed.
pub(super) struct Settings {
    pub(super) table: toml::Table,
    name: Option<String>,
    version: Option<String>,
}

impl Settings {
    fn new(contents: &Contents) -> Self {
        let text = contents
            .kept
            .get("scorebox.toml")
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let table: toml::Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
        let mut settings = Self {
            table,
            name: None,
            version: None,
        };
        settings.name = settings.text("scorer", "name");
        settings.version = settings
            .text("scorer", "version")
            .filter(|version| !version.is_empty());
        settings
    }

    /// Returns true if the section `[scorer]` of the image's `scorebox.toml` has the key `key`.
    fn has(&self, key: &str) -> bool {
        let scorer = self.table.get("scorer");
        scorer.is_some_and(|scorer| scorer.get(key).is_some())
    }

    fn text(&self, section: &str, key: &str) -> Option<String> {
        let value = self.table.get(section).and_then(|section| section.get(key));
        value.and_then(toml::Value::as_str).map(str::to_owned)
    }
}

fn labels(report: &mut Report, contents: &Contents, settings: &Settings) {
    let compare = |report: &mut Report, name: &str, found: Option<String>| {
        let what = format!("label {PREFIX}{name}");
        let said = report.labels.get(&format!("{PREFIX}{name}")).cloned();
        if contents.is_damaged {
            report.note(what, "", unknown());
            return;
        }
        report.check(what, said == found, || {
            format!("says {}, and the files say {}", shown(said), shown(found))
        });
    };
    compare(
        report,
        "component.digest",
        contents.of_app(COMPONENT_FILE).map(ToString::to_string),
    );
    compare(
        report,
        "model.digest",
        contents.folder("model").map(ToString::to_string),
    );
    let pack = EnginePack::new(contents);
    if pack.is_some() || report.labels.contains_key(&format!("{PREFIX}pack.digest")) {
        let python = pack.as_ref().and_then(|pack| pack.python.as_ref());
        compare(
            report,
            "pack.python",
            python.map(|one| format!("CPython {one}")),
        );
        compare(report, "pack.digest", pack.map(|pack| pack.digest));
    }
    compare(report, "scorer.name", settings.name.clone());
    compare(report, "scorer.version", settings.version.clone());
    let (world, version) = match contents.kept.get(COMPONENT_FILE) {
        Some(component) => contract(component),
        None if settings.has("component") => (None, None),
        // A script takes requests, and does not use the WIT contract.
        None if settings.has("script") => (Some(World::Scoring.to_string()), None),
        // A graph is served as a tensor scorer, and does not use the WIT contract.
        None => (Some(World::TensorScoring.to_string()), None),
    };
    compare(report, "world", world);
    compare(report, "wit-version", version);
    let is_unknown = |label: &&String| {
        label
            .strip_prefix(PREFIX)
            .is_some_and(|name| !COMPARED.contains(&name))
    };
    let unknown: Vec<_> = report
        .labels
        .keys()
        .filter(is_unknown)
        .map(|label| quoted(label, NAME_BYTES))
        .collect();
    if !unknown.is_empty() {
        report.needs_key("labels that are not compared", unknown.join(", "));
    }
}

fn annotations(report: &mut Report, contents: &Contents, manifest: &Value, settings: &Settings) {
    for (name, found) in [("title", &settings.name), ("version", &settings.version)] {
        let what = format!("annotation org.opencontainers.image.{name}");
        let annotations = manifest.get("annotations");
        let said = annotations.and_then(|all| all.get(format!("org.opencontainers.image.{name}")));
        let said = said.and_then(Value::as_str).map(str::to_owned);
        // A manifest in Docker's format has no annotations, so there is nothing to compare.
        if said.is_none() {
            continue;
        }
        if contents.is_damaged {
            report.note(what, "", unknown());
            continue;
        }
        report.check(what, said == *found, || {
            format!(
                "says {}, and the files say {}",
                shown(said),
                shown(found.clone())
            )
        });
    }
}

fn history(
    report: &mut Report,
    contents: &Contents,
    comments: &[(&'static str, String)],
    settings: &Settings,
) {
    if contents.is_damaged {
        return;
    }
    let code = match contents.of_app(COMPONENT_FILE) {
        Some(component) => Code::Component(component.to_string()),
        None if settings.has("script") => Code::Script,
        None => Code::Graph,
    };
    for (layer, said) in comments {
        let found = match *layer {
            "app" => plan::app_comment(settings.name.as_deref().unwrap_or_default(), &code),
            "model" => {
                let model = contents.folder("model").map(ToString::to_string);
                plan::model_comment(model.as_deref())
            }
            "python" => {
                let pack = EnginePack::new(contents).map(|pack| pack.digest);
                plan::pack_comment(pack.as_deref())
            }
            _ => continue,
        };
        report.check(format!("history of layer {layer}"), *said == found, || {
            format!(
                "says {}, and the files say `{found}`",
                shown(Some(said.clone()))
            )
        });
    }
}

/// Checks the files of the app folder that determine which code runs, checks that the folder has no
/// other files than `package` writes, and adds the results to the report.
fn app(report: &mut Report, contents: &Contents, settings: &Settings) {
    if contents.is_damaged {
        return;
    }
    // The machine code is what runs. It must be the one that was compiled from this component.
    let code = settings.text("precompiled", "digest");
    let file = settings.text("precompiled", "file");
    let found = file
        .as_ref()
        .and_then(|file| contents.of_app(file).map(ToString::to_string));
    report.check("precompiled.digest in scorebox.toml", code == found, || {
        "another file is in the place of the machine code".to_owned()
    });
    records(report, contents, settings);
    pack(report, contents, settings);
    let host: Value = contents
        .kept
        .get("host.json")
        .map(|bytes| serde_json::from_slice(bytes).unwrap_or_default())
        .unwrap_or_default();
    let handler = host.pointer("/customHandler/description");
    let started = handler
        .and_then(|handler| handler.get("defaultExecutablePath"))
        .and_then(Value::as_str);
    let arguments = handler
        .and_then(|handler| handler.get("arguments"))
        .and_then(Value::as_array);
    let is_ours = started == Some(HOST_PROGRAM)
        && arguments.is_some_and(|all| {
            all.iter()
                .filter_map(Value::as_str)
                .eq(["serve", "--app", APP_ROOT])
        });
    report.check("host.json starts the host", is_ours, || {
        format!("it starts {}", shown(started.map(str::to_owned)))
    });
    let text = contents
        .kept
        .get("scorebox.toml")
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default();
    match Manifest::parse(std::path::Path::new("scorebox.toml"), text) {
        Ok(manifest) => {
            let mut known: BTreeSet<_> = functions_app::files(&manifest).into_keys().collect();
            known.extend(["scorebox.toml", COMPONENT_FILE, CODE_FILE].map(str::to_owned));
            let root = format!("{}/", APP_ROOT.trim_start_matches('/'));
            let names = contents
                .files
                .keys()
                .filter_map(|path| path.strip_prefix(&root));
            let mut folders = vec![MODEL_FOLDER];
            if manifest.scorer.script.is_some() {
                folders.extend([SCRIPT_FOLDER, PACKAGES_FOLDER]);
                known.insert(STATE_FILE.to_owned());
            }
            let is_known = |name: &str| {
                known.contains(name) || folders.iter().any(|folder| is_in(folder, name))
            };
            let foreign: Vec<_> = names.filter(|name| !is_known(name)).collect();
            report.check(
                "app folder holds what scorebox.toml asks for",
                foreign.is_empty(),
                || format!("`package` does not write {}", listed(&foreign)),
            );
        }
        Err(error) => {
            report.needs_key(
                "files of the app folder",
                format!("scorebox.toml is of another version: {error}"),
            );
        }
    }
}

/// Compares the digests in the image's `scorebox.toml` with the files of the image, and adds the
/// results to the report. The host relies on some of these digests without reading the files.
fn records(report: &mut Report, contents: &Contents, settings: &Settings) {
    let component = contents.of_app(COMPONENT_FILE);
    let whole = [
        ("component", component),
        ("model", contents.folder("model")),
    ];
    for (section, (key, found)) in ["precompiled", "packaged"]
        .into_iter()
        .flat_map(|one| whole.map(|both| (one, both)))
    {
        let Some(said) = settings.text(section, key) else {
            continue;
        };
        report.check(
            format!("{section}.{key} in scorebox.toml"),
            found.is_some_and(|found| found.to_string() == said),
            || {
                format!(
                    "says {}, and the files say {}",
                    shown(Some(said.clone())),
                    shown(found.map(ToString::to_string))
                )
            },
        );
    }
    let files = settings
        .table
        .get("packaged")
        .and_then(|packaged| packaged.get("file"))
        .and_then(toml::Value::as_array);
    let Some(files) = files else { return };
    let text = |file: &toml::Value, key: &str| {
        file.get(key)
            .and_then(toml::Value::as_str)
            .map(str::to_owned)
    };
    let differing = files.iter().filter_map(|file| {
        let (name, said) = (
            text(file, "name")?,
            text(file, "digest").filter(|digest| !digest.is_empty())?,
        );
        let is_there = contents
            .of_app(&name)
            .is_some_and(|found| found.hex() == said.trim_start_matches("sha256:"));
        (!is_there).then_some(name)
    });
    let differing: Vec<_> = differing.collect();
    report.check(
        "packaged.file in scorebox.toml",
        differing.is_empty(),
        || format!("it gives other digests for {}", listed(&differing)),
    );
}

/// Returns names as one text for a message: at most ten names, each shortened, and the number of
/// the other names.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 10;
    let few: Vec<_> = names
        .iter()
        .take(MOST)
        .map(|name| quoted(name.as_ref(), NAME_BYTES))
        .collect();
    let more = names.len().saturating_sub(MOST);
    if more > 0 {
        format!("{} and {more} more", few.join(", "))
    } else {
        few.join(", ")
    }
}

fn shown(value: Option<String>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| quoted(&value, NAME_BYTES))
}

/// Returns the name of the WIT world and the version of the contract that the exports of a
/// component state. Both are `None` if the component cannot be parsed or exports no scorer.
fn contract(component: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(outline) = outline(Path::new(""), component) else {
        return (None, None);
    };
    let contract = |name: &String| {
        let (interface, version) = name.strip_prefix("scorebox:scoring/")?.split_once('@')?;
        let world = interface.strip_suffix("scorer")?;
        Some((Some(format!("{world}scoring")), Some(version.to_owned())))
    };
    outline
        .exports
        .iter()
        .find_map(contract)
        .unwrap_or_default()
}
