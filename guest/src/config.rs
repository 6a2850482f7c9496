//! The scorer's settings: `[config]` of `scorebox.toml`.
//!
//! Owns the reading of settings as typed values. Must not know where the host takes them from. The
//! settings are part of the container image, so do not put a secret into one.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::imports::config as wit;

pub use wit::Error;

/// Returns the value of the setting `name` as text, or `None` if the setting is not set.
///
/// ```
/// # use scorebox_guest::{config, testing::Host};
/// # let _host = Host::new().setting("best", "3").setting("wait", "90s").install();
/// assert_eq!(config::text("best").unwrap().as_deref(), Some("3"));
/// assert_eq!(config::text("worst").unwrap(), None);
/// ```
///
/// # Errors
/// Fails if the host cannot read the setting.
pub fn text(name: &str) -> Result<Option<String>, Error> {
    wit::get(name)
}

/// Returns the name and the value of each setting, sorted by name in byte order.
///
/// ```
/// # use scorebox_guest::{config, testing::Host};
/// # let _host = Host::new().setting("best", "3").setting("wait", "90s").install();
/// let names: Vec<_> = config::all().unwrap().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["best", "wait"]);
/// ```
///
/// # Errors
/// Fails if the host cannot read the settings.
pub fn all() -> Result<Vec<(String, String)>, Error> {
    wit::get_all()
}

/// Parses the value of the setting `name` as a number, or as another type that can be parsed from
/// text. Returns `None` if the setting is not set.
///
/// ```
/// # use scorebox_guest::{config, testing::Host};
/// # let _host = Host::new().setting("best", "3").setting("wait", "90s").install();
/// let best: usize = config::parsed("best").unwrap().unwrap_or(1);
/// assert_eq!(best, 3);
/// assert!(config::parsed::<usize>("wait").is_err());
/// ```
///
/// # Errors
/// Fails if the host cannot read the setting, or if its value cannot be parsed as `T` (code
/// `bad-setting`).
pub fn parsed<T: FromStr<Err: Display>>(name: &str) -> crate::Result<Option<T>> {
    let Some(text) = text(name)? else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|error| bad_setting(name, &text, &error))
}

/// Parses the value of the setting `name` as a length of time. Returns `None` if the setting is not
/// set.
///
/// The value is a whole number and a unit: `ms`, `s`, `m`, `h` or `d`, e.g. `90s`.
///
/// ```
/// # use scorebox_guest::{config, testing::Host};
/// # let _host = Host::new().setting("best", "3").setting("wait", "90s").install();
/// # use std::time::Duration;
/// assert_eq!(config::duration("wait").unwrap(), Some(Duration::from_secs(90)));
/// ```
///
/// # Errors
/// Fails if the host cannot read the setting, or if its value is not a length of time (code
/// `bad-setting`).
pub fn duration(name: &str) -> crate::Result<Option<Duration>> {
    let Some(text) = text(name)? else {
        return Ok(None);
    };
    match parse_duration(&text) {
        Some(duration) => Ok(Some(duration)),
        None => Err(bad_setting(
            name,
            &text,
            &"write a number and a unit, e.g. `90s`, `10m`, `1h`",
        )),
    }
}

fn bad_setting(name: &str, text: &str, why: &dyn Display) -> crate::Error {
    crate::Error::failed(
        "bad-setting",
        "the scorer has a setting that it cannot read",
    )
    .with_detail(format!(
        "`config.{name}` in scorebox.toml is `{text}`: {why}"
    ))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let ms_per_unit: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(ms_per_unit)
        .map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_need_a_unit() {
        let check = |text: &str, seconds: Option<f64>| {
            assert_eq!(
                parse_duration(text).map(|time| time.as_secs_f64()),
                seconds,
                "{text}"
            );
        };
        check("250ms", Some(0.25));
        check("90 s", Some(90.0));
        check("1h", Some(3600.0));
        check("2d", Some(172_800.0));
        check("60", None);
        check("h", None);
        check("1.5h", None);
        check("99999999999999999d", None);
    }
}
