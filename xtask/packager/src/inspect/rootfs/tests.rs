//! Tests of the rules by which `RootFs` applies the entries of layers, case by case.
//!
//! Owns the cases that need no archive. Must not know containers: `runtime_tests` compares the
//! results for whole layers with those of real unpackers.

use super::tree::MOST_NODES;
use super::*;

use EntryKind::{Device, File, Folder, GlobalHeader, HardLink, SymbolicLink};

fn entry(name: &str, kind: EntryKind) -> TarEntry {
    TarEntry {
        name: name.as_bytes().to_vec(),
        kind,
        size: 0,
        mode: 0o644,
        owner: (0, 0),
        is_plain: true,
        records: BTreeMap::new(),
    }
}

fn to(target: &str) -> EntryKind {
    SymbolicLink(target.as_bytes().to_vec())
}

/// Returns every path in an image with the given layers. The path of a folder ends with `/`, the
/// path of a link with `>`, the path of a device or pipe with `!`, and the path of a file with `:`
/// and the index of its layer. Fails with the text of the error if `RootFs` refuses an entry.
fn built(layers: &[&[(&str, EntryKind)]]) -> Result<Vec<String>, String> {
    let mut root = RootFs::new();
    for (number, layer) in layers.iter().enumerate() {
        root.begin(number);
        for (name, kind) in *layer {
            root.apply(&entry(name, kind.clone()), None)
                .map_err(|refused| refused.to_string())?;
        }
    }
    let shown = |found: Found| match found.kind {
        Kind::Folder => format!("{}/", found.path),
        Kind::File(_) => format!("{}:{}", found.path, found.layer),
        Kind::Link => format!("{}>", found.path),
        Kind::Special => format!("{}!", found.path),
    };
    Ok(root.below("").into_iter().map(shown).collect())
}

#[test]
fn paths_are_cleaned_before_links_are_looked_at() {
    for name in [
        "a/b",
        "./a/b",
        "/a/b",
        "a//b",
        "a/./b",
        "x/../a/b",
        "a/b/",
        "/x/y/../../a/b",
        "//a/b",
    ] {
        assert_eq!(
            built(&[&[(name, File)]]).unwrap(),
            ["a/", "a/b:0"],
            "{name}"
        );
    }
    // `x` is a link, but `x/..` is removed before links are followed.
    let link = built(&[&[("d/e", Folder), ("x", to("d/e"))], &[("x/../f", File)]]);
    assert_eq!(link.unwrap(), ["d/", "d/e/", "f:1", "x>"]);
    for name in ["../a", "a/../../b", "/..", "/../a"] {
        assert!(
            built(&[&[(name, File)]])
                .unwrap_err()
                .contains("out of the root"),
            "{name}"
        );
    }
    assert_eq!(
        built(&[&[("./", Folder), ("", Folder), ("a/..", Folder)]]).unwrap(),
        [] as [&str; 0]
    );
}

#[test]
fn links_on_the_way_are_followed_within_the_root() {
    let base: &[(&str, EntryKind)] = &[
        ("real", Folder),
        ("l", to("real")),
        ("up", to("../../../real")),
    ];
    assert_eq!(built(&[base, &[("l/f", File)]]).unwrap()[1], "real/");
    for name in ["l/f", "up/f"] {
        assert!(
            built(&[base, &[(name, File)]])
                .unwrap()
                .contains(&"real/f:1".to_owned()),
            "{name}"
        );
    }
    // A link to a missing path creates the folders in it.
    let nowhere = built(&[&[("l", to("/a/b"))], &[("l/f", File)]]).unwrap();
    assert_eq!(nowhere, ["a/", "a/b/", "a/b/f:1", "l>"]);
    assert!(
        built(&[&[("l", to("l"))], &[("l/f", File)]])
            .unwrap_err()
            .contains("too many links")
    );
    assert!(
        built(&[&[("f", File)], &[("f/g", File)]])
            .unwrap_err()
            .contains("not a folder")
    );
}

