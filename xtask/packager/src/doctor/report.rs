//! Report of `cargo xtask doctor`.
//!
//! Owns the lines, their two output formats, and the failure if a line is a problem. Also prevents
//! text from outside from controlling the terminal or looking like a line of the report. Must not
//! know how anything is checked.

use std::fmt::Write as _;

use scorebox_host::engine::ENGINE;
use scorebox_host::scorer::Version;
use scorebox_host::text::{REASON_BYTES, bounded, counted, cut, printable_json, printable_lines};
use scorebox_workspace::failure::Failure;
use serde_json::{Value, json};

use super::noun::{ALL, Noun};

/// Version of the format of the report as a JSON object. The version rises when a field changes its
/// meaning or is removed.
const VERSION: u32 = 1;

/// Version of this program, and of the host library that it contains.
pub const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Report of `cargo xtask doctor`, a list of lines in the order in which they were found.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
}

/// One line of the report: what was checked, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    noun: Noun,
    text: String,
    verdict: Verdict,
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The checked thing is as a deployment needs it.
    Ok,
    /// The deployment works, but not as well as it should. The text is the fix.
    Warning(String),
    /// The deployment does not work. The text is the fix.
    Problem(String),
    /// The check was not made, e.g. because something that it needs was not given or has a problem.
    Skipped,
}

impl Verdict {
    /// Words for all verdicts, in the order in which the report counts the lines with each verdict.
    const WORDS: [&'static str; 4] = ["ok", "warning", "problem", "skipped"];

    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning(_) => "warning",
            Self::Problem(_) => "problem",
            Self::Skipped => "skipped",
        }
    }

    fn fix(&self) -> Option<&str> {
        match self {
            Self::Warning(fix) | Self::Problem(fix) => Some(fix),
            Self::Ok | Self::Skipped => None,
        }
    }
}

impl Report {
    /// Adds a line that says that the thing `noun` is as a deployment needs it.
    pub fn ok(&mut self, noun: Noun, text: impl Into<String>) {
        self.add(noun, text.into(), Verdict::Ok);
    }

    /// Adds a line with a warning about the thing `noun`: the deployment works, but not as well as
    /// it should. `fix` is the instruction that corrects this.
    pub fn warning(&mut self, noun: Noun, text: impl Into<String>, fix: impl Into<String>) {
        self.add(noun, text.into(), Verdict::Warning(fix.into()));
    }

    /// Adds a line with a problem of the thing `noun`, because of which the deployment does not
    /// work. `fix` is the instruction that solves the problem.
    pub fn problem(&mut self, noun: Noun, text: impl Into<String>, fix: impl Into<String>) {
        self.add(noun, text.into(), Verdict::Problem(fix.into()));
    }

    /// Adds a line with a problem of the thing `noun`, because of which the deployment does not
    /// work. `failure` has the text and the fix of the line.
    pub fn failed(&mut self, noun: Noun, failure: Failure) {
        self.problem(noun, failure.problem, failure.fix);
    }

    /// Adds a line about a check that was not made. `why` says why it was not made.
    pub fn skipped(&mut self, noun: Noun, why: impl Into<String>) {
        self.add(noun, why.into(), Verdict::Skipped);
    }

