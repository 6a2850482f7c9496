//! Comparison of the file systems that `RootFs` builds with those that real unpackers build from
//! the same layers: umoci, and podman's storage.
//!
//! Owns the layouts and the listing of a folder. Must not know the rules by which `RootFs` applies
//! entries. If an unpacker is not installed, or podman is not run as root, the comparison with it
//! is skipped and reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use super::*;
use crate::image::entries::Entries;
use crate::skipped::skip;

/// An entry of a tar archive: its name, the letter of its type, and its content or link target.
type Member = (String, u8, String);

fn member(name: &str, kind: u8, content: &str) -> Member {
    (name.to_owned(), kind, content.to_owned())
}

fn tar(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in members {
        let mut header = tar::Header::new_gnu();
        let is_link = matches!(kind, b'1' | b'2');
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if is_link {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
        }
        let content = if is_link { "" } else { content };
        header.as_mut_bytes()[156] = *kind;
        header.set_mode(if *kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Returns a listing of the files that `RootFs` builds from the layers, and true if container
/// runtimes disagree on these files. Fails if `RootFs` refuses an entry.
fn ours(layers: &[Vec<Member>]) -> Result<(Vec<String>, bool), RefusedEntry> {
    let mut root = RootFs::new();
    let mut is_ambiguous = false;
    for (number, layer) in layers.iter().enumerate() {
        root.begin(number);
        let bytes = tar(layer);
        let mut entries = Entries::new(bytes.as_slice());
        while let Some(entry) = entries.next().unwrap() {
            let digest = Digest::of_reader(&mut entries).unwrap().0;
            is_ambiguous |= root.apply(&entry, Some(digest))?.is_ambiguous;
        }
    }
    let shown = |found: Found| match found.kind {
        Kind::Folder => format!("{}/", found.path),
        Kind::File(digest) => format!("{} {}", found.path, digest.unwrap()),
        Kind::Link => format!("{}>", found.path),
        Kind::Special => format!("{}!", found.path),
    };
    let mut listing: Vec<_> = root.below("").into_iter().map(shown).collect();
    listing.sort();
    Ok((listing, is_ambiguous))
}

fn listing(root: &Path) -> Vec<String> {
    let mut open = vec![root.to_path_buf()];
    let mut listing = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(root).unwrap().display();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            listing.push(match () {
                () if kind.is_symlink() => format!("{shown}>"),
                () if kind.is_file() => {
                    format!("{shown} {}", Digest::of(&fs::read(&path).unwrap()))
                }
                () if kind.is_dir() => format!("{shown}/"),
                () => format!("{shown}!"),
            });
            if kind.is_dir() {
                open.push(path);
            }
        }
    }
    listing.sort();
    listing
}

fn write_layout(dir: &Path, layers: &[Vec<Member>]) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    };
    let tars: Vec<_> = layers
        .iter()
        .map(|layer| put("application/vnd.oci.image.layer.v1.tar", &tar(layer)))
        .collect();
    let diff_ids: Vec<_> = tars.iter().map(|tar| tar["digest"].clone()).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": tars });
    let mut entry = put(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "t" });
    fs::write(
        dir.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [entry] }).to_string(),
    )
    .unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

fn run(dir: &Path, program: &str, words: &[&str]) -> Option<Output> {
    Command::new(program)
        .args(words)
        .current_dir(dir)
        .output()
        .ok()
}

/// Unpacks the layers with umoci, and returns a listing of the files. Returns `None` if umoci is
/// not installed, and an error if umoci refuses the layers.
fn by_umoci(layers: &[Vec<Member>]) -> Option<Result<Vec<String>, String>> {
    let dir = tempfile::tempdir().unwrap();
    let (layout, root) = (dir.path().join("l"), dir.path().join("r"));
    write_layout(&layout, layers);
    let image = format!("{}:t", layout.display());
    let root_text = root.display().to_string();
    let mut words = vec!["raw", "unpack", "--image", &image];
    if !rustix::process::geteuid().is_root() {
        words.push("--rootless");
    }
    words.push(&root_text);
    let output = run(dir.path(), "umoci", &words)?;
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Some(Ok(listing(&root)))
}

