//! The sections `[inputs.<name>]` and `[requests]`: facts about inputs beyond their types and
//! shapes, and how strictly JSON bodies are read.
//!
//! Owns these sections and their checks. Must not know the inputs that a scorer has, or how a
//! request is read. The sections are read from the parsed table, because a reader that serde
//! derives would make the host larger.

use std::collections::{BTreeMap, BTreeSet};

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::names;

/// Maximum number of sections `[inputs.<name>]`.
const INPUTS_MOST: usize = 1000;

/// Maximum number of names in `inputs.<name>.columns`.
const COLUMNS_MOST: usize = 10_000;

/// Maximum length of the name of an input or of a column, in bytes.
const LONGEST_NAME_BYTES: usize = 1024;

/// Facts about an input beyond its type and its shape: whether it takes missing values, whether it
/// takes booleans as numbers, and the names of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputFacts {
    /// True if an element of the input may be missing, which a JSON request writes as `null`. A
    /// missing element becomes NaN in an input of floating point, and the empty text in an input of
    /// texts.
    pub missing: bool,
    /// True if an input of numbers takes `true` and `false` as 1 and 0.
    pub boolean: bool,
    /// Names of the columns of the input, in order. The columns are the last dimension of the
    /// input. Empty if the columns have no names.
    pub columns: Vec<String>,
}

/// Section `[inputs.<name>]` of the manifest: the facts about an input that the manifest states.
/// For any other fact, the statement of the scorer or the default applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputSection {
    /// True if the input takes missing values, and false if it does not. `None` if the section does
    /// not have the key `missing`.
    pub missing: Option<bool>,
    /// True if an input of numbers takes `true` and `false` as 1 and 0, and false if it does not.
    /// `None` if the section does not have the key `boolean`.
    pub boolean: Option<bool>,
    /// Names of the input's columns, in order. Empty if the section does not have the key
    /// `columns`.
    pub columns: Vec<String>,
}

impl InputSection {
    /// Returns the facts about the input. `stated` holds the facts that the scorer states. A fact
    /// in this section replaces the scorer's, because the manifest belongs to one deployment, and
    /// several deployments may use the scorer.
    #[must_use]
    pub fn over(&self, stated: &InputFacts) -> InputFacts {
        let columns = match self.columns.is_empty() {
            true => &stated.columns,
            false => &self.columns,
        };
        InputFacts {
            missing: self.missing.unwrap_or(stated.missing),
            boolean: self.boolean.unwrap_or(stated.boolean),
            columns: columns.clone(),
        }
    }
}

/// Section `[requests]` of the manifest: how strictly the JSON bodies of requests are read, for all
/// inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// True if the words `NaN`, `Infinity` and `-Infinity`, which are not JSON, are accepted as
    /// numbers in JSON bodies.
    pub nan_literals: bool,
    /// True if a key of a row that is not the name of a column is ignored. If false, a row with
    /// such a key is refused.
    pub ignores_unknown_columns: bool,
}

/// Reads the sections `[inputs.<name>]` from the table of a `scorebox.toml`, by the name of the
/// input. Fails if there are more than `INPUTS_MOST` sections, if `inputs` or an entry of it is not
/// written as a section, or if a name or a value is not valid.
pub(super) fn inputs(table: &toml::Table) -> Result<BTreeMap<String, InputSection>, Problem> {
    let mut inputs = BTreeMap::new();
    for (name, section) in section(table, "inputs")? {
        let key = format!("inputs.{}", names::written(name));
        check_name(&key, name)?;
        let Some(section) = section.as_table() else {
            return Err(Problem::new(
                format!("`{key}` is a section, and not a setting"),
                format!("write a line `[{key}]`, and the keys of the section below that line"),
            ));
        };
        if inputs.len() == INPUTS_MOST {
            return Err(Problem::new(
                format!("there are more than {INPUTS_MOST} sections [inputs.<name>]"),
                "state the facts of a wide table as `columns` of one input",
            ));
        }
        let section = InputSection {
            missing: flag(section, &key, "missing")?,
            boolean: flag(section, &key, "boolean")?,
            columns: columns(section, &format!("{key}.columns"))?,
        };
        inputs.insert(name.clone(), section);
    }
    Ok(inputs)
}

/// Reads the section `[requests]` from the table of a `scorebox.toml`. Fails if `requests` is not
/// written as a section, if `nan_literals` is not a boolean, or if `unknown_columns` is neither
/// `refuse` nor `ignore`.
pub(super) fn requests(table: &toml::Table) -> Result<Requests, Problem> {
    let mut requests = Requests::default();
    for (name, value) in section(table, "requests")? {
        match (name.as_str(), value.as_str()) {
            ("unknown_columns", Some("refuse")) => {}
            ("unknown_columns", Some("ignore")) => requests.ignores_unknown_columns = true,
            ("unknown_columns", _) => {
                return Err(Problem::new(
                    format!(
                        "`requests.unknown_columns`: {} is neither \"refuse\" nor \"ignore\"",
                        shown(value)
                    ),
                    "write `unknown_columns = \"ignore\"`, or remove the line",
                ));
            }
            // The only other key is `nan_literals`, because the keys were compared with the table
            // of settings.
            _ => requests.nan_literals = boolean(value, "requests", name)?,
        }
    }
    Ok(requests)
}

