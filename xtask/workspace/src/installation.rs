//! The place that this program runs from: an installed tool, or a clone of the repository.
//!
//! Owns the layout of an installed tool, and the folders that have different paths in an installed
//! tool and in the repository. Must not know what a command does with the folders.
//!
//! An installed tool has a prefix P: the program is `P/bin/scorebox`, and everything that belongs
//! to it is in `P/lib/scorebox`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::workspace;

/// Folder with everything that belongs to an installed tool, relative to the prefix.
pub const PARTS: &str = "lib/scorebox";

/// File name of the list of an installed tool's files, which is in the folder [`PARTS`]. A program
/// without this file is not an installed tool.
pub const LIST: &str = "manifest.json";

/// A folder of sources that commands need, such as the contract and the SDKs for scorers. Installed
/// tools and the repository have all of these folders, at different paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// The contract in WIT, with the packages that it uses in `deps`.
    Wit,
    /// The crate `scorebox-guest`, the SDK for Rust.
    Rust,
    /// The package `scorebox_guest`, the SDK for Python.
    Python,
    /// The package `@scorebox/guest`, the SDK for JavaScript.
    JavaScript,
    /// The Python programs that convert models.
    Convert,
    /// The Python program that records the native answers of a script.
    Record,
}

impl Sources {
    /// All folders of sources.
    pub const ALL: [Self; 6] = [
        Self::Wit,
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::Convert,
        Self::Record,
    ];

    /// Returns the path of this folder of sources in an installed tool, relative to [`PARTS`].
    pub fn installed(self) -> &'static str {
        match self {
            Self::Wit => "wit",
            Self::Rust => "guest",
            Self::Python => "python/scorebox_guest",
            Self::JavaScript => "javascript",
            Self::Convert => "convert",
            Self::Record => "record",
        }
    }

    /// Returns the path of this folder of sources in the repository, relative to the repository's
    /// root.
    pub fn in_repository(self) -> &'static str {
        match self {
            Self::Wit => "wit",
            Self::Rust => "guest",
            Self::Python => "guest/python/scorebox_guest",
            Self::JavaScript => "guest/javascript",
            Self::Convert => "xtask/python/convert",
            Self::Record => "xtask/python/record",
        }
    }

    /// Returns the names of those subfolders that the repository has below [`Self::in_repository`],
    /// but an installed tool does not.
    pub fn left_out(self) -> &'static [&'static str] {
        match self {
            // Examples are packages of their own. The SDKs for other languages are listed as
            // sources of their own.
            Self::Rust => &["examples", "tests", "python", "javascript"],
            Self::JavaScript => &["tests"],
            Self::Wit | Self::Python | Self::Convert | Self::Record => &[],
        }
    }

    /// Returns the path of this folder of sources on this machine: in the installed tool if this
    /// program is one, and in the repository otherwise.
    pub fn folder(self) -> PathBuf {
        match parts() {
            Some(parts) => parts.join(self.installed()),
            None => workspace::root().join(self.in_repository()),
        }
    }
}

/// Returns the folder [`PARTS`] of the installed tool that this program is. Returns `None` if this
/// program is not an installed tool, but runs from a clone of the repository.
pub fn parts() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| parts_of(&std::env::current_exe().ok()?))
        .as_deref()
}

/// Returns the folder [`PARTS`] that belongs to the program with the path `program`. Returns `None`
/// if the program is not in the folder `bin` of an installed tool.
fn parts_of(program: &Path) -> Option<PathBuf> {
    // A package manager may link to the program from another folder.
    let program = program.canonicalize().ok()?;
    let folder = program.parent()?;
    if folder.file_name()? != "bin" {
        return None;
    }
    let parts = folder.parent()?.join(PARTS);
    parts.join(LIST).is_file().then_some(parts)
}

/// Returns the words that start a command of this program: `scorebox` if it is installed, and
/// `cargo xtask` in a clone of the repository.
pub fn program() -> &'static str {
    if parts().is_some() {
        "scorebox"
    } else {
        "cargo xtask"
    }
}

/// Returns an instruction for the user on how to get the Rust toolchain for scorers. It is the fix
/// in error messages.
pub fn toolchain_fix() -> &'static str {
    if parts().is_some() {
        "install Rust from https://rustup.rs, and run `rustup target add wasm32-wasip2`"
    } else {
        "run `cargo xtask setup`, which checks the toolchain"
    }
}

/// Returns the folder for files that commands download or keep for later. For an installed tool, it
/// is `scorebox` in the user's folder of caches, e.g. `~/.cache`, and is created if it is missing.
/// In a clone of the repository, it is the target folder of Cargo.
pub fn cache() -> PathBuf {
    match parts() {
        Some(_) => user_cache(),
        None => workspace::target(),
    }
}

/// Returns the folder `scorebox` in the user's folder of caches, e.g. `~/.cache`. It is created if
/// it is missing. Files that take minutes to make are kept here even in a clone of the repository.
pub fn user_cache() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    // Without a home folder, the cache is in the target folder. It is not in the folder for
    // temporary files, where another user could leave a toolchain, which this program would run.
    let cache = caches(folder("XDG_CACHE_HOME"), folder("HOME"))
        .unwrap_or_else(workspace::target)
        .join("scorebox");
    // The host keeps compiled components here too, and does not use a folder that another user may
    // write to. If the folder cannot be created, the command that needs it fails with the reason.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(&cache);
    cache
}

/// Returns the user's folder of caches: `given`, the value of `XDG_CACHE_HOME`, or else `.cache` in
/// the folder `home`. A path that is not absolute is ignored. Returns `None` if neither path can be
/// used.
fn caches(given: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let is_absolute = |folder: &PathBuf| folder.is_absolute();
    let in_home = home.filter(is_absolute).map(|home| home.join(".cache"));
    given.filter(is_absolute).or(in_home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_installed_if_its_parts_are_next_to_its_folder() {
        let dir = std::env::temp_dir().join(format!("scorebox-parts-{}", std::process::id()));
        let (bin, parts) = (dir.join("bin"), dir.join(PARTS));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&parts).unwrap();
        let program = bin.join("scorebox");
        std::fs::write(&program, "").unwrap();
        assert_eq!(parts_of(&program), None);
        std::fs::write(parts.join(LIST), "{}").unwrap();
        let found = parts_of(&program).unwrap();
        assert_eq!(found, parts.canonicalize().unwrap());
        let link = dir.join("scorebox");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(parts_of(&link), Some(found));
        assert_eq!(parts_of(&dir.join("missing")), None);
        std::fs::remove_dir_all(&dir).unwrap();
        // This test itself runs from the repository.
        assert_eq!((super::parts(), super::program()), (None, "cargo xtask"));
    }

    #[test]
    fn caches_are_in_a_folder_of_the_user() {
        let check = |given: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = caches(given.map(PathBuf::from), home.map(PathBuf::from));
            assert_eq!(found, expected.map(PathBuf::from));
        };
        check(Some("/c"), Some("/h"), Some("/c"));
        check(Some("c"), Some("/h"), Some("/h/.cache"));
        check(None, Some("/h"), Some("/h/.cache"));
        check(None, Some(""), None);
        check(None, None, None);
    }

    #[test]
    fn the_repository_has_the_sources() {
        for sources in [
            Sources::Wit,
            Sources::Rust,
            Sources::Convert,
            Sources::Record,
        ] {
            assert!(sources.folder().is_dir(), "{sources:?}");
        }
    }
}
