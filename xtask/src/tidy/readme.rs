//! The README's table of settings.
//!
//! Owns the comparison with the host's own table. Must not know what any setting does.

use scorebox_host::manifest::settings::{SETTINGS, Setting};

use super::Finding;

/// Checks that every key of the manifest stands in a table row, with its default.
pub fn check(readme: &str) -> Vec<Finding> {
    SETTINGS.iter().filter_map(|setting| missing(readme, setting)).collect()
}

fn missing(readme: &str, setting: &Setting) -> Option<Finding> {
    let key = format!("`{}`", setting.key);
    let row = readme.lines().enumerate().find(|(_, line)| line.starts_with(&format!("| {key} |")));
    let Some((index, row)) = row else {
        let fix = format!("add the row | {key} | {} | {} | {} |", setting.form, default(setting), setting.why);
        return Some(Finding::new("README.md", 1, format!("no table row for the setting {key}"), fix));
    };
    // The whole row, so that neither a default nor its reason can drift from the program's.
    let default_cell = default(setting);
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    if cells.get(3) == Some(&default_cell.as_str()) && row.contains(setting.why) {
        return None;
    }
    Some(Finding::new(
        "README.md",
        index + 1,
        format!("the row of {key} has another default or meaning than the program"),
        format!("write | {key} | {} | {default_cell} | {} |", setting.form, setting.why),
    ))
}

fn default(setting: &Setting) -> String {
    if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_key_and_default() {
        let setting = Setting { key: "limits.queue", form: "number", default: "64", why: "Enough." };
        let check = |readme: &str, fits: bool| assert_eq!(missing(readme, &setting).is_none(), fits, "{readme}");
        check("| `limits.queue` | number | `64` | Enough. |", true);
        check("| `limits.queue` | number | `32` | Enough. |", false);
        check("| `limits.queue` | number | `64` | Too much. |", false);
        check("| see `limits.queue` | number | `64` | Enough. |", false);
        check("`limits.queue` is `64`", false);
        check("", false);
    }
}
