//! Models that are trained while the tests run, with the predictions of their library for rows that
//! were not in the training data.
//!
//! Owns the training and the comparison of answers. Must not know how a model gets to a host.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::{place, run};

/// Largest accepted difference between a number in an answer and that of the model's library.
pub const TOLERANCE: f64 = 1e-4;

/// Timeout for the installation of the libraries, which is slow on a slow network, and for the
/// training.
const LIMIT: Duration = Duration::from_secs(600);

/// Models that a training script has written to a folder. The folder is removed when this value is
/// dropped.
pub struct Models {
    folder: TempDir,
    /// Folder of the pinned Python libraries.
    libraries: String,
}

/// A request for one trained model, with the answers of the model's library.
pub struct Case {
    /// Name of the model.
    pub name: String,
    /// JSON body of the request to a host that serves the model.
    pub call: Value,
    /// Path of a file with rows on which the conversion compares answers. `None` if the conversion
    /// has to generate these rows.
    pub sample: Option<PathBuf>,
    answers: Value,
}

impl Models {
    /// Trains the models of the script `train.py`, with the Python libraries that `cargo xtask
    /// convert` installs.
    ///
    /// # Errors
    /// Fails with the reason as text if these libraries cannot be installed.
    ///
    /// # Panics
    /// Panics if the training fails.
    pub fn train() -> Result<Self, String> {
        Self::made_by("train.py", &[])
    }

    /// Trains the models of a script in `tests/data/convert`, with the Python libraries that `cargo
    /// xtask convert` installs. The arguments of the script are the path of the folder for the
    /// models, followed by `arguments`.
    ///
    /// # Errors
    /// Fails with the reason as text if these libraries cannot be installed.
    ///
    /// # Panics
    /// Panics if the training fails.
    pub fn made_by(script: &str, arguments: &[&str]) -> Result<Self, String> {
        let mut setup = Command::new(place::xtask());
        // The environment is kept, because pip's own configuration may be in it.
        let setup = run::finish_within(LIMIT, setup.args(["part", "convert-libraries"]), b"");
        let libraries = setup.stdout.trim_end();
        if !setup.status.success() || libraries.is_empty() {
            return Err(format!(
                "no libraries that convert: {}",
                setup.stderr.trim()
            ));
        }
        let models = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            libraries: libraries.to_owned(),
        };
        models.write(script, models.path(), arguments);
        Ok(models)
    }

    /// Runs a script of `tests/data/convert` with the Python libraries that `cargo xtask convert`
    /// installs. The arguments of the script are `folder`, to which it writes, followed by
    /// `arguments`.
    ///
    /// # Panics
    /// Panics if the script fails.
    pub fn write(&self, script: &str, folder: &Path, arguments: &[&str]) {
        let mut python = Command::new("python3");
        python
            .args(["-W", "ignore", "-S", "-s", "-B"])
            .arg(place::workspace().join("tests/data/convert").join(script))
            .arg(folder)
            .args(arguments)
            .env("PYTHONPATH", &self.libraries)
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::null());
        run::finish_within(LIMIT, &mut python, b"").ended(0);
    }

    /// Returns the path of the file of the model `name`.
    ///
    /// # Panics
    /// Panics if there is no model with this name.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        let files = ["pkl", "joblib"]
            .map(|extension| self.folder.path().join(format!("{name}.{extension}")));
        files
            .into_iter()
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("no model {name}"))
    }

    /// Returns the cases of all models that have one, sorted by name.
    ///
    /// # Panics
    /// Panics if a case does not have the form that the training script writes.
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        let entries = std::fs::read_dir(self.folder.path())
            .expect("the folder can be listed")
            .flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| {
                Some(
                    entry
                        .file_name()
                        .to_str()?
                        .strip_suffix(".case.json")?
                        .to_owned(),
                )
            })
            .collect();
        names.sort();
        names.into_iter().map(|name| self.case(&name)).collect()
    }

    /// Returns the case of the model `name`.
    ///
    /// # Panics
    /// Panics if there is no case with this name, or it does not have the form that the training
    /// script writes.
    #[must_use]
    pub fn case(&self, name: &str) -> Case {
        let text = std::fs::read(self.folder.path().join(format!("{name}.case.json")))
            .expect("the case is there");
        let mut case: Value = serde_json::from_slice(&text).expect("it is JSON");
        let sample = case["sample"]
            .as_str()
            .map(|file| self.folder.path().join(file));
        Case {
            name: name.to_owned(),
            call: case["call"].take(),
            answers: case["answers"].take(),
            sample,
        }
    }

    /// Returns the path of the folder with the models.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Case {
    /// Creates a case without a file of rows. `call` is the request body, and `answers` has the
    /// answers of the library, by the name of the output.
    #[must_use]
    pub fn new(name: &str, call: Value, answers: Value) -> Self {
        Self {
            name: name.to_owned(),
            call,
            sample: None,
            answers,
        }
    }

    /// Asserts that an answer over HTTP equals that of the library in every row. Labels must be
    /// equal, and numbers may differ by [`TOLERANCE`].
    #[track_caller]
    pub fn check(&self, answer: &Value) {
        let answers = self.answers.as_object().expect("answers by output");
        for (output, expected) in answers {
            // A single output is answered without its name.
            let given = if answers.len() == 1 {
                answer
            } else {
                &answer[output]
            };
            let (given, expected) = (rows(given), rows(expected));
            assert_eq!(
                given.len(),
                expected.len(),
                "{}: rows of {output}: {answer}",
                self.name
            );
            for (row, (given, expected)) in given.iter().zip(&expected).enumerate() {
                let place = format!("{}: {output} of row {row}", self.name);
                let same = match (given.as_slice(), expected.as_slice()) {
                    // A decision between two classes is one number in the library, and one for each
                    // class in the graph.
                    ([first, second], [one]) => {
                        let one = one.as_f64().expect("a number");
                        near(first, &Value::from(-one)) && near(second, &Value::from(one))
                    }
                    (given, expected) if given.len() == expected.len() => {
                        let same = |given, expected| {
                            if output == "label" {
                                given == expected
                            } else {
                                near(given, expected)
                            }
                        };
                        given
                            .iter()
                            .zip(expected)
                            .all(|(given, expected)| same(given, expected))
                    }
                    _ => false,
                };
                assert!(same, "{place}: {given:?} is not {expected:?}");
            }
        }
    }
}

/// Returns the rows of a JSON list, each as a list. A row that is a single value becomes a list of
/// this value.
fn rows(value: &Value) -> Vec<Vec<Value>> {
    let rows = value
        .as_array()
        .unwrap_or_else(|| panic!("no rows: {value}"));
    rows.iter()
        .map(|row| row.as_array().cloned().unwrap_or_else(|| vec![row.clone()]))
        .collect()
}

fn near(given: &Value, expected: &Value) -> bool {
    let number = |value: &Value| {
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{value} is no number"))
    };
    (number(given) - number(expected)).abs() <= TOLERANCE
}
