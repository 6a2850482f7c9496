//! Files in the layers of an inspected image.
//!
//! Owns the reading of the layers as a stream, once, into the file system that a container runtime
//! would build from them. Must not know what the files should be.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::path::Path;

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::{Digest, Hashing};

use super::form::Form;
use super::ours::{OURS, concerns_us};
use super::rootfs::{Kind, RootFs};
use crate::image::APP_ROOT;
use crate::image::entries::{Entries, EntryKind, TarEntry};
use crate::image::layer::{self, Tar};
use crate::image::manifest::BaseLayer;

/// Files of the app folder whose content is checked, each with the maximum size in bytes that is
/// kept in memory. A component has a few MB.
pub const KEPT: [(&str, u64); 3] = [
    ("scorebox.toml", 4 << 20),
    ("component.wasm", 128 << 20),
    ("host.json", 1 << 20),
];
/// Path in the image of the record of an engine pack, whose content is checked like that of the
/// files in [`KEPT`].
pub const PACK_RECORD: &str = "pack/pack.json";
/// Maximum size of the record of an engine pack that is kept in memory, in bytes.
const PACK_RECORD_BYTES: u64 = 1 << 20;
/// Folders of the app folder over which the host computes digests: the model, a script, and a
/// script's packages.
pub const DIGESTED: [&str; 3] = ["model", "script", "packages"];
/// Ratio of the size of an unpacked layer to the size of its blob, up to which the layer does not
/// use up any of the allowance `MOST_BEYOND`. For programs and weights the ratio is at most 10.
const MOST_TIMES: u64 = 100;
/// Number of bytes by which all unpacked layers together may exceed `MOST_TIMES` times the sizes of
/// their blobs. This allowance is for layers that consist mostly of zeros.
const MOST_BEYOND: u64 = 1 << 30;

/// Contents of an image, as far as its layers could be read.
#[derive(Debug)]
pub struct Contents {
    /// File system that all layers of the image form together.
    pub root: RootFs,
    /// Index of the lowest layer that `package` wrote for this image. The layers below it belong to
    /// the base image.
    pub start: usize,
    /// Digests of the files in the layers that `package` wrote. The keys are the paths without a
    /// leading slash. Files of the layer `system` are left out.
    pub files: BTreeMap<String, Digest>,
    /// Digests of the folders in [`DIGESTED`] that were found, over the names and bytes of their
    /// files, as the host computes them. The keys are the names of the folders.
    pub folders: BTreeMap<&'static str, Digest>,
    /// Bytes of the files in [`KEPT`] and of [`PACK_RECORD`] that were found and do not exceed
    /// their maximum size. The keys are the names.
    pub kept: BTreeMap<&'static str, Vec<u8>>,
    /// The first five problems for the report with layers that `package` did not write: entries at
    /// paths that only `package` should write, and attributes that hide files of lower layers.
    pub intrusions: Vec<String>,
    /// True if a layer that `package` wrote could not be read or is altered, so that its files are
    /// unknown.
    pub is_damaged: bool,
    /// True if a layer of the base image could not be read or is altered.
    pub is_base_unknown: bool,
    system: Option<usize>,
    /// Number of bytes by which the layers that are read next may exceed [`MOST_TIMES`] times the
    /// sizes of their blobs. It starts at [`MOST_BEYOND`].
    beyond: u64,
}

/// Facts about one layer that was read.
pub struct LayerFound {
    /// Digest of the layer's uncompressed tar archive.
    pub diff_id: Digest,
    /// Text that says how the layer differs from the layers that `package` writes. `None` if the
    /// layer does not differ, or if the layer belongs to the base image.
    pub problem: Option<String>,
}

impl Contents {
    /// Creates the contents of an image, before any of its layers is read. `start` is the index of
    /// the lowest layer that `package` wrote.
    pub fn new(start: usize) -> Self {
        Self {
            root: RootFs::new(),
            start,
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            kept: BTreeMap::new(),
            intrusions: Vec::new(),
            is_damaged: false,
            is_base_unknown: false,
            system: None,
            beyond: MOST_BEYOND,
        }
    }

