//! Log events as lines, in JSON or as text.
//!
//! Owns the format of a line, its escapes and its limits. Whatever is logged, an event is exactly
//! one line, no part of the line controls a terminal, and the line has a maximum length. Must not
//! know which events are written, or where lines go.

use std::fmt::{self, Debug, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::text::{Detail, detail, is_deceptive, push_json_escape, push_printable};

/// Maximum length of a value in a log line, in bytes after escaping.
const VALUE_BYTES: usize = 16 << 10;

/// Length of a log line from which on values are truncated, in bytes. Names of fields are never
/// truncated, so a line may be a little longer. A few values of the maximum length fit into a line.
const LINE_BYTES: usize = 64 << 10;

/// Ellipsis at the end of a value that was truncated.
const MARK: &str = "…";

/// Number of bytes that are reserved for a log line when it is created. Most lines need no more.
const USUAL_BYTES: usize = 320;

/// Format of a log line: JSON or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The line is a JSON object, for machines.
    Json,
    /// The line is text for people.
    Text {
        /// True if the line may hold escape sequences for colours.
        colours: bool,
    },
}

/// `tracing` layer that passes each event to `write` as a log line with a line end. The second
/// argument of `write` is true for a warning or an error.
pub(super) struct Lines<W> {
    pub(super) form: Form,
    pub(super) write: W,
}

impl<S: Subscriber, W: Fn(&str, bool) + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = level_and_target(event.metadata());
        let mut line = Line::new(self.form, &level, target);
        event.record(&mut line);
        (self.write)(&line.finish(target), level <= Level::WARN);
    }
}

/// Returns the level and the target of the log line of an event. They differ from those of the event
/// if the line's level is below `info`.
pub(super) fn level_and_target<'a>(event: &Metadata<'a>) -> (Level, &'a str) {
    match detail(event.target()) {
        Some((Detail::Debug, target)) => (Level::DEBUG, target),
        Some((Detail::Trace, target)) => (Level::TRACE, target),
        None => (*event.level(), event.target()),
    }
}

/// Returns the log line of a warning with the given target and message. The line is made without an
/// event of `tracing`.
pub(super) fn notice(form: Form, target: &str, message: &str) -> String {
    let mut line = Line::new(form, &Level::WARN, target);
    line.message(format_args!("{message}"));
    line.finish(target)
}

/// A log line that is being built.
struct Line {
    form: Form,
    text: String,
}

impl Line {
    fn new(form: Form, level: &Level, target: &str) -> Self {
        let mut text = String::with_capacity(USUAL_BYTES);
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        // Writing to a string cannot fail.
        let _ = match form {
            Form::Json => write!(text, "{{\"timestamp\":\"{now}\",\"level\":\"{level}\""),
            Form::Text { colours: false } => write!(text, "{now} {:>5} {target}:", level.as_str()),
            Form::Text { colours: true } => {
                let colour = match *level {
                    Level::ERROR => 31,
                    Level::WARN => 33,
                    Level::INFO => 32,
                    Level::DEBUG => 34,
                    Level::TRACE => 35,
                };
                let level = level.as_str();
                write!(
                    text,
                    "\x1b[2m{now}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m \x1b[2m{target}:\x1b[0m"
                )
            }
        };
        Self { form, text }
    }

    fn finish(mut self, target: &str) -> String {
        // A target is a path in the program's code, so it needs no escaping.
        let _ = match self.form {
            Form::Json => writeln!(self.text, ",\"target\":\"{target}\"}}"),
            Form::Text { .. } => writeln!(self.text),
        };
        self.text
    }

    /// Adds the start of a field to the line: the field's name and a separator. Field names come
    /// from the program's code, so they need no escaping.
    fn name(&mut self, field: &Field) {
        let name = field.name().trim_start_matches("r#");
        let _ = match self.form {
            Form::Json => write!(self.text, ",\"{name}\":"),
            Form::Text { colours: false } => write!(self.text, " {name}="),
            Form::Text { colours: true } => {
                write!(self.text, " \x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")
            }
        };
    }

