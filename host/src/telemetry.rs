//! Log of the program: structured events, each of which is one line.
//!
//! Owns which lines are written, and where to. Their form is in `line`, and their queue in `queue`.
//! Must not know what is logged. A server writes warnings and errors to standard error if the
//! Functions host reads its output, because that host takes every line on standard output for
//! information. Otherwise a server writes every line to standard output. Other commands write every
//! line to standard error.

#[cfg(test)]
pub(crate) mod kept_lines;
mod line;
mod queue;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::OnceLock;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::{Form, Lines};
use self::queue::{Outputs, Queue};
use crate::deployment::{self, Environment, LOG_FORMAT_VARIABLE, LOG_VARIABLE};
use crate::error::StartupError;

/// Maximum time for which a server waits at shutdown until its last log lines are written. The
/// limit matters only if the reader of the log is slow or has stopped.
const FLUSH: Duration = Duration::from_secs(1);

/// Queue of log lines that wait to be written. Only a server has this queue.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Destination of the log lines of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard error, for commands, because a command writes its result to standard output.
    Talk,
    /// Standard output, for servers, because a server has no other output. Under the Functions
    /// host, warnings and errors go to standard error.
    Server,
}

/// Starts logging for the rest of the process, in the format and with the filter that the
/// environment sets.
///
/// # Errors
/// Fails if an environment variable does not hold a log filter or a log format, or if the thread
/// that writes the log cannot be started.
pub fn start(output: Output, environment: Environment<'_>) -> Result<(), StartupError> {
    let filter = filter(
        environment(LOG_VARIABLE).as_deref().unwrap_or_default(),
        output,
    )?;
    let terminal = match output {
        Output::Server => io::stdout().is_terminal(),
        Output::Talk => io::stderr().is_terminal(),
    };
    let json = match environment(LOG_FORMAT_VARIABLE)
        .as_deref()
        .unwrap_or_default()
    {
        "" => output == Output::Server && !terminal,
        "json" => true,
        "text" => false,
        _ => {
            return Err(StartupError::Environment {
                variable: LOG_FORMAT_VARIABLE.to_owned(),
                problem: "does not name a log format".to_owned(),
                fix: "write text or json".to_owned(),
            });
        }
    };
    let form = if json {
        Form::Json
    } else {
        Form::Text { colours: terminal }
    };
    let is_for_functions_host =
        output == Output::Server && deployment::is_read_by_functions_host(environment);
    let write: Write = match output {
        Output::Server => {
            let queue = queue(form, is_for_functions_host).map_err(|error| {
                StartupError::Host(format!("the log cannot be written: {error}"))
            })?;
            Box::new(move |line, is_urgent| queue.push(line, is_urgent))
        }
        // A command may wait for the reader of its messages, as every command does.
        Output::Talk => Box::new(|line, _| drop(io::stderr().write_all(line.as_bytes()))),
    };
    let lines = Lines {
        form,
        is_for_functions_host,
        write,
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(Threshold(filter)))
        .init();
    Ok(())
}

/// Returns the log line of an error that keeps a server from starting. The line is in the format
/// that the environment sets, and in JSON by default. The word `warn` is escaped in it, because the
/// Functions host takes every line with this word for a warning. [`start`] need not be called
/// before.
#[must_use]
pub fn error_line(error: &dyn Display, environment: Environment<'_>) -> String {
    let form = match environment(LOG_FORMAT_VARIABLE).as_deref() {
        Some("text") => Form::Text { colours: false },
        _ => Form::Json,
    };
    line::notice(form, &Level::ERROR, module_path!(), error)
}

/// Function that writes a log line. Its second argument is true for a warning or an error. Such a
/// line may use the part of the log queue that is reserved for warnings and errors.
type Write = Box<dyn Fn(&str, bool) + Send + Sync>;

/// Creates the queue of log lines, and starts the thread that writes the lines in the format
/// `form`. The lines go to standard output. If `has_two_outputs` is true, warnings and errors go to
/// standard error.
///
/// # Errors
/// Fails if an output cannot be duplicated, or if the thread cannot be started.
fn queue(form: Form, has_two_outputs: bool) -> io::Result<Queue> {
    // The standard library's handles are not used: their locks would be held for as long as the
    // output is not read.
    let file = |output: BorrowedFd<'_>| {
        Ok::<_, io::Error>(Box::new(File::from(output.try_clone_to_owned()?)))
    };
    let outputs = Outputs {
        all: file(io::stdout().as_fd())?,
        urgent: match has_two_outputs {
            true => Some(file(io::stderr().as_fd())?),
            false => None,
        },
    };
    let source = if has_two_outputs {
        "the log"
    } else {
        "standard output"
    };
    let queue = Queue::start(outputs, move |count| {
        let message =
            format!("{count} log lines were dropped because the reader of {source} is slow");
        line::notice(form, &Level::WARN, module_path!(), &message)
    })?;
    let _ = QUEUE.set(queue.clone());
    Ok(queue)
}

/// Guard that waits, when it is dropped, until the queued log lines are written to their outputs,
/// but for at most one second.
///
/// Lines that are logged after the drop may be lost when the process ends. So the guard must be
/// created at the top of `main`, where a panic drops it, too.
#[derive(Debug)]
pub struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush(FLUSH);
        }
    }
}

/// Filter of events by the level and the target of their log lines.
struct Threshold(Targets);