/// Unpacks the layers with podman and returns a listing of the files. Podman's storage driver `vfs`
/// applies each layer to a copy of the layers below it. Returns `None` if podman is not installed
/// or this process is not root, and an error if podman refuses the layers.
fn by_podman(layers: &[Vec<Member>]) -> Option<Result<Vec<String>, String>> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    write_layout(&dir.path().join("l"), layers);
    let place = |name: &str| dir.path().join(name).display().to_string();
    let (store, state) = (place("s"), place("t"));
    let podman = |words: &[&str]| {
        let storage = [
            "--root",
            &store,
            "--runroot",
            &state,
            "--storage-driver",
            "vfs",
        ];
        run(dir.path(), "podman", &[storage.as_slice(), words].concat())
    };
    let pulled = podman(&["pull", "--quiet", "oci:l:t"])?;
    if !pulled.status.success() {
        return Some(Err(String::from_utf8_lossy(&pulled.stderr).into_owned()));
    }
    let id = String::from_utf8(pulled.stdout).unwrap().trim().to_owned();
    let mounted = podman(&["image", "mount", &id])?;
    assert!(
        mounted.status.success(),
        "{}",
        String::from_utf8_lossy(&mounted.stderr)
    );
    let found = listing(&PathBuf::from(
        String::from_utf8(mounted.stdout).unwrap().trim(),
    ));
    podman(&["image", "unmount", &id]);
    Some(Ok(found))
}

/// Returns images that are unusual but that container runtimes accept. Each image is a list of
/// layers, and each layer is a list of entries.
fn odd() -> Vec<Vec<Vec<Member>>> {
    let base = vec![
        member("real/", b'5', ""),
        member("real/file", b'0', "1"),
        member("link", b'2', "real"),
        member("up", b'2', "/../../real"),
        member("hard", b'1', "real/file"),
    ];
    let on = |layer: &[Member]| vec![base.clone(), layer.to_vec()];
    vec![
        on(&[
            member("./real//x/../new", b'0', "2"),
            member("/abs", b'0', "3"),
            member("link/through", b'0', "4"),
        ]),
        on(&[
            member("up/a/b", b'0', "2"),
            member("real/file/", b'5', ""),
            member("real/file/in", b'0', "3"),
        ]),
        on(&[member("link/", b'5', ""), member("link/in", b'0', "2")]),
        on(&[member("real", b'0', "now a file")]),
        on(&[member("real", b'2', "hard")]),
        on(&[
            member("real/.wh.file", b'0', ""),
            member(".wh.link", b'0', ""),
        ]),
        on(&[
            member(".wh.real", b'0', ""),
            member("other/deep/file", b'0', "2"),
        ]),
        on(&[
            member("real/.wh..wh..opq", b'0', ""),
            member("real/new", b'0', "2"),
        ]),
        on(&[
            member("real/new", b'0', "2"),
            member("real/.wh..wh..opq", b'0', ""),
        ]),
        on(&[member("link/.wh.file", b'0', "")]),
        on(&[
            member("real/file", b'0', "2"),
            member("again", b'1', "/real/file"),
            member("soft", b'1', "link"),
        ]),
        on(&[member("old/", 0, ""), member("old/f", 0, "2")]),
        on(&[member("Real/File", b'0', "another case")]),
        on(&[
            member("longer", b'L', "real/named/by/gnu\0"),
            member("x", b'0', "2"),
        ]),
        on(&[
            member("pax", b'x', "20 path=real/by-pax\n"),
            member("x", b'0', "2"),
        ]),
        on(&[
            member("pax", b'x', "20 path=real/by-pax\n"),
            member("y", b'x', "17 linkpath=real\n"),
            member("z", b'2', "link"),
        ]),
    ]
}

