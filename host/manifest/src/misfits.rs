//! Errors of a file that is TOML and not a manifest: unknown keys, and values of a wrong type.
//!
//! Owns the search for a key in the table of settings, and the name of the setting in each of these
//! errors. Must not know which values a setting accepts.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::names;
use super::settings::{SETTINGS, Setting};

/// Sections that `scorebox.toml` may have several times, so that their headers have double
/// brackets.
const REPEATED: [&str; 2] = ["trigger", "packaged.file"];

/// Finds the first key of `scorebox.toml` that is not a setting. Returns the problem and its fix,
/// or `None` if all keys are settings.
pub(super) fn unknown_key(table: &toml::Table) -> Option<Problem> {
    let keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
    let Unknown { key, kind } = find_unknown(table, &keys, &mut Vec::new())?;
    let shown = quoted(&key, NAME_BYTES);
    let nearest = match kind {
        Kind::Setting => {
            let keys = SETTINGS.iter().map(|setting| setting.key);
            nearest(&key, keys).to_owned()
        }
        Kind::Section => header(nearest(&key, sections())),
        Kind::SectionAsValue => {
            let problem = format!("`{shown}` is a section, and not a setting");
            return Some(Problem::new(problem, section_fix(&shown)));
        }
    };
    Some(Problem::new(
        format!("`{shown}` is not a setting"),
        format!("the nearest is `{nearest}`; `scorebox check --explain` lists them all"),
    ))
}

/// Converts the error of serde for a `scorebox.toml` whose keys are all settings, but in which a
/// value has a wrong type or a key is missing. The returned problem names the line and, if serde
/// names a known setting, this setting and the form of its value.
pub(super) fn wrong_type(mut error: toml::de::Error) -> Problem {
    let message = error.message().to_owned();
    let shown = error.to_string();
    let shown = shown.trim_end();
    let place = shown.strip_suffix(&message).unwrap_or_default();
    // Without the text of the file, the message of the error ends with the key.
    error.set_input(None);
    let with_key = error.to_string();
    let key = with_key
        .trim_end()
        .rsplit_once("\nin `")
        .and_then(|(_, key)| key.strip_suffix('`'));
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|field| field.strip_suffix('`'));
    let path: Vec<_> = key
        .into_iter()
        .flat_map(|key| key.split('.'))
        .chain(missing)
        .collect();
    let key = path.join(".");
    let fix = match find(&path) {
        Some(setting) => format!(
            "give it this form: {}{}; `scorebox check --explain` lists every key",
            setting.form,
            example(setting)
        ),
        None if is_section(&path) => section_fix(&quoted(&key, NAME_BYTES)),
        None => "see `scorebox check --explain` for every key, its form and its default".to_owned(),
    };
    let problem = format!("{place}{}", plain(&message));
    if key.is_empty() {
        return Problem::new(problem, fix);
    }
    let key = quoted(&key, NAME_BYTES);
    Problem::new(format!("`{key}`: {problem}"), fix)
}

/// Returns a message of the TOML parser in which plain words replace the names of this program's
/// types.
fn plain(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "i64" => "a whole number",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "a map" => "a table",
        name if name.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// Returns an example of a setting for an error message: the default, as it is written in
/// `scorebox.toml`. Returns an empty text if the setting does not have a default.
fn example(setting: &Setting) -> String {
    let Setting {
        key, form, default, ..
    } = setting;
    if default.is_empty() {
        return String::new();
    }
    let name = key.rsplit('.').next().unwrap_or(key);
    // A time or a size is a text, even if it is 0.
    let is_text = ["time", "size"].iter().any(|word| form.starts_with(word));
    let line = format!("{name} = {default}");
    if is_text || line.parse::<toml::Table>().is_err() {
        format!(", e.g. `{name} = \"{default}\"`")
    } else {
        format!(", e.g. `{line}`")
    }
}

/// Name in `scorebox.toml` that is not the name of a setting or a section.
struct Unknown {
    /// Full name of the key or section, such as `limits.memroy`.
    key: String,
    kind: Kind,
}

/// Kind of an unknown name in `scorebox.toml`. The kind determines what the author may have meant.
#[derive(Clone, Copy)]
enum Kind {
    /// The unknown name is written as a key with a value.
    Setting,
    /// The unknown name is written as the header of a section that does not have keys.
    Section,
    /// The name of a known section is written as a key with a value, e.g. `limits = 5`. Such a key
    /// is an error of its own, because serde would accept a date there as an empty section.
    SectionAsValue,
}

/// Finds the first unknown name in a table. `path` has the names of the sections that contain the
/// table. `keys` has the keys of the settings in these sections, without the names of the sections.
///
/// Every start of the host runs this search. It compares a name only with the settings of its own
/// section, because a comparison of each name with all settings would take a tenth of the
/// instructions of a start.
fn find_unknown(
    table: &toml::Table,
    keys: &[&'static str],
    path: &mut Vec<String>,
) -> Option<Unknown> {
    for (name, value) in table {
        path.push(name.clone());
        let named = keys.iter().filter_map(|key| after(key, name));
        let inner_keys: Vec<_> = named.clone().flatten().collect();
        let (is_section, is_setting) = (
            !inner_keys.is_empty(),
            named.into_iter().any(|rest| rest.is_none()),
        );
        let unknown = |kind: Kind, path: &[String]| {
            let parts: Vec<_> = path.iter().map(|name| names::written(name)).collect();
            let key = parts.join(".");
            Some(Unknown { key, kind })
        };
        let found = match value {
            // The value of `scorer.component` may be a table, whose keys are not in the table of
            // settings. The reader of `[scorer]` checks these keys.
            _ if path.join(".") == "scorer.component" => None,
            toml::Value::Table(inner) if !inner.is_empty() => {
                find_unknown(inner, &inner_keys, path)
            }
            toml::Value::Table(_) if is_section || is_setting => None,
            toml::Value::Table(_) => unknown(Kind::Section, path),
            toml::Value::Array(items)
                if items.iter().all(toml::Value::is_table) && !items.is_empty() =>
            {
                let mut tables = items.iter().filter_map(toml::Value::as_table);
                match tables.find_map(|inner| find_unknown(inner, &inner_keys, path)) {
                    None if !is_section && !is_setting => unknown(Kind::Section, path),
                    found => found,
                }
            }
            _ if is_setting => None,
            _ if is_section => unknown(Kind::SectionAsValue, path),
            _ => unknown(Kind::Setting, path),
        };
        if found.is_some() {
            return found;
        }
        path.pop();
    }
    None
}

/// Returns the names of all sections of `scorebox.toml`: each beginning of a setting's key that
/// ends before a dot.
fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().flat_map(|setting| {
        let dots = setting.key.match_indices('.');
        dots.filter_map(|(dot, _)| setting.key.get(..dot))
    })
}

/// Returns the name among `names` that is most similar to `wanted`. Returns an empty text if there
/// are no names.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> &'a str {
    let mut nearest = ("", f64::NEG_INFINITY);
    for name in names {
        let similarity = strsim::jaro_winkler(name, wanted);
        if similarity >= nearest.1 {
            nearest = (name, similarity);
        }
    }
    nearest.0
}

