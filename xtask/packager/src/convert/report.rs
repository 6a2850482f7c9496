//! Results of a conversion: the text for people, the report for scripts, and the manifest of the
//! converted model.
//!
//! Owns the form of the report, the lines on standard error and the manifest. The report's
//! `version` rises when a field changes its meaning or is removed. Must not know how anything was
//! converted. Everything that the Python process writes is treated as text only.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use scorebox_host::text::{printable, printable_lines};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::comparison::Comparison;
use super::port::{self, Port};

/// Version of the format of `report.json`.
const VERSION: u32 = 1;
/// Name of the file with the sample: a request with its right answer, which `package` sends to the
/// scorer to check it.
pub(super) const SAMPLE_FILE: &str = "sample.json";

/// Answer of the Python process that converts a model.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Answer {
    /// The model was converted to an ONNX graph, and the answers of the graph were compared with
    /// those of the Python library that made the model.
    Converted(Box<Converted>),
    /// A Python library that the conversion needs is missing.
    Lacking {
        /// Text that names the missing Python library.
        problem: String,
        /// Instruction that installs the missing Python library.
        fix: String,
    },
    /// The model was refused, so it was not converted.
    Refused {
        /// Reason why the model was refused.
        problem: String,
        /// Instruction that fixes the reason for the refusal.
        fix: String,
        /// Class of the estimator that caused the refusal. `None` if no class caused the refusal.
        estimator: Option<String>,
    },
}

/// Facts about a successful conversion of a model to an ONNX graph, as the Python process reports
/// them.
#[derive(Debug, Deserialize)]
pub struct Converted {
    estimator: Value,
    summary: String,
    libraries: BTreeMap<String, String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    classes: Option<Vec<Value>>,
    opsets: BTreeMap<String, i64>,
    operators: BTreeMap<String, u64>,
    sample: Value,
    comparison: Comparison,
    /// Content of `sample.json`: the input example of a model folder of MLflow as a request, with
    /// its answers. `None` if the source has no input example that can be a sample.
    #[serde(default)]
    example: Option<Value>,
    warnings: Vec<String>,
    /// Instruction for a user whose ONNX graph gives other answers than the Python library of the
    /// model. `None` if the answers agree.
    fix: Option<String>,
}

/// The source or the graph of a conversion, as the report describes it.
#[derive(Debug, Serialize)]
pub struct Described {
    /// Path of the file: relative to the output folder for the graph, or as the user gave it for
    /// the source.
    pub file: String,
    /// SHA-256 digest of the file, in the form `sha256:HEX`. For a folder, the digest of a list of
    /// its files.
    pub digest: String,
    /// Size of the file, or of all files in the folder together, in bytes.
    pub bytes: u64,
}

impl Converted {
    /// Returns true if the ONNX graph gives the same answers as the Python library of the model,
    /// within the tolerance. Also returns true if there are no answers to compare.
    pub fn agrees(&self) -> bool {
        self.comparison.agrees
    }

    /// Returns the instruction for a user whose ONNX graph gives other answers than the Python
    /// library of the model. Returns `None` if the answers agree.
    pub fn fix(&self) -> Option<&str> {
        self.fix.as_deref()
    }

    /// Returns the content of `sample.json`: a request with its answers. Returns `None` if the
    /// source has no input example that can be a sample.
    pub fn example(&self) -> Option<&Value> {
        self.example.as_ref()
    }

    /// Returns true if the source was an ONNX graph, which was copied. Then no Python library gives
    /// answers to compare with.
    fn is_copied(&self) -> bool {
        self.comparison.outputs.is_empty()
    }

    /// Returns the report of the conversion as JSON. `requirements` is the digest of the file that
    /// pins the Python libraries, or `None` if the user chose the interpreter.
    pub fn report(
        &self,
        source: &Described,
        graph: &Described,
        requirements: Option<&str>,
    ) -> Value {
        json!({
            "version": VERSION,
            "verdict": match (self.is_copied(), self.agrees()) {
                (true, _) => "copied",
                (false, true) => "agrees",
                (false, false) => "differs",
            },
            "source": source,
            "graph": graph,
            "estimator": self.estimator,
            "libraries": self.libraries,
            "requirements": requirements,
            "opsets": self.opsets,
            "operators": self.operators,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "classes": self.classes,
            "sample": self.sample,
            "comparison": self.comparison,
            "warnings": self.warnings(),
        })
    }

    /// Returns the text of the `scorebox.toml` of a project that serves the converted graph. `name`
    /// is the name of the scorer. The sections `[inputs.NAME]` have the facts about the inputs
    /// beyond their types and shapes, e.g. whether an input takes missing values. `package.sample`
    /// names the file `sample.json` if there is a sample.
    pub fn manifest(&self, name: &str, source: &Described) -> String {
        let mut labels = toml::Table::new();
        labels.insert("estimator".to_owned(), self.summary.clone().into());
        labels.insert("source-digest".to_owned(), source.digest.clone().into());
        for (library, version) in &self.libraries {
            labels.insert(library.clone(), version.clone().into());
        }
        let mut scorer = toml::Table::new();
        scorer.insert("name".to_owned(), name.into());
        scorer.insert("model".to_owned(), "model".into());
        scorer.insert("labels".to_owned(), labels.into());
        let mut table: toml::Table = [("scorer".to_owned(), scorer.into())].into_iter().collect();
        let inputs = port::sections(&self.inputs);
        if !inputs.is_empty() {
            table.insert("inputs".to_owned(), inputs.into());
        }
        if self.example.is_some() {
            let mut package = toml::Table::new();
            package.insert("sample".to_owned(), SAMPLE_FILE.into());
            table.insert("package".to_owned(), package.into());
        }
        format!(
            "# Made by `cargo xtask convert`; report.json names the source. You may change this \
             file.\n{table}"
        )
    }