    /// Reads the next layer of the image, from the bottom up. `number` is the index of the layer.
    /// `name` is the name that `package` gave the layer, or `None` for a layer of the base image.
    /// `path` is the file with the blob of the layer, and `layer` is its description in the
    /// manifest. Fails if the blob cannot be read, if a container runtime would refuse the layer,
    /// or if the layer unpacks to too many bytes.
    pub fn add(
        &mut self,
        number: usize,
        name: Option<&'static str>,
        path: &Path,
        layer: &BaseLayer,
    ) -> io::Result<LayerFound> {
        self.root.begin(number);
        if name == Some("system") {
            self.system = Some(number);
        }
        let mut form = name.map(Form::new);
        let usual = layer.size.saturating_mul(MOST_TIMES);
        // If reading this layer fails, nothing of the allowance remains for the layers after it.
        let beyond = std::mem::take(&mut self.beyond);
        let tar = layer::open(path, &layer.media_type)?;
        let mut entries = Entries::new(Bounded {
            inner: tar,
            read: 0,
            most: usual.saturating_add(beyond),
        });
        let mut folders = DIGESTED.map(|name| (name, Hashing::new(io::sink())));
        while let Some(entry) = entries.next()? {
            let digest = match form {
                Some(_) if entry.kind == EntryKind::File => {
                    Some(self.read(&entry, &mut entries, &mut folders)?)
                }
                _ => None,
            };
            let landed = self.root.apply(&entry, digest).map_err(io::Error::other)?;
            match &mut form {
                Some(form) => form.look(&entry, &landed),
                None if landed.is_ambiguous && concerns_us(&landed.path) => {
                    let shown = quoted(&landed.path, NAME_BYTES);
                    self.intrude(format!("`{shown}` is read by runtimes in two ways"));
                }
                None => {}
            }
            if let Some(name) = overlay(&entry) {
                let problem = format!("sets the attribute `{name}`, which hides the files below");
                match &mut form {
                    Some(form) => form.problem(problem),
                    None => self.intrude(problem),
                }
            }
        }
        let (bounded, has_more) = entries.finish()?;
        self.beyond = beyond.saturating_sub(bounded.read.saturating_sub(usual));
        if let Some(form) = form.as_mut().filter(|_| has_more) {
            form.problem("something follows the end of the archive".to_owned());
        }
        for (name, folder) in folders {
            let (_, digest, size) = folder.finish();
            if size > 0 {
                self.folders.insert(name, digest);
            }
        }
        Ok(LayerFound {
            diff_id: bounded.inner.diff_id()?,
            problem: form.and_then(Form::finish),
        })
    }

    /// Completes the contents after every layer was read: collects the files, and searches for
    /// entries of the base image at paths that only `package` should write.
    pub fn finish(&mut self) {
        let is_listed = |layer: usize| layer >= self.start && Some(layer) != self.system;
        for found in self.root.below("") {
            if let Kind::File(Some(digest)) = found.kind
                && is_listed(found.layer)
            {
                self.files.insert(found.path, digest);
            }
        }
        for place in OURS.map(|place| place.trim_start_matches('/')) {
            for (end, _) in place.match_indices('/') {
                let above = place.get(..end).unwrap_or_default();
                if self
                    .root
                    .at(above)
                    .is_some_and(|found| found.kind != Kind::Folder)
                {
                    self.intrude(format!("`{above}` is not a folder"));
                }
            }
            let below = self
                .root
                .below(place)
                .into_iter()
                .filter(|found| found.kind != Kind::Folder);
            let itself = self
                .root
                .at(place)
                .filter(|found| found.kind != Kind::Folder);
            let foreign: Vec<_> = below
                .chain(itself)
                .filter(|found| found.layer < self.start)
                .collect();
            for found in foreign {
                self.intrude(format!(
                    "`{}` comes from the base",
                    quoted(&found.path, NAME_BYTES)
                ));
            }
        }
    }

