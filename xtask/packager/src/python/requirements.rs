//! The packages that a script asks for, read from a `requirements.txt` or a conda environment file.
//!
//! Owns the lines of a `requirements.txt`, its nested files and its options. Must not know how a
//! package is found, or which packages the engine has.

use std::path::{Path, PathBuf};

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Serialize;

use super::conda;

/// Maximum number of files that a `requirements.txt` may name with `-r` and `-c`, with itself.
const MOST_FILES: usize = 16;
/// Maximum size of a file of requirements, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// A package that a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The requirement in the form of PEP 508, such as `redis>=5; python_version >= "3.8"`, or the
    /// path of a wheel.
    pub text: String,
    /// Digests that the package's file must have, such as `sha256:HEX`. Empty if any is accepted.
    pub hashes: Vec<String>,
    /// Place of the requirement, such as `requirements.txt:3`.
    pub place: String,
}

/// Everything that a file of requirements says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Requirements {
    /// The packages, in the order of the file.
    pub packages: Vec<Requirement>,
    /// The versions to which packages are restricted if something asks for them.
    pub constraints: Vec<Requirement>,
    /// Options for pip, which name package indexes.
    pub options: Vec<String>,
}

/// Reads the requirements in a file: an environment file of conda or Azure ML if its name ends in
/// `.yml` or `.yaml`, and a `requirements.txt` otherwise. Fails if a file cannot be read, or if a
/// line cannot be used for a script in the sandbox.
pub fn read(file: &Path) -> Result<Requirements, Failure> {
    let is_conda = file
        .extension()
        .is_some_and(|extension| extension == "yml" || extension == "yaml");
    let mut found = Requirements::default();
    if is_conda {
        for (number, line) in conda::packages(file, &text(file)?)? {
            found.line(file, number, &line, &mut vec![file.to_path_buf()], false)?;
        }
    } else {
        found.file(file, &mut Vec::new(), false)?;
    }
    Ok(found)
}

impl Requirements {
    /// Adds the lines of the file `file`. `open` has the files that were read before. If
    /// `constrains` is true, the lines are constraints.
    fn file(
        &mut self,
        file: &Path,
        open: &mut Vec<PathBuf>,
        constrains: bool,
    ) -> Result<(), Failure> {
        if open.len() == MOST_FILES || open.iter().any(|known| known == file) {
            return Err(Failure::project(
                format!("{}: is read in a circle by `-r`", shown(file)),
                "remove the line that names a file that is being read already",
            ));
        }
        open.push(file.to_path_buf());
        let text = text(file)?;
        let mut pending = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = without_comment(line);
            if let Some(start) = line.strip_suffix('\\') {
                pending.push_str(start);
                pending.push(' ');
                continue;
            }
            pending.push_str(line);
            let line = std::mem::take(&mut pending);
            self.line(file, index + 1, line.trim(), open, constrains)?;
        }
        self.line(file, text.lines().count(), pending.trim(), open, constrains)
    }

    fn line(
        &mut self,
        file: &Path,
        number: usize,
        line: &str,
        open: &mut Vec<PathBuf>,
        constrains: bool,
    ) -> Result<(), Failure> {
        let place = format!("{}:{number}", shown(file));
        let refused = |what: &str, fix: &str| {
            let line = quoted(line, NAME_BYTES);
            Err(Failure::project(format!("{place}: `{line}` {what}"), fix))
        };
        if line.is_empty() {
            return Ok(());
        }
        if let Some((option, value)) = option(line) {
            let beside = file.parent().unwrap_or(Path::new("")).join(value);
            return match option {
                "-r" | "--requirement" => self.file(&beside, open, constrains),
                "-c" | "--constraint" => self.file(&beside, open, true),
                "-i" | "--index-url" | "--extra-index-url" | "--trusted-host" => {
                    self.options.extend([option.to_owned(), value.to_owned()]);
                    Ok(())
                }
                // These options choose between wheels and source code, and only wheels are taken.
                "--prefer-binary" | "--only-binary" | "--pre" | "--require-hashes" => Ok(()),
                _ => refused(
                    "is an option that a script's packages cannot have",
                    "name each package with its version, or the path of a pure-Python wheel",
                ),
            };
        }
        let mut words = line.split(" --hash");
        let text = words.next().unwrap_or_default().trim().to_owned();
        let hashes = words
            .map(|hash| hash.trim_start_matches(['=', ' ']).trim().to_owned())
            .collect();
        if text.contains(" --") {
            return refused(
                "has an option that a script's packages cannot have",
                "leave only the package, its version and its digests (`--hash`)",
            );
        }
        let is_link = !text.contains('@') && text.contains("://");
        if is_link || text.contains("git+") {
            return refused(
                "is a package without a wheel, whose build would run outside of the sandbox",
                "build a wheel of it (`pip wheel --no-deps`), and name the wheel's path",
            );
        }
        let text = match text.ends_with(".whl") && !text.contains('@') {
            false => text,
            true => {
                let wheel = file.parent().unwrap_or(Path::new("")).join(&text);
                let Ok(wheel) = wheel.canonicalize() else {
                    return refused("is not a file", "name the path of a wheel that exists");
                };
                wheel.display().to_string()
            }
        };
        let requirement = Requirement {
            text,
            hashes,
            place,
        };
        match constrains {
            true => self.constraints.push(requirement),
            false => self.packages.push(requirement),
        }
        Ok(())
    }
}

