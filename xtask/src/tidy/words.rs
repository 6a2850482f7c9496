//! Rules for the English of comments and texts, as far as a program can check them.
//!
//! Owns the words with which a doc comment must not begin, the minimum number of words of a doc
//! comment, and the words that the project does not use. Must not know what a text is about.
//! `.github/CONTRIBUTING.md` has the rules for people.

use super::finding::Finding;
use super::source_text::views;

/// Starts of a doc comment that show a clause without a subject.
const CLAUSES: &[&str] = &["What", "Who", "Whether", "Of", "The same"];

/// Minimum number of words of a doc comment that has one line.
const FEWEST_WORDS: usize = 3;

/// Words that the project does not use, each with the word that it uses instead.
const WORDS: &[(&str, &str)] = &[
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("beside", "next to"),
    ("whoever", "anyone who"),
];

/// Phrases that the project does not use, each with the phrase that it uses instead. `has not` is
/// allowed before another word, and `is no` after `there` and before `longer` and `more`.
const PHRASES: &[(&str, &str)] = &[("has not", "does not have"), ("is no", "is not a")];

/// Checks the English of the comments and strings in one Rust file. The strings of tests may quote
/// anything. `file` is the path relative to the workspace's root, and `text` is the content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    // This file has to name the words.
    if file == "xtask/src/tidy/words.rs" {
        return Vec::new();
    }
    let mut findings = doc_comments(file, text);
    let strings = views(text).with_strings;
    for (index, (line, strings)) in text.lines().zip(strings.lines()).enumerate() {
        let comment = line.trim_start().strip_prefix("//");
        // Tests quote what others say.
        let quoted = (strings.contains('"') && !file.starts_with("tests/")).then_some(strings);
        for said in comment
            .into_iter()
            .chain(quoted.filter(|_| comment.is_none()))
        {
            let found = odd_words(said);
            findings.extend(found.map(|(word, better)| {
                let fix = format!("write `{better}`");
                Finding::new(file, index + 1, format!("`{word}` is not our English"), fix)
            }));
        }
    }
    findings
}

fn doc_comments(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_within = false;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let comment = doc(line);
        let begins = comment.filter(|_| !is_within);
        is_within = comment.is_some();
        let Some(first) = begins else { continue };
        let goes_on = lines.peek().is_some_and(|(_, next)| doc(next).is_some());
        let clause = CLAUSES.iter().find(|clause| begins_with(first, clause));
        let what = match clause {
            Some(clause) => format!("the doc comment begins with `{clause}`"),
            None if !goes_on && first.split_whitespace().count() < FEWEST_WORDS => {
                format!("the doc comment has fewer than {FEWEST_WORDS} words")
            }
            None => continue,
        };
        let fix = "name the thing, or begin with a verb: `Returns …`, `Size of …, in bytes.`";
        findings.push(Finding::new(file, index + 1, what, fix));
    }
    findings
}

/// Returns the text after `///` or `//!` in a line. Returns `None` if the line is not part of a doc
/// comment.
fn doc(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
    (!text.starts_with('/')).then_some(text.trim())
}

fn begins_with(text: &str, word: &str) -> bool {
    let rest = text.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
}

/// Returns the words and phrases in a line that the project does not use, each with its
/// replacement.
fn odd_words(line: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let words: Vec<String> = line
        .split(|c: char| !c.is_alphabetic() && c != '\'')
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect();
    let has = |word: &str| words.iter().any(|own| own == word);
    let single: Vec<_> = WORDS
        .iter()
        .filter(|(word, _)| has(word))
        .copied()
        .collect();
    let lower = line.to_lowercase();
    let phrases = PHRASES
        .iter()
        .filter(|(phrase, _)| is_odd(&lower, phrase))
        .copied();
    single.into_iter().chain(phrases.collect::<Vec<_>>())
}

/// Returns true if the line contains the phrase in the meaning `does not have` or `is not a`.
/// `lower` is the line in lower case, and `phrase` is one of `PHRASES`.
fn is_odd(lower: &str, phrase: &str) -> bool {
    let mut rest = lower;
    let mut before = String::new();
    while let Some((left, right)) = rest.split_once(phrase) {
        before.push_str(left);
        let is_whole = !before.ends_with(char::is_alphanumeric)
            && !right.starts_with(|next: char| next.is_alphanumeric());
        let next = right.trim_start();
        let is_plain = match phrase {
            "has not" => !next.is_empty() && !next.starts_with(['.', ',', ';', ':', '"', '`']),
            _ => {
                before.trim_end().ends_with("there")
                    || ["longer", "more", "-"]
                        .iter()
                        .any(|word| next.starts_with(word))
            }
        };
        if is_whole && !is_plain {
            return true;
        }
        before.push_str(phrase);
        rest = right;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::check;

    #[track_caller]
    fn finds(text: &str, expected: &[(usize, &str)]) {
        let found = check("host/src/a.rs", text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (line, part)) in found.iter().zip(expected) {
            assert!(
                finding.line == *line && finding.what.contains(part),
                "{finding}"
            );
        }
    }

    #[test]
    fn a_doc_comment_is_a_sentence() {
        finds("/// What computes.\nenum Code {}\n", &[(1, "`What`")]);
        finds("/// Whether it only would.\n", &[(1, "`Whether`")]);
        finds("/// Of the same.\n///\n/// Whatever.\n", &[(1, "`Of`")]);
        finds("/// Its name.\n", &[(1, "fewer than 3 words")]);
        finds(
            "/// Size of the blob, in bytes.\n///\n/// Of no use.\n",
            &[],
        );
        finds("/// Offers a place\n/// to sit.\n/// ```\n", &[]);
        finds("//// What\n// What\n", &[]);
        finds("//! What the host does.\n", &[(1, "`What`")]);
    }

    #[test]
    fn words_have_one_form() {
        finds("// Mend it.\n", &[(1, "`mend`")]);
        finds("let fix = \"mend the line above\";\n", &[(1, "`mend`")]);
        finds("let amend = besides(mend);\n", &[]);
        finds("// A store that it has not.\n", &[(1, "`has not`")]);
        finds(
            "// It has not answered yet. There is no other. It is no longer.\n",
            &[],
        );
        finds("let text = \"is no array\";\n", &[(1, "`is no`")]);
    }
}
