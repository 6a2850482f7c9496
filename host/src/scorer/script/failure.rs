//! Meaning of the end of a script's start or call for its caller.
//!
//! Owns the texts of these failures, and the check of an answer's JSON. Must not know how a script
//! is run.

use scorebox_python::{CallError, StartError};
use serde::de::IgnoredAny;

use super::super::conversion::TEXT_BYTES;
use crate::codec::media_type::is_json;
use crate::error::{Problem, ScoreFailure};
use crate::manifest::Limits;
use crate::text;

/// Returns the failure of a call that ended with an error. `shows_traceback` is true if the caller
/// gets the traceback of an exception.
pub(super) fn of_call(error: CallError, shows_traceback: bool, limits: &Limits) -> ScoreFailure {
    match error {
        CallError::Raised {
            text,
            is_input: true,
        } => ScoreFailure::NotConforming {
            message: text::bounded(text, TEXT_BYTES),
            pointer: String::new(),
        },
        CallError::Raised { text, .. } => {
            let traceback = text::bounded(text, TEXT_BYTES);
            ScoreFailure::Failed(Problem {
                code: "script-raised".to_owned(),
                message: if shows_traceback {
                    traceback.clone()
                } else {
                    "The script raised an exception. The log has the traceback under this id."
                        .to_owned()
                },
                detail: Some(traceback),
            })
        }
        CallError::TimedOut => ScoreFailure::TimedOut {
            deadline: limits.deadline,
        },
        CallError::OutOfMemory => ScoreFailure::OutOfMemory {
            limit_bytes: limits.memory_bytes,
        },
        CallError::MemoryTaken => ScoreFailure::Saturated,
        error @ (CallError::Trapped(_) | CallError::Exited(_)) => {
            ScoreFailure::Trapped(text::bounded(error.to_string(), TEXT_BYTES))
        }
        error @ CallError::Lost => ScoreFailure::HostFault(error.to_string()),
    }
}

/// Returns the problem of a script that does not start, with its fix.
pub(super) fn start_problem(error: &StartError, limits: &Limits) -> text::Problem {
    let fix = match error {
        StartError::Raised { .. } => {
            "correct the script where the traceback says; a package that is not found belongs into \
             the file that scorer.requirements names, and a variable of the environment into [config]"
        }
        StartError::TimedOut => "do less in `init`, or set `limits.init_deadline` to more",
        StartError::OutOfMemory { .. } => "set `limits.memory` to at least 512MiB",
        StartError::MemoryTaken => {
            "set `limits.total_memory` to more, or `limits.instances` to fewer"
        }
        _ => "see the lines above that the script wrote",
    };
    let problem = match error {
        StartError::TimedOut => {
            format!("did not end within {} ms", limits.init_deadline.as_millis())
        }
        StartError::OutOfMemory { limit_bytes } => {
            format!("needs more than {limit_bytes} bytes of memory")
        }
        other => text::bounded(other.to_string(), TEXT_BYTES),
    };
    text::Problem::new(problem, fix)
}

/// Checks that an answer in JSON does not hold NaN or Infinity as a number. JSON has neither, but
/// Python writes both.
///
/// # Errors
/// Fails if the answer holds one of these words, and is not valid JSON. An answer without these
/// words is not checked.
pub(super) fn in_json(content_type: &str, body: &[u8]) -> Result<(), ScoreFailure> {
    let has = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
    let may_have_word = || has(b"NaN") || has(b"Infinity");
    if !is_json(content_type) || !may_have_word() {
        return Ok(());
    }
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(ScoreFailure::InvalidOutput(format!(
            "the script's answer is not JSON ({error}). If it holds NaN or Infinity as a number, which \
             JSON does not have, return None or a text in its place"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_no_nan() {
        for (body, is_good) in [
            ("[1, 2]", true),
            ("[NaN]", false),
            ("{\"a\": -Infinity}", false),
            ("[\"NaN\"]", true),
        ] {
            let found = in_json("application/json; charset=utf-8", body.as_bytes());
            assert_eq!(found.is_ok(), is_good, "{body}");
            assert!(in_json("text/csv", body.as_bytes()).is_ok());
        }
    }

    #[test]
    fn an_exception_is_the_callers_fault_or_the_scripts() {
        let limits = crate::manifest::Manifest::parse(
            std::path::Path::new("a/scorebox.toml"),
            "[scorer]\nname = \"a\"\nscript = \"score.py\"",
        );
        let limits = limits.unwrap().limits;
        let raised = |is_input| CallError::Raised {
            text: "KeyError: 'x'".to_owned(),
            is_input,
        };
        let of = |error, shows| of_call(error, shows, &limits).disposition();
        let input = of(raised(true), false);
        assert_eq!(
            (input.status, input.message.as_str()),
            (400, "KeyError: 'x'")
        );
        let script = of(raised(false), false);
        assert_eq!((script.status, script.scorer_at_fault), (500, true));
        assert!(!script.message.contains("KeyError"), "{}", script.message);
        assert_eq!(script.detail.as_deref(), Some("KeyError: 'x'"));
        assert!(of(raised(false), true).message.contains("KeyError"));
        assert_eq!(of(CallError::TimedOut, false).status, 504);
        assert_eq!(of(CallError::OutOfMemory, false).code, "out-of-memory");
        assert_eq!(of(CallError::MemoryTaken, false).code, "saturated");
        assert_eq!(of(CallError::Exited(3), false).code, "trapped");
        assert_eq!(of(CallError::Lost, false).code, "host-fault");
    }
}
