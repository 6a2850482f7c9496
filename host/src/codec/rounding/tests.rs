//! Tests of `rounding`: decimals next to a tie, whole numbers, and random numbers.

use proptest::prelude::*;

use super::*;

/// Rounds a decimal as the decoder of bodies does: from an `f64`, or from the digits if that
/// `f64` is close to a tie.
fn read(dtype: Dtype, text: &str) -> Rounded {
    match float(dtype, text.parse().unwrap()) {
        Rounded::InDoubt => decimal(dtype, text),
        rounded => {
            assert_eq!(decimal(dtype, text), rounded, "{text}");
            rounded
        }
    }
}

#[test]
fn a_decimal_next_to_a_tie_goes_to_its_own_side() {
    #[track_caller]
    fn check(dtype: Dtype, text: &str, expected: f32) {
        let expected = match dtype {
            Dtype::F32 => Rounded::F32(expected.to_le_bytes()),
            Dtype::F16 => Rounded::F16(f16::from_f32(expected).to_le_bytes()),
            _ => Rounded::F16(bf16::from_f32(expected).to_le_bytes()),
        };
        assert_eq!(read(dtype, text), expected, "{dtype:?} {text}");
        let negative = format!("-{text}");
        let negated = match expected {
            Rounded::F32([a, b, c, d]) => Rounded::F32([a, b, c, d ^ 0x80]),
            Rounded::F16([a, b]) => Rounded::F16([a, b ^ 0x80]),
            other => other,
        };
        assert_eq!(read(dtype, &negative), negated, "{dtype:?} {negative}");
    }
    let above_one = 1.0f32.next_up();
    // The tie between 1 and the next f32 is 1.000000059604644775390625.
    check(Dtype::F32, "1.00000005960464477540", above_one);
    check(Dtype::F32, "1.00000005960464477539", 1.0);
    check(Dtype::F32, "1.000000059604644775390625", 1.0);
    check(
        Dtype::F32,
        "1.0000000596046447753906250000000000000000000000001",
        above_one,
    );
    check(
        Dtype::F32,
        "1.0000000596046447753906249999999999999999999999999",
        1.0,
    );
    check(
        Dtype::F32,
        "10000000596046447753.90625000000000001e-19",
        above_one,
    );
    // The tie between the first and the second f32 above 1 rounds up, because the second is even.
    check(
        Dtype::F32,
        "1.000000178813934326171875",
        above_one.next_up(),
    );
    check(Dtype::F32, "1.00000017881393432617187499999999", above_one);
    check(Dtype::F32, "16777217.0", 16_777_216.0);
    check(Dtype::F32, "16777217.00000000000001", 16_777_218.0);
    check(Dtype::F32, "16777216.99999999999999", 16_777_216.0);
    // The next numbers are close to the tie above the largest f32, or to the tie below the smallest
    // one.
    check(
        Dtype::F32,
        "340282356779733661637539395458142568447.9999",
        f32::MAX,
    );
    assert_eq!(
        read(Dtype::F32, "340282356779733661637539395458142568448"),
        Rounded::OutOfRange
    );
    check(
        Dtype::F32,
        "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015625e-46",
        0.0,
    );
    check(
        Dtype::F32,
        "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015626e-46",
        f32::from_bits(1),
    );
    // f16 has 11 bits, so 2049 is in the middle between 2048 and 2050.
    check(Dtype::F16, "2049.0", 2048.0);
    check(Dtype::F16, "2049.0000000000000000001", 2050.0);
    check(Dtype::F16, "2048.9999999999999999999", 2048.0);
    check(Dtype::F16, "2051.0", 2052.0);
    // 2049.00000001 and 2049.0000000000005 differ from the tie 2049 as an f64, but not as an f32.
    // They must not be rounded to an f32 first.
    check(Dtype::F16, "2049.00000001", 2050.0);
    check(Dtype::F16, "2049.0000000000005", 2050.0);
    check(Dtype::F16, "65519.99999999999999999999", 65504.0);
    assert_eq!(read(Dtype::F16, "65520.0"), Rounded::OutOfRange);
    check(Dtype::F16, "2.98023223876953125e-8", 0.0);
    check(
        Dtype::F16,
        "2.98023223876953125000000001e-8",
        f16::from_bits(1).to_f32(),
    );
    // bf16 has 8 bits.
    check(Dtype::Bf16, "257.0", 256.0);
    check(Dtype::Bf16, "257.0000000000000000001", 258.0);
    check(Dtype::Bf16, "257.00000001", 258.0);
    check(Dtype::Bf16, "259.0", 260.0);
}

#[test]
fn a_whole_number_is_whole_in_every_form() {
    #[track_caller]
    fn check(text: &str, expected: Whole) {
        assert_eq!(whole_of(text), expected, "{text}");
        let negative = match expected {
            Whole::Number(number) => Whole::Number(-number),
            other => other,
        };
        assert_eq!(whole_of(&format!("-{text}")), negative, "-{text}");
    }
    for text in ["0", "0.0", "0e5", "0e-999999999999999999999", "0.000e+9"] {
        check(text, Whole::Number(0));
    }
    for text in [
        "1",
        "1.0",
        "1e0",
        "10e-1",
        "100.000e-2",
        "0.01E+2",
        "1.00E0",
    ] {
        check(text, Whole::Number(1));
    }
    check("1e3", Whole::Number(1000));
    check("9007199254740993.0", Whole::Number(9_007_199_254_740_993));
    check("9223372036854775807.0", Whole::Number(i64::MAX.into()));
    check("1844674407370955161500e-2", Whole::Number(u64::MAX.into()));
    check("18446744073709551616", Whole::Number(1 << 64));
    let largest = "9".repeat(38);
    check(&largest, Whole::Number(largest.parse().unwrap()));
    check("1e38", Whole::Large);
    check("1e400", Whole::Large);
    check("1e99999999999999999999", Whole::Large);
    for text in [
        "1.5",
        "0.1",
        "1e-1",
        "15e-1",
        "9007199254740993.5",
        "1e-99999999999999999999",
    ] {
        check(text, Whole::Fraction);
    }
    check(&format!("0.{}1", "0".repeat(50)), Whole::Fraction);
    check(&format!("1.{}", "0".repeat(50)), Whole::Number(1));
}

