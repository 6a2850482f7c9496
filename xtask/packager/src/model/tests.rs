//! Tests of the list of a model's files, and of the search for pickles among them.

use std::io::Write as _;

use super::pickles::{by_bytes, by_name};
use super::*;

#[test]
fn names_of_pickles_are_known() {
    let check = |name: &str, refused: bool| assert_eq!(by_name(name).is_some(), refused, "{name}");
    check("model.pkl", true);
    check("a/b.PKL", true);
    check("model.pkl.gz", true);
    check("m.joblib.z", true);
    check("weights.pt", true);
    check("weights.pth", true);
    check("old.sav", true);
    check("model.safetensors", false);
    check("pkl", false);
    check("pkl.d/labels.txt", false);
    check("vocab.json.gz", false);
    check("net.pt.onnx", false);
}

#[test]
fn bytes_of_pickles_are_known() {
    let check = |bytes: &[u8], refused: bool| {
        assert_eq!(by_bytes(bytes, bytes).is_some(), refused, "{bytes:?}")
    };
    check(b"\x80\x04\x95\x10.", true);
    check(b"\x80\x02}q\x00.", true);
    check(b"\x80\x02}q\x00u.trailing bytes of joblib's arrays", true);
    check(b"\x80\x02 and other data", false);
    check(b"csklearn.linear_model\nLogisticRegression\n(dp0\n", true);
    check(b"cat\ndog\nfish\n", false);
    check(b"ccopy_reg\n_reconstructor\np0\n", true);
    check(b"label,score\ncat,1\n", false);
    check(b"BZh91AY&SY", true);
    check(b"PK\x03\x04....x/model.pkl....", true);
    check(b"\x80\x06}.", false);
    check(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.storages", true);
    check(b"PK\x03\x04....archive/data.pkl....", true);
    check(b"PK\x03\x04....weights.npy", false);
    check(
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False}",
        true,
    );
    check(
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False}",
        false,
    );
    check(b"", false);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(b"\x80\x04\x95 and more").unwrap();
    check(&zlib.finish().unwrap(), true);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"{\"words\": 3}").unwrap();
    check(&gzip.finish().unwrap(), false);
}

#[test]
fn listing_follows_links_inside_only() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    std::fs::create_dir_all(model.join("b")).unwrap();
    std::fs::write(model.join("b/w.safetensors"), "w").unwrap();
    std::fs::write(model.join("a.txt"), "a").unwrap();
    std::os::unix::fs::symlink("a.txt", model.join("c.txt")).unwrap();
    let names = |model: &Path| {
        list(model, Pickles::Refused)
            .map(|files| files.into_iter().map(|file| file.name).collect::<Vec<_>>())
    };
    assert_eq!(
        names(&model).unwrap(),
        ["a.txt", "b/w.safetensors", "c.txt"]
    );
    assert_eq!(names(&model.join("a.txt")).unwrap(), ["a.txt"]);

    std::fs::write(dir.path().join("secret"), "s").unwrap();
    std::os::unix::fs::symlink("../secret", model.join("d")).unwrap();
    let refused = names(&model).unwrap_err();
    assert!(
        refused.problem.contains("a link out of the model folder"),
        "{refused}"
    );
    assert_eq!(refused.exit_code(), 3);
    std::fs::remove_file(model.join("d")).unwrap();

    for (dtype, is_refused) in [("<f4", false), ("|O", true)] {
        let mut archive =
            zip::ZipWriter::new(std::fs::File::create(model.join("arrays.npz")).unwrap());
        for (name, dtype) in [("coef.npy", "<f4"), ("classes.npy", dtype)] {
            archive
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            archive.write_all(b"\x93NUMPY\x01\x00v\x00").unwrap();
            writeln!(archive, "{{'descr': '{dtype}'}}").unwrap();
        }
        archive.finish().unwrap();
        assert_eq!(names(&model).is_err(), is_refused, "{dtype}");
    }
    std::fs::remove_file(model.join("arrays.npz")).unwrap();

    std::fs::write(model.join("renamed.bin"), b"\x80\x04\x95.").unwrap();
    let refused = names(&model).unwrap_err().to_string();
    assert!(
        refused.contains("renamed.bin") && refused.contains("save_file"),
        "{refused}"
    );
}
