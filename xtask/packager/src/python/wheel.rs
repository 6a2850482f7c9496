//! Wheels, the archives in which Python packages are published.
//!
//! Owns the way from a wheel to the files of a folder on Python's path. Must not know where a wheel
//! comes from.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use zip::ZipArchive;

/// Maximum size of the files of all wheels of a script, in bytes.
pub const MOST_BYTES: u64 = 512 << 20;
/// Maximum number of files of one wheel. Large packages have a few thousand.
const MOST_FILES: usize = 50_000;

/// Writes the files of a wheel that Python imports into the folder `to`. Programs, headers and
/// compiled files of the wheel are left out, and a link becomes a file with the link's text.
/// `left_bytes` is the number of bytes that the files may have, and is reduced by their size. Fails
/// if the wheel is damaged or too large, or if a file would be outside of the folder.
pub fn unpack(wheel: &Path, to: &Path, left_bytes: &mut u64) -> Result<(), Failure> {
    let unfit = |problem: String| {
        Failure::project(
            format!("{}: {problem}", shown(wheel)),
            "use another version of the package, or fetch the wheel again",
        )
    };
    let unreadable = |error: &dyn std::fmt::Display| unfit(format!("cannot be unpacked: {error}"));
    let file = File::open(wheel).map_err(|error| unreadable(&error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    if archive.len() > MOST_FILES {
        return Err(unfit(format!("has more than {MOST_FILES} files")));
    }
    for index in 0..archive.len() {
        let member = archive
            .by_index(index)
            .map_err(|error| unreadable(&error))?;
        if member.is_dir() {
            continue;
        }
        let name = member.name().map_err(|error| unreadable(&error))?;
        let shown = quoted(&name, NAME_BYTES);
        let Some(path) = member.enclosed_name() else {
            return Err(unfit(format!("`{shown}` is not a path in the package")));
        };
        let Some(path) = imported(&path) else {
            continue;
        };
        let place = to.join(path);
        let parent = place.parent().unwrap_or(to);
        let copied = std::fs::create_dir_all(parent)
            .and_then(|()| File::create(&place))
            .and_then(|mut file| {
                io::copy(&mut member.take(left_bytes.saturating_add(1)), &mut file)
            });
        let bytes = copied.map_err(|error| unreadable(&error))?;
        *left_bytes = left_bytes.checked_sub(bytes).ok_or_else(|| {
            unfit(format!(
                "is too large: the packages of a script may have {MOST_BYTES} bytes"
            ))
        })?;
    }
    Ok(())
}

/// Returns the path at which Python imports a file of a wheel. Returns `None` if Python does not
/// import the file.
fn imported(path: &Path) -> Option<PathBuf> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?;
    let path = match first.strip_suffix(".data") {
        // A wheel has files outside of Python's path in the folder NAME-VERSION.data.
        Some(_) => match parts.next()?.as_os_str().to_str()? {
            "purelib" | "platlib" => parts.as_path(),
            _ => return None,
        },
        None => path,
    };
    let is_compiled = path.extension().is_some_and(|extension| extension == "pyc");
    (!is_compiled).then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn written(dir: &Path, names: &[&str]) -> PathBuf {
        let mut archive = archive(dir);
        for name in names {
            let options = SimpleFileOptions::default();
            archive.start_file(*name, options).unwrap();
            archive.write_all(name.as_bytes()).unwrap();
        }
        finished(archive, dir)
    }

    fn left() -> u64 {
        MOST_BYTES
    }

    fn path(dir: &Path) -> PathBuf {
        dir.join("x-1-py3-none-any.whl")
    }

    fn archive(dir: &Path) -> ZipWriter<File> {
        ZipWriter::new(File::create(path(dir)).unwrap())
    }

    fn finished(archive: ZipWriter<File>, dir: &Path) -> PathBuf {
        archive.finish().unwrap();
        path(dir)
    }

    #[test]
    fn files_that_python_imports_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "x/__init__.py",
            "x/__pycache__/a.cpython-312.pyc",
            "x-1.data/purelib/y.py",
            "x-1.data/scripts/x",
            "x-1.dist-info/METADATA",
        ];
        let to = dir.path().join("to");
        unpack(&written(dir.path(), &names), &to, &mut left()).unwrap();
        for (name, is_there) in [
            ("x/__init__.py", true),
            ("y.py", true),
            ("x-1.dist-info/METADATA", true),
            ("x/__pycache__", false),
            ("x-1.data", false),
        ] {
            assert_eq!(to.join(name).exists(), is_there, "{name}");
        }
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../x.py", "a/../../x.py"] {
            let wheel = written(dir.path(), &[name]);
            let failure = unpack(&wheel, &dir.path().join("to"), &mut left()).unwrap_err();
            assert!(failure.problem.contains(name), "{failure}");
        }
        // The first two parts of this path are left out.
        let wheel = written(dir.path(), &["x.data/purelib/../../x.py", "/y.py"]);
        unpack(&wheel, &dir.path().join("to"), &mut left()).unwrap();
        for name in ["x.py", "y.py"] {
            assert!(dir.path().join("to").join(name).is_file(), "{name}");
        }
    }

    #[test]
    fn a_link_becomes_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = archive(dir.path());
        let options = SimpleFileOptions::default();
        archive.add_symlink("x", "/etc", options).unwrap();
        archive.start_file("y.py", options).unwrap();
        let to = dir.path().join("to");
        unpack(&finished(archive, dir.path()), &to, &mut left()).unwrap();
        assert!(!to.join("x").is_symlink());
        assert_eq!(std::fs::read_to_string(to.join("x")).unwrap(), "/etc");
        assert!(to.join("y.py").is_file());
    }

    #[test]
    fn a_wheel_that_grows_without_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = archive(dir.path());
        archive
            .start_file("x.py", SimpleFileOptions::default())
            .unwrap();
        archive.write_all(&vec![0; 1 << 20]).unwrap();
        let (wheel, to) = (finished(archive, dir.path()), dir.path().join("to"));
        assert!(std::fs::metadata(&wheel).unwrap().len() < 1 << 16);
        let mut left = (2 << 20) - 1;
        unpack(&wheel, &to, &mut left).unwrap();
        assert_eq!(left, (1 << 20) - 1);
        let failure = unpack(&wheel, &to, &mut left).unwrap_err();
        assert!(failure.problem.contains("is too large"), "{failure}");
    }
}
