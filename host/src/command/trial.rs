//! Trial of a graph file by the command `scorebox graph`, before this process loads the file.
//!
//! Owns the time limit of the trial, and what the end of its process means: the file was refused,
//! took too long or too much memory, or crashed the process. A refusal is a JSON object on standard
//! output. If the process crashes, the end of its standard error states the reason. Must not know
//! what the trial does with the file (that is `graph`).

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use scorebox_host::error::{ErrorAnswer, ErrorReport, exit_code};
use scorebox_host::graph::is_out_of_memory;
use scorebox_host::{StartupError, deployment};

use super::graph::memory_bytes;

/// Pause between two checks of whether the process that loads and runs the ONNX file has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// Time that the process that loads and runs the ONNX file may take beyond the time limit before it
/// ends itself. It ends itself only if the host's process was stopped and could not end it.
const OWN_TIME: Duration = Duration::from_secs(5);
/// Maximum size of the messages that are kept from the process that loads and runs the ONNX file,
/// in bytes. The last messages are kept, because they state the reason why the process ended.
const TEXT_BYTES: usize = 16 << 10;
/// Maximum size of the answer that is kept from the process that loads and runs the ONNX file, in
/// bytes. An error has a few parts of at most 16 KiB, and JSON can make a text six times as long.
const ANSWER_BYTES: usize = 1 << 20;
/// Maximum number of characters that are shown of the messages of the process that loads and runs
/// the ONNX file. The end of these messages is shown if the process does not report a problem
/// itself.
const SHOWN_CHARS: usize = 400;

/// Checks an ONNX file in a separate process for at most the time `limit`. The process loads the
/// file and runs the graph on the sample, or on zeros if there is no sample.
///
/// # Errors
/// Fails if the file is not a graph that can be served, if the graph does not return the answer of
/// the sample, or if the engine for graphs cannot be used. Also fails if the process cannot be
/// started, crashes, takes longer than `limit`, or needs more memory than a trial may use.
pub fn examine(file: &Path, limit: Duration, sample: Option<&Path>) -> Result<(), StartupError> {
    let host = |error: std::io::Error| {
        StartupError::Host(format!("`scorebox graph` cannot be run: {error}"))
    };
    let program = std::env::current_exe().map_err(host)?;
    let mut command = Command::new(program);
    command
        .arg("graph")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(sample) = sample {
        command.arg("--sample").arg(sample);
    }
    command.arg("--parent").arg(std::process::id().to_string());
    command
        .arg("--limit-ms")
        .arg((limit + OWN_TIME).as_millis().to_string());
    let mut child = command.spawn().map_err(host)?;
    // Both pipes are read while the process runs, because a process blocks if a pipe is full.
    let answering = child
        .stdout
        .take()
        .map(|stdout| std::thread::spawn(move || heard(stdout, ANSWER_BYTES)));
    let listening = child
        .stderr
        .take()
        .map(|stderr| std::thread::spawn(move || heard(stderr, TEXT_BYTES)));
    let late = Instant::now() + limit;
    let ended = loop {
        match child.try_wait().map_err(host)? {
            Some(status) => break Some(status),
            None if Instant::now() >= late => break None,
            None => std::thread::sleep(PAUSE),
        }
    };
    if ended.is_none() {
        child.kill().map_err(host)?;
        child.wait().map_err(host)?;
    }
    let all = |reading: Option<JoinHandle<Vec<u8>>>| {
        reading
            .and_then(|reading| reading.join().ok())
            .unwrap_or_default()
    };
    let (answer, said) = (all(answering), all(listening));
    let said = String::from_utf8_lossy(&said);
    judged(file, ended, limit, own_error(&answer), said.trim())
}

/// Reads everything that the process that loads and runs the ONNX file writes to a pipe, and
/// returns the last `limit_bytes` bytes.
fn heard(mut pipe: impl Read, limit_bytes: usize) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match pipe.read(&mut piece) {
            Ok(0) | Err(_) => return said,
            Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
        said.drain(..said.len().saturating_sub(limit_bytes));
    }
}

/// Returns the error that the process that loads and runs the ONNX file reported itself. Returns
/// `None` if the last line of its standard output `stdout` is not an error. Lines before the last
/// one may come from native code.
fn own_error(stdout: &[u8]) -> Option<ErrorReport> {
    let last = stdout
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next()?;
    let answer: ErrorAnswer = serde_json::from_slice(last).ok()?;
    Some(answer.error)
}

/// Checks how the process that loaded and ran the ONNX file ended, and returns an error unless the
/// process succeeded. `ended` is `None` if the process was stopped at the time limit `limit`. `own`
/// is the error that the process reported itself, and `said` is the end of its standard error.
fn judged(
    file: &Path,
    ended: Option<ExitStatus>,
    limit: Duration,
    own: Option<ErrorReport>,
    said: &str,
) -> Result<(), StartupError> {
    let fail = |problem: String, fix: &str| {
        Err(StartupError::Model {
            path: file.to_path_buf(),
            problem,
            fix: fix.to_owned(),
        })
    };
    let again = "convert the model again where it was trained; do not serve a file from a source that you do not trust";
    let Some(status) = ended else {
        return fail(
            format!(
                "was not loaded and run within {} ms, and was stopped",
                limit.as_millis()
            ),
            "raise limits.init_deadline if the model is that large; if not, convert it again, \
             because a damaged file can run forever",
        );
    };
    if status.success() {
        return Ok(());
    }
    let named = format!("model {}: ", file.display());
    let own = own.as_ref().map(|ErrorReport { problem, fix, .. }| {
        (
            problem.strip_prefix(&named).unwrap_or(problem),
            fix.as_deref().unwrap_or(again),
        )
    });
    if let (Some(code), Some((problem, fix))) = (status.code(), own)
        && code == i32::from(exit_code::ENGINE)
    {
        let library = deployment::engine_library(&deployment::process);
        let named = format!("engine {}: ", library.display());
        return Err(engine_error(
            problem.strip_prefix(&named).unwrap_or(problem).to_owned(),
            fix.to_owned(),
        ));
    }
    let words = own.map_or(said, |(problem, _)| problem);
    let is_memory = is_out_of_memory(words);
    let words = last(words);
    if is_memory {
        let bytes = memory_bytes(std::fs::metadata(file).map_or(0, |file| file.len()));
        return fail(
            format!(
                "needs more memory than the {} MiB that a trial may use: {words}",
                bytes >> 20
            ),
            "convert it again; a damaged file can ask for any amount, and no real model needs that \
             much for one row of zeros",
        );
    }
    match (status.code(), own) {
        // The process reported the problem itself, in the form of this program's errors.
        (Some(_), Some((problem, fix))) => fail(problem.to_owned(), fix),
        _ => fail(
            format!("crashed the process that tried it ({status}): {words}"),
            again,
        ),
    }
}

