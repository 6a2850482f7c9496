//! Tests of reading parts of tensors and files, of the conversion to `f32`, and of opening a model.

use super::*;

/// Returns a model, and the folder that holds it. The model has a text file and these tensors: `t`
/// (f32, 3 x 2, from 0 to 5), `h` (f16, 2), `i` (i64, 2) and `s` (f64, a scalar).
fn model() -> (tempfile::TempDir, Model) {
    let floats: Vec<u8> = (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    let halves: Vec<u8> = [0.5f32, -2.0]
        .iter()
        .flat_map(|x| f16::from_f32(*x).to_le_bytes())
        .collect();
    let integers: Vec<u8> = [7i64, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
    let scalar = 1.5f64.to_le_bytes();
    let view =
        |dtype, shape, bytes| safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap();
    let bytes = safetensors::serialize(
        [
            (
                "t",
                view(safetensors::Dtype::F32, vec![3, 2], floats.as_slice()),
            ),
            ("h", view(safetensors::Dtype::F16, vec![2], &halves)),
            ("i", view(safetensors::Dtype::I64, vec![2], &integers)),
            ("s", view(safetensors::Dtype::F64, vec![], &scalar)),
        ],
        None,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.safetensors"), bytes).unwrap();
    std::fs::write(folder.path().join("labels.txt"), "ab").unwrap();
    let model = Model::open(folder.path()).unwrap();
    (folder, model)
}

#[test]
fn parts_are_exact_and_ranges_are_kept() {
    let (_folder, model) = model();
    let tensor = |name| model.tensor(name).unwrap();
    assert_eq!(
        model.tensors().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["h", "i", "s", "t"]
    );
    assert_eq!(
        model.files().collect::<Vec<_>>(),
        ["labels.txt", "m.safetensors"]
    );
    assert_eq!(model.floats(tensor("t"), 1, 3), Ok(vec![1.0, 2.0, 3.0]));
    assert_eq!(model.floats(tensor("t"), 6, 0), Ok(vec![]));
    assert_eq!(model.floats(tensor("t"), 6, 1), Err(SliceError::OutOfRange));
    assert_eq!(
        model.floats(tensor("t"), u64::MAX, 2),
        Err(SliceError::OutOfRange)
    );
    assert_eq!(
        model.floats(tensor("t"), 0, u64::MAX),
        Err(SliceError::TooLarge)
    );
    assert_eq!(model.floats(tensor("h"), 0, 2), Ok(vec![0.5, -2.0]));
    assert_eq!(model.floats(tensor("s"), 0, 1), Ok(vec![1.5]));
    assert_eq!(
        model.floats(tensor("i"), 0, 1),
        Err(SliceError::WrongType(Dtype::I64))
    );
    assert_eq!(
        model.slice(tensor("i"), 1, 1),
        Ok((-7i64).to_le_bytes().as_slice())
    );
    assert_eq!(
        model.rows(tensor("t"), &[2, 0, 2]),
        Ok(vec![4.0, 5.0, 0.0, 1.0, 4.0, 5.0])
    );
    assert_eq!(model.rows(tensor("t"), &[3]), Err(SliceError::OutOfRange));
    assert_eq!(model.rows(tensor("s"), &[0]), Err(SliceError::OutOfRange));
    assert_eq!(
        file_part(model.file("labels.txt").unwrap(), 1, 9),
        Ok(b"b".as_slice())
    );
    assert_eq!(
        file_part(model.file("labels.txt").unwrap(), 3, 1),
        Err(SliceError::OutOfRange)
    );
}

/// Converts the elements of a tensor with `Model::floats` and with `Model::rows`, checks that both
/// return the same bits, and returns the converted elements.
fn converted<const N: usize>(dtype: safetensors::Dtype, elements: &[[u8; N]]) -> Vec<f32> {
    let bytes = elements.as_flattened();
    let view = safetensors::tensor::TensorView::new(dtype, vec![elements.len()], bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("m.safetensors"),
        safetensors::serialize([("t", view)], None).unwrap(),
    )
    .unwrap();
    let model = Model::open(folder.path()).unwrap();
    let tensor = model.tensor("t").unwrap();
    let floats = model.floats(tensor, 0, elements.len() as u64).unwrap();
    let indices: Vec<u64> = (0..elements.len() as u64).collect();
    let bits = |floats: &[f32]| {
        floats
            .iter()
            .map(|float| float.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&model.rows(tensor, &indices).unwrap()), bits(&floats));
    floats
}

/// Returns the number that 16 bits encode in a floating-point format with the given number of
/// mantissa bits and the given exponent bias, as IEEE 754 defines it.
///
/// An f64 holds each number of a 16-bit format exactly.
fn meaning(bits: u16, mantissa_bits: u32, bias: i32) -> f64 {
    let exponent_bits = 15 - mantissa_bits;
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> mantissa_bits) & ((1_i32 << exponent_bits) - 1);
    let fraction =
        f64::from(bits & ((1_u16 << mantissa_bits) - 1)) / f64::from(1_u32 << mantissa_bits);
    match exponent {
        0 => sign * fraction * 2f64.powi(1 - bias),
        _ if exponent == (1_i32 << exponent_bits) - 1 && fraction == 0.0 => sign * f64::INFINITY,
        _ if exponent == (1_i32 << exponent_bits) - 1 => f64::NAN,
        _ => sign * (1.0 + fraction) * 2f64.powi(exponent - bias),
    }
}

#[test]
fn every_half_and_every_brain_float_is_exact() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let elements: Vec<[u8; 2]> = all.iter().map(|bits| bits.to_le_bytes()).collect();
    for (dtype, mantissa_bits, bias) in [
        (safetensors::Dtype::F16, 10, 15),
        (safetensors::Dtype::BF16, 7, 127),
    ] {
        for (bits, float) in all.iter().zip(converted(dtype, &elements)) {
            let exact = meaning(*bits, mantissa_bits, bias);
            let same =
                f64::from(float).to_bits() == exact.to_bits() || float.is_nan() && exact.is_nan();
            assert!(same, "{dtype:?} {bits:#06x}: {float} is not {exact}");
        }
    }
}

#[test]
fn doubles_are_rounded_to_the_nearest_and_ties_to_even() {
    let two = |exponent| 2f64.powi(exponent);
    // This number is exactly halfway between the largest `f32` and 2^128, which would come next.
    let half_of_the_last = two(128) - two(103);
    let cases = [
        (0.1, 0.1),
        (0.0, 0.0),
        (-0.0, -0.0),
        (1.0 + two(-24), 1.0),
        (1.0 + two(-24) + two(-50), 1.0 + f32::EPSILON),
        (1.0 + 3.0 * two(-24), 1.0 + 2.0 * f32::EPSILON),
        (16_777_217.0, 16_777_216.0),
        (16_777_219.0, 16_777_220.0),
        (f64::from(f32::MAX), f32::MAX),
        (half_of_the_last.next_down(), f32::MAX),
        (half_of_the_last, f32::INFINITY),
        (1e39, f32::INFINITY),
        (f64::MIN, f32::NEG_INFINITY),
        (f64::NEG_INFINITY, f32::NEG_INFINITY),
        (two(-126), f32::MIN_POSITIVE),
        (two(-149), f32::from_bits(1)),
        (two(-150), 0.0),
        (-two(-150), -0.0),
        (two(-150).next_up(), f32::from_bits(1)),
        (3.0 * two(-150), f32::from_bits(2)),
        (f64::from_bits(1), 0.0),
        (f64::NAN, f32::NAN),
        (-f64::NAN, f32::NAN),
    ];
    let elements: Vec<[u8; 8]> = cases
        .iter()
        .map(|(double, _)| double.to_le_bytes())
        .collect();
    for ((double, expected), float) in cases
        .iter()
        .zip(converted(safetensors::Dtype::F64, &elements))
    {
        let same = float.to_bits() == expected.to_bits() || float.is_nan() && expected.is_nan();
        assert!(same, "{double:e}: {float:e} is not {expected:e}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn doubles_between_two_floats_go_to_the_nearer(bits: u32) {
        let low = f32::from_bits(bits & 0x7fff_ffff);
        let high = low.next_up();
        proptest::prop_assume!(high.is_finite());
        let middle = (f64::from(low) + f64::from(high)) / 2.0;
        let even = if low.to_bits().is_multiple_of(2) { low } else { high };
        let doubles = [f64::from(low), middle.next_down(), middle, middle.next_up(), f64::from(high)];
        let expected = [low, low, even, high, high];
        let negative = doubles.map(|double| (-double).to_le_bytes());
        proptest::prop_assert_eq!(
            converted(safetensors::Dtype::F64, &doubles.map(f64::to_le_bytes)),
            expected.to_vec()
        );
        proptest::prop_assert_eq!(converted(safetensors::Dtype::F64, &negative), expected.map(|f| -f).to_vec());
    }

    #[test]
    fn parts_are_what_a_list_has_there(count in 0usize..40, start: u8, length: u8, rows: Vec<u8>) {
        let elements: Vec<[u8; 4]> = (0..count as u16).map(|n| f32::from(n).to_le_bytes()).collect();
        let numbers: Vec<f32> = (0..count as u16).map(f32::from).collect();
        let folder = tempfile::tempdir().unwrap();
        let view = safetensors::tensor::TensorView::new(
            safetensors::Dtype::F32, vec![count / 2, 2], elements.as_flattened().get(..count / 2 * 8).unwrap(),
        );
        let bytes = safetensors::serialize([("t", view.unwrap())], None).unwrap();
        std::fs::write(folder.path().join("m.safetensors"), bytes).unwrap();
        let model = Model::open(folder.path()).unwrap();
        let tensor = model.tensor("t").unwrap();
        let numbers = numbers.get(..count / 2 * 2).unwrap();
        let (start, length) = (usize::from(start) % 48, usize::from(length) % 48);
        let expected = numbers.get(start..start + length).ok_or(SliceError::OutOfRange);
        proptest::prop_assert_eq!(
            model.floats(tensor, start as u64, length as u64),
            expected.map(<[f32]>::to_vec)
        );
        // Rows come in the order, and as often, as they are asked for.
        let rows: Vec<u64> = rows.iter().map(|row| u64::from(*row) % 24).collect();
        let row = |row: &u64| numbers.chunks(2).nth(usize::try_from(*row).unwrap());
        let expected: Option<Vec<&[f32]>> = rows.iter().map(row).collect();
        proptest::prop_assert_eq!(
            model.rows(tensor, &rows),
            expected.map(|rows| rows.concat()).ok_or(SliceError::OutOfRange)
        );
    }
}

#[test]
fn the_digest_depends_on_names_and_bytes() {
    let (folder, model) = model();
    let again = Model::open(folder.path()).unwrap();
    assert_eq!(model.digest(), again.digest());
    std::fs::rename(
        folder.path().join("labels.txt"),
        folder.path().join("names.txt"),
    )
    .unwrap();
    assert_ne!(model.digest(), Model::open(folder.path()).unwrap().digest());
}

#[test]
fn a_missing_or_damaged_model_is_named() {
    #[track_caller]
    fn check(path: &std::path::Path, expected: &str) {
        let message = Model::open(path).err().unwrap().to_string();
        assert!(
            message.contains(expected) && message.contains("fix: "),
            "{message}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    check(&folder.path().join("none"), "cannot be read");
    check(folder.path(), "holds no file");
    std::fs::write(
        folder.path().join("m.safetensors"),
        b"\xff\xff\xff\xff\xff\xff\xff\xffnot a header",
    )
    .unwrap();
    check(folder.path(), "is not a safetensors file");
}
