//! The inputs and outputs of a converted graph, as the report and the manifest state them.
//!
//! Owns the text that describes them, and the section `[inputs.NAME]` of the manifest, which has
//! the facts about an input beyond its type and its shape. Must not know how these facts were
//! found.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Maximum number of sections `[inputs.NAME]` that a host accepts in a manifest. Further sections
/// are left out, so that the host accepts the manifest. The inputs without a section refuse missing
/// values and booleans.
const SECTIONS_MOST: usize = 1000;
/// Maximum number of column names of one input in the text output. Further names are replaced by
/// `...`.
const SHOWN_MOST: usize = 12;

/// One input or output of a converted graph.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) name: String,
    dtype: String,
    shape: Vec<Option<u64>>,
    /// True if an element of the input may be missing. `None` for an output, and for an input of a
    /// copied graph if this is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<bool>,
    /// True if the input takes `true` and `false` as 1 and 0. `None` for an output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boolean: Option<bool>,
    /// Names of the columns of an input that is a matrix, in order. `None` if the columns have no
    /// names, and for an output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
}

impl Port {
    /// Returns the content of the section `[inputs.NAME]` of the manifest for this input. The
    /// section is empty if nothing is known about the input beyond its type and its shape.
    fn section(&self) -> toml::Table {
        let mut section = toml::Table::new();
        if self.missing == Some(true) {
            section.insert("missing".to_owned(), true.into());
        }
        if self.boolean == Some(true) {
            section.insert("boolean".to_owned(), true.into());
        }
        if let Some(columns) = &self.columns {
            section.insert("columns".to_owned(), columns.clone().into());
        }
        section
    }

    /// Returns a description of the input or the output in one line, for people to read, e.g. `age
    /// f32 [N, 1], may be missing`.
    fn shown(&self) -> String {
        let sizes: Vec<String> = self
            .shape
            .iter()
            .map(|size| size.map_or_else(|| "N".to_owned(), |size| size.to_string()))
            .collect();
        let mut text = format!("{} {} [{}]", self.name, self.dtype, sizes.join(", "));
        if let Some(columns) = &self.columns {
            let names: Vec<&str> = columns
                .iter()
                .map(String::as_str)
                .take(SHOWN_MOST)
                .collect();
            let rest = if columns.len() > SHOWN_MOST {
                ", ..."
            } else {
                ""
            };
            text.push_str(&format!(" of {}{rest}", names.join(", ")));
        }
        let may_be = [
            (self.missing, "may be missing"),
            (self.boolean, "true and false"),
        ];
        for (_, words) in may_be.iter().filter(|(said, _)| *said == Some(true)) {
            text.push_str(&format!(", {words}"));
        }
        text
    }
}

/// Returns a description of all inputs or all outputs of a graph in one line, for people to read.
/// Semicolons separate the inputs or outputs.
pub(super) fn shown(ports: &[Port]) -> String {
    let shown: Vec<String> = ports.iter().map(Port::shown).collect();
    shown.join("; ")
}

/// Returns the sections `[inputs.NAME]` of the manifest, by the name of the input. Inputs with an
/// empty section are left out, and so are the sections after the first `SECTIONS_MOST`.
pub(super) fn sections(inputs: &[Port]) -> toml::Table {
    let mut sections = toml::Table::new();
    for port in inputs {
        let section = port.section();
        if !section.is_empty() && sections.len() < SECTIONS_MOST {
            sections.insert(port.name.clone(), section.into());
        }
    }
    sections
}

/// Returns a warning about the inputs whose section `[inputs.NAME]` is left out because a host
/// accepts only a limited number of sections. Returns `None` if no section is left out.
pub(super) fn warning(inputs: &[Port]) -> Option<String> {
    let wanted = inputs.iter().filter(|port| !port.section().is_empty());
    let left_out = wanted.skip(SECTIONS_MOST).count();
    (left_out > 0).then(|| {
        format!(
            "scorebox.toml has facts about the first {SECTIONS_MOST} inputs only, the most that it may \
             have; the other {left_out} refuse missing values, true and false"
        )
    })
}

/// Converts a JSON value to text: a string to its content, and any other value to its JSON.
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port(value: Value) -> Port {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn inputs_beyond_the_most_sections_are_said() {
        let some = |count: usize| -> Vec<Port> {
            let input = |index| json!({"name": format!("c{index}"), "dtype": "f32", "shape": [null, 1], "missing": true});
            (0..count).map(|index| port(input(index))).collect()
        };
        assert_eq!(warning(&some(SECTIONS_MOST)), None);
        let inputs = some(SECTIONS_MOST + 2);
        assert_eq!(sections(&inputs).len(), SECTIONS_MOST);
        let warning = warning(&inputs).unwrap();
        assert!(
            warning.contains("the other 2 refuse missing values"),
            "{warning}"
        );
    }

    #[test]
    fn inputs_are_shown_with_what_they_take() {
        let age = json!({"name": "age", "dtype": "f32", "shape": [null, 1], "missing": true, "boolean": false, "columns": null});
        let wide: Vec<String> = (0..20).map(|index| format!("c{index}")).collect();
        let matrix = json!({"name": "X", "dtype": "f64", "shape": [null, 20], "missing": false, "boolean": true, "columns": wide});
        let label = json!({"name": "label", "dtype": "i64", "shape": [null]});
        let ports = [port(age), port(matrix), port(label)];
        assert_eq!(
            shown(&ports),
            "age f32 [N, 1], may be missing; X f64 [N, 20] of c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, ..., \
             true and false; label i64 [N]"
        );
        let sections = sections(&ports);
        assert_eq!(sections.len(), 2);
        assert_eq!(sections["age"].to_string(), "{ missing = true }");
        assert!(
            sections["X"]
                .to_string()
                .starts_with("{ boolean = true, columns = [\"c0\"")
        );
        assert_eq!(
            serde_json::to_value(&ports[2]).unwrap(),
            json!({"name": "label", "dtype": "i64", "shape": [null]})
        );
    }
}
