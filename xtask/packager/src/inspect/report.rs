//! Report on an inspected image.
//!
//! Owns the list of checks and its two output formats, a table and a JSON object. Also prevents
//! text of the image from controlling the terminal or looking like a row of the table. Must not
//! know how anything is checked.

use std::collections::BTreeMap;

use scorebox_host::text::{NAME_BYTES, REASON_BYTES, printable, quoted};
use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

/// Report on an inspected image.
#[derive(Debug)]
pub struct Report {
    /// Name or folder of the image, as it was given on the command line.
    pub place: String,
    /// Digest of the image's manifest.
    pub digest: Digest,
    /// Labels in the image's config.
    pub labels: BTreeMap<String, String>,
    /// Name and digest of the base image, as the image states them. `None` if the image does not
    /// state both.
    pub base: Option<(String, String)>,
    /// Checks of the image with their results, in the order in which they were made.
    pub checks: Vec<Check>,
    /// Claims that only a signature can confirm: for each claim the name of its check, and the text
    /// of the claim.
    needs_key: Vec<(String, String)>,
}

/// One check of an image, with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Name of the check, as the report shows it.
    pub what: String,
    /// Additional information about the checked part, e.g. a size. Empty if there is none.
    pub note: String,
    /// Result of the check.
    pub verdict: Verdict,
}

/// Result of a check of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The checked part is what it claims to be.
    Good,
    /// The checked part is not what it claims to be. The text is the reason.
    Wrong(String),
    /// The part could not be checked. The text is the reason.
    Open(String),
}

/// Labels of the image that the report for people shows, each with its short name in the report.
const SHOWN: [(&str, &str); 8] = [
    ("dev.scorebox.scorer.name", "scorer"),
    ("dev.scorebox.scorer.version", "version"),
    ("dev.scorebox.world", "world"),
    ("dev.scorebox.wit-version", "contract"),
    ("dev.scorebox.component.digest", "component"),
    ("dev.scorebox.model.digest", "model"),
    ("dev.scorebox.pack.python", "python"),
    ("dev.scorebox.pack.digest", "pack"),
];

impl Report {
    /// Creates a report without checks. `place` is the name or folder of the image, and `digest` is
    /// the digest of the image's manifest.
    pub fn new(place: &str, digest: Digest) -> Self {
        let (labels, base, checks, needs_key) = (BTreeMap::new(), None, Vec::new(), Vec::new());
        Self {
            place: place.to_owned(),
            digest,
            labels,
            base,
            checks,
            needs_key,
        }
    }

    /// Adds a check with its verdict. `what` is the name of the check, and `note` is additional
    /// information, e.g. a size. All texts are shortened, and characters that control a terminal
    /// are escaped.
    pub fn note(&mut self, what: impl Into<String>, note: impl Into<String>, verdict: Verdict) {
        let shown = |text: String| quoted(&text, REASON_BYTES);
        let verdict = match verdict {
            Verdict::Good => Verdict::Good,
            Verdict::Wrong(problem) => Verdict::Wrong(shown(problem)),
            Verdict::Open(why) => Verdict::Open(shown(why)),
        };
        self.checks.push(Check {
            what: quoted(&what.into(), NAME_BYTES),
            note: shown(note.into()),
            verdict,
        });
    }

    /// Adds a claim of the image that nothing in the image proves. `what` is the name of the check,
    /// and `said` is the text of the claim.
    pub fn needs_key(&mut self, what: impl Into<String>, said: impl Into<String>) {
        self.needs_key.push((what.into(), said.into()));
    }

    /// Completes the report: adds a check for each claim that only a signature can confirm.
    /// `is_signed` is true if the image is signed with the given key, which confirms the claims.
    pub fn settle(&mut self, is_signed: bool) {
        for (what, said) in std::mem::take(&mut self.needs_key) {
            let verdict = match is_signed {
                true => Verdict::Good,
                false => Verdict::Open(format!(
                    "{said}: only a signature proves it; check one with --key"
                )),
            };
            self.note(what, said, verdict);
        }
    }

    /// Adds a check without a note. `what` is the name of the check. `problem` returns the reason
    /// why the check fails, and is called if `is_good` is false.
    pub fn check(
        &mut self,
        what: impl Into<String>,
        is_good: bool,
        problem: impl FnOnce() -> String,
    ) {
        self.note(
            what,
            "",
            if is_good {
                Verdict::Good
            } else {
                Verdict::Wrong(problem())
            },
        );
    }

