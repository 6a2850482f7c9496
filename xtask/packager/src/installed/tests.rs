//! Unit tests of the list of the parts of an installed tool.

use super::*;

fn list(version: &str) -> List {
    let part = |bytes: &[u8]| Part {
        size: bytes.len() as u64,
        sha256: Digest::of(bytes).hex().to_owned(),
    };
    List {
        version: version.to_owned(),
        commit: "c".repeat(40),
        is_changed: false,
        files: BTreeMap::from([
            (PROGRAM.to_owned(), part(b"tool")),
            (format!("{PARTS}/{IMAGE_HOST}"), part(b"host")),
        ]),
        hosts: BTreeMap::from([(
            IMAGE_HOST.to_owned(),
            HostBuild {
                version: "0.1.0".to_owned(),
                crates: Vec::new(),
                libc: None,
                rustc: None,
                lock: Digest::of(b""),
            },
        )]),
    }
}

#[test]
fn a_list_of_another_release_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(LIST);
    let check = |list: &List, size: u64, said: Option<&str>| {
        std::fs::write(&file, serde_json::to_vec(list).unwrap()).unwrap();
        match (List::read(&file, Some(size)), said) {
            (Ok(read), None) => assert_eq!(read, *list),
            (Err(refused), Some(said)) => {
                assert_eq!(refused.exit_code(), 4);
                assert!(refused.problem.contains(said), "{refused}");
            }
            other => panic!("{other:?}"),
        }
    };
    check(&list(VERSION), 4, None);
    check(&list(VERSION), 5, Some("another build"));
    check(
        &list("0.0.9 (engine wasmtime 47.0.0, scorebox 1)"),
        4,
        Some("those of scorebox 0.0.9 (engine wasmtime 47.0.0, scorebox 1), and this program is"),
    );
    std::fs::write(&file, "{}").unwrap();
    let refused = List::read(&file, Some(4)).unwrap_err();
    assert!(refused.problem.contains("not a list of parts"), "{refused}");
    assert!(list(VERSION).host_build(IMAGE_HOST).is_ok());
    assert!(list(VERSION).host_build(GRAPHS_HOST).is_err());
}

#[test]
fn a_part_that_was_replaced_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(IMAGE_HOST);
    let list = list(VERSION);
    let listed = list.files.get(&format!("{PARTS}/{IMAGE_HOST}"));
    let refusal = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        checked(&file, listed)
            .err()
            .map_or_else(String::new, |refused| refused.problem)
    };
    assert_eq!(refusal(b"host"), "");
    assert!(refusal(b"hose").contains("does not name the release"));
    let old = refusal(b"\0\x01x0.0.9 (engine wasmtime 47.0.0, scorebox 1)\0");
    let said = "is the host of scorebox 0.0.9 (engine wasmtime 47.0.0, scorebox 1), and this tool";
    assert!(old.contains(said), "{old}");
    let other = refusal(format!("\0{VERSION}\0").as_bytes());
    assert!(other.contains("its digest is sha256:"), "{other}");
    assert!(checked(&file, None).is_err());
    assert!(checked(&dir.path().join("missing"), listed).is_err());
}

#[test]
fn texts_are_found_in_programs() {
    assert_eq!(find(b"aab", b"ab"), Some(1));
    assert_eq!(find(b"aa", b"ab"), None);
    assert_eq!(find(b"", b"ab"), None);
    assert_eq!(
        is_of_this_release(b"no version"),
        Err(OtherRelease::Unnamed)
    );
}