#[test]
fn a_later_entry_replaces_what_is_no_folder_like_itself() {
    let base: &[(&str, EntryKind)] = &[("a", Folder), ("a/f", File), ("l", to("a"))];
    assert_eq!(
        built(&[base, &[("a", Folder)]]).unwrap(),
        ["a/", "a/f:0", "l>"]
    );
    assert_eq!(built(&[base, &[("a", File)]]).unwrap(), ["a:1", "l>"]);
    assert_eq!(built(&[base, &[("a", to("/x"))]]).unwrap(), ["a>", "l>"]);
    // A folder replaces a link to a folder.
    assert_eq!(
        built(&[base, &[("l", Folder), ("l/g", File)]]).unwrap(),
        ["a/", "a/f:0", "l/", "l/g:1"]
    );
    assert_eq!(
        built(&[base, &[("a/f", Folder)]]).unwrap(),
        ["a/", "a/f/", "l>"]
    );
}

#[test]
fn marks_remove_what_lower_layers_have() {
    let base: &[(&str, EntryKind)] = &[("a/f", File), ("a/g/h", File), ("b", File)];
    assert_eq!(
        built(&[base, &[("a/.wh.f", File)]]).unwrap(),
        ["a/", "a/g/", "a/g/h:0", "b:0"]
    );
    assert_eq!(built(&[base, &[(".wh.a", File)]]).unwrap(), ["b:0"]);
    assert_eq!(
        built(&[base, &[("./x/..//.wh.a", Folder)]]).unwrap(),
        ["b:0"]
    );
    for order in [true, false] {
        let mut layer = vec![("a/new", File), ("a/g/new", File), ("a/.wh..wh..opq", File)];
        if order {
            layer.reverse();
        }
        assert_eq!(
            built(&[base, &layer]).unwrap(),
            ["a/", "a/g/", "a/g/new:1", "a/new:1", "b:0"]
        );
    }
    for name in [".wh.", ".wh..", ".wh..."] {
        assert!(built(&[&[(name, File)]]).is_err(), "{name}");
    }
    // A whiteout behind a link works, too.
    let link = built(&[&[("a/f", File), ("l", to("a"))], &[("l/.wh.f", File)]]);
    assert_eq!(link.unwrap(), ["a/", "l>"]);
}

#[test]
fn hard_links_share_a_file_and_survive_it() {
    let hard = |target: &str| HardLink(target.as_bytes().to_vec());
    let mut root = RootFs::new();
    let digest = Digest::of(b"x");
    root.apply(&entry("a", File), Some(digest.clone())).unwrap();
    root.apply(&entry("d/b", hard("/a")), None).unwrap();
    root.begin(1);
    root.apply(&entry(".wh.a", File), None).unwrap();
    assert_eq!(root.at("d/b").unwrap().kind, Kind::File(Some(digest)));
    assert_eq!(root.at("a"), None);
    for target in ["missing", "d", "d/missing/x"] {
        assert!(
            root.apply(&entry("c", hard(target)), None).is_err(),
            "{target}"
        );
    }
}

#[test]
fn what_runtimes_read_in_two_ways_is_marked() {
    let mut root = RootFs::new();
    let mut is_ambiguous =
        |name: &str, kind| root.apply(&entry(name, kind), None).unwrap().is_ambiguous;
    assert!(!is_ambiguous("f", File) && !is_ambiguous("d", Folder) && !is_ambiguous("d", Folder));
    assert!(is_ambiguous("f", File), "two entries for one path");
    assert!(
        is_ambiguous(".wh.f", File),
        "a mark for what the same layer brings"
    );
    assert!(is_ambiguous("g", Device(0, 0)) && !is_ambiguous("h", Device(1, 3)));
    assert!(is_ambiguous("d", GlobalHeader), "containerd removes it");
}

#[test]
fn names_depths_and_numbers_are_bounded() {
    assert!(built(&[&[(&"x".repeat(256), File)]]).is_err());
    assert!(built(&[&[(&"x/".repeat(3000), Folder)]]).is_err());
    // Links form a path that is longer than any single entry could state.
    let deep = "d/".repeat(1500);
    let layer = [
        (deep.as_str(), Folder),
        ("l", to(&deep)),
        ("l/m", to(&format!("/{deep}"))),
        ("l/n/o", File),
    ];
    assert!(built(&[&layer]).is_ok());
    let long = format!("l/{deep}");
    assert!(built(&[&layer, &[(&long, Folder)]]).is_err());

    let mut root = RootFs::new();
    let refused = (0..=MOST_NODES)
        .find_map(|number| root.apply(&entry(&format!("{number:x}"), File), None).err());
    assert!(
        refused
            .unwrap()
            .to_string()
            .contains("more than 1000000 files")
    );
}
