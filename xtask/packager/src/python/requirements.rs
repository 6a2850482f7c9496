//! The packages that a script asks for, read from a `requirements.txt` or a conda environment file.
//!
//! Owns the nesting of these files and their bounds. Must not know how a package is found, or which
//! packages the engine has.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Serialize;

use super::conda;
use super::requirement_line::{Line, LineError, parse};
use super::secret::redacted;

/// Maximum number of files that are read for one file of requirements, including the file itself.
const MOST_FILES: usize = 64;
/// Maximum number of packages that a script may ask for, and of constraints for packages.
const MOST_PACKAGES: usize = 2000;
/// Maximum size of a file of requirements, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// A package that a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The requirement in the form of PEP 508, such as `redis>=5; python_version >= "3.8"`, or the
    /// path of a wheel as its file names it.
    pub text: String,
    /// Absolute path of the package's wheel. `None` if the requirement does not name a file on this
    /// machine.
    pub wheel: Option<String>,
    /// Digests that the package's file must have, such as `sha256:HEX`. Empty if any is accepted.
    pub hashes: Vec<String>,
    /// Place at which the requirement was read, such as `requirements.txt:3`.
    pub place: String,
}

/// Everything that a file of requirements says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// Packages that the script asks for, in the order in which they were read.
    pub packages: Vec<Requirement>,
    /// Versions to which packages are restricted, if the script or another package asks for them.
    pub constraints: Vec<Requirement>,
    /// Options for pip, such as the URLs of package indexes, each in the form of a line.
    pub options: Vec<String>,
    /// True if every package must have a digest. This is so if one package has a digest, or if a
    /// line is `--require-hashes`.
    pub are_hashed: bool,
}

/// The files of requirements that are being read, and what was found in them so far.
#[derive(Default)]
struct Reading {
    found: Requirements,
    open: Vec<PathBuf>,
    files: usize,
}

/// Reads the requirements in a file: an environment file of conda or Azure ML if its name ends in
/// `.yml` or `.yaml`, and a `requirements.txt` otherwise. Fails if a file cannot be read, or if a
/// line cannot be used for a script in the sandbox.
pub fn read(file: &Path) -> Result<Requirements, Failure> {
    let mut reading = Reading::default();
    match is_conda(file) {
        true => reading.environment(file, true)?,
        false => reading.file(file, false)?,
    }
    Ok(reading.found)
}

fn is_conda(file: &Path) -> bool {
    let extension = file.extension();
    extension.is_some_and(|extension| extension == "yml" || extension == "yaml")
}

impl Reading {
    /// Adds the packages of an environment file of conda or Azure ML. If `may_refer` is true, the
    /// file may name another environment file in their place, as Azure ML's own environment files
    /// do. Fails if a file cannot be read, or if an entry cannot be used.
    fn environment(&mut self, file: &Path, may_refer: bool) -> Result<(), Failure> {
        let found = conda::read(file, &text(file)?)?;
        if let Some(name) = &found.conda_file {
            if may_refer {
                return self.environment(&beside(file, name), false);
            }
            return Err(Failure::project(
                format!(
                    "{}: names another environment file in the place of packages",
                    shown(file)
                ),
                "name the file with the list `dependencies` in `scorer.requirements`",
            ));
        }
        if found.conda_file.is_some() && found.packages.is_empty() {
            return Err(Failure::project(
                format!(
                    "{}: has no list `dependencies`, and names another file in its place",
                    shown(file)
                ),
                "name the file with the packages in the first environment file",
            ));
        }
        self.open.push(file.to_path_buf());
        for (number, line) in found.packages {
            self.line(file, number, &line, false)?;
        }
        self.open.pop();
        Ok(())
    }

