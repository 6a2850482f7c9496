//! The component of a scorer in Python or JavaScript: a script, the SDK and the engine.
//!
//! Owns the run of the build scripts `build.py` and `build.mjs`, which drive the toolchains. Must
//! not know where a toolchain comes from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scorebox_host::manifest::{Manifest, ScriptEngine};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::Sources;
use scorebox_workspace::workspace::shown;
use serde_json::json;

use super::{place, world};
use crate::toolchain::{self, Toolchain};

const BUILD_PY: &str = include_str!("build.py");
const BUILD_MJS: &str = include_str!("build.mjs");

/// Builds the component of the script `entry`, and returns the path of its `.wasm` file. Fails if
/// the script does not exist, if its name does not fit the engine, if a path is not UTF-8, if the
/// toolchain cannot be fetched, or if the script has an error.
pub fn build(manifest: &Manifest, engine: ScriptEngine, entry: &Path) -> Result<PathBuf, Failure> {
    let entry = checked(manifest, engine, entry)?;
    let toolchain = match engine {
        ScriptEngine::ComponentizeJs => Toolchain::ComponentizeJs,
        ScriptEngine::ComponentizePy => Toolchain::ComponentizePy,
        ScriptEngine::QuickJs => Toolchain::QuickJs,
    };
    let installed = toolchain::locate(toolchain)?;
    let place = place(manifest)?;
    // Another process may build the same project now, so each build has a folder of its own.
    let folder = tempfile::tempdir_in(&place)
        .map_err(|error| Failure::file(&place, "create a temporary folder", error))?;
    let wit = folder.path().join("wit");
    let interfaces = world::interfaces(manifest);
    world::write(&wit, &interfaces)?;
    let output = folder.path().join("component.wasm");
    eprintln!(
        "building the component of {} with {}",
        shown(&entry),
        toolchain.name()
    );
    let guest = match engine {
        // Python looks for the package in this folder's parent.
        ScriptEngine::ComponentizePy => parent(&Sources::Python.folder()),
        _ => Sources::JavaScript.folder(),
    };
    let options = json!({
        "engine": engine.key(),
        "entry": text(&entry)?,
        "guest": text(&guest)?,
        "interfaces": interfaces,
        "output": text(&output)?,
        "toolchain": text(&installed.folder)?,
        "wit": text(&wit)?,
    });
    let mut command = Command::new(&installed.program);
    match engine {
        ScriptEngine::ComponentizePy => {
            // Python runs in isolated mode, because modules of the project may have the same names
            // as modules of the standard library.
            command.args(["-I", "-B", "-c", BUILD_PY]);
            command.arg(options.to_string());
        }
        _ => {
            command.args(["--input-type=module", "--eval", BUILD_MJS, "--"]);
            command.arg(options.to_string());
        }
    }
    let status = command
        .current_dir(manifest.dir())
        .stdin(Stdio::null())
        // Standard output is for the result of the command.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|error| Failure::file(&installed.program, "be run", error))?;
    if status.success() && output.is_file() {
        let goal = place.join("component.wasm");
        fs::rename(&output, &goal)
            .map_err(|error| Failure::file(&goal, "be put in place", error))?;
        return Ok(goal);
    }
    Err(Failure::project(
        format!(
            "{}: {} made no component of it: it ended with {status}",
            shown(&entry),
            toolchain.name()
        ),
        "fix the error above; modules are imported when the component is built",
    ))
}

/// Returns the absolute path of a script. Fails if the script does not exist, or if its name does
/// not fit the engine.
fn checked(manifest: &Manifest, engine: ScriptEngine, entry: &Path) -> Result<PathBuf, Failure> {
    let key = engine.key();
    if !entry.is_file() {
        return Err(Failure::project(
            format!(
                "{}: `scorer.component`: {} is not a file",
                manifest.path.display(),
                entry.display()
            ),
            format!("name the script, relative to the manifest: `{{ {key} = \"FILE\" }}`"),
        ));
    }
    let extension = entry.extension().and_then(|end| end.to_str());
    let is_fit = match engine {
        ScriptEngine::ComponentizePy => extension == Some("py") && is_module(entry),
        _ => matches!(extension, Some("js" | "mjs" | "ts" | "mts")),
    };
    if !is_fit {
        let fix = match engine {
            ScriptEngine::ComponentizePy => {
                "name a file that Python can import, such as `app.py`: letters, digits and `_`"
            }
            _ => "name a file that ends in .js, .mjs, .ts or .mts",
        };
        return Err(Failure::project(
            format!(
                "{}: `scorer.component`: `{key}` cannot take {}",
                manifest.path.display(),
                entry.display()
            ),
            fix,
        ));
    }
    entry
        .canonicalize()
        .map_err(|error| Failure::file(entry, "be resolved", error))
}

/// Returns true if Python can import the file as a module: its name without the extension has only
/// ASCII letters, digits and `_`, and does not begin with a digit.
fn is_module(entry: &Path) -> bool {
    let name = entry.file_stem().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Returns a path as text. Fails if the path is not UTF-8, because the build scripts get it as
/// JSON.
fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::project(
            format!("{}: the path is not UTF-8", path.display()),
            "rename the folder, or move the project",
        )
    })
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_must_fit_its_engine() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n";
        let manifest = Manifest::parse(&dir.path().join("scorebox.toml"), text).unwrap();
        let check = |engine, name: &str, is_fit: bool| {
            let file = dir.path().join(name);
            fs::write(&file, "").unwrap();
            assert_eq!(checked(&manifest, engine, &file).is_ok(), is_fit, "{name}");
        };
        check(ScriptEngine::ComponentizePy, "app.py", true);
        check(ScriptEngine::ComponentizePy, "my-app.py", false);
        check(ScriptEngine::ComponentizePy, "2app.py", false);
        check(ScriptEngine::ComponentizePy, "app.js", false);
        check(ScriptEngine::QuickJs, "app.js", true);
        check(ScriptEngine::QuickJs, "my-app.ts", true);
        check(ScriptEngine::ComponentizeJs, "app.mjs", true);
        check(ScriptEngine::ComponentizeJs, "app.py", false);
        let missing = checked(&manifest, ScriptEngine::QuickJs, &dir.path().join("no.js"));
        assert!(missing.unwrap_err().problem.contains("is not a file"));
    }
}
