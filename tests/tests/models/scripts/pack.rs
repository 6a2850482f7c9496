//! The engine pack: the host refuses one that its user may write to, and one whose files changed.
//!
//! Owns the damaged packs. They have files of the right sizes without content, so that no large file
//! is copied.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::pack;
use scorebox_tests::scripts::{app, check};
use tempfile::TempDir;

fn script() -> App {
    app("limits", "")
}

/// Copy of a pack with its record. The other files have the right size, and only zeros.
struct Hollow(TempDir);

impl Hollow {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Hollow {
    fn drop(&mut self) {
        // A folder that nobody may write to cannot be removed.
        set_modes(self.path(), 0o644, 0o755);
    }
}

fn hollow(pack: &Path) -> Hollow {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(pack).unwrap() {
        let entry = entry.unwrap();
        let target = copy.path().join(entry.file_name());
        let size = entry.metadata().unwrap().len();
        if entry.file_type().unwrap().is_dir() {
            scorebox_tests::app::copy(&entry.path(), &target);
        } else if size < 1 << 20 {
            fs::copy(entry.path(), &target).unwrap();
        } else {
            File::create(&target).unwrap().set_len(size).unwrap();
        }
    }
    set_modes(copy.path(), 0o444, 0o555);
    Hollow(copy)
}

fn set_modes(folder: &Path, files: u32, folders: u32) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_modes(&path, files, folders);
        } else {
            fs::set_permissions(&path, Permissions::from_mode(files)).unwrap();
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(folders)).unwrap();
}

#[test]
fn a_pack_that_can_be_written_to_is_refused() {
    let copy = hollow(pack!());
    set_modes(copy.path(), 0o644, 0o755);
    let refused = check(copy.path(), script().path());
    assert!(!refused.status.success(), "{}", refused.stdout);
    refused.said(&["writ", "fix:"]);
}

#[test]
fn a_pack_with_a_changed_file_is_refused() {
    let copy = hollow(pack!());
    // The sizes are right, but `check` compares the digests of all files.
    let refused = check(copy.path(), script().path());
    assert!(!refused.status.success(), "{}", refused.stdout);
    refused.said(&["is not the file", "fix:"]);

    set_modes(copy.path(), 0o644, 0o755);
    let code = copy.path().join("python.cwasm");
    let size = fs::metadata(&code).unwrap().len();
    File::options()
        .write(true)
        .open(&code)
        .unwrap()
        .set_len(size - 1)
        .unwrap();
    set_modes(copy.path(), 0o444, 0o555);
    let refused = check(copy.path(), script().path());
    assert!(!refused.status.success(), "{}", refused.stdout);
    refused.said(&["python.cwasm", "fix:"]);
}

#[test]
fn a_missing_pack_is_an_error_that_says_how_to_make_one() {
    let empty = tempfile::tempdir().unwrap();
    let refused = check(&empty.path().join("none"), script().path());
    assert!(!refused.status.success(), "{}", refused.stdout);
    refused.said(&["fix:", "scorebox build"]);
}
