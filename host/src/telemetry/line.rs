//! Log events as lines, in JSON or as text.
//!
//! Owns the format of a line, its escapes and its limits. Whatever is logged, an event is exactly
//! one line, no part of the line controls a terminal, and the line has a maximum length. For the
//! Functions host, which takes the level of a line from its words, an error never holds the word
//! `warn`. Must not know which events are written, or where lines go.

use std::fmt::{self, Debug, Display, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::text::{Detail, detail, is_deceptive, push_json_escape, push_printable};

/// Maximum length of a value in a log line, in bytes after escaping.
const VALUE_BYTES: usize = 16 << 10;

/// Length up to which values are written to a log line, in bytes. The rest of the values is left
/// out. Names of fields are never truncated, so a line may be a little longer. A few values of the
/// maximum length fit into a line.
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
    /// True if the Functions host reads warnings and errors. The Functions host takes every line
    /// with the word `warn`, in any case of letters, for a warning. So the word is escaped in
    /// errors.
    pub(super) is_for_functions_host: bool,
    pub(super) write: W,
}

impl<S: Subscriber, W: Fn(&str, bool) + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = level_and_target(event.metadata());
        let mut line = Line::new(self.form, &level, target);
        line.hides_warn = self.is_for_functions_host && level == Level::ERROR;
        event.record(&mut line);
        (self.write)(&line.finish(target), level <= Level::WARN);
    }
}

/// Returns the level and the target of the log line of an event. A line below the level `info` is
/// an event of the level `info` whose target begins with the line's own level. In this case,
/// returns the line's own level, and the target without this mark.
pub(super) fn level_and_target<'a>(event: &Metadata<'a>) -> (Level, &'a str) {
    match detail(event.target()) {
        Some((Detail::Debug, target)) => (Level::DEBUG, target),
        Some((Detail::Trace, target)) => (Level::TRACE, target),
        None => (*event.level(), event.target()),
    }
}

/// Returns a log line with the given level, target and message. The line is made without an event
/// of `tracing`. In an error, the word `warn` is escaped, because the Functions host takes every
/// line with this word for a warning.
pub(super) fn notice(form: Form, level: &Level, target: &str, message: &dyn Display) -> String {
    let mut line = Line::new(form, level, target);
    line.hides_warn = *level == Level::ERROR;
    line.message(format_args!("{message}"));
    line.finish(target)
}

/// A log line that is being built.
struct Line {
    form: Form,
    /// True if the word `warn` is escaped in values.
    hides_warn: bool,
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
        Self {
            form,
            hides_warn: false,
            text,
        }
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
            hides_warn: self.hides_warn,
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
    /// True if the last letter of the word `warn` is escaped.
    hides_warn: bool,
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
            (form, 'n' | 'N') if self.hides_warn && ends_with_war(self.text) => match form {
                Form::Json => push_json_escape(self.text, character),
                Form::Text { .. } => self.text.extend(character.escape_unicode()),
            },
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
        let is_copied = !self.hides_warn && piece.bytes().all(is_plain);
        if self.text.len() + piece.len() <= self.end && is_copied {
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

/// Returns true if a text ends with the letters `war`, in whatever case.
fn ends_with_war(text: &str) -> bool {
    let end = text.as_bytes().last_chunk();
    end.is_some_and(|end: &[u8; 3]| end.eq_ignore_ascii_case(b"war"))
}

#[cfg(test)]
mod tests;
