//! Comparison of an app's component, script and model with the files that were packaged.
//!
//! Owns the comparison with the manifest's sections `[packaged]` and `[precompiled]`, which hold
//! the digests of the packaged files. Also owns the texts of refusals. Must not know how code or
//! tensors are loaded.
//!
//! A file that changed must never be served. The precompiled machine code may hold the state of the
//! component after its `init`, and with it the weights of the old model. Sizes and times are
//! compared first, because reading a large model would delay every start. If sizes and times do not
//! prove that a file is unchanged, digests decide.

use std::path::{Path, PathBuf};

#[cfg(feature = "python")]
use scorebox_python::state::StateImage;

use crate::component;
use crate::error::StartupError;
use crate::manifest::digest::digest;
use crate::manifest::{ComponentSource, Manifest};
#[cfg(feature = "python")]
use crate::manifest::{Packaged, ScriptSection};
use crate::model::{FileFacts, Model};

/// Total size of a model's files up to which the model is always read and its digest compared, in
/// bytes. Reading this many bytes takes less than a millisecond.
const ALWAYS_READ_BYTES: u64 = 1 << 20;

/// Name of the settings file of the Functions host. Every app that was built has this file, and the
/// file is unpacked from a container image after the model.
const HOST_FILE: &str = "host.json";

/// Way in which an app's files are compared with the packager's record of these files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The sizes and times of the files are compared. Digests are compared only if sizes and times
    /// do not prove that the files are unchanged. The host uses this variant at each start.
    Facts,
    /// The digests of all files are compared. Checks of an app use this variant, because they need
    /// not be fast.
    Digests,
}

/// Compares the files of the component, the script and the model with the packager's record of
/// these files.
///
/// If nothing was recorded, as in an app folder that was written by hand, nothing is compared.
/// After a success, [`Model::digest`] is the digest of the files that are there.
///
/// # Errors
/// Fails if a file was changed, added or removed since the app was packaged, or if a file cannot be
/// examined or read.
pub(crate) fn compare(
    manifest: &Manifest,
    model: &Model,
    proof: Proof,
) -> Result<(), StartupError> {
    compare_model(manifest, model, proof)?;
    #[cfg(feature = "python")]
    compare_script(manifest)?;
    compare_component(manifest, proof)
}