    /// Adds the lines of a `requirements.txt`. If `constrains` is true, the packages in these lines
    /// are constraints. Fails if a file cannot be read, if there are too many files, or if a line
    /// cannot be used.
    fn file(&mut self, file: &Path, constrains: bool) -> Result<(), Failure> {
        if self.open.iter().any(|known| known == file) {
            return Err(Failure::project(
                format!("{}: is read in a circle by `-r`", shown(file)),
                "remove the line that names a file that is being read already",
            ));
        }
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(Failure::project(
                format!(
                    "{}: is the file number {}, which are too many",
                    shown(file),
                    self.files
                ),
                format!("write the packages into at most {MOST_FILES} files"),
            ));
        }
        self.open.push(file.to_path_buf());
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
            self.line(file, index + 1, &line, constrains)?;
        }
        self.line(file, text.lines().count(), &pending, constrains)?;
        self.open.pop();
        Ok(())
    }

    fn line(
        &mut self,
        file: &Path,
        number: usize,
        line: &str,
        constrains: bool,
    ) -> Result<(), Failure> {
        let place = format!("{}:{number}", shown(file));
        let refused = |problem: &str, fix: &str| {
            let line = quoted(&redacted(line.trim()), NAME_BYTES);
            Failure::project(format!("{place}: `{line}` {problem}"), fix)
        };
        let unfit = |error: LineError| refused(&error.to_string(), error.fix());
        let (text, wheel, hashes) = match parse(line).map_err(unfit)? {
            Line::Empty => return Ok(()),
            Line::File(name) => return self.file(&beside(file, &name), constrains),
            Line::Constraints(name) => return self.file(&beside(file, &name), true),
            Line::Option(option) => {
                self.found.options.push(option);
                return Ok(());
            }
            Line::RequireHashes => {
                self.found.are_hashed = true;
                return Ok(());
            }
            Line::Package { text, hashes } => (text, None, hashes),
            Line::Wheel { path, hashes } => {
                let wheel = std::path::absolute(beside(file, &path)).ok();
                let wheel = wheel.filter(|wheel| wheel.is_file());
                let wheel = wheel.and_then(|wheel| wheel.to_str().map(str::to_owned));
                let Some(wheel) = wheel else {
                    return Err(refused(
                        "is not a file",
                        "name the path of a wheel that exists",
                    ));
                };
                (path, Some(wheel), hashes)
            }
        };
        self.found.are_hashed |= !hashes.is_empty();
        let list = match constrains {
            true => &mut self.found.constraints,
            false => &mut self.found.packages,
        };
        if list.len() == MOST_PACKAGES {
            return Err(Failure::project(
                format!(
                    "{place}: is the package number {}, which are too many",
                    MOST_PACKAGES + 1
                ),
                "name only the packages that the script imports",
            ));
        }
        list.push(Requirement {
            text,
            wheel,
            hashes,
            place,
        });
        Ok(())
    }
}

/// Returns the path of the file that `file` names `name`, relative to its own folder.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// Reads a file of requirements. Fails if it is not a file of UTF-8 text with at most
/// [`MOST_BYTES`] bytes.
fn text(file: &Path) -> Result<String, Failure> {
    let fix = "name the file of the script's packages in `scorer.requirements`, relative to the \
               manifest";
    let unreadable = |error| Failure::unreadable(file, error, fix);
    let refused = |problem: String, fix: &str| {
        Err(Failure::project(format!("{}: {problem}", shown(file)), fix))
    };
    // Reading from a pipe or a device could wait forever.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return refused("is not a file".to_owned(), fix);
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    let mut opened = opened.take(MOST_BYTES + 1);
    opened.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return refused(format!("has more than {MOST_BYTES} bytes"), fix);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()),
        Err(_) => refused(
            "is not text in UTF-8".to_owned(),
            "save the file in UTF-8; PowerShell's `>` writes UTF-16",
        ),
    }
}

