//! The files of a script that are packaged: the script, and the modules next to it.
//!
//! Owns the choice of the files. Must not know where they are put.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorebox_host::manifest::ScriptSection;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

/// File that makes a folder a package of Python.
const PACKAGE_MARK: &str = "__init__.py";
/// Maximum number of files of a script. A folder with more files is probably not that of a script
/// alone.
const MOST_FILES: usize = 2000;

/// Returns the files of a script: the `.py` files in its folder, and those of the Python packages
/// in its folder. The keys are the paths in the folder. Files with other names are not packaged.
/// Fails if the script does not exist, if a folder cannot be read, or if there are too many files.
pub fn list(script: &ScriptSection) -> Result<BTreeMap<String, PathBuf>, Failure> {
    if !script.file.is_file() {
        return Err(Failure::project(
            format!("{}: `scorer.script` is not a file", shown(&script.file)),
            "name the script, relative to the manifest, e.g. `script = \"score.py\"`",
        ));
    }
    let mut files = BTreeMap::new();
    walk(script.folder(), "", &mut files)?;
    if files.len() > MOST_FILES {
        return Err(Failure::project(
            format!(
                "{}: holds {} modules, and all of them would be packaged with the script",
                shown(script.folder()),
                files.len()
            ),
            "put the script and its modules into a folder of their own",
        ));
    }
    Ok(files)
}

fn walk(dir: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::file(dir, "be listed", error);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // Python cannot import a module whose name is not UTF-8.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if path.is_file() && name.ends_with(".py") {
            files.insert(format!("{prefix}{name}"), path);
        } else if path.join(PACKAGE_MARK).is_file()
            && !entry.file_type().is_ok_and(|kind| kind.is_symlink())
        {
            walk(&path, &format!("{prefix}{name}/"), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use scorebox_host::manifest::Manifest;

    use super::*;

    #[test]
    fn modules_and_packages_next_to_the_script_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "score.py",
            "features.py",
            "steps/__init__.py",
            "steps/scale.py",
            "steps/notes.txt",
            "model/weights.pkl",
            "notebooks/train.py",
            ".venv/__init__.py",
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let section = |script: &str| {
            let text = format!("[scorer]\nname = \"x\"\nscript = \"{script}\"\n");
            let manifest = Manifest::parse(&dir.path().join("scorebox.toml"), &text).unwrap();
            manifest.scorer.script.unwrap()
        };
        let files = list(&section("score.py")).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "features.py",
                "score.py",
                "steps/__init__.py",
                "steps/scale.py"
            ]
        );
        let failure = list(&section("none.py")).unwrap_err();
        assert!(failure.problem.contains("none.py"), "{failure}");
    }
}
