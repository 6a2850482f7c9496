//! What the packager asks of the host's library: an app's component as code that the image's host can load.
//!
//! Owns the order snapshot, compile, digest. Must not know images, nor where the result is put.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::app;
use crate::component;
use crate::engine::{ENGINE, engine_config};
use crate::error::StartupError;
use crate::manifest::{Manifest, Precompiled};
use crate::precompiled::{self, Cpu};
use crate::scorer::{self, snapshot};

/// Machine code and what an app's manifest says of it.
pub struct Code {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// `[precompiled]`; its file is the name that was asked for.
    pub section: Precompiled,
}

/// Compiles the component of an app folder, after `init` unless the manifest says `snapshot = false`.
///
/// # Errors
/// The app cannot be read, `init` does what a snapshot cannot keep, or the component is not valid.
pub fn precompile(app: &Path, file: &str, cpu: Cpu) -> Result<Code, StartupError> {
    let manifest = Manifest::read(app)?;
    let path = component::file(&manifest)?;
    let original = component::read(&path)?;
    let model = Arc::new(app::open_model(&manifest)?);
    let digest = manifest.scorer.model.as_ref().map(|_| model.digest().to_owned());
    let invalid = |error: &wasmtime::Error| component::invalid(&path, error);
    let bytes = if manifest.scorer.snapshot {
        let engine = Engine::new(&engine_config()).map_err(|error| invalid(&error))?;
        let world = Component::from_binary(&engine, &original).map_err(|error| invalid(&error))?;
        let world = scorer::world_of(&engine, &world, &path)?;
        let capabilities = Arc::new(app::capabilities(&manifest, model, BTreeMap::new()));
        let taken = snapshot::take(&manifest, capabilities, world, &original);
        app::runtime()?.block_on(taken)?
    } else {
        original.clone()
    };
    let bytes = precompiled::compile(&bytes, cpu).map_err(|error| invalid(&error))?;
    let section = Precompiled {
        file: file.into(),
        digest: component::digest(&bytes),
        engine: ENGINE.to_owned(),
        cpu: cpu.to_string(),
        component: component::digest(&original),
        model: digest,
        snapshot: manifest.scorer.snapshot,
    };
    Ok(Code { bytes, section })
}
