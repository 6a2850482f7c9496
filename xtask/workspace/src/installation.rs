//! The place that this program runs from: an installed tool, or a clone of the repository.
//!
//! Owns the layout of an installed tool, and the folders that both places have under other names.
//! Must not know what a command does with them.
//!
//! An installed tool has a prefix P: the program is `P/bin/scorebox`, and everything that belongs
//! to it is in `P/lib/scorebox`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::workspace;

/// Folder of an installed tool's parts, relative to the prefix.
pub const PARTS: &str = "lib/scorebox";

/// File name of the list of an installed tool's parts. A folder with this file is an installation.
pub const LIST: &str = "manifest.json";

/// A folder of sources that a scorer is written with. Every installation has it, and so has the
/// repository.
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
}

impl Sources {
    /// All folders of sources.
    pub const ALL: [Self; 5] = [
        Self::Wit,
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::Convert,
    ];

    /// Returns the path of the folder in an installed tool, relative to the folder of its parts.
    pub fn installed(self) -> &'static str {
        match self {
            Self::Wit => "wit",
            Self::Rust => "guest",
            Self::Python => "python/scorebox_guest",
            Self::JavaScript => "javascript",
            Self::Convert => "convert",
        }
    }

    /// Returns the path of the folder in the repository, relative to its root.
    pub fn in_repository(self) -> &'static str {
        match self {
            Self::Wit => "wit",
            Self::Rust => "guest",
            Self::Python => "guest/python/scorebox_guest",
            Self::JavaScript => "guest/javascript",
            Self::Convert => "xtask/python/convert",
        }
    }

    /// Returns the names of folders in the repository's folder that do not belong to the sources. An
    /// installed tool does not have them.
    pub fn left_out(self) -> &'static [&'static str] {
        match self {
            // Examples are packages of their own, and the SDKs for other languages are other sources.
            Self::Rust => &["examples", "tests", "python", "javascript"],
            Self::JavaScript => &["tests"],
            Self::Wit | Self::Python | Self::Convert => &[],
        }
    }

    /// Returns the path of the folder on this machine: in the installed tool if this program is
    /// one, and in the repository otherwise.
    pub fn folder(self) -> PathBuf {
        match parts() {
            Some(parts) => parts.join(self.installed()),
            None => workspace::root().join(self.in_repository()),
        }
    }
}

/// Returns the folder of the parts of the installed tool that this program is. Returns `None` if
/// this program runs from a clone of the repository.
pub fn parts() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| parts_of(&std::env::current_exe().ok()?))
        .as_deref()
}

/// Returns the folder of the parts that belong to the program `program`. Returns `None` if the
/// program is not in the folder `bin` of an installed tool.
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

/// Returns the instruction that gets the toolchain for scorers in Rust.
pub fn toolchain_fix() -> &'static str {
    if parts().is_some() {
        "install Rust from https://rustup.rs, and run `rustup target add wasm32-wasip2`"
    } else {
        "run `cargo xtask setup`, which checks the toolchain"
    }
}

/// Returns the folder for what commands fetch or keep for later. It is `scorebox` in the user's
/// folder of caches if this program is installed, and the target folder in the repository. The
/// folder of an installed program is created if it is missing.
pub fn cache() -> PathBuf {
    if parts().is_none() {
        return workspace::target();
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    // A user without a home keeps it with the project. In the folder for temporary files another
    // user could leave a toolchain, which this program would run.
    let cache = caches(folder("XDG_CACHE_HOME"), folder("HOME"))
        .unwrap_or_else(workspace::target)
        .join("scorebox");
    // The host keeps compiled components here too, and does not use a folder that another user may
    // write to. If the folder cannot be created, the command that needs it fails with the reason.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(&cache);
    cache
}

/// Returns the user's folder of caches: the folder `given`, or the one in the folder `home`. A path
/// that is not absolute does not count. Returns `None` if there is neither.
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
        for sources in [Sources::Wit, Sources::Rust, Sources::Convert] {
            assert!(sources.folder().is_dir(), "{sources:?}");
        }
    }
}