/// Returns the keys and values of the section `name` of a `scorebox.toml`, and no keys if the file
/// does not have the section. Fails if `name` is not written as a section.
pub(super) fn section<'a>(
    table: &'a toml::Table,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a toml::Value)> + use<'a>, Problem> {
    let found = table.get(name);
    let section = found.and_then(toml::Value::as_table);
    if found.is_some() && section.is_none() {
        let header = if name == "inputs" {
            "inputs.NAME"
        } else {
            name
        };
        return Err(Problem::new(
            format!("`{name}` is not written as a section"),
            format!("write a line `[{header}]`, and the keys of the section below that line"),
        ));
    }
    Ok(section.into_iter().flatten())
}

/// Reads a truth value from a section. Returns `None` if the section does not have it.
pub(super) fn flag(section: &toml::Table, key: &str, name: &str) -> Result<Option<bool>, Problem> {
    let value = section.get(name);
    value.map(|value| boolean(value, key, name)).transpose()
}

pub(super) fn boolean(value: &toml::Value, section: &str, name: &str) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| {
        Problem::new(
            format!(
                "`{section}.{name}`: {} is neither true nor false",
                shown(value)
            ),
            format!("write `{name} = true`, or remove the line"),
        )
    })
}

/// Reads a text from a section. Returns `None` if the section does not have it. `key` is the name
/// of the section, for the error.
#[cfg(feature = "scripts")]
pub(super) fn text<'a>(
    section: &'a toml::Table,
    key: &str,
    name: &str,
) -> Result<Option<&'a str>, Problem> {
    let Some(value) = section.get(name) else {
        return Ok(None);
    };
    value.as_str().map(Some).ok_or_else(|| {
        Problem::new(
            format!("`{key}.{name}`: {} is not a text", shown(value)),
            format!("write `{name} = \"…\"`, or remove the line"),
        )
    })
}

/// Reads the names of columns from a section `[inputs.<name>]`. Returns no names if the section
/// does not have them. Fails if the value is not a list of at least one valid name. `key` is the
/// full name of the setting, for the error.
fn columns(section: &toml::Table, key: &str) -> Result<Vec<String>, Problem> {
    let Some(value) = section.get("columns") else {
        return Ok(Vec::new());
    };
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        let problem = format!("{} is not a list of names", shown(value));
        return Err(wrong_columns(key, &problem));
    };
    let mut columns = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = item.as_str() else {
            let problem = format!("{} is not a text", shown(item));
            return Err(wrong_columns(key, &problem));
        };
        columns.push(name.to_owned());
    }
    check_columns(key, &columns)?;
    Ok(columns)
}

/// Checks the names of the columns of an input, as a manifest or a scorer states them. `key` is the
/// full name of the setting or of the fact, for the error.
///
/// # Errors
/// Fails if there are more than 10,000 names, or if a name is empty, occurs twice, has more than
/// 1024 bytes, or has a line feed or another control character.
pub fn check_columns(key: &str, names: &[String]) -> Result<(), Problem> {
    if names.len() > COLUMNS_MOST {
        let problem = format!("{} names are more than {COLUMNS_MOST}", names.len());
        return Err(wrong_columns(key, &problem));
    }
    let mut seen = BTreeSet::new();
    for name in names {
        check_name(key, name)?;
        if !seen.insert(name.as_str()) {
            let problem = format!("there are two columns `{}`", quoted(name, NAME_BYTES));
            return Err(wrong_columns(key, &problem));
        }
    }
    Ok(())
}

fn wrong_columns(key: &str, problem: &str) -> Problem {
    let fix =
        "name each column once, in the order of the matrix, e.g. `columns = [\"age\", \"income\"]`";
    Problem::new(format!("`{key}`: {problem}"), fix)
}

/// Checks the name of an input or of a column. Fails if the name is empty or too long, or has a
/// control character. `key` is the setting that holds the name, for the error.
fn check_name(key: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Problem::new(
            format!("`{key}`: a name is empty"),
            "write the name that callers use, e.g. `age`",
        ));
    }
    names::line(key, name, LONGEST_NAME_BYTES)
}

/// Returns a value of `scorebox.toml` as an error message shows it: cut and escaped, and without
/// the content of a list or a table.
pub(super) fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(items) => format!("a list of {}", items.len()),
        toml::Value::Table(_) => "a table".to_owned(),
        value => quoted(&value.to_string(), NAME_BYTES),
    }
}
