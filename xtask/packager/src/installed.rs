//! The parts of an installed tool: the hosts and libraries that were made together with this
//! program.
//!
//! Owns the list of the parts, and the check that a part and this program are of one release. Must
//! not know how a release is made, nor what a part is used for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use scorebox_host::engine::VERSION;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::{self, LIST, PARTS};
use scorebox_workspace::workspace::shown;
use serde::{Deserialize, Serialize};

use crate::image::attestation::HostBuild;

/// File name of the host program for developers, which compiles components and runs graphs.
pub const DEVELOPER_HOST: &str = "scorebox-host";
/// File name of the host program for images.
pub const IMAGE_HOST: &str = "image-host";
/// File name of the host program for images with a graph.
pub const GRAPHS_HOST: &str = "image-host-graphs";
/// File name of the host program for images with a script.
pub const PYTHON_HOST: &str = "image-host-python";
/// File name of the host program for images with a script whose models run as graphs.
pub const PYTHON_GRAPHS_HOST: &str = "image-host-python-graphs";
/// Path of the program `scorebox`, relative to the folder of the installation.
pub const PROGRAM: &str = "bin/scorebox";

/// Instruction for an installation whose parts do not belong together.
const INSTALL_AGAIN: &str = "install one release as a whole: `pip install --force-reinstall \
                             WHEEL`, or unpack its archive into an empty folder";

/// List of the parts of an installed tool, as its file `manifest.json` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Version of the release, with the version of its engine, e.g.
    /// `0.1.0 (engine wasmtime 48.0.8, scorebox 1)`.
    pub version: String,
    /// Git commit that the release was made from. Empty if it is unknown.
    pub commit: String,
    /// True if files of the repository differed from the commit when the release was made.
    pub is_changed: bool,
    /// Files of the release other than `manifest.json`. The keys are the paths relative to the
    /// folder of the installation.
    pub files: BTreeMap<String, Part>,
    /// Facts about the builds of the hosts for images. The keys are the file names of the hosts.
    pub hosts: BTreeMap<String, HostBuild>,
}

/// Size and digest of a file of an installed tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Size of the file, in bytes.
    pub size: u64,
    /// SHA-256 digest of the file, in hex.
    pub sha256: String,
}

/// Returns the list of the parts of this tool. Returns `None` if this program runs from a clone of
/// the repository. Fails if the list cannot be read, or is that of another release or build.
pub fn list() -> Result<Option<&'static List>, Failure> {
    static READ: OnceLock<Result<Option<List>, Failure>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let Some(parts) = installation::parts() else {
            return Ok(None);
        };
        let program = std::env::current_exe().and_then(std::fs::metadata);
        let size = program.map(|program| program.len()).ok();
        List::read(&parts.join(LIST), size).map(Some)
    });
    read.as_ref().map(Option::as_ref).map_err(Clone::clone)
}

impl List {
    /// Reads the list of parts in the file `file`. Fails if the file cannot be read, or if the
    /// version or the size of this program is not that in the list. `program_bytes` is the size of
    /// this program, or `None` if the size is unknown.
    fn read(file: &Path, program_bytes: Option<u64>) -> Result<Self, Failure> {
        let refused = |problem: String| {
            Failure::toolchain(format!("{}: {problem}", shown(file)), INSTALL_AGAIN)
        };
        let text = std::fs::read(file).map_err(|error| refused(format!("{error}")))?;
        let list: Self = serde_json::from_slice(&text)
            .map_err(|error| refused(format!("is not a list of parts: {error}")))?;
        if list.version != VERSION {
            let other = quoted(&list.version, NAME_BYTES);
            return Err(refused(format!(
                "the hosts are those of scorebox {other}, and this program is scorebox {VERSION}"
            )));
        }
        let listed = list.files.get(PROGRAM).map(|part| part.size);
        if listed != program_bytes {
            return Err(refused(
                "the hosts are those of another build than this program".to_owned(),
            ));
        }
        Ok(list)
    }