    /// Returns the digest of a folder in [`DIGESTED`], or `None` if it was not found.
    pub fn folder(&self, name: &str) -> Option<&Digest> {
        self.folders.get(name)
    }

    /// Returns the digest of a file in the app folder, or `None` if there is no such file. `name`
    /// is the path of the file in the app folder.
    pub fn of_app(&self, name: &str) -> Option<&Digest> {
        self.files
            .get(&format!("{}/{name}", APP_ROOT.trim_start_matches('/')))
    }

    fn intrude(&mut self, problem: String) {
        const MOST_TOLD: usize = 5;
        if self.intrusions.len() < MOST_TOLD {
            self.intrusions.push(problem);
        }
    }

    /// Reads a file in a layer that `package` wrote, and returns the digest of its bytes. The bytes
    /// are kept if the file is one of [`KEPT`] or the record of an engine pack, and not too large.
    /// Fails if the layer cannot be read.
    fn read(
        &mut self,
        entry: &TarEntry,
        bytes: &mut impl Read,
        folders: &mut [(&'static str, Hashing<io::Sink>)],
    ) -> io::Result<Digest> {
        let path = std::str::from_utf8(&entry.name).unwrap_or_default();
        let name = path
            .strip_prefix(APP_ROOT.trim_start_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'));
        let kept = KEPT.into_iter().find(|(kept, _)| Some(*kept) == name);
        let record = (path == PACK_RECORD).then_some((PACK_RECORD, PACK_RECORD_BYTES));
        let kept = kept.or(record).filter(|(_, most)| entry.size <= *most);
        if let Some((kept, _)) = kept {
            let mut whole = Vec::new();
            bytes.read_to_end(&mut whole)?;
            let digest = Digest::of(&whole);
            self.kept.insert(kept, whole);
            return Ok(digest);
        }
        let in_folder = |folder: &str| name?.strip_prefix(folder)?.strip_prefix('/');
        let found = folders
            .iter_mut()
            .find_map(|(folder, hash)| Some((in_folder(folder)?, hash)));
        let Some((name, hash)) = found else {
            return Ok(Digest::of_reader(bytes)?.0);
        };
        // The digest is computed as in the host: lengths first, files in byte order of their names,
        // which is also the order in the layer.
        hash.write_all(&(name.len() as u64).to_le_bytes())?;
        hash.write_all(name.as_bytes())?;
        hash.write_all(&entry.size.to_le_bytes())?;
        Ok(Digest::of_reader(Both { inner: bytes, hash })?.0)
    }
}

/// Returns the name of the entry's extended attribute with which the storage driver overlay hides
/// lower layers, or `None` if the entry has no such attribute.
fn overlay(entry: &TarEntry) -> Option<String> {
    let names = entry
        .records
        .keys()
        .filter_map(|key| std::str::from_utf8(key).ok());
    let mut names = names.filter_map(|key| key.strip_prefix("SCHILY.xattr."));
    names
        .find(|name| name.contains("overlay."))
        .map(|name| quoted(name, NAME_BYTES))
}

/// Reader of an uncompressed layer that fails if more bytes are read than are allowed. Without this
/// limit, a small layer could unpack to any size.
struct Bounded {
    inner: Tar,
    read: u64,
    most: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        if self.read > self.most {
            return Err(io::Error::other(format!(
                "it would unpack to more than {} bytes",
                self.most
            )));
        }
        Ok(count)
    }
}

/// Reader that adds every byte that it returns to `hash`, the hash of a whole folder.
struct Both<'a, R> {
    inner: R,
    hash: &'a mut Hashing<io::Sink>,
}

impl<R: Read> Read for Both<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash
            .write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
