//! The log: structured events on standard output.
//!
//! Owns which lines are written and where to; their form is in `line`, their way out in `queue`. Must not know what is
//! logged. A server's standard error stays silent: the Functions host takes every line of it for an error.

mod line;
mod queue;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::{Form, Lines};
use self::queue::Queue;
use crate::deployment::{Environment, LOG_FORMAT_VARIABLE, LOG_VARIABLE};
use crate::error::StartupError;

/// Time that the last lines of a server have at its end. A reader that is there takes them at once.
const FLUSH: Duration = Duration::from_secs(1);

/// The lines of a server that wait for its standard output.
static QUEUE: OnceLock<Queue> = OnceLock::new();

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
/// A variable holds something that is no filter or format, or there is no thread to write by.
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
    let form = if json { Form::Json } else { Form::Text { colours: terminal } };
    let write: Write = match output {
        Output::Server => {
            let queue =
                queue(form).map_err(|error| StartupError::Host(format!("the log cannot be written: {error}")))?;
            Box::new(move |line, is_urgent| queue.push(line, is_urgent))
        }
        // A command that nobody listens to waits, as every command does.
        Output::Talk => Box::new(|line, _| drop(io::stderr().write_all(line.as_bytes()))),
    };
    tracing_subscriber::registry().with(Lines { form, write }.with_filter(filter)).init();
    Ok(())
}

/// Takes lines and whether they are urgent.
type Write = Box<dyn Fn(&str, bool) + Send + Sync>;

/// Has lines written to standard output by a thread of their own.
fn queue(form: Form) -> io::Result<Queue> {
    // Not through the standard library's handle: its lock would be held for as long as nobody reads.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let queue = Queue::start(output, move |count| {
        let message = format!("{count} log lines were dropped because the reader of standard output is slow");
        line::notice(form, module_path!(), &message)
    })?;
    let _ = QUEUE.set(queue.clone());
    Ok(queue)
}

/// Writes what is still to be written when it is dropped, as far as somebody reads it. Lines that come later are lost with
/// the process, so it belongs at the top of `main`, where a panic drops it too.
#[derive(Debug)]
pub struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush(FLUSH);
        }
    }
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
