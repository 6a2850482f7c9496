//! The Markdown pages of the repository: their sizes, their links, and the files that their
//! commands name.
//!
//! Owns these rules, and a reader of the few parts of Markdown that the rules need. Must not know
//! what any page says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::finding::Finding;

/// Maximum number of lines of README.md, because the front page should fit on one or two screens.
const README_LINES: usize = 200;
const README_BYTES: usize = 10_000;

/// Maximum size of a Markdown page other than README.md, in bytes. A longer page should be two
/// pages.
const PAGE_BYTES: usize = 30_000;

/// Folders of the repository. If a word of a command on a page starts with one of them, the word is
/// taken as the path of a file.
const FOLDERS: &[&str] = &[
    "guest/", "host/", "tests/", "wit/", "xtask/", ".ci/", ".github/",
];

/// Checks all Markdown pages. The keys of `pages` are the paths of the pages relative to `root`,
/// and the values are the texts.
pub fn check(root: &Path, pages: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, text) in pages {
        findings.extend(too_long(name, text));
        findings.extend(broken_links(root, name, text, pages));
        findings.extend(missing_files(root, name, text));
    }
    findings
}

fn too_long(name: &str, text: &str) -> Option<Finding> {
    let (most_lines, most_bytes) = if name == "README.md" {
        (README_LINES, README_BYTES)
    } else {
        (usize::MAX, PAGE_BYTES)
    };
    let (lines, bytes) = (text.lines().count(), text.len());
    (lines > most_lines || bytes > most_bytes).then(|| {
        let what = format!("the page has {lines} lines and {bytes} bytes");
        Finding::new(
            name,
            1,
            what,
            format!("keep it below {most_bytes} bytes, and README.md below {README_LINES} lines"),
        )
    })
}

fn broken_links(
    root: &Path,
    name: &str,
    text: &str,
    pages: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (line, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if path.is_empty() {
            PathBuf::from(name)
        } else {
            resolved(&folder.join(path))
        };
        let key = file.display().to_string();
        let fix = "correct the link, or the heading that it names";
        if !root.join(&file).exists() {
            findings.push(Finding::new(
                name,
                line,
                format!("the link {target} leads to no file"),
                fix,
            ));
        } else if let Some(page) = pages.get(&key).filter(|_| !anchor.is_empty())
            && !anchors(page).contains(anchor)
        {
            findings.push(Finding::new(
                name,
                line,
                format!("the link {target} leads to no heading of {key}"),
                fix,
            ));
        }
    }
    findings
}

/// Finds paths of missing files of this repository in the command blocks of a page. `name` is the
/// path of the page, and `text` is its content. Files in a folder that the page itself creates with
/// `mkdir` need not exist.
fn missing_files(root: &Path, name: &str, text: &str) -> Vec<Finding> {
    let (mut findings, mut made) = (Vec::new(), Vec::new());
    for (line, text) in blocks(text, &["sh", "bash", "console"]) {
        let words = text.split(|c: char| c.is_whitespace() || "\"'`=:;,()|<>".contains(c));
        for word in words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder))) {
            if text.contains("mkdir ") {
                made.push(Path::new(word));
            }
            let is_pattern = word.contains(['*', '{', '$', '…']);
            let is_made = made
                .iter()
                .filter_map(|made| made.parent())
                .any(|made| Path::new(word).starts_with(made));
            if !is_pattern && !is_made && !root.join(word).exists() {
                let what = format!("a command names {word}, which is not there");
                findings.push(Finding::new(name, line, what, "correct the command"));
            }
        }
    }
    findings
}

/// Returns the target of each link outside of code blocks, with the number of its line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in outside_of_blocks(text) {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            found.push((line, target));
            rest = after;
        }
    }
    found
}

/// Returns the anchors of a page's headings, in the form that GitHub gives them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in outside_of_blocks(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let count = (1..).map(|count| format!("{anchor}-{count}"));
        let name = std::iter::once(anchor.clone())
            .chain(count)
            .find(|name| !found.contains(name));
        found.extend(name);
    }
    found
}

fn outside_of_blocks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// Returns the lines in code blocks of the given languages, each with its line number.
fn blocks<'a>(text: &'a str, languages: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let mut language = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if let Some(word) = line.trim_start().strip_prefix("```") {
            language = if language.is_none() {
                Some(word.trim())
            } else {
                None
            };
            return None;
        }
        language
            .is_some_and(|language| languages.contains(&language))
            .then_some((index + 1, line))
    })
}

/// Resolves `.` and `..` in a path without accessing the disk.
fn resolved(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            other => found.push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(pages: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in pages {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let pages = pages
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        check(root.path(), &pages)
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.what))
            .collect()
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let page = "# Who, where?\n\n## Who, where?\n\n[a](../README.md) [b](#who-where) [c](b.md#who-where-1)\n\
                    ```sh\n# no heading\n[x](y)\n```\n[d](https://example.com/x)\n";
        assert_eq!(
            whats(&[("README.md", "# A\n"), ("host/b.md", page)]),
            [""; 0]
        );
        let page = "[a](none.md)\n[b](#no-heading)\n[c](../README.md#b)\n";
        let expected = [
            "1: the link none.md leads to no file",
            "2: the link #no-heading leads to no heading of host/b.md",
            "3: the link ../README.md#b leads to no heading of README.md",
        ];
        assert_eq!(
            whats(&[("README.md", "# A\n"), ("host/b.md", page)]),
            expected
        );
    }

    #[test]
    fn commands_name_files_that_are_there() {
        let page =
            "```sh\ncp host/b.md x && cat host/c.md host/*.md\n```\n```text\nhost/d.md\n```\n";
        assert_eq!(
            whats(&[("host/b.md", page)]),
            ["2: a command names host/c.md, which is not there"]
        );
        let page = "```sh\nmkdir -p guest/a/src guest/a/model\ncat > guest/a/b.toml\n```\n";
        assert_eq!(whats(&[("host/b.md", page)]), [""; 0]);
    }

    #[test]
    fn the_front_page_is_short() {
        let long = "line\n".repeat(201);
        assert_eq!(
            whats(&[("README.md", &long)]),
            ["1: the page has 201 lines and 1005 bytes"]
        );
        assert_eq!(whats(&[("host/README.md", &long)]), [""; 0]);
        assert_eq!(whats(&[("host/README.md", &"x".repeat(30_001))]).len(), 1);
    }
}
