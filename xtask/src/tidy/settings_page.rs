//! The table of settings on the operators' page.
//!
//! Owns the table's text, which it writes and compares. Must not know what any setting does.

use std::path::Path;

use scorebox_manifest::settings::{SETTINGS, Setting};
use scorebox_workspace::failure::Failure;

use super::{Finding, read};

const PAGE: &str = "host/docs/settings.md";
const START: &str = "<!-- generated: settings -->\n";
const END: &str = "<!-- end: settings -->\n";

/// Compares the table of settings in `host/docs/settings.md` with the settings that the host knows.
pub fn check(root: &Path) -> Vec<Finding> {
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    compare(&page, &table(SETTINGS)).into_iter().collect()
}

/// Writes the table of settings into `host/docs/settings.md`.
pub fn bless(root: &Path) -> Result<(), Failure> {
    let file = root.join(PAGE);
    let page = read(&file)?;
    let Some(blessed) = with_table(&page, &table(SETTINGS)) else {
        return Err(Failure::project(
            format!("{PAGE} has no place for the table"),
            format!("add the lines `{}` and `{}`", START.trim(), END.trim()),
        ));
    };
    std::fs::write(&file, blessed).map_err(|error| Failure::file(&file, "be written", error))?;
    eprintln!("blessed {PAGE}");
    Ok(())
}

fn compare(page: &str, table: &str) -> Option<Finding> {
    if with_table(page, table).as_deref() == Some(page) {
        return None;
    }
    let line = page
        .find(START)
        .map_or(1, |start| page[..start].lines().count() + 1);
    Some(Finding::new(
        PAGE,
        line,
        "the table of settings differs from the program's",
        "run `cargo xtask tidy --bless`",
    ))
}

/// Puts the table of settings between the two marks in the text of a page. Returns `None` if the
/// page does not have the marks.
fn with_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}{table}{END}{after}"))
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
        let page = |table: &str| format!("# Settings\n\n{START}{table}{END}\nMore.\n");
        let table = table(&[QUEUE]);
        assert_eq!(compare(&page(&table), &table), None);
        let finding = compare(&page(&table.replace("64", "32")), &table).unwrap();
        assert_eq!(
            (finding.line, with_table(&page("old"), &table)),
            (3, Some(page(&table)))
        );
        assert!(compare("# Settings\n", &table).is_some());
    }
}
