//! Results of comparing the answers of a converted ONNX graph with those of the Python library that
//! made the model, as the report of the conversion states them.
//!
//! Owns the form of the comparison and its text. Must not know how answers are compared.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::port::text;

/// Comparison of the answers of a converted ONNX graph with those of the Python library that made
/// the model, e.g. scikit-learn.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Comparison {
    tolerance: f64,
    /// Number of compared rows, including those that the graph refuses.
    pub(super) rows: u64,
    /// Number of compared rows that have a missing value. `None` if no rows were compared.
    #[serde(default)]
    missing: Option<u64>,
    pub(super) agrees: bool,
    pub(super) outputs: Vec<Compared>,
    /// Rows that the Python library itself refuses, which are not compared. `None` if there are
    /// none.
    #[serde(default)]
    refused: Option<Rows>,
    /// Rows that the Python library answers and the ONNX graph refuses, which count as differences.
    /// `None` if there are none.
    #[serde(default)]
    failed: Option<Rows>,
}

/// Rows for which the Python library, or the ONNX graph, gives an error instead of an answer.
#[derive(Debug, Serialize, Deserialize)]
struct Rows {
    rows: u64,
    /// Index, counted from 0, of the first row that got no answer.
    first: u64,
    /// Error for the first row that got no answer.
    reason: String,
}

/// Comparison of one output of a converted ONNX graph with the answers of the Python library.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Compared {
    output: String,
    /// Method of the estimator whose answers are compared with this output of the graph, e.g.
    /// `predict`.
    method: String,
    /// Kind of the comparison for this output: `labels`, `numbers`, or `shape` if the shapes
    /// differ.
    kind: String,
    mismatches: Option<u64>,
    /// Number of ties: rows for which the graph gives another label than the Python library,
    /// because the two best numbers of the row are equal within the tolerance. Ties do not count as
    /// mismatches. `None` if ties were not looked for, e.g. because all labels are equal or some
    /// numbers differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ties: Option<u64>,
    largest_difference: Option<f64>,
    /// True if the graph also gives the answers of the Python library when it gets one row at a
    /// time. This is checked with the first rows only. Also true if this was not checked, e.g.
    /// because the graph refuses a row.
    one_by_one: bool,
    agrees: bool,
    /// JSON object with the first difference: the number of the row, the answer of the Python
    /// library and that of the graph. If the shapes differ, it has the two shapes and no row.
    /// `None` if nothing differs.
    first: Option<Value>,
}

impl Comparison {
    /// Returns the comparison as text of several lines, for people to read. `from` is the source of
    /// the compared rows, e.g. `file` or `generated`.
    pub(super) fn lines(&self, from: &str) -> String {
        let mut lines = format!("compared   {} rows ({from})", self.rows);
        if let Some(missing) = self.missing.filter(|missing| *missing > 0) {
            // Writing to a string cannot fail.
            let _ = write!(lines, ", {missing} of them with missing values");
        }
        lines.push('\n');
        for one in &self.outputs {
            let _ = writeln!(lines, "           {}", self.compared(one));
        }
        if let Some(refused) = &self.refused {
            let _ = writeln!(
                lines,
                "           not compared: {} rows that the library itself refuses (row {}: {})",
                refused.rows, refused.first, refused.reason
            );
        }
        lines
    }

    /// Returns one line that describes the differences: the outputs of the graph that differ from
    /// the answers of the Python library, and the rows that the graph refuses. The line is empty if
    /// nothing differs.
    pub(super) fn differences(&self) -> String {
        let differing = self
            .outputs
            .iter()
            .filter(|one| !one.agrees || !one.one_by_one);
        let mut told: Vec<String> = differing.map(|one| self.compared(one)).collect();
        if let Some(failed) = &self.failed {
            told.push(format!(
                "{} of {} rows get no answer (row {}: {})",
                failed.rows, self.rows, failed.first, failed.reason
            ));
        }
        told.join("; ")
    }

    fn compared(&self, one: &Compared) -> String {
        let Self {
            tolerance, rows, ..
        } = self;
        let rows = rows.saturating_sub(self.failed.as_ref().map_or(0, |failed| failed.rows));
        let mut told = match (one.kind.as_str(), one.mismatches, one.largest_difference) {
            ("labels", Some(wrong), _) => {
                format!(
                    "{}: {} of {rows} are those of `{}`",
                    one.output,
                    rows.saturating_sub(wrong),
                    one.method
                )
            }
            ("numbers", Some(wrong), largest) => {
                let largest = largest.map_or_else(
                    || "not finite".to_owned(),
                    |largest| format!("{largest:.1e}"),
                );
                let within = rows.saturating_sub(wrong);
                format!(
                    "{}: {within} of {rows} are those of `{}`; largest difference {largest}, {tolerance:.0e} allowed",
                    one.output, one.method
                )
            }
            _ => format!(
                "{}: has a different shape than `{}`",
                one.output, one.method
            ),
        };
        if let Some(ties) = one.ties.filter(|ties| *ties > 0) {
            let _ = write!(
                told,
                ", {ties} of them ties: two labels are equally good, and the graph takes the other one"
            );
        }
        if let Some(first) = &one.first {
            let row = first["row"]
                .as_u64()
                .map_or_else(String::new, |row| format!("row {row}: "));
            let _ = write!(
                told,
                " ({row}library {}, graph {})",
                text(&first["library"]),
                text(&first["graph"])
            );
        }
        if one.agrees && !one.one_by_one {
            told.push_str(", and the answers differ for one row at a time");
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison(agrees: bool) -> Comparison {
        let first = (!agrees).then(|| json!({"row": 3, "library": "0.25", "graph": "0.75"}));
        let lost = json!({"rows": 2, "first": 7, "reason": "ValueError: no"});
        serde_json::from_value(json!({
            "tolerance": 1e-4, "rows": 9, "missing": 4, "agrees": agrees,
            "outputs": [
                {"output": "label", "method": "predict", "kind": "labels", "mismatches": 0, "ties": 1,
                    "one_by_one": true, "agrees": true},
                {"output": "probabilities", "method": "predict_proba", "kind": "numbers", "mismatches": u8::from(!agrees),
                    "largest_difference": 0.5, "one_by_one": true, "agrees": agrees, "first": first},
            ],
            "refused": lost, "failed": (!agrees).then_some(lost),
        }))
        .unwrap()
    }

    #[test]
    fn differences_are_told() {
        assert_eq!(comparison(true).differences(), "");
        let expected = "probabilities: 6 of 7 are those of `predict_proba`; largest difference 5.0e-1, 1e-4 allowed \
                        (row 3: library 0.25, graph 0.75); 2 of 9 rows get no answer (row 7: ValueError: no)";
        assert_eq!(comparison(false).differences(), expected);
    }

    #[test]
    fn rows_that_are_not_compared_are_told() {
        let lines = comparison(true).lines("file");
        for part in [
            "compared   9 rows (file), 4 of them with missing values\n",
            "label: 9 of 9 are those of `predict`, 1 of them ties",
            "not compared: 2 rows that the library itself refuses (row 7: ValueError: no)\n",
        ] {
            assert!(lines.contains(part), "{lines}");
        }
    }
}
