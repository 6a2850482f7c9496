//! Model folders of MLflow that are given to other commands than `convert`.
//!
//! Owns how such a folder is recognized, the command that makes a project of it, and the scorer's
//! name in that project. Must not know the content of the model's files: only the process that
//! converts a model reads them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::{self, shown};

use crate::shell;

/// Name of the file that describes a model in a folder of MLflow.
pub const MLFLOW_FILE: &str = "MLmodel";
/// Name of the folder, in the target folder, to which the commands in error messages write
/// converted projects.
const PROJECTS: &str = "converted";

/// Returns the model folder of MLflow that a path names: the folder itself, or the path of an
/// `MLmodel` or a `scorebox.toml` in it. Returns `None` for other paths, and if the folder has a
/// manifest, because then it is a project.
pub fn folder(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() {
        path
    } else if [MLFLOW_FILE, MANIFEST_FILE]
        .map(OsStr::new)
        .contains(&path.file_name()?)
    {
        path.parent()?
    } else {
        return None;
    };
    let is_model = folder.join(MLFLOW_FILE).is_file() && !folder.join(MANIFEST_FILE).exists();
    is_model.then(|| match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_path_buf(),
    })
}

/// Returns the failure of a command that was given a model folder of MLflow as a project.
///
/// Only `convert` reads such a folder. Loading an MLflow model can execute code that the author of
/// the model wrote, so a command that is not about models must not do it.
pub fn not_a_project(folder: &Path) -> Failure {
    let (command, project) = project(folder);
    Failure::project(
        format!(
            "{}: is a model folder of MLflow, not a project",
            shown(folder)
        ),
        format!(
            "make a project of it by `{command}`, and give --manifest {}",
            shell::argument(&shown(&project.join(MANIFEST_FILE)))
        ),
    )
}

/// Returns the command that makes a project of a model folder of MLflow, and the folder of that
/// project in the target folder.
pub fn project(folder: &Path) -> (String, PathBuf) {
    let name = scorer_name(folder);
    let output = workspace::target().join(PROJECTS).join(&name);
    let command = format!(
        "cargo xtask convert {} --output {}",
        shell::path(folder),
        shell::path(&output)
    );
    (command, output)
}

/// Prints a note if the path `model` names a model folder of MLflow. This is for a scorer without a
/// component: the graph in the folder is served, but the signature and the input example in the
/// folder are not used.
pub fn tell_unused(model: &Path) {
    if let Some(folder) = folder(model) {
        eprintln!(
            "note: {} is a model folder of MLflow; its signature and its input example are not used here. `{}` makes a \
             project that has the names of the columns and a sample",
            shown(&folder),
            project(&folder).0
        );
    }
}

/// Makes a scorer's name from the part of a file's name before the first dot. The words in it,
/// which are runs of ASCII letters and digits, are put in lower case and joined by `-`. If the
/// result does not start with a letter, `model-` is put before it.
pub fn scorer_name(file: &Path) -> String {
    let file = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let stem = file.split('.').next().unwrap_or_default();
    let parts = stem
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    match name.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => name,
        false => format!("model-{name}").trim_end_matches('-').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_files() {
        let check = |file: &str, expected: &str| {
            assert_eq!(scorer_name(Path::new(file)), expected, "{file}")
        };
        check("a/Churn_Model.v2.pkl", "churn-model");
        check("7days.joblib", "model-7days");
        check("Größe.pkl", "gr-e");
        check("__.pkl", "model");
        check("mlruns/1/models/m-4f1/artifacts", "artifacts");
    }

    #[test]
    fn a_model_folder_is_known_until_it_is_a_project() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("my model");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(folder(&path), None);
        std::fs::write(path.join(MLFLOW_FILE), "flavors: {}").unwrap();
        for name in ["", MLFLOW_FILE, MANIFEST_FILE] {
            assert_eq!(folder(&path.join(name)), Some(path.join("")), "{name}");
        }
        assert_eq!(folder(&path.join("model.onnx")), None);
        let failure = not_a_project(&path);
        for part in [
            "cargo xtask convert '",
            "my model' --output ",
            "converted/my-model",
            "/scorebox.toml",
        ] {
            assert!(failure.fix.contains(part), "{}", failure.fix);
        }
        std::fs::write(path.join(MANIFEST_FILE), "").unwrap();
        assert_eq!(folder(&path), None);
    }
}
