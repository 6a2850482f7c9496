//! Lengths of time on the command line: numbers of seconds or minutes with a minimum and a maximum.
//!
//! Owns their parser and its errors. Must not know which commands take a length of time.

use std::num::ParseFloatError;
use std::ops::RangeInclusive;

/// Reason why a text on the command line is not a valid length of time.
#[derive(Debug, thiserror::Error)]
pub enum LengthError {
    /// The text is not a number.
    #[error("not a number of {unit}, e.g. {example} or 0.5")]
    NotANumber {
        /// Unit of the length, e.g. `seconds`.
        unit: &'static str,
        /// Whole number that the message shows as an example.
        example: u32,
        /// Error of the parser for numbers.
        source: ParseFloatError,
    },
    /// The length is out of bounds or not finite.
    #[error("not between {least} and {most}")]
    OutOfBounds {
        /// Minimum of the length, in the unit of the command-line argument.
        least: f64,
        /// Maximum of the length, in the unit of the command-line argument.
        most: f64,
    },
}

/// Parses a length of time that must be within `bounds`. The error message shows `unit`, the unit
/// of the length, and the number `example`. Fails if the text is not a number within the bounds.
pub fn parse(
    text: &str,
    unit: &'static str,
    example: u32,
    bounds: RangeInclusive<f64>,
) -> Result<f64, LengthError> {
    let length: f64 = text.parse().map_err(|source| LengthError::NotANumber {
        unit,
        example,
        source,
    })?;
    if bounds.contains(&length) {
        return Ok(length);
    }
    let (least, most) = bounds.into_inner();
    Err(LengthError::OutOfBounds { least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_within_its_bounds() {
        let parse = |text: &str| {
            parse(text, "minutes", 20, 0.05..=1440.0).map_err(|error| error.to_string())
        };
        assert_eq!(parse("0.05"), Ok(0.05));
        assert_eq!(parse("1440"), Ok(1440.0));
        let number = "not a number of minutes, e.g. 20 or 0.5".to_owned();
        assert_eq!(parse("soon"), Err(number));
        for text in ["0", "1440.1", "-1", "NaN", "inf"] {
            let bounds = "not between 0.05 and 1440".to_owned();
            assert_eq!(parse(text), Err(bounds), "{text}");
        }
    }
}