#[test]
fn a_float_holds_the_whole_numbers_of_its_bits() {
    #[track_caller]
    fn check(dtype: Dtype, bits: u32) {
        let first_lost = (1i128 << bits) + 1;
        for value in [0, 1, -1, first_lost - 1, first_lost + 1, -first_lost + 1] {
            assert!(is_exact(dtype, value), "{dtype:?} {value}");
        }
        for value in [first_lost, -first_lost, first_lost << 3] {
            assert!(!is_exact(dtype, value), "{dtype:?} {value}");
        }
    }
    check(Dtype::Bf16, 8);
    check(Dtype::F16, 11);
    check(Dtype::F32, 24);
    check(Dtype::F64, 53);
}

#[test]
fn whole_numbers_are_rounded_once() {
    #[track_caller]
    fn check(dtype: Dtype, value: i128, expected: f32) {
        let expected = match dtype {
            Dtype::F32 => Rounded::F32(expected.to_le_bytes()),
            _ => Rounded::F16(bf16::from_f32(expected).to_le_bytes()),
        };
        assert_eq!(whole(dtype, value), expected, "{value}");
        assert_eq!(decimal(dtype, &value.to_string()), expected, "{value}");
    }
    let tie = (1i128 << 53) + (1 << 29);
    check(Dtype::F32, tie, 9_007_199_254_740_992.0);
    // An f64 cannot distinguish this number from the tie.
    check(Dtype::F32, tie + 1, 9_007_200_328_482_816.0);
    check(Dtype::F32, tie - 1, 9_007_199_254_740_992.0);
    check(Dtype::F32, -tie - 1, -9_007_200_328_482_816.0);
    let tie = (1i128 << 60) + (1 << 52);
    check(Dtype::Bf16, tie, (1u64 << 60) as f32);
    check(Dtype::Bf16, tie + 1, ((1u64 << 60) + (1 << 53)) as f32);
    check(Dtype::Bf16, tie - 1, (1u64 << 60) as f32);
    assert_eq!(
        whole(Dtype::F16, 65_519),
        Rounded::F16(f16::MAX.to_le_bytes())
    );
    assert_eq!(whole(Dtype::F16, 65_520), Rounded::OutOfRange);
}

/// Returns true if neither neighbour of `found` is nearer to the decimal `text` than `found`
/// is. The distances are computed in `f64`.
fn is_nearest_f16(text: &str, found: f16) -> bool {
    let exact: f64 = text.parse().unwrap();
    let distance = |bits: u16| (f16::from_bits(bits).to_f64() - exact).abs();
    let bits = found.to_bits();
    let others = [bits.wrapping_sub(1), bits.wrapping_add(1)]
        .into_iter()
        .filter(|bits| f16::from_bits(*bits).is_finite());
    others
        .into_iter()
        .all(|other| distance(bits) <= distance(other))
}

proptest! {
    #[test]
    fn a_random_f32_comes_back_and_so_do_the_decimals_around_its_ties(bits in any::<u32>(), more in 0u32..100) {
        let number = f32::from_bits(bits);
        prop_assume!(number.is_finite() && number.next_up().is_finite());
        prop_assert_eq!(read(Dtype::F32, &format!("{number:e}")), Rounded::F32(number.to_le_bytes()));
        let tie = (f64::from(number) + f64::from(number.next_up())) / 2.0;
        let exact = format!("{tie:.160e}");
        let (digits, exponent) = exact.split_once('e').unwrap();
        for text in [exact.clone(), format!("{digits}{more}1e{exponent}"), format!("{tie:e}"), format!("{tie:.19e}")] {
            prop_assert_eq!(read(Dtype::F32, &text), finite_f32(text.parse().unwrap()), "{}", text);
        }
    }

    #[test]
    fn a_random_double_is_rounded_as_rust_does(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = format!("{number:e}");
        prop_assert_eq!(read(Dtype::F64, &text), Rounded::F64(number.to_le_bytes()));
        prop_assert_eq!(read(Dtype::F32, &text), finite_f32(text.parse().unwrap()));
    }

    #[test]
    fn halves_come_back_and_what_lies_between_goes_to_the_nearest(bits in any::<u16>(), part in 0.0f64..1.0) {
        let half = f16::from_bits(bits);
        prop_assume!(half.is_finite() && f16::from_bits(bits + 1).is_finite());
        prop_assert_eq!(read(Dtype::F16, &format!("{:e}", half.to_f64())), Rounded::F16(half.to_le_bytes()));
        let text = format!("{:e}", half.to_f64() + (f16::from_bits(bits + 1).to_f64() - half.to_f64()) * part);
        let Rounded::F16(found) = read(Dtype::F16, &text) else { return Err(TestCaseError::fail(text)) };
        prop_assert!(is_nearest_f16(&text, f16::from_le_bytes(found)), "{}", text);
        let brain = bf16::from_bits(bits);
        if brain.is_finite() {
            prop_assert_eq!(read(Dtype::Bf16, &format!("{:e}", brain.to_f64())), Rounded::F16(brain.to_le_bytes()));
        }
    }
}
