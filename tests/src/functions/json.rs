//! JSON as the library of the Functions host (Newtonsoft.Json) reads and writes it.
//!
//! Owns the order of members, which stays as it was written, and the forms of dates, numbers and
//! booleans. Must not know answers or bindings.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value, as the Functions host holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// The value null.
    Null,
    /// The value true or false.
    Truth(bool),
    /// A number with any digits.
    Number(Number),
    /// A text that is not a date.
    Text(String),
    /// A text that the library reads as a date.
    Date(String),
    /// A list of values.
    List(Vec<Json>),
    /// An object: the names and the values of its members, in the order in which they were written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a JSON document.
    ///
    /// # Errors
    /// Fails if the text is not JSON. The error says where.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Returns the text. Returns `None` if the value is not a text, or if it is a date.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the members of an object. Returns `None` if the value is not an object.
    #[must_use]
    pub fn members(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the member of an object with the name `name`, which is case-sensitive.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let mut members = self.members()?.iter();
        members
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    /// Returns the member of an object with the name `name`, in whatever case, unless it is null.
    #[must_use]
    pub fn any_case(&self, name: &str) -> Option<&Self> {
        let mut members = self.members()?.iter();
        let found = members.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Self::Null)
    }

    /// Returns the text that .NET shows for the value: a text unchanged, a date in the American
    /// form, a boolean with a capital letter, and anything else as JSON with line breaks.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Truth(true) => "True".to_owned(),
            Self::Truth(false) => "False".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Date(text) => shown_date(text),
            Self::Number(_) | Self::List(_) | Self::Object(_) => self.written(Some(0)),
        }
    }

    /// Returns the JSON of the value, without white space.
    #[must_use]
    pub fn compact(&self) -> String {
        self.written(None)
    }

    /// Returns the JSON of the value. `depth` is the number of levels around the value if the JSON
    /// has line breaks, and `None` if it does not have them.
    fn written(&self, depth: Option<usize>) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Truth(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => quoted(text),
            Self::Date(text) => quoted(&written_date(text)),
            Self::List(values) => {
                let items = values
                    .iter()
                    .map(|value| value.written(depth.map(|d| d + 1)));
                enclosed("[", items, "]", depth)
            }
            Self::Object(members) => {
                let colon = if depth.is_some() { ": " } else { ":" };
                let items = members.iter().map(|(name, value)| {
                    let value = value.written(depth.map(|depth| depth + 1));
                    format!("{}{colon}{value}", quoted(name))
                });
                enclosed("{", items, "}", depth)
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

fn enclosed(
    open: &str,
    items: impl Iterator<Item = String>,
    close: &str,
    depth: Option<usize>,
) -> String {
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    let mut written = open.to_owned();
    let mut is_empty = true;
    for item in items {
        let comma = if is_empty { "" } else { "," };
        let before = depth.map(|depth| line(depth + 1)).unwrap_or_default();
        let _ = write!(written, "{comma}{before}{item}");
        is_empty = false;
    }
    if let Some(depth) = depth.filter(|_| !is_empty) {
        written.push_str(&line(depth));
    }
    written + close
}

/// Returns true if a text has the form `2024-05-01T12:34:56`, with or without a fraction and a time
/// zone.
fn is_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let rest = rest
        .strip_prefix('.')
        .map_or(rest, |fraction| fraction.trim_start_matches('0'));
    matches!(rest, "" | "Z" | "+00:00" | "-00:00")
}

/// Note in place of the time zone of a date. The Functions host converts such a date to the time
/// zone of its machine, so no test may rely on the result.
const ANOTHER_ZONE: &str = " in another zone";

/// Splits a date into its time, with the fraction, and its time zone. A zone in digits is replaced
/// by the note [`ANOTHER_ZONE`].
fn split_date(text: &str) -> (&str, &str) {
    let zone = text
        .find(['Z', '+'])
        .or(text.rfind('-').filter(|at| *at > 10))
        .unwrap_or(text.len());
    let (time, zone) = text.split_at(zone);
    (time, if zone.len() > 1 { ANOTHER_ZONE } else { zone })
}

/// Returns a date as it is written in JSON: without zeros at the end of a fraction.
fn written_date(text: &str) -> String {
    let (time, zone) = split_date(text);
    let time = match time.contains('.') {
        true => time.trim_end_matches('0').trim_end_matches('.'),
        false => time,
    };
    format!("{time}{zone}")
}

/// Returns a date as .NET shows it, such as `11/26/2026 10:00:00`.
fn shown_date(text: &str) -> String {
    let (time, zone) = split_date(text);
    let (year, month, day) = (&time[..4], &time[5..7], &time[8..10]);
    let note = if zone == ANOTHER_ZONE { zone } else { "" };
    format!("{month}/{day}/{year} {}{note}", &time[11..19])
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Truth(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?;
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        let make = if is_date(value) {
            Json::Date
        } else {
            Json::Text
        };
        Ok(make(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            // The last of two members with one name counts.
            match object.iter_mut().find(|(other, _)| *other == name) {
                Some((_, earlier)) => *earlier = value,
                None => object.push((name, value)),
            }
        }
        Ok(Json::Object(object))
    }
}
