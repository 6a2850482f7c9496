//! The levels that the Functions host gives to the lines of its handler's output.
//!
//! Owns the rule, as a real Functions host showed it. Must not know what the lines say.

/// Level of a line in the log of the Functions host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The line is informational, as every line on standard output is.
    Information,
    /// The line is a warning.
    Warning,
    /// The line is an error.
    Error,
}

/// Words that give a line on standard error the level `Error`, in upper or lower case.
const ERROR_WORDS: [&str; 4] = ["error", "fail", "severe", "unhandled exception"];

/// Returns the level of a line on standard error. The word `warn` is looked for first.
#[must_use]
pub fn of_stderr(line: &str) -> Level {
    let line = line.to_lowercase();
    if line.contains("warn") {
        Level::Warning
    } else if ERROR_WORDS.iter().any(|word| line.contains(word)) {
        Level::Error
    } else {
        Level::Information
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_on_standard_error_has_the_level_of_its_words() {
        for (line, level) in [
            ("plain", Level::Information),
            ("a Warning: it failed", Level::Warning),
            ("it FAILED", Level::Error),
            ("Severe", Level::Error),
            ("Unhandled exception", Level::Error),
            ("an exception", Level::Information),
            ("{\"level\":\"ERROR\"}", Level::Error),
        ] {
            assert_eq!(of_stderr(line), level, "{line}");
        }
    }
}
