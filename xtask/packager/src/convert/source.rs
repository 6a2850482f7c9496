//! The source of a conversion: a file, or a model folder of MLflow.
//!
//! Owns the digest of the source, and the refusal of folders that contain links. Must not know what
//! is in a file.

use std::fs::File;
use std::path::{Path, PathBuf};

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use super::report::Described;
use super::unreadable::UNREADABLE;
use crate::intact;

/// Maximum number of files in a model folder of MLflow. A real folder has about ten.
const MOST_FILES: usize = 10_000;

/// Computes the digest and the size of a file or folder that is converted, and returns them with
/// `name`, its path for the report. The digest of a folder is the digest of a list of its files,
/// with the path and the digest of each. The size of a folder is the size of all its files. Fails
/// if a file cannot be read, if a file in a folder is damaged, or if a folder is refused by
/// [`list`].
pub(super) fn described(source: &Path, name: String) -> Result<Described, Failure> {
    if !source.is_dir() {
        let (digest, bytes) = of_file(source)?;
        return Ok(Described {
            file: name,
            digest: digest.to_string(),
            bytes,
        });
    }
    let mut files = Vec::new();
    list(source, "", &mut files)?;
    files.sort();
    let (mut text, mut bytes) = (String::new(), 0_u64);
    for (name, path) in &files {
        intact::check_model_file(name, path)?;
        let (digest, size) = of_file(path)?;
        text.push_str(&format!("{digest} {name:?}\n"));
        bytes = bytes.saturating_add(size);
    }
    Ok(Described {
        file: name,
        digest: Digest::of(text.as_bytes()).to_string(),
        bytes,
    })
}

fn of_file(file: &Path) -> Result<(Digest, u64), Failure> {
    let unreadable = |error| Failure::unreadable(file, error, UNREADABLE);
    Digest::of_reader(File::open(file).map_err(unreadable)?).map_err(unreadable)
}

/// Appends the files of a folder and of the folders in it to `files`, each with its path from the
/// outermost folder, and the path to open it. `prefix` is the path of `folder` from the outermost
/// folder. Fails if a folder cannot be listed, if there are more than `MOST_FILES` files, or if an
/// entry is neither a file nor a folder, such as a symbolic link.
fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::file(folder, "be listed", error);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_symlink() {
            return Err(Failure::project(
                format!("{}: a link in a model folder of MLflow", shown(&path)),
                "copy the folder with the files that its links lead to: `cp --recursive --dereference FOLDER COPY`",
            ));
        }
        if files.len() >= MOST_FILES {
            return Err(Failure::project(
                format!("{}: holds more than {MOST_FILES} files", shown(folder)),
                "name the model's own file",
            ));
        }
        if kind.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.push((name, path));
        } else {
            return Err(Failure::project(
                format!("{}: neither a file nor a folder", shown(&path)),
                "remove the device, socket or pipe from the folder",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::MLFLOW_FILE;

    #[test]
    fn a_folder_is_known_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let digest = || described(folder.path(), "m".to_owned()).map(|one| (one.digest, one.bytes));
        write(MLFLOW_FILE, "flavors: {}");
        write("code/a.py", "1");
        let first = digest().unwrap();
        assert_eq!(first, digest().unwrap());
        assert_eq!(first.1, 12);
        write("code/a.py", "2");
        assert_ne!(first.0, digest().unwrap().0);
        write(
            "model.pkl",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        );
        assert!(digest().unwrap_err().fix.contains("git lfs pull"));
        std::fs::remove_file(folder.path().join("model.pkl")).unwrap();
        std::os::unix::fs::symlink("/etc/hosts", folder.path().join("model.pkl")).unwrap();
        assert!(digest().unwrap_err().fix.contains("--dereference"));
    }
}