impl Threshold {
    fn is_passed_by(&self, event: &Metadata<'_>) -> bool {
        let (level, target) = line::level_and_target(event);
        self.0.would_enable(target, &level)
    }
}

impl<S> Filter<S> for Threshold {
    fn enabled(&self, event: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.is_passed_by(event)
    }

    fn callsite_enabled(&self, event: &'static Metadata<'static>) -> Interest {
        if self.is_passed_by(event) {
            Interest::always()
        } else {
            Interest::never()
        }
    }
}

/// Parses a log filter: a level, `TARGET=LEVEL`, or several of both with commas between them. A
/// target stands for every target that begins with it. If `text` is empty, returns the default
/// filter for `output`.
///
/// The parser of [`Targets`] is not used, because it takes a word that is not a level for a target.
/// A misspelled level would thus silence the log.
///
/// # Errors
/// Fails if `text` is not a log filter.
fn filter(text: &str, output: Output) -> Result<Targets, StartupError> {
    if text.trim().is_empty() {
        let level = if output == Output::Talk {
            LevelFilter::WARN
        } else {
            LevelFilter::INFO
        };
        return Ok(Targets::new()
            .with_default(level)
            .with_target("scorer", LevelFilter::INFO));
    }
    let parts = text.split(',').map(str::trim);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let parsed = parts.iter().try_fold(Targets::new(), |targets, part| {
        Some(match part.split_once('=') {
            Some((target, word)) => {
                let is_target = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
                let target = target.trim();
                if target.is_empty() || !target.chars().all(is_target) {
                    return None;
                }
                targets.with_target(target, level(word.trim())?)
            }
            None => targets.with_default(level(part)?),
        })
    });
    // A filter without any part would silence the log.
    let parsed = parsed.filter(|_| !parts.is_empty());
    parsed.ok_or_else(|| StartupError::Environment {
        variable: LOG_VARIABLE.to_owned(),
        problem: "is not a log filter".to_owned(),
        fix: "write a level (off, error, warn, info, debug or trace), or e.g. `info,scorer=debug`"
            .to_owned(),
    })
}

/// Returns the log level with the given name or number, or `None` if there is no such level.
fn level(name: &str) -> Option<LevelFilter> {
    // The parser takes an empty text for the level `error`.
    Some(name).filter(|name| !name.is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_filter_has_levels_and_targets_with_levels() {
        #[track_caller]
        fn check(text: &str, target: &str, highest: Option<Level>) {
            let filter = filter(text, Output::Server).unwrap();
            let levels = [
                Level::TRACE,
                Level::DEBUG,
                Level::INFO,
                Level::WARN,
                Level::ERROR,
            ];
            let mut enabled = levels
                .into_iter()
                .filter(|level| filter.would_enable(target, level));
            assert_eq!(enabled.next(), highest, "{text} {target}");
        }
        check("", "scorer", Some(Level::INFO));
        check("warn", "scorer", Some(Level::WARN));
        check("OFF", "scorer", None);
        check("5", "scorer", Some(Level::TRACE));
        check("info,scorer=debug", "scorer", Some(Level::DEBUG));
        check("info, scorer = debug,", "scorer", Some(Level::DEBUG));
        check("info,scorer=debug", "scorebox_host::app", Some(Level::INFO));
        check("scorer=debug", "scorebox_host::app", None);
        let stores = "info,scorebox_host=warn";
        check(stores, "scorebox_host::redis", Some(Level::WARN));
    }

    #[test]
    fn a_line_below_info_passes_a_filter_by_its_own_level_and_target() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let written = Arc::new(Mutex::new(String::new()));
            let kept = Arc::clone(&written);
            let write = move |line: &str, _: bool| kept.lock().unwrap().push_str(line);
            let form = Form::Text { colours: false };
            let filter = Threshold(filter(text, Output::Server).unwrap());
            let lines = Lines {
                form,
                is_for_functions_host: false,
                write,
            };
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
            tracing::subscriber::with_default(subscriber, || {
                crate::text::trace!(target: "scorer", "a");
                crate::text::debug!(target: "scorer", "b");
                tracing::info!(target: "scorer", "c");
                crate::text::debug!("d");
                tracing::info!("e");
            });
            let written = written.lock().unwrap();
            let messages = written
                .lines()
                .filter_map(|line| Some(line.rsplit_once(' ')?.1));
            assert_eq!(messages.collect::<Vec<_>>(), expected, "{text}");
        }
        check("", &["c", "e"]);
        check("trace", &["a", "b", "c", "d", "e"]);
        check("debug", &["b", "c", "d", "e"]);
        check("info,scorer=trace", &["a", "b", "c", "e"]);
        check("scorer=debug", &["b", "c"]);
        check("debug,scorer=info", &["c", "d", "e"]);
        check("off", &[]);
    }

    #[test]
    fn a_word_that_is_not_a_level_is_refused() {
        for text in [
            "loud",
            "6",
            "info,scorer=loud",
            "info,scorer",
            "scorer=",
            "=info",
            "scorer[{id}]=info",
            "scorer=info=debug",
            ",",
            " , ,",
        ] {
            let error = filter(text, Output::Talk).unwrap_err().to_string();
            assert!(
                error.contains("SCOREBOX_LOG: is not a log filter\n  fix: write a level (off, "),
                "{text}: {error}"
            );
        }
    }
}
