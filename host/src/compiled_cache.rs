//! Cache of compiled components in a folder of the user, so that a component is compiled once and
//! not at each start.
//!
//! Owns the folder, the names and the form of its files, the checks before machine code is loaded
//! from it, and the limit on its size. Must not know apps. The host program in a container image
//! has no compiler, so it has no cache: it runs only what its manifest names by digest.

#![allow(
    unsafe_code,
    reason = "loading machine code; the proof is at the block"
)]

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::deployment::{CACHE_VARIABLE, Environment, HOME_VARIABLE, USER_CACHE_VARIABLE};

/// Maximum size of all files of the cache together, in bytes. The files that were used least
/// recently are removed.
const MAX_CACHE_BYTES: u64 = 1 << 30;

/// Extension of the file names in the cache. The rest of the name is the digest that identifies the
/// component and the configuration of the engine, in hex.
const FILE_END: &str = ".cwasm";

/// Extension of the name of a cache file that is still being written.
const PART_END: &str = ".cwasm.part";

/// Length of the SHA-256 digest at the start of a file of the cache, in bytes.
const DIGEST_BYTES: usize = 32;

/// Cache of compiled components. Each file holds the machine code of one component for one
/// configuration of the engine, after the SHA-256 digest of this code.
///
/// The digest detects damage. It does not protect against a person who can write to the folder. For
/// this reason a file is used only if nobody but the user can write to it and to the folder.
pub(crate) struct CompiledCache {
    /// Path of the cache's folder. `None` if nothing is cached.
    folder: Option<PathBuf>,
}

impl CompiledCache {
    /// Returns the cache in the folder that the environment variable `SCOREBOX_CACHE` names. If the
    /// variable is not set, the folder is `scorebox` in the user's cache folder. If the path of the
    /// folder is unknown, empty or relative, nothing is cached.
    pub(crate) fn of(environment: Environment<'_>) -> Self {
        let of_user = || {
            let home = || Some(Path::new(&environment(HOME_VARIABLE)?).join(".cache"));
            let caches = environment(USER_CACHE_VARIABLE).map(PathBuf::from);
            // A relative path is invalid (XDG Base Directory Specification).
            let caches = caches.filter(|path| path.is_absolute()).or_else(home)?;
            Some(caches.join("scorebox"))
        };
        let folder = match environment(CACHE_VARIABLE) {
            Some(named) => Some(PathBuf::from(named)),
            None => of_user(),
        };
        // A relative path would be in the working directory, which may belong to another user.
        Self {
            folder: folder.filter(|path| path.is_absolute()),
        }
    }

    /// Returns a component with its machine code. The code is taken from the cache, or compiled and
    /// put into the cache. If the cache cannot be used, the component is compiled all the same.
    ///
    /// # Errors
    /// Fails if the compiler refuses the component.
    pub(crate) fn component(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let usable = self.folder.as_deref().map(|folder| (folder, open(folder)));
        let folder = match usable {
            Some((folder, Ok(()))) => folder,
            Some((folder, Err(error))) => {
                crate::text::debug!(folder = %folder.display(), %error, "nothing is cached");
                return Component::from_binary(engine, bytes);
            }
            None => return Component::from_binary(engine, bytes),
        };
        let file = folder.join(key(engine, bytes));
        if let Ok(code) = read(&file) {
            // SAFETY: the code must be the unchanged result of `Engine::precompile_component`. Its
            // digest shows that the file is complete and unchanged. Only this user can have written
            // it, because `open` and `read` checked the owners and the modes of the folder and the
            // file. wasmtime checks version, settings and CPU features once more.
            let loaded = unsafe { Component::deserialize(engine, &code) };
            match loaded {
                Ok(component) => return Ok(component),
                Err(error) => crate::text::debug!(%error, "the compiled component is not used"),
            }
        }
        let code = engine.precompile_component(bytes)?;
        if let Err(error) = write(folder, &file, &code) {
            crate::text::debug!(folder = %folder.display(), %error, "nothing is cached");
        }
        // SAFETY: the code is the unchanged result of `Engine::precompile_component`, in memory.
        unsafe { Component::deserialize(engine, &code) }
    }
}

/// Returns the name of the file for a component: the SHA-256 digest, in hex, of all that determines
/// its machine code, with the extension [`FILE_END`].
fn key(engine: &Engine, bytes: &[u8]) -> String {
    /// Hasher that passes all bytes on to SHA-256. Its `finish` is not used, and returns 0.
    struct Through(Sha256);
    impl Hasher for Through {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut state = Through(Sha256::new());
    // The version of wasmtime, the settings, and the features of this machine's CPU.
    engine.precompile_compatibility_hash().hash(&mut state);
    state.0.update(Sha256::digest(bytes));
    format!("{}{FILE_END}", hex::encode(state.0.finalize()))
}

/// Creates the folder of the cache if it does not exist, and checks that only this user can write
/// to it.
///
/// # Errors
/// Fails if the folder cannot be created, or if another user owns it or can write to it.
fn open(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    check(&std::fs::symlink_metadata(folder)?)
}

/// Fails if a file or folder is owned by another user, or if another user can write to it.
fn check(metadata: &Metadata) -> io::Result<()> {
    let is_private = metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "others can write to it");
    is_private.then_some(()).ok_or_else(refused)
}

