//! Functions for the packager: compile an app's component into code that the host program in a
//! container image can load, and record its files.
//!
//! Owns the order of the steps (take a snapshot, compile it, compute the digest), and the record of
//! the files by which a host detects a change. Must not know how an image is made, nor where the
//! result is put.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app;
use crate::component::{self, Outline};
use crate::engine::ENGINE;
use crate::error::StartupError;
use crate::machine;
use crate::manifest::{ComponentSource, Manifest, Packaged, PackagedFile, Precompiled, digest};
use crate::model::FileFacts;
use crate::precompiled::{self, Cpu};
use crate::scorer::snapshot::{self, Snapshot};
use crate::scorer::{self, judge};

#[cfg(feature = "python")]
pub use crate::packaged::state_inputs;

/// Precompiled machine code of a component, with the section `[precompiled]` for the app's
/// manifest.
pub struct Code {
    /// Content of the file with the machine code.
    pub bytes: Vec<u8>,
    /// Section `[precompiled]` for the manifest. Its `file` is the name that the caller of
    /// [`precompile`] passed.
    pub section: Precompiled,
    /// Reason why the code is not a snapshot although the manifest asks for one. `None` if it is a
    /// snapshot, or if the manifest does not ask for one.
    pub no_snapshot: Option<String>,
}

/// Times to record for the files of an app: the times that the files have where a host reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The times that the files have now are recorded. This variant is for a folder that a host
    /// reads directly.
    AsWritten,
    /// This modification time is recorded for all files, in seconds since 1970. This variant is for
    /// a container image, whose files get this time when they are unpacked.
    Image(u64),
}

/// Returns the record of the files of the component and the model in an app folder, each by its
/// path inside the folder. Reads every byte of these files.
///
/// # Errors
/// Fails if the manifest or a file cannot be read.
pub fn record(app: &Path, times: Times) -> Result<Packaged, StartupError> {
    let manifest = Manifest::read(app)?;
    let model = app::open_model(&manifest)?;
    let unreadable = |error: std::io::Error| {
        StartupError::Host(format!("{}: cannot be read: {error}", app.display()))
    };
    let digests: BTreeMap<_, _> = model.file_digests().into_iter().collect();
    let mut found = Vec::new();
    for (path, facts) in model.facts().map_err(unreadable)? {
        let digest = digests.get(&path).cloned().unwrap_or_default();
        found.push((path, facts, digest));
    }
    if let Some(ComponentSource::File(path)) = &manifest.scorer.component {
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        found.push((
            path.clone(),
            FileFacts::from(&metadata),
            digest::digest(&component::read(path)?),
        ));
    }
    let file = |(path, facts, digest): (PathBuf, FileFacts, String)| {
        let (modified_ns, changed_ns) = match times {
            Times::AsWritten => (facts.modified_ns, facts.changed_ns),
            Times::Image(epoch_s) => (
                i64::try_from(epoch_s)
                    .ok()
                    .and_then(|s| s.checked_mul(1_000_000_000)),
                None,
            ),
        };
        let name = path
            .strip_prefix(manifest.dir())
            .map(Path::to_path_buf)
            .unwrap_or(path);
        (
            name,
            PackagedFile {
                size: facts.size,
                digest,
                modified_ns,
                changed_ns,
            },
        )
    };
    Ok(Packaged {
        answers_sample: false,
        script: None,
        model: manifest
            .scorer
            .model
            .as_ref()
            .map(|_| model.digest().to_owned()),
        files: found.into_iter().map(file).collect(),
    })
}

/// Checks that a component can be the scorer of a project: the world that it exports, and each of
/// its imports. Nothing is compiled, so this takes milliseconds. `file` is the component's file.
///
/// # Errors
/// Fails if the file is not a component, or if a host would refuse it. The error has all reasons.
pub fn examine(manifest: &Manifest, file: &Path) -> Result<(), StartupError> {
    let outline = component::outline(file, &component::read(file)?)?;
    // A model that cannot be opened is reported when it is packaged.
    let has_graph = match app::open_model(manifest) {
        Ok(model) => app::has_graph(&model),
        Err(_) => true,
    };
    let judged = judge(&outline, manifest, has_graph);
    judged
        .map(drop)
        .map_err(|problem| component::unfit(file, problem))
}

/// Returns true if bytes are a component that imports functions that need an engine for graphs.
/// Returns false for bytes that are not a component.
#[must_use]
pub fn calls_graphs(bytes: &[u8]) -> bool {
    let outline = component::outline(Path::new(""), bytes);
    outline.is_ok_and(|outline| scorer::calls_graphs(&outline.imports))
}

/// Compiles the component of an app folder to machine code for a CPU level. `file` is the name of
/// the file that will hold the code. The code is a snapshot of the state after `init`, unless the
/// manifest has `snapshot = false`, or snapshots of this component are not supported.
///
/// # Errors
/// Fails if the app cannot be read, if `init` fails or does something that a snapshot cannot keep,
/// or if the component is not valid or a host would refuse it.
pub fn precompile(app: &Path, file: &str, cpu: Cpu) -> Result<Code, StartupError> {
    let manifest = Manifest::read(app)?;
    let path = component::file(&manifest)?;
    let original = component::read(&path)?;
    let model = Arc::new(app::open_model(&manifest)?);
    let digest = manifest
        .scorer
        .model
        .as_ref()
        .map(|_| model.digest().to_owned());
    let outline = component::examine(&path, &original, &|outline: &Outline| {
        judge(outline, &manifest, app::has_graph(&model)).map(drop)
    })?;
    let (taken, no_snapshot) = match manifest.scorer.snapshot {
        false => (None, None),
        true => {
            let capabilities = Arc::new(app::capabilities(&manifest, model, BTreeMap::new()));
            let taken = snapshot::take(&manifest, capabilities, &outline, &original);
            match machine::small_runtime()?.block_on(taken)? {
                Snapshot::Taken(bytes) => (Some(bytes), None),
                Snapshot::Unsupported(reason) => (None, Some(reason)),
            }
        }
    };
    let snapshot = taken.is_some();
    let bytes = precompiled::compile(taken.as_deref().unwrap_or(&original), cpu)
        .map_err(|error| component::invalid(&path, &error))?;
    let section = Precompiled {
        file: file.into(),
        digest: digest::digest(&bytes),
        engine: ENGINE.to_owned(),
        cpu: cpu.to_string(),
        component: digest::digest(&original),
        model: digest,
        snapshot,
    };
    Ok(Code {
        bytes,
        section,
        no_snapshot,
    })
}
