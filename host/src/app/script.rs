//! The step from a manifest to a script that is ready: the engine pack, what all instances of the
//! script share, and the graphs that the script may run.
//!
//! Owns where the engine pack is looked for, and the comparison of the pack with the one that the
//! script was packaged with. Must not know how a script is run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use scorebox_python::state::StateImage;
use scorebox_python::{Pack, PackError, Script};

use super::report::Code;
use super::{App, Trial};
use crate::capability::{self, Capabilities, SharedMemory};
use crate::deployment::{self, Environment};
use crate::error::StartupError;
use crate::graph::EXTENSION;
use crate::manifest::digest::digest;
use crate::manifest::{Manifest, PackagedScript, ScriptSection};
use crate::model::Model;
use crate::packaged::Proof;
use crate::scorer::Scorer;
use crate::sizing;

/// Folder of the engine pack in a container image.
const IMAGE_PACK: &str = "/pack";

/// File of an engine pack whose digest stands for the whole pack.
const RECORD_FILE: &str = "pack.json";

/// Parts of an app that were read and opened before its script is loaded.
pub(super) struct Beside<'a> {
    /// Trial of each ONNX file of the model.
    #[cfg_attr(
        not(feature = "graphs"),
        allow(dead_code, reason = "only graphs need it")
    )]
    pub(super) trial: Trial<'a>,
    /// Way in which the files of the engine pack are compared with its record.
    pub(super) proof: Proof,
    /// Path of the ONNX Runtime library.
    #[cfg_attr(
        not(feature = "graphs"),
        allow(dead_code, reason = "only graphs need it")
    )]
    pub(super) library: &'a Path,
    pub(super) model: Arc<Model>,
    pub(super) capabilities: Capabilities,
    pub(super) environment: Environment<'a>,
}

/// Loads the script of an app, which runs its `init`. `section` has the settings of the script. If
/// the model has graphs, they are loaded, too, because the script may run any of them.
///
/// # Errors
/// Fails if the engine pack cannot be used, if the script does not start, or if a graph cannot be
/// loaded.
pub(super) async fn load(
    manifest: Manifest,
    section: &ScriptSection,
    beside: Beside<'_>,
    runtime: tokio::runtime::Handle,
) -> Result<App, StartupError> {
    let Beside {
        model,
        capabilities,
        proof,
        environment,
        ..
    } = beside;
    let limits = &manifest.limits;
    let instances = sizing::most_script_instances(limits);
    let memory = SharedMemory::new(sizing::instances_bytes(limits), instances);
    let capabilities = Capabilities {
        memory: Arc::new(memory),
        ..capabilities
    };
    let script = Script {
        shared_memory: Some(capability::shared_limit(Arc::clone(&capabilities.memory))),
        ..script(&manifest, section, &model, proof, environment)?
    };
    let record = script.pack.record();
    let code = Code::Script {
        entry: script.entry.clone(),
        python: record.python.clone(),
        cpu: record.cpu.clone(),
        has_state: script.state.is_some(),
    };
    #[cfg(feature = "graphs")]
    let capabilities = match super::has_graph(&model) {
        true => {
            let (trial, library, on) = (beside.trial, beside.library, runtime.clone());
            let graphs = super::graphs(trial, &manifest, &model, library, on).await?;
            Capabilities {
                graphs: Some(graphs),
                ..capabilities
            }
        }
        false => capabilities,
    };
    let scorer = Scorer::of_script(script, &manifest, Arc::new(capabilities), runtime).await?;
    Ok(App {
        manifest,
        scorer,
        code,
        model,
    })
}

/// Returns what all instances of the manifest's script share.
///
/// # Errors
/// Fails if the script is not a file or its packages are not there, if its state image cannot be
/// opened, or if there is no usable engine pack.
fn script(
    manifest: &Manifest,
    section: &ScriptSection,
    model: &Model,
    proof: Proof,
    environment: Environment<'_>,
) -> Result<Script, StartupError> {
    let packaged = manifest.packaged.as_ref();
    let packaged = packaged.and_then(|packaged| packaged.script.as_ref());
    check(manifest, section, packaged)?;
    let pack = open(packaged, proof, environment)?;
    let model_folder = manifest
        .scorer
        .model
        .as_ref()
        .map(|path| match path.is_dir() {
            true => path.clone(),
            false => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        });
    Ok(Script {
        pack,
        code: section.folder().to_path_buf(),
        entry: section.entry().to_owned(),
        packages: packaged.and_then(|script| script.packages.clone()),
        model: model_folder,
        environment: manifest.config.clone().into_iter().collect(),
        memory_bytes: manifest.limits.memory_bytes,
        shared_memory: None,
        state: state(packaged)?,
        accelerated: match section.accelerate {
            true => accelerated(model),
            false => Vec::new(),
        },
    })
}

/// Opens the state image of the script, if it has one. The file stays open, so that instances that
/// start later get the state that was compared with the record, even if another file replaces it.
fn state(packaged: Option<&PackagedScript>) -> Result<Option<StateImage>, StartupError> {
    let Some(path) = packaged.and_then(|script| script.state.as_ref()) else {
        return Ok(None);
    };
    let image = StateImage::open(path).map_err(|error| StartupError::Script {
        path: path.clone(),
        problem: error.to_string(),
        fix: "package the app again".to_owned(),
    })?;
    Ok(Some(image))
}