#[test]
fn odd_images_are_what_umoci_and_podman_make_of_them() {
    for (number, layers) in odd().iter().enumerate() {
        let (expected, is_ambiguous) =
            ours(layers).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert!(!is_ambiguous, "{number}");
        for (who, found) in [("umoci", by_umoci(layers)), ("podman", by_podman(layers))] {
            let Some(found) = found else {
                skip(&format!("{who} cannot be used here"));
                continue;
            };
            assert_eq!(
                found,
                Ok(expected.clone()),
                "{who} {number} {:?}",
                layers[1]
            );
        }
    }
}

#[test]
fn random_layers_are_what_umoci_makes_of_them() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end as u64).unwrap()
    };
    let (mut compared, mut refused) = (0, 0);
    for _ in 0..150 {
        let mut layers = Vec::new();
        for _ in 0..3 {
            let mut layer = Vec::new();
            for _ in 0..1 + below(6) {
                let above: String = (0..below(3))
                    .map(|_| ["a/", "b/", "c/", "a/./", "b//", "x/../"][below(6)])
                    .collect();
                let above = format!("{}{above}", ["", "", "/", "./"][below(4)]);
                let (file, folder) = (["f", "g", "h"][below(3)], ["a", "b", "c"][below(3)]);
                let target = [
                    "a",
                    "b/c",
                    "/a/b",
                    "../a",
                    "a/../b",
                    "c/b",
                    "/",
                    "../../../a/c",
                ][below(8)];
                layer.push(match below(20) {
                    0..8 => member(&format!("{above}{file}"), b'0', ["1", "2", "3"][below(3)]),
                    8..12 => member(&format!("{above}{folder}/"), b'5', ""),
                    12..14 => member(&format!("{above}{folder}"), b'2', target),
                    14 => member(&format!("{above}{folder}"), b'0', "4"),
                    15 => member(
                        &format!("{above}{file}"),
                        b'1',
                        ["f", "a/g", "/b/h"][below(3)],
                    ),
                    16..18 => member(
                        &format!("{above}.wh.{}", [file, folder][below(2)]),
                        b'0',
                        "",
                    ),
                    _ => member(&format!("{above}{folder}/.wh..wh..opq"), b'0', ""),
                });
            }
            layers.push(layer);
        }
        let Some(theirs) = by_umoci(&layers) else {
            return skip("umoci cannot be used here");
        };
        // Ambiguous entries are not compared, because an image with them is never reported as good.
        match (ours(&layers), theirs) {
            (Ok((_, true)), _) => {}
            (Ok((ours, false)), Ok(theirs)) => {
                // umoci creates no folders for a whiteout.
                let files = |listing: Vec<String>| {
                    listing
                        .into_iter()
                        .filter(|one| !one.ends_with('/'))
                        .collect::<Vec<_>>()
                };
                assert_eq!(files(ours), files(theirs), "{layers:#?}");
                compared += 1;
            }
            (Ok(_), Err(error)) => panic!("umoci alone refuses: {error} {layers:#?}"),
            (Err(_), _) => refused += 1,
        }
    }
    assert!(compared > 50 && refused > 5, "{compared} {refused}");
}

#[test]
fn what_no_runtime_takes_is_refused() {
    let file = member("f", b'0', "1");
    let layers: [&[Member]; 4] = [
        &[file.clone(), member("f/g", b'0', "2")],
        &[member("l", b'1', "missing")],
        &[member("d/", b'5', ""), member("h", b'1', "d")],
        &[member("l", b'2', "l"), member("l/f", b'0', "1")],
    ];
    for layer in layers {
        let layers = [layer.to_vec()];
        assert!(ours(&layers).is_err(), "{layer:?}");
        match by_podman(&layers) {
            Some(found) => assert!(found.is_err(), "{layer:?} {found:?}"),
            None => skip("podman cannot be used here"),
        }
    }
}
