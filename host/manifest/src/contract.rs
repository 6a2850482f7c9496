//! The section `[contract]`: unstable features of the contract between host and scorer that a
//! scorer may use.
//!
//! Owns the names of the features. Must not know what a feature does, or which scorer uses it.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::inputs::{section, shown};

/// Section `[contract]` of the manifest: the unstable features of the contract that the scorer may
/// use. Every feature is off by default, because the next version of the host may change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unstable {
    /// True if the scorer may export the interface `inputs`, which states facts about its inputs.
    pub inputs: bool,
}

/// Reads the key `unstable` of the section `[contract]` from the table of a `scorebox.toml`. Fails
/// if the key is not a list of the names of unstable features, or if `contract` is not written as a
/// section.
pub(super) fn unstable(table: &toml::Table) -> Result<Unstable, Problem> {
    let mut unstable = Unstable::default();
    // The keys were compared with the table of settings, so `unstable` is the only one.
    for (_, value) in section(table, "contract")? {
        let Some(features) = value.as_array() else {
            return Err(wrong(&format!(
                "{} is not a list of features",
                shown(value)
            )));
        };
        for feature in features {
            match feature.as_str() {
                Some("inputs") => unstable.inputs = true,
                Some(other) => {
                    let other = quoted(other, NAME_BYTES);
                    return Err(wrong(&format!("`{other}` is not an unstable feature")));
                }
                None => return Err(wrong(&format!("{} is not a text", shown(feature)))),
            }
        }
    }
    Ok(unstable)
}

fn wrong(problem: &str) -> Problem {
    Problem::new(
        format!("`contract.unstable`: {problem}"),
        "write `unstable = [\"inputs\"]`, which is the only feature of this version, or remove the line",
    )
}
