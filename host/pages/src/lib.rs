//! Parts of Markdown pages that are written from the code.
//!
//! Owns the marks around such a part, its comparison with the code, and the variable
//! `SCOREBOX_BLESS`. Must not know what a part says: the crate that defines a thing owns the test
//! that writes its part. [`commands`] is the layout that several of these tests share.

mod command_line;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub use command_line::commands;

/// Name of the environment variable that makes tests write the generated parts of pages instead of
/// comparing them, if its value is `1`.
const BLESS_VARIABLE: &str = "SCOREBOX_BLESS";

/// Lock that a test holds while it reads and writes a page, because two tests of a program can
/// check parts of the same page.
static PAGES: Mutex<()> = Mutex::new(());

/// Checks that a generated part of a page has the text `expected`. With `SCOREBOX_BLESS=1` in the
/// environment, writes the text into the page instead.
///
/// `page` is the path of the page in this repository. The part with the name `part` is between the
/// lines `<!-- generated: PART -->` and `<!-- end: PART -->`.
///
/// # Panics
/// Panics if the page cannot be read or written, if it does not have the part, or if the part has
/// another text and is not to be written.
#[track_caller]
pub fn check_part(page: &str, part: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let _alone = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = match std::fs::read_to_string(&path) {
        Ok(found) => found,
        Err(error) => panic!("{page} cannot be read: {error}"),
    };
    let Some(written) = with_part(&found, part, expected) else {
        panic!("{page} has no lines that mark the part `{part}`");
    };
    if std::env::var(BLESS_VARIABLE).is_ok_and(|value| value == "1") {
        if let Err(error) = std::fs::write(&path, written) {
            panic!("{page} cannot be written: {error}");
        }
        return;
    }
    assert!(
        found == written,
        "the part `{part}` of {page} is not what the code says; to rewrite it, run this test with \
         {BLESS_VARIABLE}=1:\n{expected}"
    );
}

/// Returns the page `page` with the text of the generated part `part` replaced by `text`. Returns
/// `None` if the page does not have the part.
pub fn with_part(page: &str, part: &str, text: &str) -> Option<String> {
    let start = start_of(part);
    let end = format!("<!-- end: {part} -->\n");
    let (before, rest) = page.split_once(&start)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{start}{text}{end}{after}"))
}

/// Returns the number, counted from 1, of the line in `page` at which the generated part `part`
/// starts. Returns 1 if the page does not have the part.
pub fn line_of(page: &str, part: &str) -> usize {
    page.split_once(&start_of(part))
        .map_or(1, |(before, _)| before.lines().count() + 1)
}

fn start_of(part: &str) -> String {
    format!("<!-- generated: {part} -->\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n<!-- generated: codes -->\nold\n<!-- end: codes -->\n\nMore.\n";

    #[test]
    fn only_the_text_between_the_marks_is_replaced() {
        let written = with_part(PAGE, "codes", "new\n").unwrap();
        assert_eq!(written, PAGE.replace("old", "new"));
        assert_eq!(line_of(PAGE, "codes"), 3);
    }

    #[test]
    fn a_page_without_the_marks_does_not_have_the_part() {
        assert_eq!(with_part(PAGE, "settings", "new\n"), None);
        assert_eq!(
            with_part("<!-- generated: codes -->\n", "codes", "new\n"),
            None
        );
        assert_eq!(line_of(PAGE, "settings"), 1);
    }
}
