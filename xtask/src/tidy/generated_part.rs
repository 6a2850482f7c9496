//! The parts of pages that are generated from the code: `cargo xtask tidy` compares them with the
//! code, and writes them with `--bless`.
//!
//! Owns the comparison and its finding. Must not know what a part says.

use std::path::Path;

use scorebox_pages::{line_of, with_part};
use scorebox_workspace::failure::Failure;

use super::files::read;
use super::finding::Finding;

/// A part of a page that is generated from the code.
pub struct GeneratedPart {
    /// Path of the page that contains the part, relative to the workspace's root.
    pub page: &'static str,
    /// Name of the part. In the page, the part stands between `<!-- generated: NAME -->` and `<!--
    /// end: NAME -->`.
    pub part: &'static str,
    /// Text of the finding if the part differs from the text that the code generates.
    pub problem: &'static str,
}

impl GeneratedPart {
    /// Compares the part of the page with `text`, which the code generates. Returns a finding if
    /// they differ, and `None` otherwise.
    pub fn check(&self, root: &Path, text: &str) -> Option<Finding> {
        let page = std::fs::read_to_string(root.join(self.page)).unwrap_or_default();
        self.compare(&page, text)
    }

    /// Writes `text`, which the code generates, into the part of the page. Fails if the page cannot
    /// be read or written, or does not have the lines that mark the part.
    pub fn bless(&self, root: &Path, text: &str) -> Result<(), Failure> {
        let Self { page, part, .. } = self;
        let file = root.join(page);
        let Some(blessed) = with_part(&read(&file)?, part, text) else {
            return Err(Failure::project(
                format!("{page} has no place for the part `{part}`"),
                format!("add the lines `<!-- generated: {part} -->` and `<!-- end: {part} -->`"),
            ));
        };
        std::fs::write(&file, blessed)
            .map_err(|error| Failure::file(&file, "be written", error))?;
        eprintln!("blessed {page}");
        Ok(())
    }

    /// Compares the part in the page's text `page` with `text`, which the code generates. Returns a
    /// finding if they differ, and `None` otherwise.
    pub fn compare(&self, page: &str, text: &str) -> Option<Finding> {
        if with_part(page, self.part, text).as_deref() == Some(page) {
            return None;
        }
        Some(Finding::new(
            self.page,
            line_of(page, self.part),
            self.problem,
            "run `cargo xtask tidy --bless`",
        ))
    }
}
