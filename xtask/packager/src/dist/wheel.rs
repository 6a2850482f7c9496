//! The Python wheel of a release.
//!
//! Owns the form of a wheel, see
//! <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>, and the
//! platform that it claims. Must not know what the files are for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation::Sources;
use scorebox_workspace::workspace::shown;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::contents::Contents;
use super::part;
use crate::libraries;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Name of the Python package whose folder has the files of the installation.
const PACKAGE: &str = "scorebox";
/// Lowest minor version of glibc 2 in the platform tag of the wheel. Programs that need only an
/// older version also get the tag `manylinux_2_17_x86_64`, which is `manylinux2014`.
const OLDEST_GLIBC_MINOR: u32 = 17;
/// Earliest time that a zip archive can state, 1980-01-01, in seconds since 1970.
const OLDEST_SECONDS: u64 = 315_532_800;

/// Names and contents of the wheel's own Python files, which start the program `scorebox`.
const PYTHON: [(&str, &str); 2] = [
    ("__init__.py", include_str!("../../wheel/__init__.py")),
    ("__main__.py", include_str!("../../wheel/__main__.py")),
];

/// File names of shared libraries that every system has on which pip installs a `manylinux` wheel.
/// The list has only the libraries that the programs of a release may need.
const PROMISED: [&str; 8] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
];

/// Returns the platform tag of the wheel, such as `manylinux_2_34_x86_64`. The tag names the oldest
/// glibc, at least 2.17, with which all programs and libraries of the release run. Fails if a
/// program cannot be read, or if it needs a library that a system with this platform tag may lack.
pub fn platform(contents: &Contents) -> Result<String, Failure> {
    let mut newest = OLDEST_GLIBC_MINOR;
    for file in contents.dynamic() {
        newest = newest.max(libraries::glibc_minor(file)?);
        if let Some(library) = unpromised(&libraries::names(file)?) {
            return Err(Failure::toolchain(
                format!(
                    "{}: needs {library}, which a system for wheels need not have",
                    shown(file)
                ),
                "link the library statically, or leave out what needs it",
            ));
        }
    }
    Ok(format!("manylinux_2_{newest}_x86_64"))
}

/// Returns the first of the `libraries` that is not in the list `PROMISED`. Returns `None` if all
/// of them are in the list.
fn unpromised(libraries: &BTreeSet<String>) -> Option<&str> {
    let mut names = libraries.iter().map(String::as_str);
    names.find(|name| !PROMISED.contains(name))
}

/// Writes the wheel of a release to the path `path`. `tag` is its platform tag, and `epoch` is the
/// time of every file, in seconds since 1970. Fails if a file cannot be read, or if the wheel
/// cannot be written.
pub fn write(path: &Path, contents: &Contents, tag: &str, epoch: u64) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::file(path, "be written", error);
    let file = File::create(path).map_err(fail)?;
    let mut wheel = Wheel {
        zip: ZipWriter::new(file),
        record: String::new(),
        time: time(epoch),
        path,
    };
    for (name, text) in PYTHON {
        wheel.add(&format!("{PACKAGE}/{name}"), text.as_bytes(), 0o644)?;
    }
    // Tests of a scorer in Python import the SDK, so it is a package of its own, too.
    let sdk = part(&format!("{}/", Sources::Python.installed()));
    for (name, file) in contents.iter() {
        let bytes = file.read()?;
        wheel.add(&format!("{PACKAGE}/{name}"), &bytes, file.mode())?;
        if let Some(name) = name.strip_prefix(&sdk) {
            wheel.add(&format!("scorebox_guest/{name}"), &bytes, 0o644)?;
        }
    }
    let info = format!("{PACKAGE}-{VERSION}.dist-info");
    for (name, text) in [
        ("METADATA", metadata()),
        ("WHEEL", wheel_file(tag)),
        (
            "entry_points.txt",
            "[console_scripts]\nscorebox = scorebox:main\n".to_owned(),
        ),
        ("licenses/LICENSE", LICENSE.to_owned()),
    ] {
        wheel.add(&format!("{info}/{name}"), text.as_bytes(), 0o644)?;
    }
    let record = format!("{info}/RECORD");
    let text = format!("{}{record},,\n", wheel.record);
    wheel.add(&record, text.as_bytes(), 0o644)?;
    let file = wheel.zip.finish().map_err(|error| fail(error.into()))?;
    file.sync_all().map_err(fail)
}

const LICENSE: &str = include_str!("../../../../LICENSE");

