//! Tests of `header`.

use proptest::prelude::*;
use scorebox_host::text::is_deceptive;

use super::*;

fn file(version: [u8; 2], text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let length = if version[0] == 1 {
        &length[..2]
    } else {
        &length[..]
    };
    [MAGIC.as_slice(), &version, length, text.as_bytes()].concat()
}

fn literal(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}      \n")
}

#[test]
fn headers_of_every_version_and_type_are_read() {
    #[track_caller]
    fn check(version: [u8; 2], text: &str, expected: (Dtype, bool, bool, &[usize], usize)) {
        let mut bytes = file(version, text);
        let length = bytes.len() as u64;
        bytes.push(7);
        let mut from = bytes.as_slice();
        let header = Header::read(&mut from).unwrap();
        let (dtype, is_big_endian, is_fortran, shape, data_bytes) = expected;
        assert_eq!(
            (header.dtype, header.is_big_endian, header.is_fortran),
            (dtype, is_big_endian, is_fortran)
        );
        assert_eq!(
            (header.shape.as_slice(), header.data_bytes),
            (shape, data_bytes)
        );
        assert_eq!((header.header_bytes, from), (length, [7].as_slice()));
    }
    check(
        [1, 0],
        &literal("<f4", "(2, 3)"),
        (Dtype::F32, false, false, &[2, 3], 24),
    );
    check(
        [2, 0],
        &literal(">f8", "(3,)"),
        (Dtype::F64, true, false, &[3], 24),
    );
    check(
        [3, 0],
        &literal("|b1", "()"),
        (Dtype::BOOL, false, false, &[], 1),
    );
    check(
        [1, 0],
        "{\"shape\":(2L,0),\"fortran_order\":True,\"descr\":\"|u1\"}",
        (Dtype::U8, false, true, &[2, 0], 0),
    );
    for (descr, dtype, width) in [
        ("|i1", Dtype::I8, 1),
        ("<i2", Dtype::I16, 2),
        (">u2", Dtype::U16, 2),
        ("<f2", Dtype::F16, 2),
        ("<i4", Dtype::I32, 4),
        ("<u4", Dtype::U32, 4),
        ("<i8", Dtype::I64, 8),
        ("<u8", Dtype::U64, 8),
        ("?", Dtype::BOOL, 1),
    ] {
        check(
            [1, 0],
            &literal(descr, "(5,)"),
            (dtype, descr.starts_with('>'), false, &[5], 5 * width),
        );
    }
}

#[test]
fn what_is_no_array_of_numbers_is_refused() {
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let problem = Header::read(&mut &*bytes).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
    let described =
        |descr: &str, expected: &str| check(&file([1, 0], &literal(descr, "(1,)")), expected);
    described("|O", "a pickle, a program that nothing here runs");
    described("|S5", "texts (`|S5`)");
    described("<U3", "texts");
    described("<c16", "complex numbers");
    described("<M8[s]", "times");
    described("|V2", "records, or a type that NumPy itself does not have");
    described("<f16", "wider than f64");
    described("<i16", "not known here");
    described("", "not known here");
    let records = "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}";
    check(&file([1, 0], records), "records");
    check(b"", "ends within");
    check(b"PK\x03\x04 and more", "does not begin like one");
    check(&file([4, 0], ""), "version 4.0");
    check(&file([1, 1], ""), "version 1.1");
    check(
        &[MAGIC.as_slice(), &[2, 0], &u32::MAX.to_le_bytes()].concat(),
        "at most 10000",
    );
    check(&file([1, 0], &literal("<f4", "(1,)"))[..30], "ends within");
    for text in [
        "",
        "{",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} more",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': ()}",
    ] {
        check(&file([1, 0], text), "has a header that is not");
    }
    check(
        &file([1, 0], &literal("<f8", "(9223372036854775807, 2)")),
        "larger than any memory",
    );
    check(
        &file([1, 0], &literal("<f8", "(4611686018427387904, 1)")),
        "larger than any memory",
    );
    check(
        &file([1, 0], &literal("<f8", "(99999999999999999999,)")),
        "99999999999999999999",
    );
    check(
        &file([1, 0], &literal("<f8", &format!("({})", "1,".repeat(65)))),
        "more than 64",
    );
    check(&file([2, 0], &"(".repeat(9000)), "has a header that is not");
}

/// Panics unless the bytes are parsed as a header that is within its limits, or are refused with a
/// short message without deceptive characters.
fn keeps_the_rules(bytes: &[u8]) {
    let mut rest = bytes;
    match Header::read(&mut rest) {
        Ok(header) => {
            assert_eq!((bytes.len() - rest.len()) as u64, header.header_bytes);
            assert!(header.header_bytes <= MOST_HEADER_BYTES + 12);
            let elements: usize = header.shape.iter().product();
            assert!(header.shape.len() <= MOST_DIMENSIONS);
            assert_eq!(header.data_bytes, elements * header.width);
        }
        Err(error) => {
            let problem = error.to_string();
            // A shape of 64 long dimensions is shown whole.
            assert!(problem.len() < 2048, "{problem}");
            assert!(!problem.contains(is_deceptive), "{problem:?}");
        }
    }
}

#[test]
fn a_refusal_is_short_and_controls_no_terminal() {
    keeps_the_rules(&file([1, 0], &literal("<f4\u{1b}[2J\n\u{202e}", "(1,)")));
    keeps_the_rules(&file([1, 0], &literal(&"S".repeat(5000), "(1,)")));
    let digits = format!("({},)", "9".repeat(5000));
    keeps_the_rules(&file([1, 0], &literal("<f4", &digits)));
    let long = format!("({})", "18446744073709551615, ".repeat(64));
    keeps_the_rules(&file([1, 0], &literal("<f4", &long)));
}

proptest! {
    #[test]
    fn a_changed_header_is_read_or_refused(
        shape in "[0-9]{1,3}(, [0-9]{0,19}){0,3}",
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        version in 1u8..4,
    ) {
        let mut bytes = file([version, 0], &literal("<f4", &format!("({shape})")));
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        keeps_the_rules(&bytes);
    }
}
