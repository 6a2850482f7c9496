//! The settings of a script: `scorer.script` and the keys that belong to it.
//!
//! Owns which of these keys exclude each other, and which file each one may name. Must not know how
//! packages are resolved, or how a script is run.

use std::path::{Path, PathBuf};

use scorebox_text::Problem;
#[cfg(feature = "scripts")]
use scorebox_text::{NAME_BYTES, quoted};

#[cfg(feature = "scripts")]
use crate::inputs::{flag, text};

/// Keys of the section `[scorer]` that only a script has.
#[cfg(feature = "scripts")]
const KEYS: [&str; 4] = ["requirements", "accelerate", "tracebacks", "deterministic"];

/// Settings of a script in Python that is served as the scorer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSection {
    /// Path of the script, such as `score.py`. The modules of its folder are packaged with it.
    pub file: PathBuf,
    /// Path of the file that lists the packages of the script: a `requirements.txt`, or an
    /// environment file of Azure ML or conda. `None` if the script needs only the packages of the
    /// engine.
    pub requirements: Option<PathBuf>,
    /// True if models that were converted to graphs run in the host when the script loads them.
    pub accelerate: bool,
    /// True if the answer to a call that the script fails contains the traceback.
    pub tracebacks: bool,
    /// True if the script answers equal requests with equal answers, so that answers may be cached.
    pub deterministic: bool,
}

impl ScriptSection {
    /// Returns the name of the script's file in its folder, such as `score.py`.
    #[must_use]
    pub fn entry(&self) -> &str {
        let name = self.file.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Returns the folder of the script, whose modules the script may import.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let folder = self.file.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }
}

/// Reads the settings of the script from the table of a `scorebox.toml`, in whose folder `dir` the
/// files are. Returns `None` if the manifest does not name a script. Fails if a key needs a script
/// and there is none, if two keys exclude each other, or if a file has the wrong extension.
#[cfg(feature = "scripts")]
pub(super) fn section(table: &toml::Table, dir: &Path) -> Result<Option<ScriptSection>, Problem> {
    let Some(scorer) = table.get("scorer").and_then(toml::Value::as_table) else {
        return Ok(None);
    };
    let Some(script) = text(scorer, "scorer", "script")? else {
        return match KEYS.iter().find(|key| scorer.contains_key(**key)) {
            Some(key) => Err(Problem::new(
                format!("`scorer.{key}` is a setting of a script, and `scorer.script` names none"),
                format!("remove `{key}`, or write e.g. `script = \"score.py\"`"),
            )),
            None => Ok(None),
        };
    };
    for key in ["component", "graph"] {
        if scorer.contains_key(key) {
            return Err(Problem::new(
                format!("`scorer.script` and `scorer.{key}` both name what is served"),
                "remove one of the two",
            ));
        }
    }
    has_extension("script", script, &["py"], "`script = \"score.py\"`")?;
    let requirements = text(scorer, "scorer", "requirements")?;
    if let Some(requirements) = requirements {
        let fix = "`requirements = \"requirements.txt\"` or `requirements = \"conda.yml\"`";
        has_extension("requirements", requirements, &["txt", "yml", "yaml"], fix)?;
    }
    let flag = |name| flag(scorer, "scorer", name).map(Option::unwrap_or_default);
    let accelerate = flag("accelerate")?;
    if accelerate && !scorer.contains_key("model") {
        return Err(Problem::new(
            "`scorer.accelerate` is true, and `scorer.model` names no model to convert",
            "remove `accelerate`, or write e.g. `model = \"model\"`",
        ));
    }
    Ok(Some(ScriptSection {
        file: dir.join(script),
        requirements: requirements.map(|file| dir.join(file)),
        accelerate,
        tracebacks: flag("tracebacks")?,
        deterministic: flag("deterministic")?,
    }))
}

/// Reads only the name of the script, so that a host that cannot run it can refuse it.
#[cfg(not(feature = "scripts"))]
pub(super) fn section(table: &toml::Table, dir: &Path) -> Result<Option<ScriptSection>, Problem> {
    let script = table.get("scorer").and_then(|scorer| scorer.get("script"));
    Ok(script.map(|script| ScriptSection {
        file: dir.join(script.as_str().unwrap_or_default()),
        requirements: None,
        accelerate: false,
        tracebacks: false,
        deterministic: false,
    }))
}

/// Checks that the name of `file` has one of `extensions`. The error names the setting `key`, and
/// its fix shows `example`.
#[cfg(feature = "scripts")]
fn has_extension(key: &str, file: &str, extensions: &[&str], example: &str) -> Result<(), Problem> {
    let extension = Path::new(file).extension();
    let extension = extension.and_then(|extension| extension.to_str());
    if extension.is_some_and(|extension| extensions.contains(&extension)) {
        return Ok(());
    }
    let shown = quoted(file, NAME_BYTES);
    Err(Problem::new(
        format!(
            "`scorer.{key}`: `{shown}` is not the name of a .{} file",
            extensions.join(", .")
        ),
        format!("write e.g. {example}"),
    ))
}