    /// Returns the name and the problem of each failed check.
    pub fn wrong(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks.iter().filter_map(|check| match &check.verdict {
            Verdict::Wrong(problem) => Some((check.what.as_str(), problem.as_str())),
            _ => None,
        })
    }

    /// Returns the report as a text table for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<10} {}\n{:<10} {}\n",
            "image",
            printable(&self.place),
            "digest",
            self.digest
        );
        for (label, shown) in SHOWN {
            if let Some(value) = self.labels.get(label) {
                text.push_str(&format!("{shown:<10} {}\n", quoted(value, NAME_BYTES)));
            }
        }
        if let Some((name, digest)) = &self.base {
            let [name, digest] = [name, digest].map(|text| quoted(text, NAME_BYTES));
            text.push_str(&format!("{:<10} {name} {digest}\n", "base"));
        }
        text.push('\n');
        let width = self
            .checks
            .iter()
            .map(|check| check.what.len())
            .max()
            .unwrap_or(0);
        for Check {
            what,
            note,
            verdict,
        } in &self.checks
        {
            let (word, more) = match verdict {
                Verdict::Good => ("ok", note.as_str()),
                Verdict::Wrong(problem) => ("WRONG", problem.as_str()),
                Verdict::Open(why) => ("open", why.as_str()),
            };
            text.push_str(format!("{word:<6} {what:<width$}  {more}").trim_end());
            text.push('\n');
        }
        text
    }

    /// Returns the report as JSON for scripts. Characters that a terminal would interpret are
    /// escaped.
    pub fn json(&self) -> String {
        let text = self.value().to_string();
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            match printable(character.encode_utf8(&mut [0; 4])) {
                std::borrow::Cow::Borrowed(_) => shown.push(character),
                std::borrow::Cow::Owned(_) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        shown.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        shown
    }

    fn value(&self) -> Value {
        let checks = self.checks.iter().map(
            |Check {
                 what,
                 note,
                 verdict,
             }| {
                let (word, problem) = match verdict {
                    Verdict::Good => ("ok", None),
                    Verdict::Wrong(problem) => ("wrong", Some(problem)),
                    Verdict::Open(why) => ("open", Some(why)),
                };
                json!({ "what": what, "verdict": word, "problem": problem, "note": note })
            },
        );
        json!({
            "image": self.place,
            "digest": self.digest.to_string(),
            "labels": self.labels,
            "base": self.base.as_ref().map(|(name, digest)| json!({ "name": name, "digest": digest })),
            "verified": self.wrong().next().is_none(),
            "checks": checks.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_the_image_makes_a_line_or_moves_the_cursor() {
        let evil = "x\nok     layer app  1 bytes\u{1b}[2K\r\u{9b}1A\u{202e}\u{7f}";
        let mut report = Report::new(evil, Digest::of(b""));
        report
            .labels
            .insert("dev.scorebox.scorer.name".to_owned(), evil.to_owned());
        report.labels.insert(evil.to_owned(), evil.to_owned());
        report.base = Some((evil.to_owned(), evil.to_owned()));
        report.note(evil, evil, Verdict::Wrong(evil.to_owned()));
        report.note(evil, evil, Verdict::Open(evil.to_owned()));
        report.note(evil, evil, Verdict::Good);
        report.needs_key(evil, evil);
        report.settle(false);
        let table = report.table();
        // The table has image, digest, name, base, an empty line and four checks.
        assert_eq!(table.lines().count(), 4 + 1 + 4, "{table}");
        assert!(
            table
                .chars()
                .all(|character| character == '\n' || !character.is_control()),
            "{table}"
        );
        assert!(!table.contains('\u{202e}'));

        let text = report.json();
        assert!(
            text.chars()
                .all(|character| !character.is_control() && character != '\u{202e}'),
            "{text}"
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["labels"][evil], evil);
    }

    #[test]
    fn texts_are_cut() {
        let mut report = Report::new("x", Digest::of(b""));
        report
            .labels
            .insert("dev.scorebox.world".to_owned(), "y".repeat(5 << 20));
        report.note("z", "", Verdict::Wrong("z".repeat(5 << 20)));
        assert!(report.table().len() < 4096);
    }
}
