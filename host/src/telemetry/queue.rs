//! Bounded queue of log lines, and the thread that writes them to one or two outputs.
//!
//! Owns the limits of the queue, which lines are dropped when it is full, and the last flush. Must
//! not know what a line says. A thread that logs never waits for the reader of an output. Otherwise
//! a full pipe would stop every thread that serves.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum size of the log lines that wait in the queue, for all outputs together, in bytes. The
/// size is four times as much as one call may log. In addition, the thread that writes the log may
/// be writing the same number of bytes.
const WAITING_BYTES: usize = 4 << 20;

/// Size of the part of the queue that only warnings and errors may fill, in bytes. If all lines
/// could fill the whole queue, warnings and errors would be dropped when many other lines come.
const RESERVED_BYTES: usize = 1 << 20;

/// Maximum size of a write that a pipe takes as a whole or not at all, in bytes (`PIPE_BUF` of
/// Linux). With larger writes, a process that ends while its output is not read could leave an
/// incomplete line.
const WHOLE_BYTES: usize = 4096;

/// Maximum capacity that each buffer of the queue keeps when it is empty, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// Pause before the next write if an output is non-blocking and accepts nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// Queue of complete log lines that wait to be written. All clones share one queue.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

/// Outputs to which the lines of a queue are written.
pub(super) struct Outputs {
    /// Output of all lines. If `urgent` is set, output of all lines except urgent ones.
    pub(super) all: Box<dyn Write + Send>,
    /// Output of urgent lines: warnings and errors. If it is `None`, they are written to `all`, in
    /// the order in which the lines were added.
    pub(super) urgent: Option<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signal to the thread that writes the lines: the queue has something to write.
    filled: Condvar,
    /// Signal to callers of [`Queue::flush`] that every line of the queue is written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Urgent lines that wait, if urgent lines have an output of their own.
    urgent: Vec<u8>,
    /// True if urgent lines have an output of their own.
    has_urgent_output: bool,
    /// Number of lines that were dropped because the queue was full, since the thread last took
    /// lines from the queue.
    dropped: u64,
    is_writing: bool,
}

impl Queue {
    /// Creates a queue, and starts the thread that writes its lines to `outputs`. `notice` returns
    /// the line that reports how many lines were dropped, which is an urgent line.
    ///
    /// # Errors
    /// Fails if the operating system cannot start a thread.
    pub(super) fn start(
        outputs: Outputs,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Shared::default();
        shared.lock().has_urgent_output = outputs.urgent.is_some();
        let shared = Arc::new(shared);
        let queue = Self(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write(outputs, notice))?;
        Ok(queue)
    }