    /// Adds the message of the event to the line. In the text format, the message does not have a
    /// field name.
    fn message(&mut self, message: fmt::Arguments<'_>) {
        match self.form {
            Form::Json => {
                self.text.push_str(",\"message\":");
                self.quoted(message);
            }
            Form::Text { .. } => {
                self.text.push(' ');
                self.escaped(message, false);
            }
        }
    }

    fn quoted(&mut self, value: fmt::Arguments<'_>) {
        self.text.push('"');
        self.escaped(value, true);
        self.text.push('"');
    }

    fn escaped(&mut self, value: fmt::Arguments<'_>, is_quoted: bool) {
        let room = LINE_BYTES.saturating_sub(self.text.len()).min(VALUE_BYTES);
        let end = self.text.len() + room;
        let mut value_text = Value {
            form: self.form,
            is_quoted,
            text: &mut self.text,
            end,
            is_full: false,
        };
        // The only error is that there is no more room.
        let _ = value_text.write_fmt(value);
    }

    /// Adds a field to the line whose value needs no quotation marks and no escaping, such as a
    /// number.
    fn plain(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.name(field);
        let _ = self.text.write_fmt(value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message(format_args!("{value}"));
        } else {
            self.name(field);
            self.quoted(format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message(format_args!("{value:?}"));
        } else {
            self.name(field);
            match self.form {
                Form::Json => self.quoted(format_args!("{value:?}")),
                Form::Text { .. } => self.escaped(format_args!("{value:?}"), false),
            }
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match self.form {
            // JSON cannot hold NaN or infinity.
            Form::Json if !value.is_finite() => self.plain(field, format_args!("null")),
            _ => self.plain(field, format_args!("{value:?}")),
        }
    }
}

/// Writer that appends an escaped value to a log line until the maximum length is reached.
struct Value<'a> {
    form: Form,
    /// True if the value is in quotation marks, so that quotation marks in the value must be
    /// escaped.
    is_quoted: bool,
    text: &'a mut String,
    /// Maximum length of `text` after this value is appended, in bytes.
    end: usize,
    is_full: bool,
}

impl Value<'_> {
    fn push(&mut self, character: char) {
        match (self.form, character) {
            (_, '"' | '\\') if self.is_quoted => self.text.extend(['\\', character]),
            (Form::Json, '\n') => self.text.push_str("\\n"),
            (Form::Json, '\r') => self.text.push_str("\\r"),
            (Form::Json, '\t') => self.text.push_str("\\t"),
            (Form::Json, character) if is_deceptive(character) => {
                push_json_escape(self.text, character)
            }
            (Form::Json, character) => self.text.push(character),
            (Form::Text { .. }, character) => push_printable(self.text, character),
        }
    }
}

