//! `scorebox sample`: records the answers of a scorer to requests, as samples for `package.sample`.
//!
//! Owns the flags of the command, and the form of the file with the samples. Must not know how a
//! scorer is called: the host program calls it, and the script itself runs in its author's Python.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::python::native::{self, Request};
use crate::{forward, manifest_file};

/// Maximum size of a request that becomes a sample, in bytes. The host reads samples of at most 64
/// MiB.
const LARGEST_INPUT_BYTES: u64 = 32 << 20;

/// Instruction in the error message for a request or an answer that cannot become a sample, because
/// it is not JSON.
const JSON: &str =
    "a sample holds JSON: give a request with a JSON body, of a scorer that answers with JSON";

/// Default tolerance of a sample of a component or a graph. Single precision, or additions in
/// another order, change a probability by about this much.
const TOLERANCE: f64 = 1e-4;
/// Default tolerance of a sample with native answers of a script. The sandbox has the same
/// libraries in double precision, so only the order of additions differs.
const NATIVE_TOLERANCE: f64 = 1e-9;

/// Flags of `scorebox sample`.
#[derive(Debug, Args)]
#[command(
    after_help = "Check the answer before you keep it: from then on `build`, `package` and `check` refuse another \
                  one.\n\nExamples:\n  cargo xtask sample --app target/apps/risk --input request.json --output \
                  sample.json\n  echo '{\"X\": [[1, 2, 0.5]]}' | cargo xtask sample --app target/apps/risk\n  \
                  cargo xtask sample --python .venv --input small.json --input large.json"
)]
pub struct SampleArgs {
    /// Folder of the app to call [default: the app that `build` wrote for the scorer in this
    /// folder, or this folder].
    #[arg(long, value_name = "DIR", conflicts_with = "python")]
    pub app: Option<PathBuf>,
    /// Run the script of a scorer in this Python environment (its folder or its interpreter), and
    /// record the native answers. This is the only command that runs a script outside of the
    /// sandbox.
    #[arg(long, value_name = "ENV")]
    pub python: Option<PathBuf>,
    /// With --python: path of the scorer's scorebox.toml [default: scorebox.toml].
    #[arg(long, value_name = "FILE", requires = "python")]
    pub manifest: Option<PathBuf>,
    /// File with the body of a request, as JSON; standard input if not given. Each file becomes one
    /// sample, if the flag is given several times.
    #[arg(long, value_name = "FILE")]
    pub input: Vec<PathBuf>,
    /// File to write. An existing file is replaced.
    #[arg(long, value_name = "FILE", default_value = "sample.json")]
    pub output: PathBuf,
    /// The largest difference that a later answer may have [default: 1e-4; with --python: 1e-9,
    /// unless the scorer has `accelerate = true`].
    #[arg(long, value_name = "NUMBER")]
    pub tolerance: Option<f64>,
}

/// A request with its answer, in the form of the JSON file that `package.sample` in `scorebox.toml`
/// names.
#[derive(Debug, Serialize)]
struct Sample<'a> {
    inputs: &'a RawValue,
    outputs: &'a RawValue,
    tolerance: f64,
}

