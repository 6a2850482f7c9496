//! Functions for the packager: compile an app's component into code that the image's host can load,
//! and record its files.
//!
//! Owns the order of the steps (take a snapshot, compile it, compute the digest), and the record of
//! the files by which a host detects a change. Must not know images, nor where the result is put.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::app;
use crate::component;
use crate::engine::{ENGINE, engine_config};
use crate::error::StartupError;
use crate::machine;
use crate::manifest::{ComponentSource, Manifest, Packaged, PackagedFile, Precompiled, digest};
use crate::model::FileFacts;
use crate::precompiled::{self, Cpu};
use crate::scorer::{self, snapshot};

/// Precompiled machine code of a component, with the section `[precompiled]` for the app's
/// manifest.
pub struct Code {
    /// Content of the file with the machine code.
    pub bytes: Vec<u8>,
    /// Section `[precompiled]` for the manifest. Its `file` is the name that the caller of
    /// [`precompile`] passed.
    pub section: Precompiled,
}

/// Times to record for the files of an app: the times that the files have where a host reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The times that the files have now are recorded. This variant is for a folder that a host
    /// reads directly.
    AsWritten,
    /// This modification time is recorded for all files, in seconds since 1970. This variant is for
    /// an image, whose files get this time when they are unpacked.
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
        model: manifest
            .scorer
            .model
            .as_ref()
            .map(|_| model.digest().to_owned()),
        files: found.into_iter().map(file).collect(),
    })
}

/// Compiles the component of an app folder to machine code for a CPU level. `file` is the name of
/// the file that will hold the code. The code is a snapshot of the state after `init`, unless the
/// manifest has `snapshot = false`.
///
/// # Errors
/// Fails if the app cannot be read, if `init` fails or does something that a snapshot cannot keep,
/// or if the component is not valid.
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
    let invalid = |error: &wasmtime::Error| component::invalid(&path, error);
    let bytes = if manifest.scorer.snapshot {
        let engine = Engine::new(&engine_config()).map_err(|error| invalid(&error))?;
        let component =
            Component::from_binary(&engine, &original).map_err(|error| invalid(&error))?;
        let target = scorer::world_of(&engine, &component, &path)?;
        let capabilities = Arc::new(app::capabilities(&manifest, model, BTreeMap::new()));
        let taken = snapshot::take(&manifest, capabilities, target, &original);
        machine::small_runtime()?.block_on(taken)?
    } else {
        original.clone()
    };
    let bytes = precompiled::compile(&bytes, cpu).map_err(|error| invalid(&error))?;
    let section = Precompiled {
        file: file.into(),
        digest: digest::digest(&bytes),
        engine: ENGINE.to_owned(),
        cpu: cpu.to_string(),
        component: digest::digest(&original),
        model: digest,
        snapshot: manifest.scorer.snapshot,
    };
    Ok(Code { bytes, section })
}