fn engine_error(problem: String, fix: String) -> StartupError {
    StartupError::Engine {
        library: deployment::engine_library(&deployment::process),
        problem,
        fix,
    }
}

/// Returns the last `SHOWN_CHARS` characters of a text, or the whole text if it is shorter.
fn last(text: &str) -> &str {
    let start = text
        .char_indices()
        .rev()
        .nth(SHOWN_CHARS - 1)
        .map_or(0, |(start, _)| start);
    text.get(start..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    /// Returns what a process that reports an error leaves behind: its wait status, its standard
    /// output, and its standard error.
    fn refused(error: &StartupError) -> (i32, String, String) {
        let answer = ErrorAnswer::of(error);
        // Native code wrote a line of its own.
        let stdout = format!("loading\n{}\n", serde_json::to_string(&answer).unwrap());
        let code = i32::from(exit_code::of_start(error)) << 8;
        (code, stdout, format!("error: {error}"))
    }

    fn model(problem: &str) -> StartupError {
        StartupError::Model {
            path: "m.onnx".into(),
            problem: problem.to_owned(),
            fix: "y".to_owned(),
        }
    }

    #[test]
    fn each_end_has_its_text() {
        let check_all = |ended: Option<i32>, stdout: &str, said: &str, parts: &[&str]| {
            let ended = ended.map(ExitStatus::from_raw);
            let own = own_error(stdout.as_bytes());
            let text = judged(
                Path::new("m.onnx"),
                ended,
                Duration::from_secs(1),
                own,
                said,
            )
            .unwrap_err()
            .to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(text.matches("fix:").count(), 1, "{text}");
            assert_eq!(text.matches("model m.onnx").count(), 1, "{text}");
        };
        let check = |ended, said: &str, parts: &[&str]| check_all(ended, "", said, parts);
        let check_own = |error: &StartupError, log: &str, parts: &[&str]| {
            let (code, stdout, said) = refused(error);
            check_all(Some(code), &stdout, &format!("{log}{said}"), parts);
        };
        assert!(
            judged(
                Path::new("m.onnx"),
                Some(ExitStatus::from_raw(0)),
                Duration::ZERO,
                None,
                ""
            )
            .is_ok()
        );
        check_own(
            &model("cannot be loaded: x"),
            "",
            &["cannot be loaded: x", "fix: y"],
        );
        check_own(&model("b"), "WARN error: a\n", &["m.onnx: b", "fix: y"]);
        let sample = StartupError::Functions {
            path: "s.json".into(),
            problem: "is not a sample: x".to_owned(),
            fix: "y".to_owned(),
        };
        check_own(&sample, "", &["s.json: is not a sample: x", "fix: y"]);
        check(Some(11), "", &["crashed", "signal: 11", "fix: convert"]);
        check(
            Some(6),
            "terminate called: 'x'",
            &["crashed", "signal: 6", "'x'"],
        );
        check(
            Some(101 << 8),
            "thread panicked",
            &["crashed", "101", "panicked"],
        );
        check(
            Some(6),
            "what():  std::bad_alloc",
            &["more memory than the 4096 MiB", "bad_alloc"],
        );
        check(
            Some(6),
            "memory allocation of 9 bytes failed",
            &["more memory", "of 9 bytes"],
        );
        check_own(
            &model("bad allocation"),
            "",
            &["more memory", "fix: convert"],
        );
        check(
            Some(6),
            &format!("{}end", "long ".repeat(9000)),
            &["crashed", "end"],
        );
        check(None, "", &["1000 ms", "stopped", "limits.init_deadline"]);
    }

    #[test]
    fn a_missing_library_is_not_the_files_fault() {
        let missing = engine_error("there is no such file".to_owned(), "y".to_owned());
        let (code, stdout, said) = refused(&missing);
        let ended = Some(ExitStatus::from_raw(code));
        let own = own_error(stdout.as_bytes());
        let error = judged(Path::new("m.onnx"), ended, Duration::ZERO, own, &said).unwrap_err();
        assert!(
            matches!(&error, StartupError::Engine { fix, .. } if fix == "y"),
            "{error}"
        );
    }

    #[test]
    fn all_is_taken_in_and_the_end_is_kept() {
        let pipe = std::io::Cursor::new([vec![b'a'; 100_000], b"end".to_vec()].concat());
        let said = heard(pipe, TEXT_BYTES);
        assert!(said.len() == TEXT_BYTES && said.ends_with(b"aend"));
    }
}
