//! Converted arrays, compared with bytes that NumPy wrote.
//!
//! Owns the result for every type, order and version of the format.

use std::path::Path;

use safetensors::SafeTensors;
use scorebox_tests::app::App;
use scorebox_tests::host::invoke;
use scorebox_tests::numpy;
use scorebox_tests::programs;
use scorebox_tests::zip_file::{self, Member};
use serde_json::{Value, json};

use super::convert;

/// Converts a file and returns the bytes of the result.
#[track_caller]
fn converted(file: &Path, more: &[&str]) -> Vec<u8> {
    let output = tempfile::tempdir().unwrap();
    let finished = convert(file, &output.path().join("a/model"), more).ended(0);
    std::fs::read(finished.stdout.trim_end()).unwrap()
}

#[track_caller]
fn is_expected(file: &[u8]) {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(numpy::made("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    let read = SafeTensors::deserialize(file).unwrap();
    assert_eq!(read.len(), expected.len());
    for (name, expected) in expected {
        let tensor = read.tensor(name).unwrap();
        let dtype = format!("{:?}", tensor.dtype()).to_lowercase();
        let numpys = expected["dtype"]
            .as_str()
            .unwrap()
            .replace("float", "f")
            .replace("uint", "u")
            .replace("int", "i");
        assert_eq!(dtype, numpys, "{name}");
        assert_eq!(json!(tensor.shape()), expected["shape"], "{name}");
        assert_eq!(
            hex::encode(tensor.data()),
            expected["bytes"].as_str().unwrap(),
            "{name}"
        );
        assert!(
            (tensor.data().as_ptr() as usize - file.as_ptr() as usize)
                .is_multiple_of(tensor.dtype().bitsize() / 8)
        );
    }
}

#[test]
fn every_type_and_order_is_as_numpy_has_it() {
    let stored = converted(&numpy::made("stored.npz"), &["--name", "m"]);
    is_expected(&stored);
    let deflated = converted(&numpy::made("deflated.npz"), &["--name", "m"]);
    assert!(stored == deflated, "the same arrays give the same bytes");
    // Files that NumPy did not write can be read, too.
    let numbers = numpy::file(
        "<f4",
        "(2, 2)",
        false,
        &[1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.npz");
    std::fs::write(
        &file,
        zip_file::archive(&[
            Member::deflated("w.npy", &numbers),
            Member::stored("v.npy", &numbers),
        ]),
    )
    .unwrap();
    let bytes = converted(&file, &[]);
    let read = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(
        read.tensor("w").unwrap().data(),
        &numbers[numbers.len() - 16..]
    );
    assert_eq!(
        read.tensor("w").unwrap().data(),
        read.tensor("v").unwrap().data()
    );
}

#[test]
fn single_arrays_of_every_version_are_named_by_their_file() {
    for version in ["version-1", "version-2", "version-3"] {
        let bytes = converted(&numpy::made(&format!("{version}.npy")), &[]);
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = read.tensor(version).unwrap();
        assert_eq!(tensor.shape(), [2, 3]);
        let expected: Vec<u8> = [0.0_f64, 0.25, 0.5, 0.75, 1.0, 1.25]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        assert_eq!(tensor.data(), expected);
    }
    let named = converted(&numpy::made("version-1.npy"), &["--name", "coef"]);
    assert!(
        SafeTensors::deserialize(&named)
            .unwrap()
            .tensor("coef")
            .is_ok()
    );
}

#[test]
fn arrays_are_known_by_their_bytes_and_not_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let as_written = converted(&numpy::made("version-1.npy"), &["--name", "coef"]);
    for name in ["weights.npz", "weights.dat", "weights"] {
        let file = folder.path().join(name);
        std::fs::copy(numpy::made("version-1.npy"), &file).unwrap();
        assert_eq!(converted(&file, &["--name", "coef"]), as_written, "{name}");
    }
    let archive = converted(&numpy::made("stored.npz"), &["--name", "m"]);
    let renamed = folder.path().join("renamed.npy");
    std::fs::copy(numpy::made("stored.npz"), &renamed).unwrap();
    assert_eq!(converted(&renamed, &["--name", "m"]), archive);
}

#[test]
fn a_scorer_reads_what_was_converted() {
    let app = App::with(programs::WEIGHTS, "model = \"model\"\n");
    let converted = convert(&numpy::made("deflated.npz"), &app.path().join("model"), &[]).ended(0);
    converted.said(&[
        "tensor   cube i32 [2, 3, 4], 96 bytes",
        "written  ",
        "sha256:",
    ]);
    let reads = json!([
        {"read": "whole-floats", "name": "big/float64/fortran"},
        {"read": "rows", "name": "little/float32/fortran", "indices": [1, 0]},
        {"read": "whole-integers", "name": "big/int64/fortran"},
        {"read": "whole-integers", "name": "cube"},
        {"read": "whole-integers", "name": "little/bool/fortran"},
        {"read": "whole-floats", "name": "scalar"},
        {"read": "whole-floats", "name": "row"},
        {"read": "tensor-info", "name": "hollow"},
    ]);
    let answer = invoke(&app, "application/json", reads.to_string().as_bytes())
        .ended(0)
        .json();
    let answers: Vec<&Value> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| &answer["ok"])
        .collect();
    // JSON has no infinity, so values that are not finite are null.
    assert_eq!(*answers[0], json!([0.1_f32, -0.0, null, 0.0, null, 2.5]));
    assert_eq!(
        *answers[1],
        json!([f32::from_bits(1), null, 2.5, 0.1_f32, -0.0, f32::MAX])
    );
    assert_eq!(
        *answers[2],
        json!([0, 1, 2, i64::MAX - 1, i64::MIN, i64::MAX])
    );
    assert_eq!(*answers[3], json!((0..24).collect::<Vec<_>>()));
    assert_eq!(*answers[4], json!([0, 1, 1, 0, 0, 1]));
    assert_eq!(*answers[5], json!([2.5]));
    assert_eq!(*answers[6], json!([0.0, 1.0, 2.0, 3.0, 4.0]));
    assert_eq!(
        *answers[7],
        json!({"name": "hollow", "dtype": "i64", "shape": [2, 0]})
    );
}
