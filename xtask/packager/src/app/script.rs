//! The app folder of a script in Python.
//!
//! Owns which files the folder has: the script with its modules in `script`, its packages in
//! `packages`, and the model. Must not know how packages are found, or how a host runs a script.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::digest;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest, Packaged, PackagedScript, ScriptSection};
use scorebox_host::model::Model;
use scorebox_host::packaging::{self, Times};
use scorebox_workspace::failure::Failure;

use super::{App, MODEL_FOLDER, STATE_FILE, refused, resolved, with_record, written};
use crate::folder::Replacement;
use crate::functions_app;
use crate::graph_trial::{self, Trial, Waits};
use crate::model::{self, ModelFile, Pickles};
use crate::python::engine::Engine;
use crate::python::state::Folders;
use crate::python::{accelerated, packages, pickle, sources, state};
use crate::staged::StagedPaths;

/// Name of the folder of the script and its modules in an app folder.
pub const SCRIPT_FOLDER: &str = "script";
/// Name of the folder of the script's packages in an app folder.
pub const PACKAGES_FOLDER: &str = "packages";

/// Writes the app folder `dir` of a script, and checks it with a host in a process of its own. If
/// the manifest names a file of samples, the host checks the script's answers to them. Fails if a
/// package cannot be found, if the host refuses the script, or if the folder cannot be written.
pub(super) fn stage(
    manifest: &Manifest,
    script: &ScriptSection,
    dir: &Path,
    times: Times,
    trial: Trial<'_>,
) -> Result<App, Failure> {
    let Some(engine) = trial.engine else {
        return Err(Failure::other(
            "a script is built without an engine pack",
            "report it",
        ));
    };
    let model = manifest.scorer.model.as_deref();
    let model = model.map(|model| model::list(model, Pickles::Allowed));
    let model = model.transpose()?.unwrap_or_default();
    pickle::say_versions(&model, engine.library("scikit-learn"));
    if let (true, Some(folder)) = (script.accelerate, &manifest.scorer.model) {
        accelerated::check(folder, &model)?;
    }
    let sources = sources::list(script)?;
    let packages = match &script.requirements {
        Some(file) => packages::locate(file, &engine.interpreter())?,
        None => packages::Packages::default(),
    };

    let mut texts = functions_app::files(manifest);
    let table = resolved(manifest)?;
    texts.insert(MANIFEST_FILE.to_owned(), written(&table)?);
    let mut staging = Replacement::begin(dir, MANIFEST_FILE)?;
    for (name, text) in &texts {
        staging.write(name, text.as_bytes())?;
    }
    for file in &model {
        staging.copy(&format!("{MODEL_FOLDER}/{}", file.name), &file.path)?;
    }
    let mut names: Vec<_> = texts.into_keys().collect();
    for (folder, files) in [
        (SCRIPT_FOLDER, &sources),
        (PACKAGES_FOLDER, &packages.files),
    ] {
        for (name, path) in files {
            let name = format!("{folder}/{name}");
            staging.copy(&name, path)?;
            names.push(name);
        }
    }
    let staged = staged_paths(manifest, script, &model, staging.path());
    let mut record = packaging::record(staging.path(), times)
        .map_err(|error| staged.renamed(refused(manifest, &error)))?;
    let digest = |folder: &str| {
        let opened = Model::open(&staging.path().join(folder));
        let digest = opened.map(|files| files.digest().to_owned());
        digest.map_err(|error| staged.renamed(refused(manifest, &error)))
    };
    let has_packages = !packages.files.is_empty();
    record.script = Some(PackagedScript {
        digest: digest(SCRIPT_FOLDER)?,
        pack: engine.digest.clone(),
        packages: has_packages.then(|| PathBuf::from(PACKAGES_FOLDER)),
        packages_digest: has_packages.then(|| digest(PACKAGES_FOLDER)).transpose()?,
        state: None,
        state_digest: None,
    });
    if let Some(image) = state(manifest, script, &model, staging.path(), engine, &record)? {
        staging.write(STATE_FILE, &image)?;
        names.push(STATE_FILE.to_owned());
        if let Some(script) = &mut record.script {
            script.state = Some(PathBuf::from(STATE_FILE));
            script.state_digest = Some(digest::digest(&image));
        }
    }
    staging.write(
        MANIFEST_FILE,
        written(&with_record(table, &record))?.as_bytes(),
    )?;
    let waits = Waits::of_script(model.iter().map(|file| file.name.as_str()));
    let report = graph_trial::check(manifest, staging.path(), waits, trial)
        .map_err(|failure| staged.renamed(failure))?;
    eprintln!(
        "checked: {} is a script; engine pack {}",
        graph_trial::named(&report),
        engine.digest
    );
    staging.finish()?;

    let files: BTreeMap<_, _> = names
        .into_iter()
        .map(|name| (name.clone(), dir.join(name)))
        .collect();
    Ok(App {
        dir: dir.to_path_buf(),
        files,
        model: model
            .into_iter()
            .map(|file| ModelFile {
                path: dir.join(MODEL_FOLDER).join(&file.name),
                name: file.name,
            })
            .collect(),
        packages: packages.list,
        report,
    })
}

/// Takes the state image of the script in the app folder `dir`: the memory of the script after its
/// `init`. Returns `None` if the script cannot have a state image, or if the manifest forbids one.
/// Fails if the engine pack or the sample cannot be read.
fn state(
    manifest: &Manifest,
    script: &ScriptSection,
    model: &[ModelFile],
    dir: &Path,
    engine: &Engine,
    record: &Packaged,
) -> Result<Option<Vec<u8>>, Failure> {
    let (code, packages, weights) = (
        dir.join(SCRIPT_FOLDER),
        dir.join(PACKAGES_FOLDER),
        dir.join(MODEL_FOLDER),
    );
    let folders = Folders {
        code: &code,
        packages: Some(packages.as_path()).filter(|folder| folder.is_dir()),
        model: Some(weights.as_path()).filter(|folder| folder.is_dir()),
    };
    state::image(manifest, script, model, folders, engine, record)
}

/// Returns the section `[packaged.script]` of a manifest.
pub(super) fn section(record: &PackagedScript) -> toml::Table {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let entries = [
        ("digest", Some(record.digest.clone())),
        ("pack", Some(record.pack.clone())),
        ("packages", path(&record.packages)),
        ("packages_digest", record.packages_digest.clone()),
        ("state", path(&record.state)),
        ("state_digest", record.state_digest.clone()),
    ];
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.into())))
        .collect()
}

/// Maps the paths of an app that is being staged in the folder `dir` to the paths of the project's
/// files that were copied.
fn staged_paths(
    manifest: &Manifest,
    script: &ScriptSection,
    model: &[ModelFile],
    dir: &Path,
) -> StagedPaths {
    let mut paths = super::model_paths(manifest, model, dir);
    paths.extend([
        (dir.to_path_buf(), manifest.dir().to_path_buf()),
        (dir.join(MANIFEST_FILE), manifest.path.clone()),
        (dir.join(SCRIPT_FOLDER), script.folder().to_path_buf()),
    ]);
    StagedPaths::new(paths)
}
