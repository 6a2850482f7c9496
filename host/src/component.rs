//! Loader of an app's component: it takes precompiled code if the manifest names some, or else
//! compiles the component. Code that this user's host compiled before is taken from the user's
//! cache.
//!
//! Owns the choice between precompiled code and compiling, the order in which a component is read,
//! checked and compiled, and the error texts about a component's file. Must not know worlds or
//! capabilities: the caller passes the function that checks imports and exports. `precompiled`
//! knows what precompiled code is.

#[cfg(feature = "compiler")]
mod leftovers;
mod outline;
#[cfg(feature = "compiler")]
mod outline_reader;

use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(feature = "compiler")]
use crate::compiled_cache::CompiledCache;
use crate::deployment::Environment;
use crate::error::StartupError;
use crate::manifest::digest::digest;
use crate::manifest::{ComponentSource, Manifest};
use crate::precompiled;
use crate::text::Problem;

pub use self::outline::{Import, Outline};

/// Function that checks the outline of a component, before the component is compiled. Its error
/// says why the component cannot be a scorer of this app.
pub(crate) type Judge<'a> = &'a dyn Fn(&Outline) -> Result<(), Problem>;

/// Compiled component that is ready to be linked with the host's functions.
#[derive(Clone)]
pub struct Compiled {
    /// Code and type of the component.
    pub component: Component,
    /// Digest of the component's `.wasm` file: `sha256:` and 64 hex digits.
    pub digest: String,
    /// True if the component is a snapshot: its instances start in the state after `init`, so
    /// `init` must not be called again.
    pub snapshot: bool,
}

/// Loads the component that the manifest names. Uses its precompiled code if the manifest has it,
/// and compiles the component otherwise, or takes its code from the cache that the environment
/// names. `judge` checks a component before it is compiled, because compiling takes seconds.
///
/// # Errors
/// Fails if the manifest does not name a component, or names a source instead of a file, or if the
/// component is unusable. Also fails if the precompiled code does not fit this host, or if there is
/// no precompiled code and this host does not have a compiler.
pub(crate) fn load(
    engine: &Engine,
    manifest: &Manifest,
    environment: Environment<'_>,
    judge: Judge<'_>,
) -> Result<Compiled, StartupError> {
    let path = file(manifest)?;
    match &manifest.precompiled {
        Some(precompiled) => Ok(Compiled {
            component: precompiled::load(engine, precompiled)?,
            digest: precompiled.component.clone(),
            snapshot: precompiled.snapshot,
        }),
        None => {
            let bytes = read(&path)?;
            let component = compile(engine, &path, &bytes, environment, judge)?;
            Ok(Compiled {
                component,
                digest: digest(&bytes),
                snapshot: false,
            })
        }
    }
}

/// Returns the path of the component's `.wasm` file that the manifest names.
///
/// # Errors
/// Fails if the manifest does not name a component, or names a source, which has to be built first.
pub fn file(manifest: &Manifest) -> Result<PathBuf, StartupError> {
    match &manifest.scorer.component {
        Some(ComponentSource::File(path)) => Ok(path.clone()),
        None => Err(StartupError::Component {
            path: manifest.path.clone(),
            problem: "names no component".to_owned(),
            fix: "add `component = \"NAME.wasm\"` under [scorer]".to_owned(),
        }),
        Some(
            ComponentSource::Cargo(source)
            | ComponentSource::Script { entry: source, .. }
            | ComponentSource::Command { output: source, .. },
        ) => Err(StartupError::Component {
            path: source.clone(),
            problem: "is a source, and the host runs only what is built".to_owned(),
            fix: format!(
                "`scorebox build --manifest {}` builds it and prints the app folder to give to --app",
                manifest.path.display()
            ),
        }),
    }
}