impl fmt::Write for Value<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.is_full {
            return Err(fmt::Error);
        }
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if self.text.len() + piece.len() <= self.end && piece.bytes().all(is_plain) {
            self.text.push_str(piece);
            return Ok(());
        }
        for character in piece.chars() {
            let before = self.text.len();
            self.push(character);
            if self.text.len() + MARK.len() > self.end {
                // The cut may remove one last character that would just fit, which does not matter.
                self.text.truncate(before);
                self.text.push_str(MARK);
                self.is_full = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value as Json;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const TEXT: Form = Form::Text { colours: false };

    /// Returns the log lines that the function `log` writes.
    fn lines(form: Form, log: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let write = move |line: &str, _| into.lock().unwrap().push(line.to_owned());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(Lines { form, write }),
            log,
        );
        lines.lock().unwrap().clone()
    }

    #[test]
    fn an_event_is_an_object_with_its_fields() {
        let nothing: Option<&str> = None;
        let found = lines(Form::Json, || {
            tracing::warn!(text = "a\"b", count = 3, share = 0.25, none = f64::NAN, yes = true, nothing, shown = %"x", list = ?[1, 2], "said {}", 1);
        });
        let [line] = found.as_slice() else {
            panic!("{found:?}")
        };
        let json: Json = serde_json::from_str(line).unwrap();
        for (name, expected) in [
            ("level", Json::from("WARN")),
            ("message", "said 1".into()),
            ("text", "a\"b".into()),
            ("count", 3.into()),
            ("share", 0.25.into()),
            ("none", Json::Null),
            ("yes", true.into()),
            ("shown", "x".into()),
            ("list", "[1, 2]".into()),
            ("target", module_path!().into()),
        ] {
            assert_eq!(json[name], expected, "{name}");
        }
        assert!(json.get("nothing").is_none() && line.ends_with("}\n"));
        assert!(humantime::parse_rfc3339(json["timestamp"].as_str().unwrap()).is_ok());
    }

    #[test]
    fn nothing_that_is_logged_forges_a_line_or_moves_a_cursor() {
        let evil = "a\nb\r\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\u{85}\0";
        for form in [Form::Json, TEXT] {
            let found = lines(form, || {
                tracing::info!(text = evil, shown = %evil, debug = ?evil, some = Some(evil), "{evil}");
            });
            let [line] = found.as_slice() else {
                panic!("{found:?}")
            };
            let inner = line.strip_suffix('\n').unwrap();
            assert!(!inner.chars().any(is_deceptive), "{inner:?}");
            if form == Form::Json {
                let json: Json = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (&json["message"], &json["text"], &json["shown"]),
                    (&evil.into(), &evil.into(), &evil.into())
                );
            }
        }
    }

    #[test]
    fn a_line_has_a_greatest_length_whatever_is_logged() {
        for long in [
            "x".repeat(5 << 20),
            "\u{1b}".repeat(5 << 20),
            "\u{e0001}ü\"".repeat(1 << 20),
        ] {
            for form in [Form::Json, TEXT, Form::Text { colours: true }] {
                let found = lines(form, || {
                    tracing::info!(a = long, b = %long, c = ?long, d = long, e = long, f = long, "{long}");
                });
                let [line] = found.as_slice() else {
                    panic!("{}", found.len())
                };
                assert!(
                    line.len() <= LINE_BYTES + 1024 && line.contains(MARK),
                    "{}",
                    line.len()
                );
                if form == Form::Json {
                    let json: Json = serde_json::from_str(line).unwrap();
                    assert!(
                        json["a"]
                            .as_str()
                            .is_some_and(|text| text.len() <= VALUE_BYTES && text.ends_with(MARK))
                    );
                }
            }
        }
    }

    #[test]
    fn lines_below_info_show_their_own_level_and_target() {
        let lines = lines(Form::Json, || {
            crate::text::debug!(count = 1, "said {}", 1);
            crate::text::debug!(target: "scorer", "said");
            crate::text::trace!(target: "scorer", "said");
            tracing::info!("said");
        });
        let shown: Vec<_> = lines
            .iter()
            .map(|line| {
                let line: Json = serde_json::from_str(line).unwrap();
                [line["level"].clone(), line["target"].clone()]
            })
            .collect();
        assert_eq!(
            shown,
            [
                ["DEBUG", module_path!()],
                ["DEBUG", "scorer"],
                ["TRACE", "scorer"],
                ["INFO", module_path!()]
            ]
        );
        assert!(
            lines[0].contains(r#""message":"said 1","count":1"#),
            "{}",
            lines[0]
        );
    }

    #[test]
    fn text_is_for_reading() {
        let [line] = lines(TEXT, || {
            tracing::error!(id = "a b", count = 1, "it \"fails\"")
        })
        .try_into()
        .unwrap();
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(
            rest,
            format!(
                "ERROR {}: it \"fails\" id=\"a b\" count=1\n",
                module_path!()
            )
        );
        assert!(notice(TEXT, "t", "m").ends_with("  WARN t: m\n"));
        assert!(notice(Form::Json, "t", "m").contains(r#""message":"m""#));
    }
}
