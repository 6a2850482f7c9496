//! The folder of a new scorer.
//!
//! Owns the check of the folder's name, the words that are replaced in a template, and the writing
//! of the files. Must not know which templates there are, or the flags of the command.

use std::path::{Path, PathBuf};

use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;

use super::templates::Template;
use crate::folder::Replacement;

/// Creates the folder `folder` of a scorer from a template, and returns the paths of its files and
/// of its folders of copied sources, relative to the folder. Fails if the folder's name cannot be
/// that of a scorer, if the folder contains files, or if a file cannot be written.
pub fn create(template: &Template, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let place =
        std::path::absolute(folder).map_err(|error| Failure::file(folder, "be resolved", error))?;
    let name = place.file_name().and_then(|name| name.to_str());
    let name = checked(name.unwrap_or_default())?;
    let mut replacement = Replacement::of_nothing(&place)?;
    let words = words(&name);
    let mut written = Vec::new();
    for file in template.files {
        let path = filled(file.path, &words);
        match std::str::from_utf8(file.bytes) {
            Ok(text) => replacement.write(&path, filled(text, &words).as_bytes())?,
            Err(_) => replacement.write(&path, file.bytes)?,
        }
        written.push(PathBuf::from(path));
    }
    for (sources, goal) in template.copies {
        copy(
            &mut replacement,
            &sources.folder(),
            Path::new(goal),
            sources.left_out(),
        )?;
        written.push(PathBuf::from(goal));
    }
    replacement.finish()?;
    Ok(written)
}

/// Returns `name`, the name of a new folder, if it can also be the name of a scorer. Fails if a
/// manifest would refuse the name.
fn checked(name: &str) -> Result<String, Failure> {
    // A name with another character than these is refused before it is written into a manifest.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !name.is_empty() && name.chars().all(is_plain) && {
        let text = format!("[scorer]\nname = \"{name}\"\ncomponent = \"x.wasm\"\n");
        Manifest::parse(Path::new(MANIFEST_FILE), &text).is_ok()
    };
    if fits {
        return Ok(name.to_owned());
    }
    Err(Failure::project(
        format!(
            "`{}` is not a name of a scorer, and the folder's name becomes it",
            quoted(name, NAME_BYTES)
        ),
        "name a folder with lower-case letters, digits and dashes, e.g. credit-risk",
    ))
}

/// Returns the words that are replaced in a template, with their replacements. `name` is the name
/// of the scorer.
fn words(name: &str) -> [(&'static str, String); 3] {
    let identifier = name.replace(['-', '.'], "_");
    [
        ("@name@", name.to_owned()),
        ("@identifier@", identifier),
        ("@version@", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

fn filled(text: &str, words: &[(&str, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| {
        text.replace(word, value)
    })
}

/// Copies the files below the folder `from` to the path `to` in the new folder of a scorer. Hidden
/// files, folders that tools create (e.g. `target`), and the files and folders `left_out` in `from`
/// are not copied. A symbolic link is copied as the file or folder that it points to. Fails if a
/// file cannot be read or written.
fn copy(
    replacement: &mut Replacement,
    from: &Path,
    to: &Path,
    left_out: &[&str],
) -> Result<(), Failure> {
    let unreadable = |error| Failure::file(from, "be listed", error);
    for entry in std::fs::read_dir(from).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let is_left_out = ["target", "node_modules", "__pycache__"]
            .iter()
            .chain(left_out)
            .any(|left_out| name == *left_out);
        if is_left_out || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let (source, goal) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            copy(replacement, &source, &goal, &[])?;
        } else {
            replacement.copy(&goal.to_string_lossy(), &source)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new::templates::TEMPLATES;

    #[test]
    fn a_folder_is_made_of_each_template() {
        let dir = tempfile::tempdir().unwrap();
        for template in TEMPLATES {
            let folder = dir.path().join("deep").join(format!("a-{}", template.name));
            let written = create(template, &folder).unwrap();
            assert!(written.len() >= template.files.len());
            let manifest = std::fs::read_to_string(folder.join(MANIFEST_FILE)).unwrap();
            let manifest = Manifest::parse(&folder.join(MANIFEST_FILE), &manifest).unwrap();
            assert_eq!(manifest.scorer.name, format!("a-{}", template.name));
            for file in written.iter().map(|file| folder.join(file)) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let left = words("x").into_iter().find(|(word, _)| text.contains(word));
                assert_eq!(left, None, "{}", file.display());
            }
            // The folder now holds files.
            assert_eq!(create(template, &folder).unwrap_err().exit_code(), 1);
        }
    }

    #[test]
    fn names_that_a_manifest_refuses_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Risk", "a b", "ä", "a\"b", "-a", ".."] {
            let refused = create(&TEMPLATES[0], &dir.path().join(name)).unwrap_err();
            assert_eq!(refused.exit_code(), 3, "{name}: {refused}");
            assert!(!refused.problem.contains('\n'));
        }
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