/// Returns the files of the model that have a graph next to them: the graph of `trees.pkl` is
/// `trees.pkl.onnx`.
fn accelerated(model: &Model) -> Vec<String> {
    let graphs = model
        .files()
        .filter_map(|file| file.strip_suffix(EXTENSION));
    let files = graphs.filter(|file| model.file(file).is_some());
    files.map(str::to_owned).collect()
}

fn check(
    manifest: &Manifest,
    section: &ScriptSection,
    packaged: Option<&PackagedScript>,
) -> Result<(), StartupError> {
    let fail = |path: &Path, problem: &str, fix: String| StartupError::Script {
        path: path.to_path_buf(),
        problem: problem.to_owned(),
        fix,
    };
    if !section.file.is_file() {
        let fix = "name the script in scorer.script, relative to scorebox.toml".to_owned();
        return Err(fail(&section.file, "is not a file", fix));
    }
    match (&section.requirements, packaged) {
        (Some(requirements), None) => Err(fail(
            requirements,
            "lists packages, and the host runs only what is built",
            format!(
                "`scorebox build --manifest {}` fetches them and prints the app folder to give to --app",
                manifest.path.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Opens the engine pack. If `packaged` is the record of a packaged script, the pack must be the
/// one that the script was packaged with.
fn open(
    packaged: Option<&PackagedScript>,
    proof: Proof,
    environment: Environment<'_>,
) -> Result<Arc<Pack>, StartupError> {
    let fail = |folder: &Path, problem: String, fix: &str| StartupError::Engine {
        library: folder.to_path_buf(),
        problem,
        fix: fix.to_owned(),
    };
    let expected = packaged.map(|script| script.pack.as_str());
    let folder = find(expected, environment).ok_or_else(|| {
        fail(
            Path::new(IMAGE_PACK),
            "there is no engine pack, which runs scripts".to_owned(),
            "make it with `scorebox build`, or name its folder in SCOREBOX_PYTHON_PACK",
        )
    })?;
    let proof = match proof {
        Proof::Facts if !deployment::verifies_pack(environment) => scorebox_python::Proof::Recorded,
        Proof::Facts | Proof::Digests => scorebox_python::Proof::Whole,
    };
    let pack = Pack::open(&folder, proof).map_err(|error: PackError| {
        let text = error.to_string();
        let (problem, fix) = text
            .split_once("; ")
            .unwrap_or((&text, "make the pack again with `scorebox build`"));
        fail(&folder, problem.to_owned(), fix)
    })?;
    let found = format!("sha256:{}", pack.digest());
    match expected.filter(|expected| *expected != found) {
        None => Ok(pack),
        Some(expected) => Err(fail(
            &folder,
            format!(
                "is not the pack that the script was packaged with: its digest is {found}, and scorebox.toml names {expected}"
            ),
            "package the app again with `scorebox build` or `scorebox package`, which try the script with the pack of this \
             version",
        )),
    }
}

/// Returns the folder of the engine pack: the one that the environment names, that of an image, or
/// one in the user's cache folder. In the cache, a pack with the digest `expected` goes first, and
/// then the pack that was made last.
fn find(expected: Option<&str>, environment: Environment<'_>) -> Option<PathBuf> {
    if let Some(named) = deployment::python_pack(environment) {
        return Some(named);
    }
    let image = Path::new(IMAGE_PACK);
    if image.join(RECORD_FILE).is_file() {
        return Some(image.to_path_buf());
    }
    let cache = deployment::python_packs(environment)?;
    let entries = std::fs::read_dir(cache).ok()?;
    let rank = |entry: std::io::Result<std::fs::DirEntry>| {
        let folder = entry.ok()?.path();
        let record = folder.join(RECORD_FILE);
        let bytes = std::fs::read(&record).ok()?;
        let made = std::fs::metadata(&record).and_then(|facts| facts.modified());
        let is_expected = expected.is_some_and(|expected| digest(&bytes) == expected);
        Some((is_expected, made.unwrap_or(SystemTime::UNIX_EPOCH), folder))
    };
    let best = entries.filter_map(rank).max();
    best.map(|(_, _, folder)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pack_of_the_record_is_found_in_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let packs = cache.path().join("scorebox/python");
        for name in ["a", "b", "unfinished"] {
            std::fs::create_dir_all(packs.join(name)).unwrap();
        }
        for name in ["a", "b"] {
            std::fs::write(packs.join(name).join(RECORD_FILE), name).unwrap();
        }
        let path = cache.path().to_str().unwrap().to_owned();
        let environment = |name: &str| (name == "XDG_CACHE_HOME").then(|| path.clone());
        for name in ["a", "b"] {
            let expected = digest(name.as_bytes());
            assert_eq!(find(Some(&expected), &environment), Some(packs.join(name)));
        }
        assert!(find(None, &environment).is_some());
        assert_eq!(find(None, &|_: &str| None), None);
        let named = |name: &str| (name == "SCOREBOX_PYTHON_PACK").then(|| "/p".to_owned());
        assert_eq!(find(None, &named), Some(PathBuf::from("/p")));
        let manifest = "[scorer]\nname = \"a\"\nscript = \"score.py\"";
        let manifest = Manifest::parse(&packs.join("scorebox.toml"), manifest).unwrap();
        let section = manifest.scorer.script.as_ref().unwrap();
        let missing = check(&manifest, section, None).unwrap_err().to_string();
        assert!(
            missing.contains("score.py") && missing.contains("is not a file"),
            "{missing}"
        );
        let none = open(None, Proof::Facts, &|_: &str| None).map(drop);
        assert!(none.unwrap_err().to_string().contains("scorebox build"));
    }
}