/// A wheel that is being written. `record` has the lines of the file `RECORD` for the files so far.
struct Wheel<'a> {
    zip: ZipWriter<File>,
    record: String,
    time: DateTime,
    path: &'a Path,
}

impl Wheel<'_> {
    fn add(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<(), Failure> {
        let fail = |error: std::io::Error| Failure::file(self.path, "be written", error);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(self.time)
            .unix_permissions(mode);
        self.zip
            .start_file(name, options)
            .map_err(|error| fail(error.into()))?;
        self.zip.write_all(bytes).map_err(fail)?;
        let digest = URL_SAFE_NO_PAD.encode(Digest::of(bytes).bytes());
        self.record
            .push_str(&format!("{name},sha256={digest},{}\n", bytes.len()));
        Ok(())
    }
}

fn metadata() -> String {
    let license = env!("CARGO_PKG_LICENSE");
    format!(
        "Metadata-Version: 2.4\nName: {PACKAGE}\nVersion: {VERSION}\n\
         Summary: Package a model and its scoring code as a small container image\n\
         License-Expression: {license}\nLicense-File: LICENSE\nRequires-Python: >=3.8\n\
         Classifier: Operating System :: POSIX :: Linux\n\nThe tool of Scorebox. Run `scorebox --help`.\n"
    )
}

fn wheel_file(tag: &str) -> String {
    format!(
        "Wheel-Version: 1.0\nGenerator: scorebox {VERSION}\nRoot-Is-Purelib: false\nTag: py3-none-{tag}\n"
    )
}

/// Converts `epoch`, in seconds since 1970, to a time for files in a zip archive. A time before
/// 1980 becomes 1980-01-01.
fn time(epoch: u64) -> DateTime {
    let seconds = epoch.max(OLDEST_SECONDS);
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds));
    let text = text.to_string();
    let number = |range: std::ops::Range<usize>| -> u16 {
        let digits = text.get(range).unwrap_or_default();
        digits.parse().unwrap_or_default()
    };
    let small = |range| u8::try_from(number(range)).unwrap_or_default();
    DateTime::from_date_and_time(
        number(0..4),
        small(5..7),
        small(8..10),
        small(11..13),
        small(14..16),
        small(17..19),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_platform_promises_what_the_programs_need() {
        // This test is linked statically, so it runs with the oldest glibc.
        let mut contents = Contents::default();
        contents.program("bin/scorebox", Path::new("/proc/self/exe"));
        assert_eq!(platform(&contents).unwrap(), "manylinux_2_17_x86_64");
        let names = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(unpromised(&names(&["libc.so.6", "libm.so.6"])), None);
        assert_eq!(
            unpromised(&names(&["libc.so.6", "libssl.so.3"])),
            Some("libssl.so.3")
        );
    }

    #[test]
    fn a_wheel_lists_its_files_with_their_digests_and_modes() {
        let dir = tempfile::tempdir().unwrap();
        let (program, wheel) = (dir.path().join("p"), dir.path().join("w.whl"));
        std::fs::write(&program, "program").unwrap();
        let mut contents = Contents::default();
        contents.program("bin/scorebox", &program);
        contents.bytes(
            "lib/scorebox/python/scorebox_guest/__init__.py",
            b"x".to_vec(),
        );
        let bytes = [0, 1].map(|_| {
            write(&wheel, &contents, "manylinux_2_34_x86_64", 1_700_000_000).unwrap();
            std::fs::read(&wheel).unwrap()
        });
        assert!(bytes[0] == bytes[1]);
        let mut zip = zip::ZipArchive::new(File::open(&wheel).unwrap()).unwrap();
        let program = zip.by_name("scorebox/bin/scorebox").unwrap();
        assert_eq!(program.unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(program.last_modified().unwrap().year(), 2023);
        drop(program);
        let info = format!("scorebox-{VERSION}.dist-info");
        let mut record = String::new();
        zip.by_name(&format!("{info}/RECORD"))
            .unwrap()
            .read_to_string(&mut record)
            .unwrap();
        let names: Vec<_> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(record.lines().count(), names.len());
        for name in &names {
            assert!(record.contains(&format!("{name},")), "{record}");
        }
        assert!(
            names
                .iter()
                .any(|name| name == "scorebox_guest/__init__.py")
        );
        assert!(record.contains("scorebox/bin/scorebox,sha256="));
        assert_eq!(time(0).year(), 1980);
    }
}