/// Returns a line of a `requirements.txt` without its comment. A `#` begins a comment at the start
/// of a line or after a space, because a URL may contain one.
fn without_comment(line: &str) -> &str {
    let starts = line.match_indices('#').find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    let end = starts.map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or_default().trim_end()
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

    fn texts(found: &[Requirement]) -> Vec<&str> {
        found.iter().map(|one| one.text.as_str()).collect()
    }

    #[test]
    fn lines_comments_nested_files_and_hashes_are_read() {
        let hash = format!("sha256:{:064x}", 10);
        let schema = format!(
            "\u{feff}# packages\nredis>=5 # a client\n-r more.txt\n--extra-index-url https://i.example/simple\n\
             -c limits.txt\ninference-schema[numpy-support]==1.8 \\\n  --hash={hash}\n"
        );
        let (_dir, file) = written(&[
            ("requirements.txt", schema.as_str()),
            // A file may be read twice, but not while it is being read.
            ("more.txt", "\npytz; python_version < \"4\"\n-c limits.txt"),
            ("limits.txt", "wrapt<3"),
        ]);
        let found = read(&file).unwrap();
        assert_eq!(
            texts(&found.packages),
            [
                "redis>=5",
                "pytz; python_version < \"4\"",
                "inference-schema[numpy-support]==1.8"
            ]
        );
        assert_eq!(found.packages[2].hashes, [hash]);
        assert!(found.packages[0].place.ends_with("requirements.txt:2"));
        assert!(found.are_hashed);
        assert_eq!(texts(&found.constraints), ["wrapt<3", "wrapt<3"]);
        assert_eq!(
            found.options,
            ["--extra-index-url https://i.example/simple"]
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
        check("-e .", "`-e .` has an option");
        check("redis\ngit+https://x.example/y", "requirements.txt:2");
        check("https://x.example/y.tar.gz", "is source code");
        check("./none.whl", "is not a file");
        check("-r requirements.txt", "in a circle");
        check("-r none.txt", "none.txt");
        check("-r /dev/zero", "/dev/zero: is not a file");
        check(&"redis\n".repeat(MOST_PACKAGES + 1), "too many");
        check(&"#".repeat(1 << 21), "bytes");
        let many = "-r more.txt\n".repeat(MOST_FILES);
        let (_dir, file) = written(&[("requirements.txt", many.as_str()), ("more.txt", "")]);
        assert!(read(&file).unwrap_err().problem.contains("too many"));
        std::fs::write(&file, [0xff, 0xfe, b'r', 0]).unwrap();
        assert!(read(&file).unwrap_err().fix.contains("UTF-16"));
    }

    #[test]
    fn a_refusal_does_not_show_secrets() {
        let (_dir, file) = written(&[(
            "requirements.txt",
            "y @ git+https://me:hush@h.example/y?sig=quiet",
        )]);
        let text = read(&file).unwrap_err().to_string();
        assert!(text.contains("h.example"), "{text}");
        assert!(!text.contains("hush") && !text.contains("quiet"), "{text}");
    }

    #[test]
    fn a_wheel_is_found_next_to_the_file() {
        let (dir, file) = written(&[
            ("requirements.txt", "./own-1.0-py3-none-any.whl"),
            ("own-1.0-py3-none-any.whl", ""),
        ]);
        let found = read(&file).unwrap();
        let wheel = found.packages[0].wheel.as_deref().unwrap();
        assert!(Path::new(wheel).is_absolute() && Path::new(wheel).is_file());
        assert!(wheel.starts_with(dir.path().to_str().unwrap()), "{wheel}");
    }

    #[test]
    fn an_environment_file_of_azure_ml_is_read() {
        let conda = "name: project\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.8\n  - pip:\n    - azureml-defaults\n    - \
                     redis\n  - scikit-learn=0.22\n";
        let (_dir, file) = written(&[
            (
                "environment.yml",
                "name: x\nconda_file: ./conda.yml\nimage: y\n",
            ),
            ("conda.yml", conda),
        ]);
        let found = read(&file).unwrap();
        assert_eq!(
            texts(&found.packages),
            ["azureml-defaults", "redis", "scikit-learn==0.22.*"]
        );
        assert!(found.packages[1].place.ends_with("conda.yml:8"));
    }

    #[test]
    fn environment_files_that_name_each_other_end() {
        let (_dir, file) = written(&[("a.yml", "conda_file: a.yml\n")]);
        assert!(read(&file).unwrap_err().fix.contains("`dependencies`"));
    }
}
