//! Conversion of NumPy's files to safetensors by `cargo xtask convert`.
//!
//! Owns the result for every type, order and version of the format, compared with bytes that NumPy
//! wrote, and each refusal. Must not know how a file is read.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use scorebox_tests::app::App;
use scorebox_tests::host::invoke;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::zip_file::{self, Member};
use scorebox_tests::{numpy, place};
use serde_json::{Value, json};

/// Runs `convert` with half a gigabyte of address space, which limits its memory.
fn convert(file: &Path, output: &Path, more: &[&str]) -> Finished {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 524288 && exec \"$0\" convert \"$@\""])
        .arg(place::xtask());
    run::finish(
        command.arg(file).arg("--output").arg(output).args(more),
        b"",
    )
}

/// Converts a file and returns the bytes of the result.
#[track_caller]
fn converted(file: &Path, more: &[&str]) -> Vec<u8> {
    let output = tempfile::tempdir().unwrap();
    let finished = convert(file, &output.path().join("a/model"), more).ended(0);
    std::fs::read(finished.stdout.trim_end()).unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], name: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    refused_file(&file, parts);
}

#[track_caller]
fn refused_file(file: &Path, parts: &[&str]) {
    let output = tempfile::tempdir().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let finished = convert(file, output.path(), &[])
        .ended(3)
        .said(parts)
        .said(&[name, "fix:"]);
    assert_eq!(finished.stdout, "");
    assert_eq!(
        std::fs::read_dir(output.path()).unwrap().count(),
        0,
        "nothing is left of it"
    );
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
fn a_scorer_reads_what_was_converted() {
    let app = App::with("weights", "model = \"model\"\n");
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

#[test]
fn a_file_is_replaced_only_when_asked() {
    let output = tempfile::tempdir().unwrap();
    let one = |more: &[&str]| convert(&numpy::made("version-1.npy"), output.path(), more);
    let path = one(&[]).ended(0).stdout;
    assert_eq!(
        path,
        format!(
            "{}\n",
            output.path().join("version-1.safetensors").display()
        )
    );
    std::fs::write(path.trim_end(), "mine").unwrap();
    one(&[])
        .ended(1)
        .said(&["version-1.safetensors: is there already", "--force"]);
    assert_eq!(std::fs::read(path.trim_end()).unwrap(), b"mine");
    one(&["--force"]).ended(0);
    assert!(SafeTensors::deserialize(&std::fs::read(path.trim_end()).unwrap()).is_ok());
    one(&["--name", "../out"])
        .ended(1)
        .said(&["is no name for a file", "--name"]);
    one(&["--name", "__metadata__"])
        .ended(1)
        .said(&["`__metadata__` is no name"]);
    one(&["--force", "--limit", "47B"])
        .ended(3)
        .said(&["48 bytes, more than the limit", "--limit"]);
    one(&["--force", "--limit", "48B"]).ended(0);
    convert(Path::new("model.onnx"), output.path(), &[])
        .ended(3)
        .said(&["model.onnx", ".npy, .npz", "fix:"]);
    convert(Path::new("none.npy"), output.path(), &[])
        .ended(1)
        .said(&["none.npy", "No such file"]);
}

#[test]
fn arrays_that_are_no_numbers_are_refused_with_their_reason() {
    let check = |name: &str, reason: &str| {
        refused_file(&numpy::made(&format!("refused-{name}")), &[reason])
    };
    check("objects.npy", "holds Python objects, so it is a pickle");
    check(
        "objects.npz",
        "`classes` holds Python objects, so it is a pickle",
    );
    check("texts.npy", "holds texts (`<U2`)");
    check("bytes.npy", "holds texts (`|S2`)");
    check("complex.npy", "holds complex numbers (`<c16`)");
    check("records.npy", "holds records");
    check("dates.npy", "holds times");
    check("spans.npy", "holds times");
    check("long-doubles.npy", "wider than f64 (`<f16`)");
    check("void.npy", "holds records, or a type");
}

#[test]
fn damaged_arrays_are_refused() {
    let flags = numpy::file("|b1", "(2,)", false, &[1, 7]);
    refused(&flags, "a.npy", &["a bool that is neither 0 nor 1"]);
    let short = numpy::file("<f4", "(2, 2)", false, &[0; 15]);
    refused(
        &short,
        "a.npy",
        &["holds 15 bytes of data, and its header says 16"],
    );
    refused(
        &numpy::file("<f4", "(2, 2)", true, &[0; 15]),
        "a.npy",
        &["holds 15 bytes"],
    );
    refused(
        &numpy::file("<f4", "(2, 2)", false, &[0; 17]),
        "a.npy",
        &["holds more than the 16 bytes"],
    );
    // Memory is not allocated just because a header states a size.
    refused(
        &numpy::file("<f8", "(400000000,)", true, &[0; 64]),
        "a.npy",
        &["holds 64 bytes of data"],
    );
    refused(
        &numpy::file("<f8", "(20000, 20000)", true, &[0; 64]),
        "a.npy",
        &["holds 64 bytes of data"],
    );
    refused(
        &numpy::file("<f8", "(4000000000,)", false, &[0; 64]),
        "a.npy",
        &["32000000000 bytes", "--limit"],
    );
    refused(
        &numpy::file("<f8", "(9999999999, 9999999999)", false, &[]),
        "a.npy",
        &["larger than any memory"],
    );
    refused(b"", "a.npy", &["ends within its header"]);
    refused(b"", "a.npz", &["is no .npz file"]);
    refused(
        &numpy::file("<f4", "()", false, &[0; 4]),
        "a.npz",
        &["is no .npz file"],
    );
}

#[test]
fn archives_that_numpy_would_not_write_are_refused() {
    let array = numpy::file("<f4", "(3,)", false, &[1; 12]);
    let whole = || Member::stored("a.npy", &array);
    let check =
        |members: &[Member], parts: &[&str]| refused(&zip_file::archive(members), "a.npz", parts);
    check(&[], &["holds no array"]);
    check(&[whole(), whole()], &["two members with one name"]);
    for name in [
        "/etc/passwd.npy",
        "../../a.npy",
        "a/../b.npy",
        "a\\..\\b.npy",
        ".npy",
    ] {
        check(
            &[Member {
                name: name.to_owned(),
                ..whole()
            }],
            &["leads out of the archive, or nowhere"],
        );
    }
    check(
        &[
            whole(),
            Member {
                name: "readme.txt".to_owned(),
                ..whole()
            },
        ],
        &["`readme.txt` is no array"],
    );
    check(
        &[Member {
            name: "__metadata__.npy".to_owned(),
            ..whole()
        }],
        &["safetensors keeps for itself"],
    );
    check(
        &[Member {
            name: "a/".to_owned(),
            ..Member::stored("", b"")
        }],
        &["`a/` is a folder"],
    );
    check(
        &[Member {
            flags: 1,
            ..whole()
        }],
        &["`a.npy` is encrypted"],
    );
    check(
        &[Member {
            method: 12,
            ..whole()
        }],
        &["`a.npy` is compressed by"],
    );
    check(
        &[Member { crc: 7, ..whole() }],
        &["`a` cannot be read", "checksum"],
    );
    check(
        &[Member {
            crc: 7,
            ..Member::deflated("a.npy", &array)
        }],
        &["`a` cannot be read", "checksum"],
    );
    check(
        &[Member {
            method: 8,
            ..whole()
        }],
        &["cannot be read"],
    );
    // These are two members at the same bytes.
    let mut shared = zip_file::archive(&[
        whole(),
        Member {
            name: "b.npy".to_owned(),
            ..whole()
        },
    ]);
    let second = shared
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    shared[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    refused(&shared, "a.npz", &["share bytes"]);
}

#[test]
fn sizes_that_lie_are_found_before_anything_is_unpacked() {
    let check = |members: &[Member], parts: &[&str]| {
        let started = Instant::now();
        refused(&zip_file::archive(members), "a.npz", parts);
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:?}",
            started.elapsed()
        );
    };
    // These 10 MB would unpack to 10 GB.
    let zeros = zip_file::flushed(&vec![0; 16 << 20]);
    let bomb = |header: &[u8], size: u32| Member {
        packed: [
            zip_file::flushed(header),
            zeros.repeat(640),
            zip_file::END.to_vec(),
        ]
        .concat(),
        size,
        ..Member::deflated("a.npy", header)
    };
    let header = |elements: u64| numpy::file("|u1", &format!("({elements},)"), false, &[]);
    let (large, small) = (header(640 << 24), header(16));
    let small_bytes = u32::try_from(small.len()).unwrap() + 16;
    check(
        &[bomb(&large, u32::MAX - 1)],
        &["by the archive, and by its own header 10737418240 of data"],
    );
    check(&[bomb(&small, small_bytes)], &["`a` "]);
    check(
        &[bomb(&small, u32::MAX - 1)],
        &["by the archive, and by its own header 16 of data"],
    );
    check(
        &[bomb(&large, small_bytes)],
        &["by the archive, and by its own header 10737418240 of data"],
    );
    // The stated size is true, but larger than the limit.
    let honest = header(3 << 30);
    let honest_bytes = u32::try_from(honest.len() as u64 + (3 << 30)).unwrap();
    let two = [
        bomb(&honest, honest_bytes),
        Member {
            name: "b.npy".to_owned(),
            ..bomb(&honest, honest_bytes)
        },
    ];
    check(&two, &["6442450944 bytes, more than the limit", "--limit"]);
    // This member holds less than it states.
    let array = numpy::file("<f4", "(3,)", false, &[1; 12]);
    let member = Member::deflated("a.npy", &array);
    check(
        &[Member {
            packed: [
                zip_file::flushed(&array[..array.len() - 4]),
                zip_file::END.to_vec(),
            ]
            .concat(),
            ..member
        }],
        &["`a` "],
    );
}
