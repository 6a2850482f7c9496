//! What was found out about an image.
//!
//! Owns the list of checks and its two forms. Must not know how anything is checked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digest::Digest;

/// What was found out about an image.
#[derive(Debug)]
pub struct Report {
    /// Where it was found.
    pub place: String,
    /// Of its manifest.
    pub digest: Digest,
    /// Of its configuration.
    pub labels: BTreeMap<String, String>,
    /// Name and digest of the image below.
    pub base: Option<(String, String)>,
    /// Checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// What more is to say of it, e.g. its size.
    pub note: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it says it is.
    Good,
    /// It is not; why.
    Wrong(String),
    /// It could not be looked at; why.
    Open(String),
}

/// Labels that people look for, and how they are called in the table.
const SHOWN: [(&str, &str); 6] = [
    ("dev.scorebox.scorer.name", "scorer"),
    ("dev.scorebox.scorer.version", "version"),
    ("dev.scorebox.world", "world"),
    ("dev.scorebox.wit-version", "contract"),
    ("dev.scorebox.component.digest", "component"),
    ("dev.scorebox.model.digest", "model"),
];

impl Report {
    /// Notes a check.
    pub fn note(&mut self, what: impl Into<String>, note: impl Into<String>, verdict: Verdict) {
        self.checks.push(Check { what: what.into(), note: note.into(), verdict });
    }

    /// Notes a check that has no more to say.
    pub fn check(&mut self, what: impl Into<String>, is_good: bool, problem: impl FnOnce() -> String) {
        self.note(what, "", if is_good { Verdict::Good } else { Verdict::Wrong(problem()) });
    }

    /// What is wrong.
    pub fn wrong(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks.iter().filter_map(|check| match &check.verdict {
            Verdict::Wrong(problem) => Some((check.what.as_str(), problem.as_str())),
            _ => None,
        })
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!("{:<10} {}\n{:<10} {}\n", "image", self.place, "digest", self.digest);
        for (label, shown) in SHOWN {
            if let Some(value) = self.labels.get(label) {
                text.push_str(&format!("{shown:<10} {value}\n"));
            }
        }
        if let Some((name, digest)) = &self.base {
            text.push_str(&format!("{:<10} {name} {digest}\n", "base"));
        }
        text.push('\n');
        let width = self.checks.iter().map(|check| check.what.len()).max().unwrap_or(0);
        for Check { what, note, verdict } in &self.checks {
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

    /// For scripts.
    pub fn json(&self) -> Value {
        let checks = self.checks.iter().map(|Check { what, note, verdict }| {
            let (word, problem) = match verdict {
                Verdict::Good => ("ok", None),
                Verdict::Wrong(problem) => ("wrong", Some(problem)),
                Verdict::Open(why) => ("open", Some(why)),
            };
            json!({ "what": what, "verdict": word, "problem": problem, "note": note })
        });
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
