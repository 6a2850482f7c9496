//! The section `[contract]`: unstable features of the contract between host and scorer that a
//! scorer may use.
//!
//! Owns the names of the features that were unstable in an earlier version. Must not know what a
//! feature did, or which scorer used it. The current version of the contract has no unstable
//! feature.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::inputs::{section, shown};

/// Checks the key `unstable` of the section `[contract]` in the table of a `scorebox.toml`. Fails
/// if the key has another value than an empty list, or if `contract` is not written as a section.
pub(super) fn check_unstable(table: &toml::Table) -> Result<(), Problem> {
    // The keys were compared with the table of settings, so `unstable` is the only one.
    for (_, value) in section(table, "contract")? {
        let Some(features) = value.as_array() else {
            return Err(wrong(&format!(
                "{} is not a list of features",
                shown(value)
            )));
        };
        if let Some(feature) = features.first() {
            return Err(match feature.as_str() {
                Some("inputs") => Problem::new(
                    "`contract.unstable`: `inputs` is not unstable any more",
                    "remove the line, and build the scorer against scorebox:scoring@0.2.0, whose signature \
                     states facts about inputs",
                ),
                Some(other) => wrong(&format!(
                    "`{}` is not an unstable feature",
                    quoted(other, NAME_BYTES)
                )),
                None => wrong(&format!("{} is not a text", shown(feature))),
            });
        }
    }
    Ok(())
}

fn wrong(problem: &str) -> Problem {
    Problem::new(
        format!("`contract.unstable`: {problem}"),
        "remove the line: this version of the contract has no unstable feature",
    )
}
