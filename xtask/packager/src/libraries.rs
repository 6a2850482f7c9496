//! The shared libraries that a dynamically linked program needs, and the check that a base image
//! has them.
//!
//! Owns the reading of ELF's version tables, the search through layers, and the search on this
//! machine if there is no base image. Must not know why a program is dynamically linked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use crate::image::entries::{Entries, EntryKind};
use crate::image::layer;

/// Maximum size of a library in a base image whose bytes are read, in bytes. No C library is
/// larger.
const LARGEST_LIBRARY_BYTES: u64 = 64 << 20;

/// The loader and the libraries that a dynamically linked program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// File name of the program's loader.
    loader: String,
    /// Path of the program's loader, as the program states it.
    loader_path: PathBuf,
    libraries: Versions,
}

/// Names of symbol versions, such as `GLIBC_2.34`. The keys are the file names of the libraries
/// that define them.
type Versions = BTreeMap<String, BTreeSet<String>>;

/// Reads from a program's ELF file which loader and libraries it needs. Returns `None` if the
/// program is statically linked. Fails if the file cannot be read or is not an ELF file.
pub fn needs(program: &Path) -> Result<Option<Needs>, Failure> {
    let (loader_path, libraries) = read(program)?;
    Ok(loader_path.map(|loader_path| Needs {
        loader: file_name(&loader_path.to_string_lossy()),
        loader_path,
        libraries,
    }))
}

impl Needs {
    /// Adds the libraries that the library `library` itself needs, because the program loads
    /// `library` at run time. Fails if `library` cannot be read as a library.
    pub fn add(&mut self, library: &Path) -> Result<(), Failure> {
        for (name, versions) in read(library)?.1 {
            self.libraries.entry(name).or_default().extend(versions);
        }
        Ok(())
    }
}

fn read(program: &Path) -> Result<(Option<PathBuf>, Versions), Failure> {
    let bytes = std::fs::read(program).map_err(|error| {
        Failure::toolchain(
            format!("{}: cannot be read: {error}", shown(program)),
            "give --host a program for x86_64 Linux",
        )
    })?;
    read_needs(&bytes).map_err(|error| {
        Failure::toolchain(
            format!("{}: {error}", shown(program)),
            "give --host a program for x86_64 Linux",
        )
    })
}

/// Returns the newest minor version of glibc that a program or library needs, e.g. 34 for glibc
/// 2.34. Returns 0 if it needs none, because it is linked statically. Fails if the file cannot be
/// read or is not an ELF file.
pub fn glibc_minor(program: &Path) -> Result<u32, Failure> {
    let (_, libraries) = read(program)?;
    let versions = libraries.values().flatten();
    Ok(versions
        .filter_map(|version| minor(version))
        .max()
        .unwrap_or_default())
}

/// Symbol version of glibc that a program with packed relocations needs. glibc has it since 2.36.
const PACKED_RELOCATIONS: &str = "GLIBC_ABI_DT_RELR";

/// Returns the minor version of glibc that introduced a symbol version, e.g. 34 for `GLIBC_2.34`.
/// Returns `None` if `version` is not a numbered symbol version of glibc.
fn minor(version: &str) -> Option<u32> {
    if version == PACKED_RELOCATIONS {
        return Some(36);
    }
    let rest = version.strip_prefix("GLIBC_2.")?;
    rest.split('.').next()?.parse().ok()
}

/// Returns the file names of the shared libraries that a program or library names as needed. Fails
/// if the file cannot be read or is not an ELF file.
pub fn names(program: &Path) -> Result<BTreeSet<String>, Failure> {
    Ok(read(program)?.1.into_keys().collect())
}

/// Finds the loader and the libraries that programs need on this machine. The keys are the paths at
/// which the loader looks for the files, and the values are the paths of the files without symbolic
/// links. Fails if the loader or a library is missing.
pub fn bundle(needs: &Needs, programs: &[&Path]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let loader = &needs.loader_path;
    let mut found = BTreeMap::from([(loader.display().to_string(), resolved(loader)?)]);
    for program in programs {
        let mut command = Command::new(loader);
        command
            .env_clear()
            .arg("--list")
            .arg(program)
            .stdin(Stdio::null());
        let output = command
            .output()
            .map_err(|error| Failure::file(loader, "be run", error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let missing = text.lines().find(|line| line.contains("not found"));
        if !output.status.success() || missing.is_some() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let problem = missing.map_or(said.trim(), str::trim);
            return Err(Failure::toolchain(
                format!(
                    "{}: cannot be run on this machine: {problem}",
                    shown(program)
                ),
                "install libstdc++ (apt-get install libstdc++6), or package on a base that brings it",
            ));
        }
        for path in listed(&text) {
            found.insert(path.to_owned(), resolved(Path::new(path))?);
        }
    }
    Ok(found)
}

/// Returns the paths in the list of libraries that a loader prints. A line of the list is `NAME =>
/// PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader itself.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let places = text
        .lines()
        .filter_map(|line| line.trim().split_once(" ("))
        .map(|(place, _)| place);
    places
        .map(|place| place.split_once(" => ").map_or(place, |(_, path)| path))
        .filter(|path| path.starts_with('/'))
}

/// Resolves the symbolic links in a path, because symbolic links are not copied to the image. Fails
/// if the path does not exist.
fn resolved(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::file(path, "be found", error))
}

