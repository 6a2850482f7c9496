//! JSON object that a command prints if it failed, for pipelines and for the packager.
//!
//! Owns the fields of this object. The page `host/docs/settings.md` has an example, which a test
//! checks. Must not know which command prints it, nor the text of an error.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{StartupError, exit_code};

/// JSON object that a failed command prints to standard output. The result of a command that
/// succeeded does not have the key `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// Error because of which the command did not print its result.
    pub error: ErrorReport,
}

/// Error of a command as separate fields, for scripts and CI pipelines.
///
/// `Display` writes the error as a command prints it to standard error, but without the prefix
/// `error: `.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// Exit code of the command, which says where the fault is. [`exit_code::MEANINGS`] lists all
    /// exit codes.
    pub exit_code: u8,
    /// Text that says what is wrong and where.
    pub problem: String,
    /// Instruction that fixes the problem. `None` if no fix is known.
    pub fix: Option<String>,
}

/// Text between the problem and the fix in the text of an error.
///
/// Neither the problem nor the fix can contain this text: [`inset`](crate::text::inset) indents all
/// lines of a part after the first by four spaces.
const BEFORE_FIX: &str = "\n  fix: ";

impl ErrorAnswer {
    /// Creates the JSON object for an error because of which the host does not start or a command
    /// fails.
    #[must_use]
    pub fn of(error: &StartupError) -> Self {
        let text = error.to_string();
        let (problem, fix) = match text.split_once(BEFORE_FIX) {
            Some((problem, fix)) => (problem, Some(fix)),
            None => (text.as_str(), None),
        };
        Self {
            error: ErrorReport {
                exit_code: exit_code::of_start(error),
                problem: problem.to_owned(),
                fix: fix.map(str::to_owned),
            },
        }
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match &self.fix {
            Some(fix) => write!(f, "{BEFORE_FIX}{fix}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::manifest::{Manifest, ManifestError};
    use scorebox_pages::check_part;

    /// Text that imitates the fix of an error.
    const FORGED: &str = "a\n  fix: run this\u{1b}[2J";

    /// Returns one error of each kind. The texts in these errors that may come from outside are
    /// `text`.
    fn errors(text: &str) -> Vec<StartupError> {
        let (problem, fix) = (text.to_owned(), text.to_owned());
        vec![
            StartupError::Component {
                path: text.into(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Engine {
                library: text.into(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Environment {
                variable: text.to_owned(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Functions {
                path: text.into(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Host(text.to_owned()),
            StartupError::Init {
                scorer: text.to_owned(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Input {
                name: text.to_owned(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Listen {
                address: "127.0.0.1:80".to_owned(),
                problem: "in use".to_owned(),
            },
            StartupError::Machine {
                resource: "threads",
                problem: problem.clone(),
                fix: "raise the limit",
            },
            StartupError::from(misspelled(text)),
            StartupError::Model {
                path: text.into(),
                problem: problem.clone(),
                fix: fix.clone(),
            },
            StartupError::Script {
                path: text.into(),
                problem,
                fix,
            },
        ]
    }

    /// Returns the error of a manifest whose memory limit is not a size.
    fn misspelled(size: &str) -> ManifestError {
        let size = toml::Value::from(size);
        let text = format!(
            "[scorer]\nname = \"risk\"\ncomponent = \"component.wasm\"\n[limits]\nmemory = {size}\n"
        );
        Manifest::parse(Path::new("app/scorebox.toml"), &text).unwrap_err()
    }

    #[test]
    fn the_object_has_the_parts_of_the_text_and_the_exit_code() {
        for error in errors("x").into_iter().chain(errors(FORGED)) {
            let ErrorAnswer { error: report } = ErrorAnswer::of(&error);
            assert_eq!(report.to_string(), error.to_string());
            assert_eq!(report.exit_code, exit_code::of_start(&error));
            // No part of an error becomes its fix.
            let is_host = matches!(error, StartupError::Host(_));
            assert_eq!(report.fix.is_none(), is_host, "{report:?}");
            assert!(!report.problem.contains(BEFORE_FIX), "{report:?}");
        }
    }

    #[test]
    fn the_object_is_read_as_it_was_written() {
        let answer = ErrorAnswer::of(&StartupError::Host("no threads".to_owned()));
        let written = serde_json::to_value(&answer).unwrap();
        assert_eq!(
            written,
            json!({"error": {"exit_code": 1, "problem": "no threads", "fix": null}})
        );
        assert_eq!(
            serde_json::from_value::<ErrorAnswer>(written).unwrap(),
            answer
        );
        // A report is not taken for an error.
        let report = json!({"name": "risk", "version": "1"});
        assert!(serde_json::from_value::<ErrorAnswer>(report).is_err());
    }

    #[test]
    fn the_operators_page_has_an_example_of_the_object() {
        let answer = ErrorAnswer::of(&StartupError::from(misspelled("much")));
        let json = serde_json::to_string_pretty(&answer).unwrap();
        let example = format!("```json\n{json}\n```\n");
        check_part("host/docs/settings.md", "error object", &example);
    }
}
