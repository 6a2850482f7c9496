//! A scorer that talks too much: `{"way": "log", "times": 1000, "text": "x", "length": 16384}`.
//!
//! Owns the ways in which a scorer can write to the log. Its schema takes no other fields, so that a caller can be told of
//! one. Must not know any bound.

use std::io::Write as _;

use scorebox_guest::{Error, Invocation, Json, Result, Scorer, Signature, export_scorer, log, metrics};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Speech {
    way: Way,
    times: u32,
    /// What is written; repeated to the length, if that is given.
    text: String,
    #[serde(default)]
    length: usize,
    /// Says at last, as an error in the log, that this was the end.
    #[serde(default)]
    ends: bool,
    /// Rejects the call at last.
    #[serde(default)]
    rejects: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// Messages.
    Log,
    /// Messages at the level of errors.
    Errors,
    /// Contexts of messages.
    Context,
    /// Values of a measurement's attributes.
    Metrics,
    /// Names of a measurement's attributes.
    MetricNames,
    /// Lines on both standard streams.
    Print,
    /// Text without an end of line, on both standard streams.
    PrintOn,
    /// All of them.
    All,
}

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
  "way": {"enum": ["log", "errors", "context", "metrics", "metric-names", "print", "print-on", "all"]},
  "times": {"type": "integer"}, "text": {"type": "string"}, "length": {"type": "integer"}, "ends": {"type": "boolean"},
  "rejects": {"type": "boolean"}, "deep": {"type": "object"}
}}"#;

struct Talker;

impl Scorer for Talker {
    type Input = Json<Speech>;
    type Output = Json<Value>;

    fn describe() -> Signature {
        Signature::json().input_schema(SCHEMA)
    }

    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self, _call: &Invocation, Json(speech): Json<Speech>) -> Result<Json<Value>> {
        let text = match speech.length {
            0 => speech.text.clone(),
            length => speech.text.chars().cycle().take(length).collect(),
        };
        for _ in 0..speech.times {
            say(&speech.way, &text);
        }
        if speech.ends {
            log::error!("this was the end");
        }
        if speech.rejects {
            return Err(Error::rejected("too-much", "it was too much"));
        }
        Ok(Json(json!({})))
    }
}

export_scorer!(Talker);

fn say(way: &Way, text: &str) {
    match way {
        Way::Log => log::write(log::Level::Info, "talk", format_args!("{text}")),
        Way::Errors => log::write(log::Level::Error, "talk", format_args!("{text}")),
        Way::Context => log::write(log::Level::Info, text, format_args!("said")),
        Way::Metrics => metrics::count("talk", u64::MAX, &[("value", text); 8]),
        Way::MetricNames => metrics::record("talk", f64::MIN, &[(text, "v"); 8]),
        Way::Print => {
            println!("{text}");
            eprintln!("{text}");
        }
        Way::PrintOn => {
            // A stream that takes no more is not what a test asks for.
            drop(std::io::stdout().write_all(text.as_bytes()));
            drop(std::io::stderr().write_all(text.as_bytes()));
        }
        Way::All => {
            for way in [Way::Log, Way::Context, Way::Metrics, Way::MetricNames, Way::Print, Way::PrintOn] {
                say(&way, text);
            }
        }
    }
}
