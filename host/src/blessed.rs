//! Parts of pages that are written from the code, for the unit tests that own their text.
//!
//! Owns the marks around such a part, and the variable `SCOREBOX_BLESS`. Must not know what a part
//! says.

use std::path::Path;

/// Compares a part of a page with the text that the code gives. With `SCOREBOX_BLESS=1` in the
/// environment, writes the text into the page instead.
///
/// `page` is the path of the page in the folder of this crate. The part is between the lines
/// `<!-- generated: PART -->` and `<!-- end: PART -->`.
#[track_caller]
pub(crate) fn check_page(page: &str, part: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = format!("<!-- generated: {part} -->\n");
    let end = format!("<!-- end: {part} -->\n");
    let (before, rest) = text.split_once(&start).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    if std::env::var("SCOREBOX_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, format!("{before}{start}{expected}{end}{after}")).unwrap();
        return;
    }
    assert!(
        found == expected,
        "the part `{part}` of {page} is not what the code says; to rewrite it, run this test with \
         SCOREBOX_BLESS=1:\n{expected}"
    );
}