    /// Returns true if a line of the report about `noun` is a problem.
    pub fn has_problem(&self, noun: Noun) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| line.noun == noun && matches!(line.verdict, Verdict::Problem(_)))
    }

    /// Returns true if the report has a line about `noun`.
    pub fn has(&self, noun: Noun) -> bool {
        self.lines.iter().any(|line| line.noun == noun)
    }

    /// Returns true if the report has lines about `noun`, but all of them are about checks that
    /// were not made.
    pub fn has_skipped_only(&self, noun: Noun) -> bool {
        let mut lines = self.lines.iter().filter(|line| line.noun == noun);
        self.has(noun) && lines.all(|line| line.verdict == Verdict::Skipped)
    }

    fn add(&mut self, noun: Noun, text: String, verdict: Verdict) {
        let verdict = match verdict {
            Verdict::Warning(fix) => Verdict::Warning(bounded(fix, REASON_BYTES)),
            Verdict::Problem(fix) => Verdict::Problem(bounded(fix, REASON_BYTES)),
            other => other,
        };
        let text = bounded(text, REASON_BYTES);
        let line = Line {
            noun,
            text,
            verdict,
        };
        // Two manifests of one scorer can have one and the same problem.
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// Returns the lines in the order of the things that they are about, as in [`ALL`]. Lines about
    /// one thing keep their order.
    fn sorted(&self) -> Vec<&Line> {
        let mut lines = Vec::new();
        for (noun, _) in ALL {
            lines.extend(self.lines.iter().filter(|line| line.noun == *noun));
        }
        lines
    }

    fn count(&self, word: &str) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.verdict.word() == word).count()
    }

    /// Returns the report as text for people: one line for each check, each fix on a line of its
    /// own, and the counts.
    pub fn text(&self) -> String {
        // Lines after the first one are indented further, so that no text can look like a line.
        let inset = |text: &str| {
            let text = printable_lines(text).replace('\n', &format!("\n{:<31}", ""));
            cut(&text, 2 * REASON_BYTES).into_owned()
        };
        let mut shown = String::new();
        for line in self.sorted() {
            let word = line.verdict.word();
            // Writing to a string cannot fail.
            let _ = writeln!(shown, "{word:<8} {:<15} {}", line.noun, inset(&line.text));
            if let Some(fix) = line.verdict.fix() {
                let _ = writeln!(shown, "{:<8} {:<15} fix: {}", "", "", inset(fix));
            }
        }
        let counts = Verdict::WORDS.map(|word| match (word, self.count(word)) {
            ("ok" | "skipped", count) => format!("{count} {word}"),
            (word, count) => counted(count as u64, word),
        });
        let _ = writeln!(shown, "{}", counts.join(", "));
        shown
    }

    /// Returns the report as one JSON object for scripts.
    pub fn json(&self) -> String {
        let checks = self.sorted().into_iter().map(|line| {
            json!({
                "noun": line.noun.name(),
                "verdict": line.verdict.word(),
                "text": line.text,
                "fix": line.verdict.fix(),
            })
        });
        let counts: serde_json::Map<String, Value> = Verdict::WORDS
            .iter()
            .map(|word| ((*word).to_owned(), self.count(word).into()))
            .collect();
        let object = json!({
            "version": VERSION,
            "tool": { "version": TOOL_VERSION, "contract": Version::Current.number(), "engine": ENGINE },
            "passed": self.count("problem") == 0,
            "counts": counts,
            "checks": checks.collect::<Vec<_>>(),
        });
        format!("{}\n", printable_json(&object.to_string()))
    }

    /// Fails if a line of the report is a problem.
    pub fn outcome(&self) -> Result<(), Failure> {
        match self.count("problem") {
            0 => Ok(()),
            count => Err(Failure::other(
                format!("{} found", counted(count as u64, "problem")),
                "follow the fix below each line that begins with `problem`, and run this command \
                 again",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_from_outside_looks_like_a_line() {
        let evil = "x\nproblem  store  y\u{1b}[2K\u{202e}\nfix: z";
        let mut report = Report::default();
        report.ok(Noun::Store, evil);
        report.problem(Noun::Manifest, evil, evil);
        let text = report.text();
        let starts: Vec<_> = text
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default())
            .collect();
        assert_eq!(
            starts,
            ["problem", "", "", "", "", "", "ok", "", "", "1"],
            "{text}"
        );
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
        assert!(!text.contains('\u{202e}') && !report.json().contains('\u{202e}'));
        assert!(
            text.ends_with("1 ok, 0 warnings, 1 problem, 0 skipped\n"),
            "{text}"
        );
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["checks"][0]["text"], evil);
        assert_eq!(json["passed"], false);
        assert_eq!(report.outcome().unwrap_err().exit_code(), 1);
    }

    #[test]
    fn lines_have_the_order_of_the_page_and_warnings_pass() {
        let mut report = Report::default();
        report.skipped(Noun::Address, "a");
        report.warning(Noun::Cpu, "b", "c");
        report.ok(Noun::Image, "d".repeat(1 << 20));
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        let nouns: Vec<_> = json["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["noun"].as_str().unwrap())
            .collect();
        assert_eq!(nouns, ["image", "cpu", "address"]);
        assert_eq!(json["counts"]["warning"], 1);
        assert!(report.outcome().is_ok() && report.text().len() < 8192);
    }
}