/// Fails unless the layers of a base image contain the loader and the libraries that a program
/// needs. `base` is the name of the base image in messages. `layers` has the path and the media
/// type of each layer, from the bottom up.
pub fn check(
    program: &Path,
    needs: &Needs,
    base: &str,
    layers: &[(PathBuf, String)],
) -> Result<(), Failure> {
    let mut found = Found::default();
    for (path, media_type) in layers {
        found
            .add(path, media_type, needs)
            .map_err(|error| Failure::file(path, "be read as a layer", error))?;
    }
    found.meets(needs).map_err(|lack| {
        Failure::project(
            format!("base `{base}` cannot run {}: {lack}", shown(program)),
            "choose a base with a newer C library, e.g. one of Debian 12; the static host, without --host, needs none",
        )
    })
}

/// A loader, library or symbol version that a program needs and a base image does not have. The
/// texts continue a sentence about the base image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Lack {
    /// The base image has no loader with this file name.
    #[error("it lacks the loader {0}")]
    Loader(String),
    /// The base image has no library with this file name.
    #[error("it lacks {0}")]
    Library(String),
    /// A library of the base image does not define all symbol versions that the program needs.
    #[error("its {library} lacks {}", versions.join(", "))]
    Versions {
        /// File name of the library.
        library: String,
        /// Symbol versions that the library does not define.
        versions: Vec<String>,
    },
}

fn read_needs(bytes: &[u8]) -> object::Result<(Option<PathBuf>, Versions)> {
    let elf = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = elf.endian()?;
    let mut loader = None;
    for segment in elf.program_headers(endian, bytes)? {
        if let Some(name) = segment.interpreter(endian, bytes)? {
            loader = Some(PathBuf::from(
                String::from_utf8_lossy(name)
                    .trim_end_matches('\0')
                    .to_owned(),
            ));
        }
    }
    let sections = elf.sections(endian, bytes)?;
    let mut libraries = Versions::new();
    if let Some((entries, index)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, index)?;
        for entry in entries
            .iter()
            .filter(|entry| entry.d_tag(endian) == object::elf::DT_NEEDED)
        {
            let name = entry.string(endian, strings)?;
            libraries
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_default();
        }
    }
    if let Some((mut all, index)) = sections.gnu_verneed(endian, bytes)? {
        let strings = sections.strings(endian, bytes, index)?;
        while let Some((need, mut versions)) = all.next()? {
            let name = String::from_utf8_lossy(need.file(endian, strings)?).into_owned();
            let library = libraries.entry(name).or_default();
            while let Some(version) = versions.next()? {
                library
                    .insert(String::from_utf8_lossy(version.name(endian, strings)?).into_owned());
            }
        }
    }
    Ok((loader, libraries))
}

/// Returns the names of the symbol versions that a library defines, such as `GLIBC_2.34`. Fails if
/// `bytes` are not a library.
fn defined(bytes: &[u8]) -> object::Result<BTreeSet<String>> {
    let elf = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, bytes)?;
    let mut defined = BTreeSet::new();
    if let Some((mut all, index)) = sections.gnu_verdef(endian, bytes)? {
        let strings = sections.strings(endian, bytes, index)?;
        while let Some((_, mut names)) = all.next()? {
            if let Some(name) = names.next()? {
                defined.insert(String::from_utf8_lossy(name.name(endian, strings)?).into_owned());
            }
        }
    }
    Ok(defined)
}

/// The libraries in the layers of a base image by file name, with the symbol versions that each
/// library defines, and the symbolic and hard links to libraries.
#[derive(Debug, Default)]
struct Found {
    files: BTreeMap<String, BTreeSet<String>>,
    links: BTreeMap<String, String>,
}

impl Found {
    fn add(&mut self, path: &Path, media_type: &str, needs: &Needs) -> io::Result<()> {
        // `libc.so.6` is a link to `libc-2.31.so` in older systems.
        let stem = |name: &str| name.split(['.', '-']).next().unwrap_or_default().to_owned();
        let stems: BTreeSet<_> = needs.libraries.keys().map(|name| stem(name)).collect();
        let mut entries = Entries::new(layer::open(path, media_type)?);
        // If the rest of a layer cannot be read, the libraries in it count as missing.
        while let Ok(Some(entry)) = entries.next() {
            let path = String::from_utf8_lossy(&entry.name).into_owned();
            let name = file_name(&path);
            let is_wanted =
                name == needs.loader || (name.contains(".so") && stems.contains(&stem(&name)));
            if !is_wanted || !path.split('/').any(|folder| folder.starts_with("lib")) {
                continue;
            }
            match entry.kind {
                EntryKind::SymbolicLink(target) | EntryKind::HardLink(target) => {
                    self.links
                        .insert(name, file_name(&String::from_utf8_lossy(&target)));
                }
                EntryKind::File if entry.size <= LARGEST_LIBRARY_BYTES => {
                    let mut bytes = Vec::new();
                    entries.read_to_end(&mut bytes)?;
                    self.files.insert(name, defined(&bytes).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn versions(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.files
            .get(name)
            .or_else(|| self.files.get(self.links.get(name)?))
    }

    /// Fails unless the layers of the base image contain the loader, the libraries and the symbol
    /// versions that a program needs.
    fn meets(&self, needs: &Needs) -> Result<(), Lack> {
        if self.versions(&needs.loader).is_none() {
            return Err(Lack::Loader(needs.loader.clone()));
        }
        for (library, wanted) in &needs.libraries {
            let Some(there) = self.versions(library) else {
                return Err(Lack::Library(library.clone()));
            };
            let versions: Vec<_> = wanted.difference(there).cloned().collect();
            if !versions.is_empty() {
                return Err(Lack::Versions {
                    library: library.clone(),
                    versions,
                });
            }
        }
        Ok(())
    }
}

fn file_name(path: &str) -> String {
    path.trim_end_matches('\0')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;
