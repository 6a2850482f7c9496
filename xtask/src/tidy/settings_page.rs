//! The table of the host's settings on the page `host/docs/settings.md`, which is for operators.
//!
//! Owns the table's text. Must not know what any setting does.

use std::path::Path;

use scorebox_manifest::settings::{SETTINGS, Setting};
use scorebox_workspace::failure::Failure;

use super::finding::Finding;
use super::generated_part::GeneratedPart;

const TABLE: GeneratedPart = GeneratedPart {
    page: "host/docs/settings.md",
    part: "settings",
    problem: "the table of settings differs from the program's",
};

/// Compares the table of settings in `host/docs/settings.md` with the settings of the host. Returns
/// a finding if they differ, and `None` otherwise.
pub fn check(root: &Path) -> Option<Finding> {
    TABLE.check(root, &table(SETTINGS))
}

/// Writes the table of the host's settings into `host/docs/settings.md`. Fails if the page cannot
/// be written.
pub fn bless(root: &Path) -> Result<(), Failure> {
    TABLE.bless(root, &table(SETTINGS))
}

fn table(settings: &[Setting]) -> String {
    let rows = settings.iter().map(
        |Setting {
             key,
             form,
             default,
             why,
         }| {
            let default = if default.is_empty() {
                String::new()
            } else {
                format!("`{default}`")
            };
            let cells =
                [&format!("`{key}`"), *form, &default, *why].map(|cell| cell.replace('|', "\\|"));
            format!("| {} |\n", cells.join(" | "))
        },
    );
    format!(
        "| key | form | default | meaning |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use scorebox_pages::with_part;

    use super::*;

    const QUEUE: Setting = Setting {
        key: "limits.queue",
        form: "number",
        default: "64",
        why: "Enough.",
    };

    #[test]
    fn a_row_has_key_form_default_and_meaning() {
        let table = table(&[
            QUEUE,
            Setting {
                default: "",
                form: "a | b",
                ..QUEUE
            },
        ]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| `limits.queue` | number | `64` | Enough. |",
                "| `limits.queue` | a \\| b |  | Enough. |"
            ]
        );
    }

    #[test]
    fn another_default_or_a_page_without_marks_is_found() {
        let (start, end) = ("<!-- generated: settings -->\n", "<!-- end: settings -->\n");
        let page = |table: &str| format!("# Settings\n\n{start}{table}{end}\nMore.\n");
        let table = table(&[QUEUE]);
        assert_eq!(TABLE.compare(&page(&table), &table), None);
        let finding = TABLE
            .compare(&page(&table.replace("64", "32")), &table)
            .unwrap();
        assert_eq!(
            (finding.line, with_part(&page("old"), TABLE.part, &table)),
            (3, Some(page(&table)))
        );
        assert!(TABLE.compare("# Settings\n", &table).is_some());
    }
}
