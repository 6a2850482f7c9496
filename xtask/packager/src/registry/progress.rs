//! Progress display of transfers.
//!
//! Owns the progress bars on a terminal, and the lines that are printed if standard error is not a
//! terminal. Must not know what is transferred.

use std::io::IsTerminal as _;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Progress display for the transfers of one command.
#[derive(Debug)]
pub struct Progress {
    /// Progress bars on the terminal. `None` if standard error is not a terminal.
    bars: Option<MultiProgress>,
}

/// Progress bar of one transfer. The bar is hidden if standard error is not a terminal.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Progress {
    /// Creates a progress display that shows bars if standard error is a terminal, and lines if it
    /// is not.
    pub fn new() -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        }
    }

    /// Shows that the transfer of the blob `name` with `bytes` bytes begins, and returns its bar.
    /// `verb` describes the transfer, e.g. `sending`.
    pub fn begin(&self, verb: &str, name: &str, bytes: u64) -> Bar {
        let Some(bars) = &self.bars else {
            eprintln!("{verb} {name}, {bytes} bytes");
            return Bar(ProgressBar::hidden());
        };
        let bar = bars.add(ProgressBar::new(bytes));
        let template = "{prefix:20} [{bar:30}] {bytes:>11} of {total_bytes:<11} {binary_bytes_per_sec:>12}  {eta}";
        // If the template does not parse, the default style of the crate is kept.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(format!("{verb} {name}"));
        Bar(bar)
    }
}

impl Bar {
    /// Sets the number of bytes that were transferred. After a broken connection, the number may be
    /// lower than in the call before.
    pub fn set(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// Returns the parts of a body unchanged, and moves the progress bar as each part is sent. The
    /// first part starts at byte `start` of the blob.
    pub fn counting<S, E>(
        &self,
        start: u64,
        parts: S,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let (bar, mut done) = (self.0.clone(), start);
        parts.inspect_ok(move |part| {
            bar.set_position(done);
            done += part.len() as u64;
        })
    }

    /// Removes the progress bar at the end of the transfer.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            // The table of results is printed next. If the terminal has been closed, that is not a
            // reason to stop.
            let _ = bars.clear();
        }
    }
}
