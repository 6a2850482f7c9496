//! A scorer that writes too much to the log: `{"way": "log", "times": 1000, "text": "x", "length":
//! 16384}`.
//!
//! Owns the ways in which a scorer can write to the log. Its schema accepts no other fields, so
//! that a request with another field gets an error about it. Must not know any bound.

use std::io::Write as _;

use scorebox_guest::{
    Error, Invocation, Json, Result, Scorer, Signature, export_scorer, log, metrics,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Speech {
    way: Way,
    times: u32,
    /// Text that is written. It is repeated to `length` characters, if that is not 0.
    text: String,
    #[serde(default)]
    length: usize,
    /// True if the call ends with a line that says so, as an error in the log.
    #[serde(default)]
    ends: bool,
    /// True if the call is rejected at its end.
    #[serde(default)]
    rejects: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// Log messages at the level of information.
    Log,
    /// Log messages at the level of errors.
    Errors,
    /// Contexts of log messages.
    Context,
    /// Values of a measurement's attributes.
    Metrics,
    /// Names of a measurement's attributes.
    MetricNames,
    /// Lines on both standard streams.
    Print,
    /// Text without a line end, on both standard streams.
    PrintOn,
    /// All ways but `Errors`, one after another.
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
            // A stream may refuse more text. No test asks for that, so the error is ignored.
            drop(std::io::stdout().write_all(text.as_bytes()));
            drop(std::io::stderr().write_all(text.as_bytes()));
        }
        Way::All => {
            for way in [
                Way::Log,
                Way::Context,
                Way::Metrics,
                Way::MetricNames,
                Way::Print,
                Way::PrintOn,
            ] {
                say(&way, text);
            }
        }
    }
}
