//! `scorebox invoke`: scores one input.
//!
//! Owns where the input comes from and where the result goes. Must not know how a call is made.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use scorebox_host::app::App;
use scorebox_host::call::{Invocation, Payload, Scored, Source};
use scorebox_host::error::{ScoreFailure, exit_code, of_status};
use scorebox_host::manifest::Manifest;
use scorebox_host::telemetry::{self, Output};
use scorebox_host::text::{inset, printable_lines};
use scorebox_host::{StartupError, deployment};

use super::{exit, serving_threads};
use crate::Invoke;

pub fn run(invoke: Invoke) -> ExitCode {
    if let Some(trigger) = invoke.trigger {
        return super::invocation::run(&invoke, trigger);
    }
    if let Some(file) = invoke.files.first() {
        return without_trigger(file);
    }
    match score(&invoke) {
        Ok(Ok(scored)) => match give(&scored.payload.body) {
            Ok(()) => tell(&scored),
            Err(error) => exit(&StartupError::Host(format!(
                "the answer cannot be written: {error}"
            ))),
        },
        Ok(Err(failure)) => {
            let code = exit_code::of_call(&failure);
            let row = failure.disposition();
            eprintln!("error: {}: {}", row.code, inset(&row.message));
            if let Some(pointer) = row.pointer.filter(|pointer| !pointer.is_empty()) {
                eprintln!("  at {}", inset(&pointer));
            }
            if let Some(detail) = row.detail {
                eprintln!("  {}", inset(&detail));
            }
            ExitCode::from(code)
        }
        Err(error) => exit(&error),
    }
}

/// Prints to standard error the status and headers that the scorer chose for the HTTP answer, if it
/// chose some. Returns the exit code, which depends on the status.
fn tell(scored: &Scored) -> ExitCode {
    if let Some(http) = &scored.http {
        match of_status(http.status()) {
            Some(row) => eprintln!("error: {}: {}", row.code, row.message),
            None => eprintln!("status {}", http.status()),
        }
        for (name, value) in http.texts() {
            eprintln!("  {name}: {}", inset(&value));
        }
    }
    ExitCode::from(exit_code::of_invocation(scored.status()))
}

/// Refuses a file that is given without a flag, because only `--trigger` takes such files. The
/// parser of the command line does not refuse it, because its message would only advise
/// `--trigger`, and not `--input`.
fn without_trigger(file: &Path) -> ExitCode {
    let file = inset(&file.display());
    eprintln!(
        "error: {file}: a file without a flag needs --trigger\n  \
         fix: write `--input {file}`; or, to send the file as the event of a function, add \
         --trigger"
    );
    ExitCode::from(exit_code::COMMAND_LINE)
}

fn score(invoke: &Invoke) -> Result<Result<Scored, ScoreFailure>, StartupError> {
    telemetry::start(Output::Talk, &deployment::process)?;
    let manifest = Manifest::read(&invoke.app.app)?;
    let limit_bytes = manifest.limits.body_bytes;
    let body = read(invoke.input.as_deref(), limit_bytes)?;
    if body.len() as u64 > limit_bytes {
        return Ok(Err(ScoreFailure::TooLarge { limit_bytes }));
    }
    let content_type = invoke
        .content_type
        .clone()
        .unwrap_or_else(|| guess(invoke.input.as_deref(), &body).to_owned());
    let runtime = serving_threads(1)?;
    let handle = runtime.handle().clone();
    runtime.block_on(async move {
        let app = App::load(manifest, &deployment::process, handle).await?;
        app.scorer.warm_up().await?;
        let invocation = Invocation::new("invoke", Source::Direct);
        Ok(app
            .scorer
            .run(
                invocation,
                Payload {
                    content_type,
                    body: body.into(),
                },
            )
            .await)
    })
}

/// Writes the result of a command to standard output. On a terminal, unprintable characters are
/// escaped. Any other reader gets the result unchanged. If the reader has closed the pipe, the
/// result is dropped, because a reader that stops early, such as `head`, is not an error.
///
/// # Errors
/// Fails if standard output cannot be written for another reason.
pub(super) fn give(result: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    let written = if output.is_terminal() {
        output.write_all(printable_lines(&String::from_utf8_lossy(result)).as_bytes())
    } else {
        output.write_all(result)
    };
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Reads an input from a file, or from standard input if `input` is `None` or `-`. Reads at most
/// one byte more than `limit_bytes`, which is enough to see that the input is too large.
///
/// # Errors
/// Fails if the file or standard input cannot be read.
pub(super) fn read(input: Option<&Path>, limit_bytes: u64) -> Result<Vec<u8>, StartupError> {
    let mut body = Vec::new();
    let most = limit_bytes.saturating_add(1);
    let read = match input.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut body))
        }
        None => std::io::stdin().lock().take(most).read_to_end(&mut body),
    };
    let name = input.map_or_else(
        || "standard input".to_owned(),
        |path| path.display().to_string(),
    );
    read.map_err(|error| StartupError::Input {
        name,
        problem: format!("cannot be read: {error}"),
        fix: "name a file that can be read".to_owned(),
    })?;
    Ok(body)
}

/// Guesses the media type of an input from the path `input` of its file, if it has one, and from
/// its content `body`. An empty input counts as JSON. If it counted as bytes, it could be a tensor
/// without rows, and the answer would hide the mistake.
pub(super) fn guess(input: Option<&Path>, body: &[u8]) -> &'static str {
    let named = input
        .and_then(Path::extension)
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let looks = body
        .trim_ascii_start()
        .first()
        .is_none_or(|first| matches!(first, b'{' | b'['));
    if named || looks {
        "application/json"
    } else {
        "application/octet-stream"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_without_a_media_type_is_json_unless_it_looks_like_bytes() {
        let check = |name: Option<&str>, body: &[u8], expected: &str| {
            let guessed = guess(name.map(Path::new), body);
            assert_eq!(guessed, expected, "{name:?} {body:?}");
        };
        check(None, b" {\"data\": []}", "application/json");
        check(None, b"", "application/json");
        check(Some("a.txt"), b" \n", "application/json");
        check(Some("a.JSON"), b"\0\0", "application/json");
        check(Some("a.bin"), b"\0\0", "application/octet-stream");
    }
}