    /// Returns a summary of the conversion for people, in several lines. `source` is the model's
    /// file or folder. Characters that control a terminal are escaped, because texts from the model
    /// may contain them.
    pub fn lines(&self, source: &Described) -> String {
        let mut text = format!("model      {}", self.summary);
        if !self.is_copied() {
            text.push_str(&format!(
                ", by scikit-learn {}",
                self.libraries
                    .get("scikit-learn")
                    .map_or("of unknown version", String::as_str)
            ));
        }
        text.push('\n');
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "source     {} {} bytes  {}",
            source.file, source.bytes, source.digest
        );
        let _ = writeln!(text, "inputs     {}", port::shown(&self.inputs));
        let _ = writeln!(text, "outputs    {}", port::shown(&self.outputs));
        let from = self
            .sample
            .get("from")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        if !self.is_copied() {
            text.push_str(&self.comparison.lines(from));
        }
        for warning in self.warnings() {
            let _ = writeln!(text, "warning    {warning}");
        }
        printable_lines(&text).into_owned()
    }

    /// Returns the warnings of the Python process, and a warning if the manifest leaves out facts
    /// about some inputs.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(port::warning(&self.inputs));
        warnings
    }

    /// Returns one line that describes how the answers of the converted ONNX graph differ from
    /// those of the Python library that made the model. The line is empty if nothing differs.
    /// Characters that control a terminal are escaped.
    pub fn differences(&self) -> String {
        printable(&self.comparison.differences()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(agrees: bool) -> Converted {
        let first = (!agrees).then(|| json!({"row": 3, "library": "0.25", "graph": "0.75"}));
        let answer = json!({
            "kind": "converted", "estimator": {"class": "sklearn.svm.SVC"}, "summary": "SVC", "libraries": {"scikit-learn": "1.9.1"},
            "inputs": [{"name": "X", "dtype": "f32", "shape": [null, 4]}],
            "outputs": [{"name": "label", "dtype": "i64", "shape": [null]}],
            "classes": [0, 1], "opsets": {"ai.onnx": 15}, "operators": {"SVMClassifier": 1},
            "sample": {"from": "generated", "rows": 9, "seed": 0}, "warnings": ["w"],
            "comparison": {"tolerance": 1e-4, "rows": 9, "agrees": agrees, "outputs": [
                {"output": "label", "method": "predict", "kind": "labels", "mismatches": 0, "one_by_one": true, "agrees": true},
                {"output": "probabilities", "method": "predict_proba", "kind": "numbers", "mismatches": u8::from(!agrees),
                    "largest_difference": 0.5, "one_by_one": true, "agrees": agrees, "first": first},
            ]},
        });
        match serde_json::from_value(answer).unwrap() {
            Answer::Converted(converted) => *converted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_input_example_is_the_sample_of_the_package() {
        let source = Described {
            file: "m".to_owned(),
            digest: "sha256:00".to_owned(),
            bytes: 1,
        };
        let mut converted = answer(true);
        converted.example = Some(json!({"inputs": {"X": [[1.5, 2, 3, 4]]}}));
        let text = converted.manifest("m", &source);
        let manifest =
            scorebox_host::manifest::Manifest::parse("d/scorebox.toml".as_ref(), &text).unwrap();
        let sample = manifest.package.sample.unwrap();
        assert_eq!(sample, std::path::Path::new("d/sample.json"));
    }

    #[test]
    fn manifest_is_one() {
        let source = Described {
            file: "m.pkl".to_owned(),
            digest: "sha256:00".to_owned(),
            bytes: 1,
        };
        let text = answer(true).manifest("m", &source);
        let manifest =
            scorebox_host::manifest::Manifest::parse("d/scorebox.toml".as_ref(), &text).unwrap();
        assert_eq!(manifest.scorer.name, "m");
        assert_eq!(
            manifest
                .scorer
                .labels
                .get("scikit-learn")
                .map(String::as_str),
            Some("1.9.1")
        );
        let lines = answer(true).lines(&source);
        assert!(
            lines.contains("inputs     X f32 [N, 4]\n") && lines.contains("warning    w"),
            "{lines}"
        );
    }

    #[test]
    fn what_a_model_says_does_not_control_a_terminal() {
        let source = Described {
            file: "m.pkl".to_owned(),
            digest: "sha256:00".to_owned(),
            bytes: 1,
        };
        let mut hostile = answer(false);
        hostile.summary = "S\u{1b}[2JVC".to_owned();
        hostile.warnings = vec!["Jahr\u{9b}größe".to_owned()];
        let lines = hostile.lines(&source);
        assert!(lines.contains("model      S\\u{1b}[2JVC,"), "{lines}");
        assert!(lines.contains("warning    Jahr\\u{9b}größe\n"), "{lines}");
        let first = json!({"row": 3, "library": "\u{1b}]0;x\u{7}", "graph": "1"});
        let mut text = serde_json::to_value(&hostile.comparison).unwrap();
        text["outputs"][1]["first"] = first;
        hostile.comparison = serde_json::from_value(text).unwrap();
        let differences = hostile.differences();
        assert!(!differences.contains(char::is_control), "{differences}");
        assert!(differences.contains("\\u{1b}]0;x"), "{differences}");
    }
}
