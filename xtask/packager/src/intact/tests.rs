//! Tests of the checks for model files that were cut off or that hold something else.

use super::*;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
const PAGE: &[u8] = b"<!DOCTYPE html><html><title>model.onnx</title>";

/// Writes `bytes` to a file with the name `name`, checks the file, and asserts that the failure
/// contains `part`. If `part` is empty, there must be no failure.
#[track_caller]
fn check(name: &str, bytes: &[u8], part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    match check_model_file(name, &path) {
        Ok(()) => assert_eq!(part, "", "{name}"),
        Err(failure) => {
            let text = failure.to_string();
            assert!(!part.is_empty() && text.contains(part), "{name}: {text}");
        }
    }
}

/// Returns the bytes of an ONNX file: its version, its producer, a graph of 300 bytes, and its
/// operator set.
fn graph() -> Vec<u8> {
    let mut bytes = b"\x08\x08\x12\x03abc".to_vec();
    bytes.extend(b"\x3a\xac\x02");
    bytes.extend([0; 300]);
    bytes.extend(b"\x42\x04\x0a\x00\x10\x12");
    bytes
}

#[test]
fn pointers_and_pages_are_no_models() {
    check("m.onnx", POINTER, "Git LFS pointer");
    check("m.onnx", POINTER, "git lfs pull");
    check("words.txt", POINTER, "Git LFS pointer");
    check("m.onnx", PAGE, "an HTML page");
    check("m.safetensors", PAGE, "an HTML page");
    check("m.onnx", b"", "is empty");
    check("m.onnx", b"PK\x03\x04", "ZIP");
    check("help.html", PAGE, "");
    check("words.txt", b"", "");
    check("w.npz", b"PK\x03\x04", "");
}

#[test]
fn graphs_that_were_cut_are_known() {
    let whole = graph();
    check("m.onnx", &whole, "");
    for length in [4, 6, 8, 9, 100, whole.len() - 7, whole.len() - 1] {
        check("m.onnx", &whole[..length], "was cut");
    }
    check("m.onnx", &whole[..100], "it has 100 bytes of at least 310");
    // A writer may leave out who made the file, and state the domain or the version of the model.
    for field in [&b"\x22\x03abc"[..], b"\x28\x07"] {
        let whole = [b"\x08\x08", field, &graph()[7..]].concat();
        check("m.onnx", &whole, "");
        check("m.onnx", &whole[..100], "was cut");
    }
    check("m.onnx", b"not a graph at all", "");
    check(
        "m.onnx",
        b"\x08\x08\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "was cut",
    );
}

#[test]
fn weights_that_were_cut_are_known() {
    let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  "#;
    let mut whole = (header.len() as u64).to_le_bytes().to_vec();
    whole.extend(header);
    whole.extend([0; 8]);
    check("m.safetensors", &whole, "");
    for length in [20, whole.len() - 9, whole.len() - 1] {
        check("m.safetensors", &whole[..length], "was cut");
    }
    check("m.safetensors", b"not a model", "");
    check("m.safetensors", b"w", "");
}

#[test]
fn weights_are_no_other_format_whatever_the_length_of_their_header() {
    // These lengths are the first bytes of pickles, and of a document with a space before it.
    for length in [0x0280_u64, 0x0380, 0x7b20] {
        let mut header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_vec();
        header.resize(usize::try_from(length).unwrap(), b' ');
        let file = [&length.to_le_bytes()[..], &header, &[0; 8]].concat();
        check("m.safetensors", &file, "");
        check("m.safetensors", &file[..file.len() - 1], "was cut");
    }
}

#[test]
fn sources_of_any_form_are_let_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.pkl");
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        check_source(&path).err().map(|failure| failure.problem)
    };
    for (bytes, part) in [
        (POINTER, "Git LFS"),
        (PAGE, "HTML"),
        (b"".as_slice(), "empty"),
    ] {
        assert!(refused(bytes).unwrap().contains(part), "{part}");
    }
    for bytes in [
        b"PK\x03\x04".as_slice(),
        b"{\"learner\": 1}",
        b"\x80\x04\x95",
        b"\x1f\x8b\x08",
    ] {
        assert_eq!(refused(bytes), None);
    }
    assert!(check_source(Path::new("/nowhere")).is_err());
}
