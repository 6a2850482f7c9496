//! The section `[server]`: who may call the server.
//!
//! Owns the names of the environment variables that hold the keys of the server. Must not know a
//! key, or how a request carries one.

use scorebox_text::Problem;

use super::inputs::{section, shown};
use super::names;

/// Maximum number of keys of the server. A rotation needs two, and a team rarely has more than a
/// few callers.
const KEYS_MOST: usize = 16;

/// Section `[server]` of the manifest: the keys that callers of the server need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSection {
    /// Names of the environment variables that hold the keys of the server. Empty if calls need no
    /// key.
    pub key_variables: Vec<String>,
}

/// Reads the section `[server]` from the table of a `scorebox.toml`. Fails if `keys` is not a list
/// of 1 to 16 different texts `env:NAME`, each with the name of an environment variable, or if
/// `server` is not written as a section.
pub(super) fn server(table: &toml::Table) -> Result<ServerSection, Problem> {
    let mut server = ServerSection::default();
    // The keys were compared with the table of settings, so `keys` is the only one.
    for (_, value) in section(table, "server")? {
        let Some(keys) = value.as_array() else {
            return Err(wrong(&format!("{} is not a list", shown_kind(value))));
        };
        if keys.is_empty() || keys.len() > KEYS_MOST {
            return Err(wrong(&format!(
                "the list has {} entries, and not 1 to {KEYS_MOST}",
                keys.len()
            )));
        }
        for key in keys {
            // An entry stays out of the message, because it may be a key.
            let variable = key.as_str().and_then(|text| text.strip_prefix("env:"));
            match variable {
                Some(variable) if names::is_variable(variable) => {
                    if server.key_variables.iter().any(|known| known == variable) {
                        return Err(wrong(&format!("`env:{variable}` is listed twice")));
                    }
                    server.key_variables.push(variable.to_owned());
                }
                _ => {
                    return Err(wrong(
                        "an entry is not `env:` and the name of an environment variable",
                    ));
                }
            }
        }
    }
    Ok(server)
}

/// Returns the kind of a value for an error. A text is not shown, because it may be a key.
fn shown_kind(value: &toml::Value) -> String {
    match value {
        toml::Value::String(_) => "a text".to_owned(),
        value => shown(value),
    }
}

fn wrong(problem: &str) -> Problem {
    Problem::new(
        format!("`server.keys`: {problem}"),
        "write `keys = [\"env:SCOREBOX_KEY_1\", \"env:SCOREBOX_KEY_2\"]`, and set the variables where the host \
         runs: a key in the manifest would travel in the image",
    )
}
