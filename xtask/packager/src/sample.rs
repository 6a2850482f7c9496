//! `scorebox sample`: records the answer of a scorer to one request, as a sample for
//! `package.sample`.
//!
//! Owns the flags of the command, and the form of the file with the sample. Must not know how a
//! scorer is called: the host program calls it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::forward;

/// Maximum size of a request, in bytes. The host reads samples of at most 64 MiB.
const LARGEST_INPUT_BYTES: u64 = 32 << 20;

/// Instruction in the error message for a request or an answer that is not JSON.
const JSON: &str =
    "a sample holds JSON: give a request with a JSON body, of a scorer that answers with JSON";

/// Flags of `scorebox sample`.
#[derive(Debug, Args)]
#[command(
    after_help = "Check the answer before you keep it: from then on `build`, `package` and `check` refuse another \
                  one.\n\nExamples:\n  cargo xtask sample --app target/apps/risk --input request.json --output \
                  sample.json\n  echo '{\"X\": [[1, 2, 0.5]]}' | cargo xtask sample --app target/apps/risk"
)]
pub struct SampleArgs {
    /// Folder of the app to call [default: the app that `build` wrote for the scorer in this
    /// folder, or this folder].
    #[arg(long, value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// File with the body of the request, as JSON; standard input if not given.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// File to write. An existing file is replaced.
    #[arg(long, value_name = "FILE", default_value = "sample.json")]
    pub output: PathBuf,
    /// The largest difference that a later answer may have.
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-4)]
    pub tolerance: f64,
}

/// A request with its answer, in the form of the JSON file that `package.sample` in `scorebox.toml`
/// names.
#[derive(Debug, Serialize)]
struct Sample<'a> {
    inputs: &'a RawValue,
    outputs: &'a RawValue,
    tolerance: f64,
}

/// Runs `scorebox sample`: calls the scorer once, and writes the request and the answer to a file.
/// Fails if the tolerance is invalid, if the request is not JSON or is too large, if the scorer
/// does not answer it with JSON, or if a file cannot be read or written.
pub fn run(args: &SampleArgs) -> Result<(), Failure> {
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        return Err(Failure::project(
            "--tolerance: is not a number of at least 0",
            "give e.g. --tolerance 1e-4",
        ));
    }
    let request = request(args.input.as_deref())?;
    let inputs = json(&request, "the request")?;
    let answer = answer(args.app.as_deref(), &request)?;
    let sample = Sample {
        inputs,
        outputs: json(&answer, "the answer")?,
        tolerance: args.tolerance,
    };
    let unwritten =
        |error: &dyn std::fmt::Display| Failure::file(&args.output, "be written", error);
    let mut text = serde_json::to_string(&sample).map_err(|error| unwritten(&error))?;
    text.push('\n');
    std::fs::write(&args.output, text).map_err(|error| unwritten(&error))?;
    eprintln!("answer: {}", String::from_utf8_lossy(&answer).trim());
    println!("{}", shown(&args.output));
    Ok(())
}

fn request(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let name = file.unwrap_or(Path::new("standard input"));
    let read = match file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(LARGEST_INPUT_BYTES + 1).read_to_end(&mut bytes)),
        None => std::io::stdin()
            .lock()
            .take(LARGEST_INPUT_BYTES + 1)
            .read_to_end(&mut bytes),
    };
    read.map_err(|error| {
        Failure::unreadable(
            name,
            error,
            "give --input a file with the body of a request",
        )
    })?;
    if bytes.len() as u64 > LARGEST_INPUT_BYTES {
        return Err(Failure::project(
            format!("{}: has more than 32 MiB", name.display()),
            "a sample proves as much with fewer rows",
        ));
    }
    Ok(bytes)
}

fn json<'a>(bytes: &'a [u8], name: &str) -> Result<&'a RawValue, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::project(format!("{name} is not JSON: {error}"), JSON))
}

/// Returns the answer of the scorer in the app folder `app` to a request. `None` stands for the
/// default app of the current folder. Fails if the host cannot be run, or ends with an error, which
/// the host itself prints.
fn answer(app: Option<&Path>, request: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut invoke = forward::invoke(app)?;
    let mut child = invoke
        .args(["--content-type", "application/json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::file(Path::new(invoke.get_program()), "be run", error))?;
    if let Some(mut input) = child.stdin.take() {
        // A host that does not read the request says why, and its exit code is looked at below.
        let _ = input.write_all(request);
    }
    let output = child.wait_with_output().map_err(|error| {
        Failure::other(format!("the host cannot be read: {error}"), "run it again")
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::project(
        format!(
            "the scorer gave no answer: the host ended with {}",
            output.status
        ),
        "fix the error shown above",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_the_numbers_as_they_were_written() {
        let (request, answer) = (br#"{"X": [[1, 2.50]]}"#, b"[0.1000]\n");
        let sample = Sample {
            inputs: json(request, "the request").unwrap(),
            outputs: json(answer, "the answer").unwrap(),
            tolerance: 1e-4,
        };
        assert_eq!(
            serde_json::to_string(&sample).unwrap(),
            r#"{"inputs":{"X": [[1, 2.50]]},"outputs":[0.1000],"tolerance":0.0001}"#
        );
        assert_eq!(json(b"x", "the answer").unwrap_err().exit_code(), 3);
    }
}