/// Returns the name among `names` that is most similar to `wanted`, if it is so similar that
/// `wanted` may be a misspelling of it. Otherwise returns `None`. The case of letters is ignored.
pub fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The similarity of `age` and `ages` is 0.94, and that of `width` and `height` is 0.59.
    const LEAST: f64 = 0.75;
    let wanted = wanted.to_lowercase();
    let mut near = (None, LEAST);
    for name in names {
        let similarity = strsim::jaro_winkler(&name.to_lowercase(), &wanted);
        if similarity >= near.1 {
            near = (Some(name), similarity);
        }
    }
    near.0
}

/// Returns the fix that says how to write `section` as a section of `scorebox.toml`.
fn section_fix(section: &str) -> String {
    format!(
        "write a line `{}`, and the keys of the section below that line",
        header(section)
    )
}

/// Returns the header of a section: the line with which the section begins in `scorebox.toml`.
fn header(section: &str) -> String {
    if REPEATED.contains(&section) {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    }
}

/// Returns true if `path` is the path of a section: the key of some setting begins with this path
/// and has further parts.
fn is_section(path: &[impl AsRef<str>]) -> bool {
    SETTINGS
        .iter()
        .any(|setting| rest(setting, path).is_some_and(|rest| rest > 0))
}

/// Returns the setting whose key has the parts `path`, or `None` if there is no such setting.
fn find(path: &[impl AsRef<str>]) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .find(|setting| rest(setting, path) == Some(0))
}

/// Returns the number of parts of a setting's key that follow after the parts `path`. A part
/// `<name>` of the key is equal to every name. Returns `None` if the key does not begin with the
/// parts `path`.
fn rest(setting: &Setting, path: &[impl AsRef<str>]) -> Option<usize> {
    let mut key = Some(setting.key);
    for name in path {
        key = after(key?, name.as_ref())?;
    }
    Some(key.map_or(0, |key| key.split('.').count()))
}

/// Removes the first part of a key, which must be `name` or `<name>`. Returns the parts that
/// follow, or `Some(None)` if this part was the last one. Returns `None` if the first part is a
/// different one.
fn after<'key>(key: &'key str, name: &str) -> Option<Option<&'key str>> {
    let end_of_part = |rest: &'key str| match rest {
        "" => Some(None),
        _ => rest.strip_prefix('.').map(Some),
    };
    // A quoted name in TOML may contain dots, and is still one part.
    let same = key.strip_prefix(name).filter(|_| !name.contains('.'));
    same.and_then(end_of_part)
        .or_else(|| key.strip_prefix("<name>").and_then(end_of_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_if_it_may_be_misspelled() {
        for (wanted, expected) in [
            ("ages", Some("age")),
            ("AGE", Some("age")),
            ("widht", Some("width")),
            ("height", None),
            ("days", None),
            ("", None),
        ] {
            assert_eq!(near(wanted, ["age", "width"]), expected, "{wanted}");
        }
    }

    #[test]
    fn a_path_is_compared_with_a_key_part_by_part() {
        #[track_caller]
        fn check(path: &[&str], section: bool, setting: bool) {
            assert_eq!((is_section(path), find(path).is_some()), (section, setting));
        }
        check(&["limits"], true, false);
        check(&["limits", "memory"], false, true);
        check(&["limits", "memo"], false, false);
        check(&["limits", "memory", "more"], false, false);
        check(&["limits.memory"], false, false);
        check(&["stores", "a.b"], true, false);
        check(&["stores", "", "url"], false, true);
        check(&["stores", "url", "url"], false, true);
        check(&["stores", "a", "u"], false, false);
        check(&[""], false, false);
    }

    #[test]
    fn every_example_is_toml() {
        for setting in SETTINGS {
            let example = example(setting);
            let Some(line) = example.strip_prefix(", e.g. `") else {
                assert_eq!((example.as_str(), setting.default), ("", ""));
                continue;
            };
            let line = line.strip_suffix('`').unwrap();
            assert!(line.parse::<toml::Table>().is_ok(), "{line}");
        }
        let claim = find(&["prediction_cache", "claim"]).unwrap();
        assert_eq!(example(claim), ", e.g. `claim = \"0\"`");
    }
}
