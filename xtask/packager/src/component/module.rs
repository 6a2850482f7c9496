//! Core modules of WebAssembly, which compilers without support for components make, e.g. clang.
//!
//! Owns the step from a core module to a component. Must not know what made the module.
//!
//! wit-bindgen puts the world of a module into the module, so a component can be made of the module
//! alone. The adapter that wasmtime ships implements the functions of WASI preview 1 that the
//! module imports.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::Manifest;
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

/// First bytes of a core module: its magic number and its version.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Start of the name of the custom section in which wit-bindgen stores the world of a module.
const WORLD: &[u8] = b"component-type";

/// Returns the path of the component in the file `file`. If the file is a core module with a world,
/// a component is made of the module, and its path is returned. Any other file is returned as it
/// is. Fails if the file cannot be read or written, or if the module does not fit its world.
pub fn component(manifest: &Manifest, file: PathBuf) -> Result<PathBuf, Failure> {
    let bytes = std::fs::read(&file).map_err(|error| Failure::file(&file, "be read", error))?;
    let has_world = bytes.windows(WORLD.len()).any(|window| window == WORLD);
    // The host says what to do with a module that has no world.
    if !bytes.starts_with(MODULE) || !has_world {
        return Ok(file);
    }
    let made = encoded(&bytes, &file)?;
    let folder = super::place(manifest)?;
    let place = folder.join("module.wasm");
    // Another process may build the same project now, so the file is replaced and not changed.
    let written = tempfile::NamedTempFile::new_in(&folder).and_then(|mut file| {
        file.write_all(&made)?;
        file.persist(&place).map_err(|error| error.error)
    });
    written.map_err(|error| Failure::file(&place, "be written", error))?;
    Ok(place)
}

/// Makes a component of the bytes of a core module. `file` is the path of the module, for the text
/// of the failure. Fails if the module does not fit its world.
fn encoded(module: &[u8], file: &Path) -> Result<Vec<u8>, Failure> {
    let encoder = ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        });
    let made = encoder.and_then(|mut encoder| encoder.encode());
    made.map_err(|error| {
        let why = quoted(&format!("{error:#}"), 4 * NAME_BYTES);
        Failure::project(
            format!("{}: cannot become a component: {why}", shown(file)),
            "generate the bindings again, and implement each function that they declare",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_module_with_a_world_becomes_a_component() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n";
        let manifest = Manifest::parse(&dir.path().join("scorebox.toml"), text).unwrap();
        let file = dir.path().join("x.wasm");
        for bytes in [
            b"\0asm\x0d\0\x01\0component-type".as_slice(),
            b"\0asm\x01\0\0\0",
            b"<html>",
            b"",
        ] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(component(&manifest, file.clone()).unwrap(), file);
        }
        // A custom section with the name of a world, and nothing in it.
        let module = [MODULE, b"\0\x0f\x0e", WORLD].concat();
        let refused = encoded(&module, &file).unwrap_err();
        assert_eq!(refused.exit_code(), 3, "{refused}");
        assert!(!refused.problem.contains('\n'), "{refused}");
    }
}