/// Reads the `.wasm` file of a component, and checks by its header that it is a component.
///
/// # Errors
/// Fails if the file cannot be read, or is not a component.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StartupError> {
    let fail = |problem: String, fix: &str| StartupError::Component {
        path: path.to_path_buf(),
        problem,
        fix: fix.to_owned(),
    };
    let bytes = std::fs::read(path).map_err(|error| {
        fail(
            format!("cannot be read: {error}"),
            "build it and stage an app with `scorebox build --manifest FILE`",
        )
    })?;
    // A core module and a component differ in the second half of the version field (component-model
    // binary format).
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => Ok(bytes),
        Some(b"\0asm\x01\0\0\0") => Err(fail(
            "is a core module, not a component".to_owned(),
            "compile with `--target wasm32-wasip2`, or wrap it with `wasm-tools component new`",
        )),
        _ => Err(fail(
            "is not WebAssembly".to_owned(),
            "compile a scorer with `--target wasm32-wasip2`",
        )),
    }
}

#[cfg(feature = "compiler")]
fn compile(
    engine: &Engine,
    path: &Path,
    bytes: &[u8],
    environment: Environment<'_>,
    judge: Judge<'_>,
) -> Result<Component, StartupError> {
    examine(path, bytes, judge)?;
    let compiled = CompiledCache::of(environment).component(engine, bytes);
    compiled.map_err(|error| invalid(path, &error))
}

#[cfg(not(feature = "compiler"))]
fn compile(
    _: &Engine,
    path: &Path,
    _: &[u8],
    _: Environment<'_>,
    _: Judge<'_>,
) -> Result<Component, StartupError> {
    Err(StartupError::Component {
        path: path.to_path_buf(),
        problem: "is not compiled, and this host has no compiler".to_owned(),
        fix: "make the app with `scorebox build` or `scorebox package`, which compile the \
              component"
            .to_owned(),
    })
}

/// Returns the outline of a component that `judge` accepts, before the component is compiled. Logs
/// a warning if the component holds debug information or names folders of the machine that built
/// it, unless it holds an interpreter.
///
/// # Errors
/// Fails if the bytes are not a component, or if `judge` does not accept the component.
#[cfg(feature = "compiler")]
pub(crate) fn examine(
    path: &Path,
    bytes: &[u8],
    judge: Judge<'_>,
) -> Result<Outline, StartupError> {
    let (outline, leftovers) =
        outline_reader::read(bytes).map_err(|error| malformed(path, &error))?;
    judge(&outline).map_err(|problem| unfit(path, problem))?;
    // An interpreter has the paths of those who built it, which no author can change.
    if !outline.is_interpreter {
        leftovers.warn(path);
    }
    Ok(outline)
}

/// Returns the outline of a component, without compiling the component. `bytes` are the content of
/// the file `path`, which an error names.
///
/// # Errors
/// Fails if the bytes are not a component, or end too early.
#[cfg(feature = "compiler")]
pub fn outline(path: &Path, bytes: &[u8]) -> Result<Outline, StartupError> {
    let read = outline_reader::read(bytes).map_err(|error| malformed(path, &error));
    read.map(|(outline, _)| outline)
}

/// Returns the error for a component that cannot be a scorer. `path` is the file of the component.
pub(crate) fn unfit(path: &Path, Problem { problem, fix }: Problem) -> StartupError {
    StartupError::Component {
        path: path.to_path_buf(),
        problem,
        fix,
    }
}

/// Returns the error for bytes that are not a component, or only the start of one. `path` is the
/// file of the component.
#[cfg(feature = "compiler")]
fn malformed(path: &Path, error: &dyn std::fmt::Display) -> StartupError {
    unfit(
        path,
        Problem::new(
            format!("is not a valid component: {error}"),
            "build it again, and copy the whole file",
        ),
    )
}

/// Returns the error for a component that the compiler refuses. `path` is the file of the
/// component.
#[cfg(feature = "compiler")]
pub(crate) fn invalid(path: &Path, error: &wasmtime::Error) -> StartupError {
    unfit(
        path,
        Problem::new(
            format!("is not a valid component: {error:#}"),
            "compile it again; a component that needs async, threads, exceptions or garbage \
             collection is not supported",
        ),
    )
}
