//! The files of a model, and the refusal of files that an image must not contain.
//!
//! Owns the walk through the model folder. Must not know tensors: the host library reads tensors
//! when it checks the app, and `intact` finds files that were cut off.

mod pickles;

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use self::pickles::program;
use crate::{intact, mlflow, shell};

/// A file that belongs to the model of a scorer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Path of the file relative to the model folder, with `/` between its parts. If the model is a
    /// single file, the name of the file.
    pub name: String,
    /// Path of the file on this machine.
    pub path: PathBuf,
}

/// Rule for the pickles of a model. A pickle is a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pickles {
    /// A pickle is refused.
    Refused,
    /// A pickle is accepted, because only a script in the sandbox loads it.
    Allowed,
}

impl Pickles {
    /// Returns the rule for pickles in the model of the manifest's scorer. Only the model of a
    /// script may have them.
    pub fn of(manifest: &Manifest) -> Self {
        match manifest.scorer.script {
            Some(_) => Self::Allowed,
            None => Self::Refused,
        }
    }
}

/// Returns the files of the model at a path, sorted by name. Fails if there is no file at the path,
/// if a file cannot be read or was cut off, or if a scorer must not contain one of the files, e.g.
/// a pickle if `pickles` refuses them.
pub fn list(model: &Path, pickles: Pickles) -> Result<Vec<ModelFile>, Failure> {
    let root = model.canonicalize().map_err(|error| {
        Failure::project(
            format!("{}: `scorer.model` cannot be read: {error}", model.display()),
            "name the model's folder or file, relative to the manifest; leave the key out if there is no model",
        )
    })?;
    let mut files = Vec::new();
    if root.is_dir() {
        walk(&root, &root, "", &mut files)?;
    } else if !root.is_file() {
        return Err(Failure::project(
            format!(
                "{}: `scorer.model` is neither a file nor a folder",
                model.display()
            ),
            "name the model's folder or file",
        ));
    } else {
        // A symbolic link to a single file is listed under the link's name, because that is the
        // name that the author sees.
        files.push(ModelFile {
            name: text(model.file_name().unwrap_or_default(), model)?,
            path: root,
        });
    }
    if files.is_empty() {
        return Err(Failure::project(
            format!("{}: the model folder is empty", model.display()),
            "put the model's files there, or leave `scorer.model` out",
        ));
    }
    files.sort();
    for file in &files {
        intact::check_model_file(&file.name, &file.path)?;
        if pickles == Pickles::Allowed {
            continue;
        }
        if let Some(what) = program(file)? {
            let refused = refusal(file, what);
            return Err(match mlflow::folder(model) {
                Some(folder) => Failure {
                    fix: mlflow::not_a_project(&folder).fix,
                    ..refused
                },
                None => refused,
            });
        }
    }
    Ok(files)
}

fn walk(root: &Path, dir: &Path, prefix: &str, files: &mut Vec<ModelFile>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    if dir.join(MANIFEST_FILE).exists() {
        return Err(Failure::project(
            format!(
                "{}: the model folder holds {MANIFEST_FILE}, so it is a project and not a model",
                shown(dir)
            ),
            "put the model's files, and nothing else, into a folder of their own, e.g. `model`",
        ));
    }
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = format!("{prefix}{}", text(&entry.file_name(), &entry.path())?);
        let path = entry.path();
        // Hidden files such as `.env` and `.git` can hold secrets, and `.wh.…` in a layer deletes a
        // file of the layer below.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            return Err(Failure::project(
                format!("{}: a hidden file in the model", shown(&path)),
                "remove it, or give it a name that does not start with a dot: every file in the \
                 folder is packaged",
            ));
        }
        let resolved = path.canonicalize().map_err(|error| {
            Failure::project(
                format!("{}: cannot be resolved: {error}", shown(&path)),
                "remove the broken link from the model",
            )
        })?;
        if !resolved.starts_with(root) {
            return Err(Failure::project(
                format!(
                    "{}: a link out of the model folder, to {}",
                    shown(&path),
                    resolved.display()
                ),
                without_links(root),
            ));
        }
        let link = entry.file_type().map_err(unreadable)?.is_symlink();
        if resolved.is_dir() {
            if link {
                return Err(Failure::project(
                    format!("{}: a link to a folder", shown(&path)),
                    format!(
                        "{}; links between folders can form circles",
                        without_links(root)
                    ),
                ));
            }
            walk(root, &path, &format!("{name}/"), files)?;
        } else if resolved.is_file() {
            files.push(ModelFile {
                name,
                path: resolved,
            });
        } else {
            return Err(Failure::project(
                format!("{}: neither a file nor a folder", shown(&path)),
                "remove the device, socket or pipe from the model",
            ));
        }
    }
    Ok(())
}

/// Returns the instruction that replaces the links in a model folder by the files that they lead
/// to. Caches of downloaded models, such as that of huggingface_hub, consist of such links.
fn without_links(root: &Path) -> String {
    let mut copy = root.as_os_str().to_owned();
    copy.push("-files");
    format!(
        "copy the model without its links by `cp -rL {} {}`, and name the copy in `scorer.model`",
        shell::path(root),
        shell::path(Path::new(&copy))
    )
}

fn text(name: &std::ffi::OsStr, path: &Path) -> Result<String, Failure> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::project(
            format!("{}: its name is not UTF-8", path.display()),
            "rename the file",
        )
    })
}

fn refusal(file: &ModelFile, what: &str) -> Failure {
    Failure::project(
        format!(
            "{}: {what}. Pickles are programs: anyone who loads one runs what its author wrote, so \
             no image carries one",
            shown(&file.path)
        ),
        "`cargo xtask convert FILE --output DIR` makes a graph of a model of scikit-learn, XGBoost or LightGBM. Or write the \
         weights as safetensors where the model was trained, and remove this file. For a linear model of \
         scikit-learn:\n       import joblib, numpy as np; from safetensors.numpy import save_file\n       \
         m = joblib.load(\"model.joblib\")\n       \
         save_file({\"coef\": m.coef_.astype(\"f4\"), \"intercept\": m.intercept_.astype(\"f4\"), \"classes\": \
         np.asarray(m.classes_, \"i8\")}, \"model.safetensors\")\n       \
         For PyTorch: safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")",
    )
}

#[cfg(test)]
mod tests;