    /// Adds a line, which includes its line end, to the queue. If the queue is full, the line is
    /// dropped and counted. If `is_urgent` is true, the line may also use the reserved part of the
    /// queue, and goes to the output of urgent lines, if there is one.
    pub(super) fn push(&self, line: &str, is_urgent: bool) {
        let most = if is_urgent {
            WAITING_BYTES
        } else {
            WAITING_BYTES - RESERVED_BYTES
        };
        let mut state = self.0.lock();
        if state.waiting.len() + state.urgent.len() + line.len() > most {
            state.dropped += 1;
            return;
        }
        let lines = if is_urgent && state.has_urgent_output {
            &mut state.urgent
        } else {
            &mut state.waiting
        };
        lines.extend_from_slice(line.as_bytes());
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until every line of the queue is written, but no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.0.lock();
        while state.is_writing || state.has_more() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .0
                .emptied
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl State {
    fn has_more(&self) -> bool {
        !self.waiting.is_empty() || !self.urgent.is_empty() || self.dropped > 0
    }
}

impl Shared {
    /// Locks the state of the queue. The state is valid after every statement, so a poisoned lock
    /// is used like any other.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines of the queue to `outputs` for as long as the process lives. `notice`
    /// returns the line that reports how many lines were dropped.
    fn write(&self, outputs: Outputs, notice: impl Fn(u64) -> String) {
        let (mut lines, mut urgent, mut lost) = (Vec::new(), Vec::new(), 0);
        let mut all_output = LineOutput::new(outputs.all);
        let mut urgent_output = outputs.urgent.map(LineOutput::new);
        loop {
            let dropped = self.take(&mut lines, &mut urgent) + std::mem::take(&mut lost);
            if let Some(output) = &mut urgent_output {
                lost += output.write_lines(&urgent);
            }
            lost += all_output.write_lines(&lines);
            if dropped > 0 {
                let output = urgent_output.as_mut().unwrap_or(&mut all_output);
                if !output.is_written(notice(dropped).as_bytes()) {
                    lost += dropped;
                }
            }
            for kept in [&mut lines, &mut urgent] {
                kept.clear();
                kept.shrink_to(KEPT_BYTES);
            }
        }
    }

    /// Waits until the queue has lines or has dropped lines, and swaps the waiting lines into
    /// `lines` and `urgent`, which must be empty. Returns the number of lines that were dropped
    /// since the last call.
    fn take(&self, lines: &mut Vec<u8>, urgent: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.is_writing = false;
        while !state.has_more() {
            self.emptied.notify_all();
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        std::mem::swap(lines, &mut state.waiting);
        std::mem::swap(urgent, &mut state.urgent);
        std::mem::take(&mut state.dropped)
    }
}

/// Output that is written in whole lines.
struct LineOutput {
    output: Box<dyn Write + Send>,
    /// False if an earlier write broke off within a line. In this case a line end is written before
    /// the next line.
    is_whole: bool,
}

impl LineOutput {
    fn new(output: Box<dyn Write + Send>) -> Self {
        Self {
            output,
            is_whole: true,
        }
    }

    /// Writes lines, in pieces that a pipe takes as a whole, and returns the number of lines that
    /// could not be written.
    fn write_lines(&mut self, lines: &[u8]) -> u64 {
        let (mut rest, mut lost) = (lines, 0);
        while !rest.is_empty() {
            let (piece, after) = rest
                .split_at_checked(whole_lines(rest))
                .unwrap_or((rest, &[]));
            rest = after;
            // The reader is gone, or the disk is full. Neither may end the process, and the disk
            // may have room again.
            if !self.is_written(piece) {
                lost += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
        }
        lost
    }

    /// Writes lines, and returns true if they were written.
    fn is_written(&mut self, lines: &[u8]) -> bool {
        if !self.is_whole && written(&mut *self.output, b"\n").is_err() {
            return false;
        }
        let outcome = written(&mut *self.output, lines);
        self.is_whole = matches!(outcome, Ok(()) | Err(0));
        outcome.is_ok()
    }
}

/// Returns the length of the part of `bytes` that is written next: as many whole lines as a pipe
/// takes at a time, but at least one line.
fn whole_lines(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let first = bytes.get(..WHOLE_BYTES).unwrap_or(bytes);
    let last_end = first
        .iter()
        .rposition(is_end)
        .or_else(|| bytes.iter().position(is_end));
    last_end.map_or(bytes.len(), |end| end + 1)
}

/// Writes all bytes to `output`. If this fails, the error is the number of bytes that were written
/// before the failure.
fn written(output: &mut dyn Write, bytes: &[u8]) -> Result<(), usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match output.write(rest) {
            Ok(0) => return Err(done),
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => return Err(done),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Output for tests. Each write waits until the test sends a permit.
    struct Gate {
        permits: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits
                .recv()
                .map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Queue, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permits) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let gate = Gate {
            permits,
            written: Arc::clone(&written),
        };
        let outputs = Outputs {
            all: Box::new(gate),
            urgent: None,
        };
        (
            Queue::start(outputs, |count| format!("{count} dropped\n")).unwrap(),
            permit,
            written,
        )
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said_after_what_stood_before_it() {
        let (queue, permit, written) = gated();
        let line = format!("{}\n", "x".repeat(999));
        let pushed = 10_000;
        (0..pushed).for_each(|_| queue.push(&line, false));
        queue.push("an error\n", true);
        // No permit exists yet, so nothing can be written. The flush must not wait for that.
        let start = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(start.elapsed() < LONG / 2);
        (0..pushed).for_each(|_| permit.send(()).unwrap());
        queue.flush(LONG);
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        let whole = lines.iter().filter(|line| line.len() == 999).count();
        let said: usize = lines
            .iter()
            .filter_map(|line| line.strip_suffix(" dropped")?.parse::<usize>().ok())
            .sum();
        assert_eq!(whole + said, pushed, "{}", lines.len());
        assert!(said > 0 && lines.contains(&"an error"));
        assert!(lines.last().is_some_and(|line| line.ends_with("dropped")));
    }

    #[test]
    fn urgent_lines_go_to_their_own_output_and_share_the_limit() {
        let (permit, permits) = mpsc::channel();
        let (urgent_permit, urgent_permits) = mpsc::channel();
        let [all, urgent] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
        let gate = |permits, written: &Arc<Mutex<Vec<u8>>>| {
            let written = Arc::clone(written);
            Box::new(Gate { permits, written })
        };
        let outputs = Outputs {
            all: gate(permits, &all),
            urgent: Some(gate(urgent_permits, &urgent)),
        };
        let queue = Queue::start(outputs, |count| format!("{count} dropped\n")).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        let pushed = 10_000;
        for _ in 0..pushed {
            queue.push(&line, true);
            queue.push("plain\n", false);
        }
        for permit in [permit, urgent_permit] {
            (0..2 * pushed).for_each(|_| permit.send(()).unwrap());
            std::mem::forget(permit);
        }
        queue.flush(LONG);
        let text =
            |written: &Mutex<Vec<u8>>| String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let (all, urgent) = (text(&all), text(&urgent));
        assert!(all.lines().all(|line| line == "plain"));
        let whole = urgent.lines().filter(|line| line.len() == 999).count();
        let said: usize = urgent
            .lines()
            .filter_map(|line| line.strip_suffix(" dropped")?.parse::<usize>().ok())
            .sum();
        assert_eq!(all.lines().count() + whole + said, 2 * pushed);
        // The thread may have taken one full queue before it waited for a permit.
        assert!(whole * 1000 <= 2 * WAITING_BYTES && said > 0);
    }

    #[test]
    fn a_reader_that_is_gone_neither_ends_nor_blocks_anything() {
        let (queue, permit, written) = gated();
        drop(permit);
        (0..1000).for_each(|_| queue.push("lost\n", false));
        queue.flush(LONG);
        assert!(written.lock().unwrap().is_empty());
    }

    #[test]
    fn lines_are_written_whole() {
        assert_eq!(whole_lines(b"a\nb\n"), 4);
        let (short, long) = (
            format!("{}\n", "s".repeat(3000)),
            format!("{}\n", "l".repeat(9000)),
        );
        assert_eq!(
            whole_lines(format!("{short}{short}").as_bytes()),
            short.len()
        );
        assert_eq!(whole_lines(format!("{long}{short}").as_bytes()), long.len());
    }
}
