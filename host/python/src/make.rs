//! Making of an engine pack out of wheels from PyPI.
//!
//! Owns the order of the steps and the files of a pack, and the taking of state images. Must not
//! know how wheels are fetched, nor where packs are kept.
//!
//! CPython and its libraries come as one WebAssembly module. The module is run once, until the
//! libraries are imported, and stored as it is then. The result, called *stock*, is compiled. So an
//! instance starts in milliseconds with everything imported.

mod compile;
mod error;
mod integers;
mod library;
mod recipe;
mod sandbox;
mod still;
mod taking;
mod wheel;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime::Module;
use wasmtime_wizer::Wizer;

pub use self::error::MakeError;
pub use self::recipe::{Cpu, ENGINE_WHEEL, PACKAGE_WHEELS, PinnedWheel, folder_name, key, wheels};
pub use self::taking::{TakeError, take};
use self::wheel::Wheel;
use crate::engine::ENGINE;
use crate::pack::{self, CODE_FILE, FORMAT, PackFile, PackRecord, RECORD_FILE};
use crate::preopens::EMPTY_FOLDER;
use crate::{facts, world};

/// Step in which a pack is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The wheels are read, and the archive of Python files is written.
    Library,
    /// CPython is compiled quickly, so that its libraries can be imported once.
    FirstCompile,
    /// The libraries are imported in the sandbox.
    Import,
    /// CPython with the imported libraries is compiled for the pack.
    Compile,
    /// The record of the pack is written.
    Record,
}

impl Step {
    /// All steps in which a pack is made, in their order.
    pub const ALL: [Self; 5] = [
        Self::Library,
        Self::FirstCompile,
        Self::Import,
        Self::Compile,
        Self::Record,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "reading the wheels",
            Self::FirstCompile => "compiling CPython, to import its libraries once",
            Self::Import => "importing the libraries in the sandbox",
            Self::Compile => "compiling CPython with its libraries",
            Self::Record => "writing the record",
        })
    }
}

/// Makes a pack in the folder `folder`, which must be empty. `wheels` is a folder with the files of
/// [`wheels()`]. `progress` is called at the start of each step. When the function returns, the
/// pack is read-only.
///
/// Making a pack takes about six minutes of CPU time, half of them in each of the two compilations,
/// and 2.5 GB of memory.
///
/// # Errors
/// Fails if a wheel is missing or is not the pinned one, if the folder cannot be written, or if the
/// module of CPython in the wheel cannot be compiled or run.
pub async fn make(
    wheels: &Path,
    cpu: Cpu,
    folder: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<PackRecord, MakeError> {
    progress(Step::Library);
    let mut engine = Wheel::open(wheels, &ENGINE_WHEEL)?;
    let packages = PACKAGE_WHEELS.iter();
    let mut packages = packages
        .map(|pinned| Wheel::open(wheels, pinned))
        .collect::<Result<Vec<_>, _>>()?;
    let (python, libraries) = library::write(&mut engine, &mut packages, folder)?;
    let mut snapshot = engine.read(&library::artifact("python-snapshot.wasm"))?;
    integers::apply(&mut snapshot, &integers::all())?;
    let stock = stock(&snapshot, folder, progress).await?;

    progress(Step::Compile);
    facts::check(&stock)?;
    let stock_sha256 = hex::encode(Sha256::digest(&stock));
    let code = compile::compile(&stock, cpu)?;
    drop(stock);
    let path = folder.join(CODE_FILE);
    std::fs::write(&path, code).map_err(MakeError::file(&path, "be written"))?;

    progress(Step::Record);
    let record = PackRecord {
        format: FORMAT,
        engine: ENGINE.to_owned(),
        cpu: cpu.to_string(),
        files: files(folder)?,
        stock_sha256,
        world_sha256: world::digest(),
        wheel: pack::Wheel {
            name: ENGINE_WHEEL.project.to_owned(),
            version: ENGINE_WHEEL.version.to_owned(),
            sha256: ENGINE_WHEEL.sha256.to_owned(),
        },
        python,
        libraries,
    };
    let path = folder.join(RECORD_FILE);
    let mut json = serde_json::to_vec_pretty(&record)?;
    json.push(b'\n');
    std::fs::write(&path, json).map_err(MakeError::file(&path, "be written"))?;
    protect(folder)?;
    Ok(record)
}

/// Returns the stock: the module of CPython as it is after the libraries of the pack were imported.
async fn stock(
    snapshot: &[u8],
    folder: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<Vec<u8>, MakeError> {
    progress(Step::FirstCompile);
    let base = compile::without_custom_sections(snapshot)?;
    facts::check(&base)?;
    let wizer = wizer();
    let (context, instrumented) = wizer
        .instrument(&base)
        .map_err(MakeError::engine("instrumented"))?;
    let engine = compile::quick_engine()?;
    let module = Module::new(&engine, &instrumented).map_err(MakeError::engine("compiled"))?;
    drop(instrumented);

    progress(Step::Import);
    // The folders of the script, of its packages and of its model are empty while the libraries are
    // imported.
    let empty = folder.join(EMPTY_FOLDER);
    std::fs::create_dir(&empty).map_err(MakeError::file(&empty, "be created"))?;
    sandbox::preloaded(&engine, &module, &wizer, &context, folder, &empty).await
}

/// Returns the settings of Wizer, the tool that stores the state of a module that has run.
fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // The module has no function for this purpose. Without the setting, one would be expected.
    wizer.keep_init_func(true);
    wizer
}

/// Returns the sizes and digests of all files in a folder and its subfolders, by their paths.
fn files(folder: &Path) -> Result<BTreeMap<String, PackFile>, MakeError> {
    let mut files = BTreeMap::new();
    visit(folder, &mut |path, is_folder| {
        if is_folder {
            return Ok(());
        }
        let hashed = File::open(path).and_then(hashed);
        let (size, sha256) = hashed.map_err(MakeError::file(path, "be read"))?;
        let file = PackFile { size, sha256 };
        let name = path.strip_prefix(folder).unwrap_or(path);
        files.insert(name.to_string_lossy().into_owned(), file);
        Ok(())
    })?;
    Ok(files)
}

/// Returns the size of a file in bytes, and its SHA-256 digest in hexadecimal.
fn hashed(mut file: impl Read) -> std::io::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some([]) | None => return Ok((size, hex::encode(digest.finalize()))),
            Some(part) => digest.update(part),
        }
        size += count as u64;
    }
}

/// Takes the permission to write from all files in a folder, its subfolders and the folder itself.
fn protect(folder: &Path) -> Result<(), MakeError> {
    visit(folder, &mut |path, is_folder| {
        let mode = if is_folder { 0o555 } else { 0o444 };
        std::fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(MakeError::file(path, "be made read-only"))
    })
}

/// Calls a function for each file and folder in a folder, and then for the folder itself. The
/// second argument of the function is true for a folder.
fn visit(
    folder: &Path,
    seen: &mut dyn FnMut(&Path, bool) -> Result<(), MakeError>,
) -> Result<(), MakeError> {
    let list = || -> std::io::Result<Vec<_>> {
        let entries = std::fs::read_dir(folder)?;
        entries
            .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))))
            .collect()
    };
    for (path, is_folder) in list().map_err(MakeError::file(folder, "be listed"))? {
        if is_folder {
            visit(&path, seen)?;
        } else {
            seen(&path, false)?;
        }
    }
    seen(folder, true)
}
