//! The manifest of an app folder, made from that of the project.
//!
//! Owns what is replaced, removed and added. Must not know how the files get into the folder.

use std::path::PathBuf;

use scorebox_host::manifest::{MANIFEST_FILE, Manifest, Packaged, PackagedFile, Precompiled};
use scorebox_host::packaging::Code;
use scorebox_workspace::failure::Failure;

use super::{COMPONENT_FILE, MODEL_FOLDER, SCRIPT_FOLDER, script};

/// Returns the manifest for the app folder: the project's manifest, but with the paths of the
/// component, the script and the model replaced by their names in the app folder, and without the
/// sections `package`, `precompiled` and `packaged`. Fails if the project's manifest cannot be
/// read, or is no longer TOML.
pub(super) fn resolved(manifest: &Manifest) -> Result<toml::Table, Failure> {
    let text = std::fs::read_to_string(&manifest.path)
        .map_err(|error| Failure::file(&manifest.path, "be read", error))?;
    // The file was read and checked as a manifest before. This can fail only if the file changed in
    // between.
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Failure::project(
            format!("{}: cannot be resolved: {error}", manifest.path.display()),
            "run the command again",
        )
    })?;
    table.remove("package");
    // These sections exist if the project is itself an app folder, which is packaged again.
    table.remove("precompiled");
    table.remove("packaged");
    if let Some(scorer) = table.get_mut("scorer").and_then(toml::Value::as_table_mut) {
        if scorer.contains_key("component") {
            scorer.insert("component".to_owned(), COMPONENT_FILE.into());
        }
        if scorer.contains_key("model") {
            scorer.insert("model".to_owned(), MODEL_FOLDER.into());
        }
        if let Some(script) = &manifest.scorer.script {
            let path = format!("{SCRIPT_FOLDER}/{}", script.entry());
            scorer.insert("script".to_owned(), path.into());
            // The packages were found, and their folder is recorded.
            scorer.remove("requirements");
        }
    }
    Ok(table)
}

pub(super) fn with_code(mut manifest: toml::Table, code: &Code) -> toml::Table {
    let Precompiled {
        file,
        digest,
        engine,
        cpu,
        component,
        model,
        snapshot,
    } = code.section.clone();
    let mut section = toml::Table::new();
    section.insert("file".to_owned(), file.display().to_string().into());
    for (key, value) in [
        ("digest", digest),
        ("engine", engine),
        ("cpu", cpu),
        ("component", component),
    ] {
        section.insert(key.to_owned(), value.into());
    }
    section.extend(model.map(|model| ("model".to_owned(), model.into())));
    section.insert("snapshot".to_owned(), snapshot.into());
    manifest.insert("precompiled".to_owned(), section.into());
    manifest
}

/// Adds the section `packaged` with a record of the packaged files to a manifest. When a host
/// starts, it uses this section to notice that a file has changed since it was packaged.
pub(super) fn with_record(mut manifest: toml::Table, record: &Packaged) -> toml::Table {
    let file = |(name, file): (&PathBuf, &PackagedFile)| {
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), name.display().to_string().into());
        table.insert(
            "size".to_owned(),
            i64::try_from(file.size).unwrap_or(i64::MAX).into(),
        );
        table.insert("digest".to_owned(), file.digest.clone().into());
        let times = [
            ("modified_ns", file.modified_ns),
            ("changed_ns", file.changed_ns),
        ];
        table.extend(
            times
                .into_iter()
                .filter_map(|(key, time)| Some((key.to_owned(), time?.into()))),
        );
        toml::Value::from(table)
    };
    let mut section = toml::Table::new();
    section.extend(
        record
            .model
            .clone()
            .map(|model| ("model".to_owned(), model.into())),
    );
    if record.answers_sample {
        section.insert("answers_sample".to_owned(), true.into());
    }
    section.extend(
        record
            .script
            .as_ref()
            .map(|script| ("script".to_owned(), script::section(script).into())),
    );
    // TOML has no header for an empty list of tables.
    if !record.files.is_empty() {
        let files = record.files.iter().map(file).collect::<Vec<_>>();
        section.insert("file".to_owned(), files.into());
    }
    manifest.insert("packaged".to_owned(), section.into());
    manifest
}

pub(super) fn written(manifest: &toml::Table) -> Result<String, Failure> {
    let body = toml::to_string(manifest)
        .map_err(|error| Failure::other(format!("{MANIFEST_FILE}: {error}"), "report it"))?;
    Ok(format!(
        "# Made by `cargo xtask build`; edit the scorer's own {MANIFEST_FILE} instead.\n{body}"
    ))
}