/// Runs `scorebox sample`: calls the scorer for each request, and writes the requests and the
/// answers to a file. Fails if the tolerance is invalid, if a request is not JSON or is too large,
/// if the scorer does not answer it with JSON, or if a file cannot be read or written.
pub fn run(args: &SampleArgs) -> Result<(), Failure> {
    let native = args.python.as_deref();
    let native = native
        .map(|python| Native::read(args, python))
        .transpose()?;
    let default = native.as_ref().map_or(TOLERANCE, Native::tolerance);
    let tolerance = args.tolerance.unwrap_or(default);
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        return Err(Failure::project(
            "--tolerance: is not a number of at least 0",
            "give e.g. --tolerance 1e-4",
        ));
    }
    let mut requests = Vec::new();
    for file in &args.input {
        requests.push((shown(file), request(Some(file))?));
    }
    if requests.is_empty() {
        requests.push(("the request".to_owned(), request(None)?));
    }
    for (name, body) in &requests {
        json(body, name)?;
    }
    let answers = match native {
        Some(native) => native.answers(&requests)?,
        None => host_answers(args.app.as_deref(), &requests)?,
    };
    let unwritten =
        |error: &dyn std::fmt::Display| Failure::file(&args.output, "be written", error);
    let mut text = String::new();
    for ((name, body), answer) in requests.iter().zip(&answers) {
        let sample = Sample {
            inputs: json(body, name)?,
            outputs: json(answer, "the answer")?,
            tolerance,
        };
        let line = serde_json::to_string(&sample).map_err(|error| unwritten(&error))?;
        text.push_str(&line);
        text.push('\n');
        eprintln!("answer: {}", String::from_utf8_lossy(answer).trim());
    }
    std::fs::write(&args.output, text).map_err(|error| unwritten(&error))?;
    println!("{}", shown(&args.output));
    Ok(())
}

/// A scorer whose script runs natively, in the Python environment of its author.
struct Native<'a> {
    manifest: Manifest,
    python: &'a Path,
}

impl<'a> Native<'a> {
    /// Reads the manifest of the script. `python` is the Python environment in which the script
    /// will run. Fails if the manifest is invalid.
    fn read(args: &SampleArgs, python: &'a Path) -> Result<Self, Failure> {
        let manifest = args.manifest.as_deref().unwrap_or(Path::new(MANIFEST_FILE));
        let manifest = manifest_file::read(manifest)?;
        Ok(Self { manifest, python })
    }

    /// Returns the default tolerance of a sample with native answers. It is larger if the models of
    /// the script run as graphs in the host, because a graph may have single precision.
    fn tolerance(&self) -> f64 {
        let script = self.manifest.scorer.script.as_ref();
        match script.is_some_and(|script| script.accelerate) {
            true => TOLERANCE,
            false => NATIVE_TOLERANCE,
        }
    }

    /// Runs the script natively, in its author's Python environment, and returns its answers to the
    /// requests. Fails if the scorer is not a script, or if the script does not answer a request
    /// with JSON.
    fn answers(&self, requests: &[(String, Vec<u8>)]) -> Result<Vec<Vec<u8>>, Failure> {
        let requests: Vec<_> = requests
            .iter()
            .map(|(name, body)| Request {
                name: name.clone(),
                body: String::from_utf8_lossy(body).into_owned(),
            })
            .collect();
        let answers = native::answers(&self.manifest, self.python, &requests)?;
        Ok(answers.into_iter().map(String::into_bytes).collect())
    }
}

/// Returns the answers of the scorer in the app folder `app`, as the host program gives them. Fails
/// for a script, because its answers in the sandbox cannot prove that the sandbox answers as the
/// author's own environment does.
fn host_answers(
    app: Option<&Path>,
    requests: &[(String, Vec<u8>)],
) -> Result<Vec<Vec<u8>>, Failure> {
    let app = app.map_or_else(|| forward::default_app(Path::new(".")), Path::to_path_buf);
    let manifest = Manifest::read(&app.join(MANIFEST_FILE)).ok();
    if manifest.is_some_and(|manifest| manifest.scorer.script.is_some()) {
        return Err(Failure::project(
            format!(
                "{}: the scorer is a script, and a sample of a script holds its native answers",
                shown(&app)
            ),
            "name the Python environment of the script, e.g. `cargo xtask sample --python .venv --input \
             request.json`",
        ));
    }
    requests
        .iter()
        .map(|(_, body)| answer(&app, body))
        .collect()
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

/// Returns the answer of the scorer in the app folder `app` to a request. Fails if the host program
/// cannot be run, or ends with an error. The host itself prints this error.
fn answer(app: &Path, request: &[u8]) -> Result<Vec<u8>, Failure> {
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