    /// Returns the path of the part with the file name `name`. Fails if the part is missing, or if
    /// its size or digest is not that in the list.
    pub fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = installation::parts().unwrap_or(Path::new("."));
        let path = folder.join(name);
        let listed = self.files.get(&format!("{PARTS}/{name}"));
        checked(&path, listed)?;
        Ok(path)
    }

    /// Returns true if the list has a host for images with the file name `name`.
    pub fn has_host(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// Returns facts about the build of the host for images with the file name `name`. Fails if the
    /// list does not have these facts.
    pub fn host_build(&self, name: &str) -> Result<HostBuild, Failure> {
        self.hosts.get(name).cloned().ok_or_else(|| {
            Failure::toolchain(format!("{LIST} does not describe {name}"), INSTALL_AGAIN)
        })
    }
}

/// Fails unless the file at `path` has the size and the digest in `listed`, which is its entry in
/// the list of parts. Also fails if `listed` is `None`, because the list has no such entry.
fn checked(path: &Path, listed: Option<&Part>) -> Result<(), Failure> {
    let refused =
        |problem: String| Failure::toolchain(format!("{}: {problem}", shown(path)), INSTALL_AGAIN);
    let Some(listed) = listed else {
        return Err(refused("is not a part of this release".to_owned()));
    };
    let unreadable = |error: std::io::Error| refused(format!("cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let (digest, size) = Digest::of_reader(file).map_err(unreadable)?;
    if size == listed.size && digest.hex() == listed.sha256 {
        return Ok(());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    match is_of_this_release(&bytes) {
        Err(problem) => Err(refused(problem.to_string())),
        Ok(()) => Err(refused(format!(
            "is not the file of this release, scorebox {VERSION}: its digest is {digest}, and {LIST} \
             names sha256:{}",
            listed.sha256
        ))),
    }
}

/// Reason why a host program and this tool are not of one release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtherRelease {
    /// The program is the host of another release. The text is the version of that release.
    #[error("is the host of scorebox {0}, and this tool is scorebox {VERSION}")]
    Named(String),
    /// The program does not name a release.
    #[error("does not name the release of this tool, scorebox {VERSION}")]
    Unnamed,
}

/// Fails unless the bytes of a host program contain the version and the engine of this tool. The
/// bytes are searched because not every host program can be started on this machine.
pub fn is_of_this_release(program: &[u8]) -> Result<(), OtherRelease> {
    if find(program, VERSION.as_bytes()).is_some() {
        return Ok(());
    }
    Err(named(program).map_or(OtherRelease::Unnamed, OtherRelease::Named))
}

/// Text in the middle of the version that every host program contains, e.g. of
/// `0.1.0 (engine wasmtime 48.0.8, scorebox 1)`.
const ENGINE: &str = " (engine wasmtime ";

/// Returns the version that the bytes of a host program contain, or `None` if they contain no
/// version.
fn named(program: &[u8]) -> Option<String> {
    let at = find(program, ENGINE.as_bytes())?;
    let is_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let before = program.get(..at)?;
    let digits = before.iter().rev().take_while(|byte| is_version(byte));
    let start = at.checked_sub(digits.take(NAME_BYTES).count())?;
    let rest = program.get(start..)?;
    let end = rest
        .iter()
        .take(NAME_BYTES)
        .position(|byte| *byte == b')')?;
    let text = std::str::from_utf8(rest.get(..=end)?).ok()?;
    Some(quoted(text, NAME_BYTES))
}

/// Returns the index of the first occurrence of `needle` in `bytes`, or `None` if there is none or
/// `needle` is empty.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    let mut from = 0;
    while let Some(at) = bytes
        .get(from..)?
        .iter()
        .position(|byte| byte == first)
        .map(|at| from + at)
    {
        if bytes.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests;