/// Returns the machine code in a file of the cache, and marks the file as used.
///
/// # Errors
/// Fails if the file cannot be read or is damaged, or if another user owns it or can write to it.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(no_link)
        .open(file)?;
    check(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let found = bytes.split_at_checked(DIGEST_BYTES);
    let is_whole = found.is_some_and(|(digest, code)| Sha256::digest(code)[..] == *digest);
    if !is_whole {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // A failure is ignored: its only effect is that the file may be removed earlier.
    let _ = file.set_modified(SystemTime::now());
    bytes.drain(..DIGEST_BYTES);
    Ok(bytes)
}

/// Writes machine code into a file of the cache, so that no other process sees a part of it. Then
/// removes files if the cache is too large.
///
/// # Errors
/// Fails if a file cannot be written or removed, or if the folder cannot be read.
fn write(folder: &Path, file: &Path, code: &[u8]) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(FILE_END).unwrap_or(&name);
    // A process id would not be unique, because two containers can share the folder.
    let writer = uuid::Uuid::new_v4().simple();
    let part = folder.join(format!("{stem}.{writer}{PART_END}"));
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    let written = opened
        .write_all(&Sha256::digest(code))
        .and_then(|()| opened.write_all(code))
        .and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written?;
    make_room(folder, MAX_CACHE_BYTES)
}

/// Removes the least recently used files of the cache in `folder` until the files that are left
/// have at most `most` bytes in total. Files with other names are neither counted nor removed.
///
/// # Errors
/// Fails if the folder cannot be read, or if a file cannot be removed.
fn make_room(folder: &Path, most: u64) -> io::Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            if !is_of_cache(&entry.file_name().to_string_lossy()) {
                return None;
            }
            let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, of_file, path) in files {
        if size <= most {
            break;
        }
        match std::fs::remove_file(path) {
            // A file that does not exist was removed by another process.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        size = size.saturating_sub(of_file);
    }
    Ok(())
}

/// Returns true if `name` has the form of the name of a file that a cache writes.
fn is_of_cache(name: &str) -> bool {
    let is_digest =
        |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ends_as_ours = name.ends_with(FILE_END) || name.ends_with(PART_END);
    ends_as_ours && name.split('.').next().is_some_and(is_digest)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn cache(folder: &Path) -> CompiledCache {
        let folder = Some(folder.to_owned());
        CompiledCache { folder }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_component_is_written_once_and_damage_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let (engine, cache) = (Engine::default(), cache(&folder));
        cache.component(&engine, EMPTY_COMPONENT).unwrap();
        let [file] = &files(&folder)[..] else {
            panic!("{:?}", files(&folder));
        };
        let whole = std::fs::read(file).unwrap();
        assert_eq!(read(file).unwrap(), whole[DIGEST_BYTES..]);
        for damaged in [&whole[..whole.len() - 1], &whole[..5], b""] {
            std::fs::write(file, damaged).unwrap();
            assert!(read(file).is_err());
            cache.component(&engine, EMPTY_COMPONENT).unwrap();
            assert_eq!(std::fs::read(file).unwrap(), whole);
        }
        assert!(cache.component(&engine, b"no component").is_err());
        assert_eq!(files(&folder).len(), 1);
    }

    #[test]
    fn what_another_user_could_have_written_is_not_loaded() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        let (engine, cache) = (Engine::default(), cache(&folder));
        cache.component(&engine, EMPTY_COMPONENT).unwrap();
        let file = files(&folder).remove(0);
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&file, 0o620);
        assert!(read(&file).is_err());
        set(&file, 0o600);
        assert!(read(&file).is_ok());
        let link = folder.join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read(&link).is_err());
        set(&folder, 0o777);
        assert!(open(&folder).is_err());
        cache.component(&engine, EMPTY_COMPONENT).unwrap();
    }

    #[test]
    fn each_configuration_of_the_engine_has_its_own_code() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let keys = [Engine::default(), Engine::new(&config).unwrap()]
            .map(|engine| key(&engine, EMPTY_COMPONENT));
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[0], key(&Engine::default(), EMPTY_COMPONENT));
        assert_ne!(keys[0], key(&Engine::default(), b"another"));
    }

    #[test]
    fn files_that_were_used_least_recently_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let path = |name: &str| match name {
            "of another" => folder.path().join("weights.cwasm"),
            part => folder.path().join(format!("{}{part}", "a".repeat(64))),
        };
        let (old, middle, new) = (".cwasm", ".b.cwasm.part", ".c.cwasm");
        for (name, age) in [(old, 3), (new, 1), (middle, 2), ("of another", 9)] {
            let file = File::create(path(name)).unwrap();
            file.set_len(10).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        make_room(folder.path(), 30).unwrap();
        assert_eq!(files(folder.path()).len(), 4);
        make_room(folder.path(), 29).unwrap();
        assert!(!path(old).exists() && path(middle).exists());
        make_room(folder.path(), 15).unwrap();
        assert!(!path(middle).exists() && path(new).exists());
        make_room(folder.path(), 0).unwrap();
        assert_eq!(files(folder.path()), [path("of another")]);
    }

    #[test]
    fn the_environment_names_the_folder() {
        let folder = |variables: &'static [(&str, &str)]| {
            let value = move |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name)?;
                Some(found.1.to_owned())
            };
            CompiledCache::of(&value).folder
        };
        let all = &[
            ("HOME", "/home/a"),
            ("XDG_CACHE_HOME", "/c"),
            (CACHE_VARIABLE, "/d"),
        ];
        assert_eq!(folder(all), Some("/d".into()));
        assert_eq!(folder(&all[..2]), Some("/c/scorebox".into()));
        assert_eq!(folder(&all[..1]), Some("/home/a/.cache/scorebox".into()));
        assert_eq!(folder(&[("HOME", "/h"), (CACHE_VARIABLE, "")]), None);
        assert_eq!(folder(&[("HOME", "")]), None);
        assert_eq!(folder(&[(CACHE_VARIABLE, "here")]), None);
        assert_eq!(folder(&[]), None);
    }
}
