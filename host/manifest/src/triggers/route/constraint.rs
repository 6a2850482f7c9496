//! Constraints on the values of route parameters, such as `int` and `range(1,12)`.
//!
//! Owns the constraints of ASP.NET: how each is written, and which values satisfy it. Must not know
//! templates.

use scorebox_text::{NAME_BYTES, Problem, quoted};

/// Constraint on the value of a route parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// `alpha`: Latin letters.
    Alpha,
    /// `bool`: `true` or `false`.
    Bool,
    /// `decimal`: a number without an exponent.
    Decimal,
    /// `double` or `float`: a number, which may have an exponent.
    Float,
    /// `file`, a name with an extension, if the field is true. `nonfile`, a name without an
    /// extension, if it is false.
    File(bool),
    /// `guid`: a UUID.
    Guid,
    /// `int`: a whole number of 32 bits.
    Int,
    /// `length(6)`, `length(2,6)`, `minlength(2)` and `maxlength(6)`: the least and the greatest
    /// number of UTF-16 units.
    Length(u64, u64),
    /// `long`, `min(1)`, `max(12)` and `range(1,12)`: the least and the greatest whole number.
    Range(i64, i64),
    /// `required`: any text that is not empty.
    Required,
    /// `datetime` and `regex(…)`: not checked by Scorebox, because only .NET defines which values
    /// fit. The text is the constraint as it was written.
    Unchecked(String),
}

impl Constraint {
    /// Parses a constraint, with its arguments in parentheses.
    ///
    /// # Errors
    /// Fails if ASP.NET does not have this constraint, or does not accept these arguments for it.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').unwrap_or(rest))),
            None => (text, None),
        };
        let number = |text: Option<&str>| text?.trim().parse::<i64>().ok();
        let count = |text: Option<&str>| text?.trim().parse::<i32>().ok()?.try_into().ok();
        let one = arguments.filter(|text| !text.contains(','));
        let two = arguments.and_then(|text| text.split_once(','));
        let (first, second) = (two.map(|two| two.0), two.map(|two| two.1));
        let found = match (name.to_ascii_lowercase().as_str(), arguments.is_some()) {
            ("alpha", false) => Some(Self::Alpha),
            ("bool", false) => Some(Self::Bool),
            ("decimal", false) => Some(Self::Decimal),
            ("double" | "float", false) => Some(Self::Float),
            ("file", false) => Some(Self::File(true)),
            ("nonfile", false) => Some(Self::File(false)),
            ("guid", false) => Some(Self::Guid),
            ("int", false) => Some(Self::Int),
            ("long", false) => Some(Self::Range(i64::MIN, i64::MAX)),
            ("required", false) => Some(Self::Required),
            ("datetime", false) | ("regex", true) => Some(Self::Unchecked(text.to_owned())),
            ("min", true) => number(one).map(|least| Self::Range(least, i64::MAX)),
            ("max", true) => number(one).map(|most| Self::Range(i64::MIN, most)),
            ("range", true) => match (number(first), number(second)) {
                (Some(least), Some(most)) if least <= most => Some(Self::Range(least, most)),
                _ => None,
            },
            ("minlength", true) => count(one).map(|least| Self::Length(least, u64::MAX)),
            ("maxlength", true) => count(one).map(|most| Self::Length(0, most)),
            ("length", true) => match (count(one), count(first), count(second)) {
                (Some(exact), ..) => Some(Self::Length(exact, exact)),
                (None, Some(least), Some(most)) if least <= most => Some(Self::Length(least, most)),
                _ => None,
            },
            _ => None,
        };
        found.ok_or_else(|| {
            Problem::new(
                format!("`{}` is not a constraint", quoted(text, NAME_BYTES)),
                "use int, long, decimal, double, float, bool, guid, alpha, min(1), max(9), range(1,9), length(3), \
                 minlength(1), maxlength(9), required, file or nonfile",
            )
        })
    }

    /// Returns true if a value satisfies the constraint. Any value satisfies a constraint that is
    /// not checked.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Alpha => value.bytes().all(|b| b.is_ascii_alphabetic()),
            Self::Bool => {
                let value = value.trim();
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
            }
            Self::Decimal => is_number(value, false),
            Self::Float => is_number(value, true),
            Self::File(is_file) => is_file_name(value) == *is_file,
            Self::Guid => is_guid(value.trim()),
            Self::Int => value.trim().parse::<i32>().is_ok(),
            Self::Length(least, most) => {
                let units = value.encode_utf16().count() as u64;
                (*least..=*most).contains(&units)
            }
            Self::Range(least, most) => {
                let number = value.trim().parse::<i64>();
                number.is_ok_and(|number| (*least..=*most).contains(&number))
            }
            Self::Required => !value.is_empty(),
            Self::Unchecked(_) => true,
        }
    }
}

/// Returns true for a number as .NET writes and reads it with the invariant culture: a sign, digits
/// with or without commas, a fraction and, if `has_exponent` is true, an exponent. If
/// `has_exponent` is true, also returns true for `NaN`, `Infinity` and `-Infinity`.
fn is_number(text: &str, has_exponent: bool) -> bool {
    let text = text.trim();
    if has_exponent && matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) if has_exponent => (number, Some(exponent)),
        _ => (text, None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_whole =
        whole.bytes().all(|b| b.is_ascii_digit() || b == b',') && !whole.starts_with(',');
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    is_whole
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

/// Returns true for a UUID: 32 hexadecimal digits without hyphens, or with the four usual hyphens.
/// A UUID with hyphens may be in braces or parentheses.
fn is_guid(text: &str) -> bool {
    let inner = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
    let enclosed = inner('{', '}').or_else(|| inner('(', ')'));
    let text = enclosed.unwrap_or(text);
    let is_hex = |b: u8| b.is_ascii_hexdigit();
    match text.len() {
        32 => enclosed.is_none() && text.bytes().all(is_hex),
        36 => text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => is_hex(b),
        }),
        _ => false,
    }
}

/// Returns true if the last segment of a path has a dot, and after it a character that is not a
/// dot.
fn is_file_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.split_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|text| text.contains(|c: char| c != '.'))
}
