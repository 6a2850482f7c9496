//! What stands in an image's layers.
//!
//! Owns reading them as a stream. Must not know what the files should be.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::path::Path;

use crate::digest::{Digest, Hashing};
use crate::image::layer::{self, Tar};
use crate::image::{APP_ROOT, ENGINE_FOLDER, HOST_PROGRAM};

/// Files of the app folder that are looked into are small; a component has some MB at most.
const LARGEST_KEPT_BYTES: u64 = 64 << 20;

/// Files of ours in an image, as far as layers were read; an upper layer's file hides a lower one's.
#[derive(Debug, Default)]
pub struct Contents {
    /// Digests by path, without a leading slash.
    pub files: BTreeMap<String, Digest>,
    /// The digest of the model as the host computes it, over names and bytes.
    pub model: Option<Digest>,
    /// The bytes of `scorebox.toml` and `component.wasm`, by name.
    pub kept: BTreeMap<&'static str, Vec<u8>>,
    /// Links and marks of removal where only files and folders may be: they would hide what is looked at here.
    pub strange: Vec<String>,
    /// Whether a layer of ours could not be read, so that nothing is known of its files.
    pub is_damaged: bool,
}

/// What is kept whole.
pub const KEPT: [&str; 2] = ["scorebox.toml", "component.wasm"];

impl Contents {
    /// Reads one more layer and returns the digest of its tar.
    pub fn add(&mut self, path: &Path, media_type: &str) -> io::Result<Digest> {
        let mut archive = tar::Archive::new(layer::open(path, media_type)?);
        let mut model = Hashing::new(io::sink());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let app = APP_ROOT.trim_start_matches('/');
            let name = path.strip_prefix(app).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
            let is_engine = path.starts_with(&format!("{}/", ENGINE_FOLDER.trim_start_matches('/')));
            // Of the layers of ours only that of the libraries holds any.
            let is_library = path.rsplit('/').next().is_some_and(|last| last.contains(".so"));
            let is_ours = name.is_some() || path == HOST_PROGRAM.trim_start_matches('/') || is_engine || is_library;
            let kind = entry.header().entry_type();
            let is_mark = path.rsplit('/').next().is_some_and(|last| last.starts_with(".wh."));
            if is_mark || !(kind.is_file() || kind.is_dir()) {
                self.strange.push(path);
                continue;
            }
            if !is_ours || !kind.is_file() {
                continue;
            }
            let size = entry.size();
            let kept = name.as_deref().and_then(|name| KEPT.into_iter().find(|kept| *kept == name));
            let digest = match (kept, name.as_deref().and_then(|name| name.strip_prefix("model/"))) {
                (Some(kept), _) if size <= LARGEST_KEPT_BYTES => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    let digest = Digest::of(&bytes);
                    self.kept.insert(kept, bytes);
                    digest
                }
                (_, Some(name)) => {
                    // As the host does: lengths in front, files in byte order of their names, which is the layer's.
                    model.write_all(&(name.len() as u64).to_le_bytes())?;
                    model.write_all(name.as_bytes())?;
                    model.write_all(&size.to_le_bytes())?;
                    let mut both = Both { inner: &mut entry, hash: &mut model };
                    Digest::of_reader(&mut both)?.0
                }
                _ => Digest::of_reader(&mut entry)?.0,
            };
            self.files.insert(path, digest);
        }
        let (_, digest, size) = model.finish();
        if size > 0 {
            self.model = Some(digest);
        }
        let tar: Tar = archive.into_inner();
        tar.diff_id()
    }

    /// The digest of the tar of a base's layer, which is not looked into: ours lie above it.
    pub fn pass(path: &Path, media_type: &str) -> io::Result<Digest> {
        layer::open(path, media_type)?.diff_id()
    }

    /// The digest of a file of the app folder.
    pub fn of_app(&self, name: &str) -> Option<&Digest> {
        self.files.get(&format!("{}/{name}", APP_ROOT.trim_start_matches('/')))
    }
}

/// Passes on what is read to a second hash.
struct Both<'a, R> {
    inner: R,
    hash: &'a mut Hashing<io::Sink>,
}

impl<R: Read> Read for Both<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
