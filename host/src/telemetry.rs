//! The log: structured events on standard output.
//!
//! Owns the form of a line and which lines are written. Must not know what is logged. Standard error stays silent: the
//! Functions host takes every line of it for an error.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

use crate::deployment::{Environment, LOG_FORMAT_VARIABLE, LOG_VARIABLE};
use crate::error::StartupError;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard error, as text: a command's talk beside its result.
    Talk,
    /// Standard output: a server's only output.
    Server,
}

/// Starts logging for the rest of the process.
///
/// # Errors
/// A variable holds something that is no filter or format.
pub fn start(output: Output, environment: Environment<'_>) -> Result<(), StartupError> {
    let filter = filter(environment(LOG_VARIABLE).as_deref().unwrap_or_default(), output)?;
    let terminal = match output {
        Output::Server => io::stdout().is_terminal(),
        Output::Talk => io::stderr().is_terminal(),
    };
    let json = match environment(LOG_FORMAT_VARIABLE).as_deref().unwrap_or_default() {
        "" => output == Output::Server && !terminal,
        "json" => true,
        "text" => false,
        _ => {
            return Err(StartupError::Environment {
                variable: LOG_FORMAT_VARIABLE.to_owned(),
                problem: "names no format".to_owned(),
                fix: "write text or json".to_owned(),
            });
        }
    };
    let writer = match output {
        Output::Server => BoxMakeWriter::new(io::stdout),
        Output::Talk => BoxMakeWriter::new(io::stderr),
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(terminal);
    let layer = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    Ok(())
}

fn filter(text: &str, output: Output) -> Result<Targets, StartupError> {
    if text.is_empty() {
        let level = if output == Output::Talk { LevelFilter::WARN } else { LevelFilter::INFO };
        return Ok(Targets::new().with_default(level).with_target("scorer", LevelFilter::INFO));
    }
    text.parse().map_err(|_| StartupError::Environment {
        variable: LOG_VARIABLE.to_owned(),
        problem: "is not a filter".to_owned(),
        fix: "write a level (error, warn, info, debug, trace), or e.g. `info,scorer=debug`".to_owned(),
    })
}
