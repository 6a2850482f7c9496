//! Trial of a graph file by the command `scorebox graph`, before this process loads the file.
//!
//! Owns the time limit of the trial, and what the end of its process means: the file was refused,
//! took too long or too much memory, or crashed the process. Must not know what the trial does with
//! the file (that is `graph`).

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use scorebox_host::error::exit_code;
use scorebox_host::{StartupError, deployment};

use super::graph::{is_out_of_memory, memory_bytes};

/// Pause between two checks whether the process that tries the file has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// Extra time after which the process that tries the file ends itself. It does so only if this
/// process was stopped and cannot end it.
const OWN_TIME: Duration = Duration::from_secs(5);
/// Maximum size of the messages that are kept of the process that tries the file, in bytes. The
/// last messages are kept, because they give the reason of its end.
const TEXT_BYTES: usize = 16 << 10;
/// Maximum number of characters of the messages that are shown, if the process that tries the file
/// does not report a problem itself.
const SHOWN_CHARS: usize = 400;

/// Tries a graph file in a separate process for at most `limit`. The process loads the file and
/// runs the graph on the sample, or on zeros if there is no sample.
///
/// # Errors
/// Fails if the file is not a graph that can be served, or if there is no engine.
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
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(sample) = sample {
        command.arg("--sample").arg(sample);
    }
    command.arg("--parent").arg(std::process::id().to_string());
    command
        .arg("--limit-ms")
        .arg((limit + OWN_TIME).as_millis().to_string());
    let mut child = command.spawn().map_err(host)?;
    // The messages are read while the process runs, because a process blocks if its pipe is full.
    let listening = child
        .stderr
        .take()
        .map(|stderr| std::thread::spawn(move || heard(stderr)));
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
    let said = listening
        .and_then(|listening| listening.join().ok())
        .unwrap_or_default();
    judged(file, ended, limit, String::from_utf8_lossy(&said).trim())
}

/// Reads all messages of the process that tries the file, and returns the last ones.
fn heard(mut stderr: impl Read) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stderr.read(&mut piece) {
            Ok(0) | Err(_) => return said,
            Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
        said.drain(..said.len().saturating_sub(TEXT_BYTES));
    }
}

fn judged(
    file: &Path,
    ended: Option<ExitStatus>,
    limit: Duration,
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
    // The last line of this kind counts, because those before it may come from the log.
    let own = said
        .strip_prefix("error: ")
        .or_else(|| said.rsplit_once("\nerror: ").map(|(_, text)| text));
    let named = format!("model {}: ", file.display());
    let own = own.map(|text| {
        text.strip_prefix(&named)
            .unwrap_or(text)
            .split_once("\n  fix: ")
            .unwrap_or((text, again))
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

/// Returns the last `SHOWN_CHARS` characters of a text.
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

    #[test]
    fn each_end_has_its_text() {
        let check = |ended: Option<i32>, said: &str, parts: &[&str]| {
            let ended = ended.map(ExitStatus::from_raw);
            let text = judged(Path::new("m.onnx"), ended, Duration::from_secs(1), said)
                .unwrap_err()
                .to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(text.matches("fix:").count(), 1, "{text}");
            assert_eq!(text.matches("model m.onnx").count(), 1, "{text}");
        };
        assert!(
            judged(
                Path::new("m.onnx"),
                Some(ExitStatus::from_raw(0)),
                Duration::ZERO,
                ""
            )
            .is_ok()
        );
        check(
            Some(5 << 8),
            "error: model m.onnx: cannot be loaded: x\n  fix: y",
            &["cannot be loaded: x", "fix: y"],
        );
        check(
            Some(5 << 8),
            "WARN error: a\nerror: model m.onnx: b\n  fix: y",
            &["m.onnx: b", "fix: y"],
        );
        check(
            Some(3 << 8),
            "error: s.json: is not a sample: x\n  fix: y",
            &["s.json: is not a sample: x", "fix: y"],
        );
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
        check(
            Some(5 << 8),
            "error: model m.onnx: bad allocation\n  fix: y",
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
        let said = "error: engine lib.so: there is no such file\n  fix: y";
        let ended = Some(ExitStatus::from_raw(11 << 8));
        let error = judged(Path::new("m.onnx"), ended, Duration::ZERO, said).unwrap_err();
        assert!(
            matches!(&error, StartupError::Engine { fix, .. } if fix == "y"),
            "{error}"
        );
    }

    #[test]
    fn all_is_taken_in_and_the_end_is_kept() {
        let said = heard(std::io::Cursor::new(
            [vec![b'a'; 100_000], b"end".to_vec()].concat(),
        ));
        assert!(said.len() == TEXT_BYTES && said.ends_with(b"aend"));
    }
}
