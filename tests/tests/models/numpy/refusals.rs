//! Files of NumPy that are refused: other types, damaged arrays and hostile archives.
//!
//! Owns each refusal.

use std::path::Path;
use std::time::{Duration, Instant};

use scorebox_tests::numpy;
use scorebox_tests::zip_file::{self, Member};

use super::convert;

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
    refused(b"", "a.npy", &["is empty"]);
    refused(b"", "a.npz", &["is empty"]);
    refused(
        b"neither an archive nor an array",
        "a.npz",
        &["is not an .npz file"],
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
        &["`readme.txt` is not an array"],
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
        &["according to the archive, and 10737418240 bytes of data according to its own header"],
    );
    check(&[bomb(&small, small_bytes)], &["`a` "]);
    check(
        &[bomb(&small, u32::MAX - 1)],
        &["according to the archive, and 16 bytes of data according to its own header"],
    );
    check(
        &[bomb(&large, small_bytes)],
        &["according to the archive, and 10737418240 bytes of data according to its own header"],
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
