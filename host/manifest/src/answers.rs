//! The section `[answers]`: what a scorer may choose of an HTTP answer.
//!
//! Owns the section and its checks. Must not know headers.

use scorebox_text::Problem;

use super::inputs::{boolean, section};

/// Section `[answers]` of the manifest: parts of an HTTP answer that a scorer may choose in
/// addition to its status and the usual headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// True if the scorer may set cookies by the header `Set-Cookie`.
    pub cookies: bool,
}

/// Reads the section `[answers]` from the table of a `scorebox.toml`. Fails if `answers` is not
/// written as a section, if a value is not a boolean, or if cookies are allowed although the
/// manifest has a prediction cache. `is_cached` is true if it has one.
pub(super) fn answers(table: &toml::Table, is_cached: bool) -> Result<Answers, Problem> {
    let mut answers = Answers::default();
    // The keys were compared with the table of settings, so `cookies` is the only one.
    for (name, value) in section(table, "answers")? {
        answers.cookies = boolean(value, "answers", name)?;
    }
    if answers.cookies && is_cached {
        return Err(Problem::new(
            "`answers.cookies` does not go with [prediction_cache]: a cookie is for one caller, and an answer of the \
             cache is for all",
            "remove one of the two",
        ));
    }
    Ok(answers)
}