/// Compares the digests of the script's folder, of its packages and of its state image with the
/// record. All of them are read at each start, so no time of a file has to be trusted.
#[cfg(feature = "python")]
fn compare_script(manifest: &Manifest) -> Result<(), StartupError> {
    let packaged = manifest.packaged.as_ref();
    let record = packaged.and_then(|packaged| packaged.script.as_ref());
    let (Some(script), Some(record)) = (&manifest.scorer.script, record) else {
        return Ok(());
    };
    let packages = record.packages.as_deref();
    let packages = packages.zip(record.packages_digest.as_ref());
    let folders = [Some((script.folder(), &record.digest)), packages];
    for (folder, expected) in folders.into_iter().flatten() {
        let fail = |problem: String| StartupError::Script {
            path: folder.to_path_buf(),
            problem: format!("changed since it was packaged: {problem}"),
            fix: fix(manifest),
        };
        let opened = Model::open(folder).map_err(|error| fail(error.to_string()))?;
        let found = opened.digest();
        if found != expected {
            return Err(fail(other_digest(manifest, found, expected)));
        }
    }
    let inputs = packaged.map(|packaged| state_inputs(manifest, packaged));
    let state = record.state.as_ref().zip(record.state_digest.as_ref());
    if let Some(((state, expected), inputs)) = state.zip(inputs) {
        let fail = |problem: String| StartupError::Script {
            path: state.clone(),
            problem,
            fix: fix(manifest),
        };
        let image = StateImage::open(state).map_err(|error| fail(error.to_string()))?;
        let found = image.sha256().map_err(|error| fail(error.to_string()))?;
        let found = format!("sha256:{found}");
        if found != *expected {
            let problem = other_digest(manifest, &found, expected);
            return Err(fail(format!("changed since it was packaged: {problem}")));
        }
        if image.record().inputs_sha256 != inputs {
            return Err(fail(
                "is the state of another script, or of other settings or files".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Returns the digest of everything that the state image of a script is made from, in hexadecimal:
/// the script, its packages, its model, the engine pack, the configuration, and what the script can
/// learn about itself. `packaged` is the record of the app.
#[cfg(feature = "python")]
#[must_use]
pub fn state_inputs(manifest: &Manifest, packaged: &Packaged) -> String {
    let script = packaged.script.as_ref();
    let inputs = serde_json::json!({
        "name": manifest.scorer.name,
        "version": manifest.scorer.version,
        "labels": manifest.scorer.labels,
        "entry": manifest.scorer.script.as_ref().map(ScriptSection::entry),
        "script": script.map(|script| &script.digest),
        "packages": script.map(|script| &script.packages_digest),
        "pack": script.map(|script| &script.pack),
        "model": packaged.model,
        "config": manifest.config,
        "accelerate": manifest.scorer.script.as_ref().map(|script| script.accelerate),
    });
    let digest = digest(inputs.to_string().as_bytes());
    digest.trim_start_matches("sha256:").to_owned()
}

fn compare_model(manifest: &Manifest, model: &Model, proof: Proof) -> Result<(), StartupError> {
    let folder = manifest.scorer.model.clone().unwrap_or_default();
    let fail = |path: &Path, problem: String| StartupError::Model {
        path: path.to_path_buf(),
        problem: format!("changed since it was packaged: {problem}"),
        fix: fix(manifest),
    };
    let facts = model
        .facts()
        .map_err(|error| fail(&folder, format!("its files cannot be examined: {error}")))?;
    if let Some(packaged) = &manifest.packaged {
        let component = component_file(manifest);
        let mut recorded = packaged
            .files
            .keys()
            .filter(|path| Some(path.as_path()) != component);
        if let Some((path, _)) = facts
            .iter()
            .find(|(path, _)| !packaged.files.contains_key(path))
        {
            return Err(fail(path, "the file was added".to_owned()));
        }
        if let Some(path) = recorded.find(|path| !facts.iter().any(|(found, _)| found == *path)) {
            return Err(fail(path, "the file is gone".to_owned()));
        }
        let mut sizes = facts
            .iter()
            .filter_map(|(path, found)| Some((path, found.size, packaged.files.get(path)?.size)));
        if let Some((path, found, size)) = sizes.find(|(_, found, size)| found != size) {
            return Err(fail(
                path,
                format!(
                    "it has {found} bytes, and {} names {size}",
                    manifest.path.display()
                ),
            ));
        }
    }
    let packaged = manifest
        .packaged
        .as_ref()
        .and_then(|packaged| packaged.model.as_ref());
    let precompiled = manifest
        .precompiled
        .as_ref()
        .and_then(|precompiled| precompiled.model.as_ref());
    let Some(expected) = packaged.or(precompiled) else {
        return Ok(());
    };
    // Two records of one build agree. If the records of a manifest differ, it was edited.
    let is_one_record = [packaged, precompiled]
        .into_iter()
        .flatten()
        .all(|digest| digest == expected);
    let bytes: u64 = facts
        .iter()
        .map(|(_, found)| found.size)
        .fold(0, u64::saturating_add);
    if proof == Proof::Facts
        && is_one_record
        && bytes > ALWAYS_READ_BYTES
        && show_the_same(manifest, &facts)
    {
        model.adopt_digest(expected);
        return Ok(());
    }
    let found = model.digest();
    let named = [packaged, precompiled]
        .into_iter()
        .flatten()
        .find(|digest| *digest != found);
    let Some(expected) = named else { return Ok(()) };
    let recorded = |path: &PathBuf| {
        manifest
            .packaged
            .as_ref()
            .and_then(|packaged| packaged.files.get(path))
    };
    let differs = |(path, digest): &(PathBuf, String)| {
        recorded(path).is_some_and(|file| file.digest != *digest)
    };
    Err(match model.file_digests().into_iter().find(differs) {
        Some((path, found)) => {
            let expected = recorded(&path).map_or("another", |file| file.digest.as_str());
            fail(&path, other_digest(manifest, &found, expected))
        }
        None => fail(&folder, other_digest(manifest, found, expected)),
    })
}

fn compare_component(manifest: &Manifest, proof: Proof) -> Result<(), StartupError> {
    let Some(path) = component_file(manifest) else {
        return Ok(());
    };
    let packaged = manifest
        .packaged
        .as_ref()
        .and_then(|packaged| packaged.files.get(path));
    let precompiled = manifest
        .precompiled
        .as_ref()
        .map(|precompiled| &precompiled.component);
    let recorded = [packaged.map(|file| &file.digest), precompiled];
    let Some(expected) = recorded.into_iter().flatten().next() else {
        return Ok(());
    };
    let is_one_record = recorded
        .into_iter()
        .flatten()
        .all(|digest| digest == expected);
    // A file that is missing or cannot be examined is read next, and that error gives the reason.
    let facts = std::fs::metadata(path)
        .ok()
        .map(|metadata| (path.to_path_buf(), FileFacts::from(&metadata)));
    if proof == Proof::Facts
        && is_one_record
        && facts.is_some_and(|facts| show_the_same(manifest, &[facts]))
    {
        return Ok(());
    }
    let found = digest(&component::read(path)?);
    let Some(expected) = recorded
        .into_iter()
        .flatten()
        .find(|digest| **digest != found)
    else {
        return Ok(());
    };
    // The error names the code, because the code would run, and it does not belong to the
    // component.
    let code = manifest
        .precompiled
        .as_ref()
        .map_or(path, |precompiled| precompiled.file.as_path());
    Err(StartupError::Component {
        path: code.to_path_buf(),
        problem: format!(
            "was not made from the component next to it: {} changed since it was packaged: {}",
            path.display(),
            other_digest(manifest, &found, expected)
        ),
        fix: fix(manifest),
    })
}

/// Returns the path of the component's file. Returns `None` if the manifest does not name a file of
/// a component.
fn component_file(manifest: &Manifest) -> Option<&Path> {
    match &manifest.scorer.component {
        Some(ComponentSource::File(path)) => Some(path),
        _ => None,
    }
}

fn other_digest(manifest: &Manifest, found: &str, expected: &str) -> String {
    format!(
        "its digest is {found}, and {} names {expected}",
        manifest.path.display()
    )
}

/// Returns the fix in the error message if a file changed since it was packaged. The command in the
/// text works for an app folder: it builds the folder again, in place, from the files that are
/// there.
fn fix(manifest: &Manifest) -> String {
    format!(
        "put the packaged file back, or build the app again from the files that are there: `scorebox build --manifest {} \
         --app {}`; to change an image, change the scorer's project and run `scorebox package` there",
        manifest.path.display(),
        manifest.dir().display()
    )
}

/// Returns true if the sizes and times in `files` alone prove that the files are unchanged since
/// they were packaged.
fn show_the_same(manifest: &Manifest, files: &[(PathBuf, FileFacts)]) -> bool {
    let Some(packaged) = &manifest.packaged else {
        return false;
    };
    let recorded = |path: &PathBuf| packaged.files.get(path);
    files.iter().all(|(path, found)| {
        recorded(path).is_some_and(|recorded| {
            let Some((modified, expected)) = found.modified_ns.zip(recorded.modified_ns) else {
                return false;
            };
            found.size == recorded.size
                && match recorded.changed_ns {
                    // The folder is where it was built. Every change to a file gives it another
                    // status change time.
                    Some(changed) => modified == expected && found.changed_ns == Some(changed),
                    None => {
                        is_of_image(modified, expected) && was_unpacked_first(manifest, path, found)
                    }
                }
        })
    })
}

/// Returns true if the modification time of a file is the modification time of its entry in an
/// image. Both are in nanoseconds since 1970. If the time in the image is 0, some unpackers write a
/// time that is one second later, because certain tools take the time 0 for a missing time.
fn is_of_image(modified_ns: i64, entry_ns: i64) -> bool {
    modified_ns == entry_ns || (entry_ns == 0 && modified_ns == 1_000_000_000)
}

/// Returns true if the file `path` with the facts `found` was unpacked no later than the last files
/// of its image, and is in the same file system as those files.
///
/// The modification times of an image's files are known when the image is packaged. A file that
/// replaces one of them later can get the same modification time, but neither such a file nor a
/// mount can get an old status change time. The files of an app are the last layer of an image, and
/// a runtime unpacks this layer after the layers below it.
fn was_unpacked_first(manifest: &Manifest, path: &Path, found: &FileFacts) -> bool {
    let is_component = component_file(manifest) == Some(path);
    // Within a layer, files are in byte order of their names, so the code comes before the
    // component.
    let code = manifest
        .precompiled
        .as_ref()
        .map(|precompiled| precompiled.file.clone())
        .filter(|_| !is_component);
    let host = Some(manifest.dir().join(HOST_FILE)).filter(|file| file.exists());
    let later = [Some(manifest.path.clone()), code, host];
    later.into_iter().flatten().all(|file| {
        std::fs::metadata(file).is_ok_and(|metadata| {
            let last = FileFacts::from(&metadata);
            last.device == found.device
                && last
                    .changed_ns
                    .zip(found.changed_ns)
                    .is_some_and(|(last, found)| found <= last)
        })
    })
}