/// Reads a file of requirements. Fails if it cannot be read, or has more than [`MOST_BYTES`].
fn text(file: &Path) -> Result<String, Failure> {
    let fix = "name the file of the script's packages in `scorer.requirements`, relative to the \
               manifest";
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    if size > MOST_BYTES {
        return Err(Failure::project(
            format!("{}: has more than {MOST_BYTES} bytes", shown(file)),
            fix,
        ));
    }
    std::fs::read_to_string(file).map_err(|error| Failure::unreadable(file, error, fix))
}

/// Returns a line without its comment. A `#` begins a comment at the start of a line or after a
/// space, because a URL may contain one.
fn without_comment(line: &str) -> &str {
    let starts = line.match_indices('#').find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    let end = starts.map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or_default().trim_end()
}

/// Splits a line that is an option into the option and its value. Returns `None` for any other
/// line.
fn option(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with('-') {
        return None;
    }
    let end = line.find([' ', '=', '\t']).unwrap_or(line.len());
    let (option, value) = line.split_at(end);
    Some((option, value.trim_start_matches(['=', ' ', '\t']).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let first = dir.path().join(files[0].0);
        (dir, first)
    }

    #[test]
    fn lines_comments_nested_files_and_hashes_are_read() {
        let (_dir, file) = written(&[
            (
                "requirements.txt",
                "# packages\nredis>=5 # a client\n-r more.txt\n--extra-index-url https://i.example/simple\n\
                 -c limits.txt\ninference-schema[numpy-support]==1.8 \\\n  --hash=sha256:aa --hash=sha256:bb\n",
            ),
            ("more.txt", "\npytz; python_version < \"4\"\n"),
            ("limits.txt", "wrapt<3"),
        ]);
        let found = read(&file).unwrap();
        let texts: Vec<_> = found.packages.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "redis>=5",
                "pytz; python_version < \"4\"",
                "inference-schema[numpy-support]==1.8"
            ]
        );
        assert_eq!(found.packages[2].hashes, ["sha256:aa", "sha256:bb"]);
        assert!(found.packages[0].place.ends_with("requirements.txt:2"));
        assert_eq!(found.constraints[0].text, "wrapt<3");
        assert_eq!(
            found.options,
            ["--extra-index-url", "https://i.example/simple"]
        );
    }

    #[test]
    fn lines_that_need_a_build_or_another_file_are_refused() {
        #[track_caller]
        fn check(text: &str, part: &str) {
            let (_dir, file) = written(&[("requirements.txt", text)]);
            let failure = read(&file).unwrap_err();
            assert!(failure.problem.contains(part), "{failure}");
        }
        check("-e .", "`-e .` is an option");
        check("redis\ngit+https://x.example/y", "requirements.txt:2");
        check("https://x.example/y.tar.gz", "without a wheel");
        check("./none.whl", "is not a file");
        check("redis --global-option=x", "has an option");
        check("-r requirements.txt", "in a circle");
        check("-r none.txt", "none.txt");
    }

    #[test]
    fn a_wheel_is_found_next_to_the_file() {
        let (dir, file) = written(&[
            ("requirements.txt", "./own-1.0-py3-none-any.whl"),
            ("own-1.0-py3-none-any.whl", ""),
        ]);
        let wheel = dir
            .path()
            .canonicalize()
            .unwrap()
            .join("own-1.0-py3-none-any.whl");
        assert_eq!(Path::new(&read(&file).unwrap().packages[0].text), wheel);
    }

    #[test]
    fn an_environment_file_of_azure_ml_is_read() {
        let (_dir, file) = written(&[(
            "conda.yml",
            "name: project\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.8\n  - pip:\n    - azureml-defaults\n    - \
             redis\n  - scikit-learn=0.22\n",
        )]);
        let found = read(&file).unwrap();
        let texts: Vec<_> = found.packages.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["azureml-defaults", "redis", "scikit-learn==0.22.*"]);
        assert!(found.packages[1].place.ends_with("conda.yml:8"));
    }
}
