//! The state image of a script: its memory after `init` and, if possible, one call, taken in the
//! sandbox.
//!
//! Owns the choice whether a script has a state image, and the host that the script sees meanwhile:
//! one without stores and graphs. Must not know the format of an image.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use scorebox_host::manifest::{Manifest, Packaged, ScriptSection};
use scorebox_host::packaging;
use scorebox_host::sample::Sample;
use scorebox_host::text::{REASON_BYTES, quoted};
use scorebox_python::make::{TakeError, take};
use scorebox_python::{GraphFailure, Level, Outside, Pack, Proof, RedisFailure, Request, Script};
use scorebox_workspace::failure::Failure;
use serde_json::json;

use super::accelerated;
use super::engine::Engine;
use crate::model::ModelFile;

/// Attributes of the call to the script that is made before its state image is taken.
const ATTRIBUTES: &str = r#"{"id":"sample","source":"direct","method":"POST","path":"/score","query":"","headers":[],"content_type":"application/json"}"#;
/// Maximum size of a state image that is packaged, in bytes. A larger image costs more memory and
/// more time than running `init` does.
const MOST_BYTES: usize = 256 << 20;
/// Text that a script gets in place of the replies of a store or the outputs of a graph.
const CLOSED: &str = "stores and graphs are closed while the script is packaged";

/// The folders of an app from which a state image is taken.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// Folder of the script and its modules.
    pub code: &'a Path,
    /// Folder of the script's unpacked packages. `None` if the script has none.
    pub packages: Option<&'a Path>,
    /// Folder of the model. `None` if the scorer has no model.
    pub model: Option<&'a Path>,
}

/// Takes the state image of a script, and returns its bytes. Returns `None` if the manifest has
/// `snapshot = false`. Also returns `None` if the memory of the script after its `init` cannot be
/// stored, and prints the reason to standard error. The image is bound to the digests in `record`.
/// Fails if the engine pack or the sample cannot be read.
pub fn image(
    manifest: &Manifest,
    script: &ScriptSection,
    model: &[ModelFile],
    folders: Folders<'_>,
    engine: &Engine,
    record: &Packaged,
) -> Result<Option<Vec<u8>>, Failure> {
    if !manifest.scorer.snapshot {
        return Ok(None);
    }
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::other(
            format!("the script cannot be tried: {error}"),
            "run the command again; if it fails again, it is a bug",
        )
    };
    let pack = Pack::open(&engine.folder, Proof::Recorded).map_err(|error| unusable(&error))?;
    let shared = Script {
        pack,
        code: folders.code.to_path_buf(),
        entry: script.entry().to_owned(),
        packages: folders.packages.map(Path::to_path_buf),
        model: folders.model.map(Path::to_path_buf),
        environment: manifest.config.clone().into_iter().collect(),
        memory_bytes: manifest.limits.memory_bytes,
        shared_memory: None,
        state: None,
        accelerated: match script.accelerate {
            true => accelerated::names(model).map(str::to_owned).collect(),
            false => Vec::new(),
        },
    };
    let sample = manifest.package.sample.as_deref().map(Sample::read);
    let sample = sample.transpose().map_err(crate::manifest_file::failure)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unusable(&error))?;
    let limit = manifest.limits.init_deadline + manifest.limits.deadline;
    let inputs = packaging::state_inputs(manifest, record);
    let attempt = |with_call: bool| {
        let outside = Arc::new(Closed::new(manifest, record));
        let warm = sample.as_ref().filter(|_| with_call);
        let warm = warm.map(|sample| Request {
            attributes: ATTRIBUTES,
            body: sample.first_input().as_bytes(),
        });
        let deadline = Instant::now() + limit;
        let seen: Arc<dyn Outside> = Arc::clone(&outside) as _;
        let taken = runtime.block_on(take(&shared, inputs.clone(), warm, seen, deadline));
        (taken, outside.was_asked.load(Ordering::Relaxed))
    };
    let (mut taken, mut was_asked) = attempt(true);
    if was_asked && sample.is_some() {
        // What the script made of a closed store must not stay in its memory.
        (taken, was_asked) = attempt(false);
    }
    let reason = match taken {
        Ok(image) if !was_asked && image.len() <= MOST_BYTES => return Ok(Some(image)),
        _ if was_asked => "it uses a store or a graph".to_owned(),
        Ok(image) => format!("its state has {} bytes", image.len()),
        // The check of the app fails with this error, and with its traceback.
        Err(TakeError::Raised { text } | TakeError::Refused { text }) => {
            text.lines().last().unwrap_or_default().to_owned()
        }
        Err(error) => error.to_string(),
    };
    let reason = quoted(&reason, REASON_BYTES);
    eprintln!("init left to each start, because the script cannot be stored after it: {reason}");
    Ok(None)
}

/// The host that a script sees while its state image is taken: it has no stores and no graphs.
struct Closed {
    was_asked: AtomicBool,
    model: String,
}

impl Closed {
    fn new(manifest: &Manifest, record: &Packaged) -> Self {
        let model = json!({
            "name": manifest.scorer.name,
            "version": manifest.scorer.version,
            "digest": record.model.as_deref().unwrap_or_default(),
            "labels": manifest.scorer.labels,
        });
        Self {
            was_asked: AtomicBool::new(false),
            model: model.to_string(),
        }
    }

    fn ask(&self) {
        self.was_asked.store(true, Ordering::Relaxed);
    }
}

impl Outside for Closed {
    fn redis(&self, _: u8, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, RedisFailure>> {
        self.ask();
        std::future::ready(Err(RedisFailure::Unreachable(CLOSED.to_owned()))).boxed()
    }

    fn log(&self, _: Level, _: &str) {
        // The check of the app runs the script again, and shows its log.
    }

    fn metric(&self, _: &[u8]) {}

    fn graph(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, GraphFailure>> {
        self.ask();
        std::future::ready(Err(GraphFailure(CLOSED.to_owned()))).boxed()
    }

    fn model_info(&self) -> String {
        self.model.clone()
    }
}
