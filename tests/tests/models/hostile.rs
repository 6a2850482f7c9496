//! A thousand damaged models: each is refused with a message, or proven to give the right answers.
//!
//! Owns the number of files of each form, and the allowed outcomes: no crash of the program that a
//! packager waits for, and no overrun of the time limit. ONNX files are checked as in `package`: by
//! a host's `check` with the scorer's sample, which tries them in a process of its own. Safetensors
//! files go through the same `check` of a component that reads them. NumPy's files go through
//! `convert`. Must not know how a form is read.

mod arrays;
mod graphs;
mod trials;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::extent;
use scorebox_tests::host::scorebox;
use scorebox_tests::run::{self, Finished};

/// Number of damaged files of each form. Together with the files made on purpose they are more than
/// a thousand. The short form of the test tries the first files of each form.
const FILES: [(&str, usize); 11] = [
    ("logreg", 140),
    ("logreg-ovr", 70),
    ("logreg-zipmap", 90),
    ("mlp", 110),
    ("forest", 80),
    ("identity", 70),
    ("counting", 90),
    ("zeros", 70),
    ("safetensors", 160),
    ("npz", 200),
    ("npy", 120),
];

/// Number by which the short form of the test divides the number of damaged files.
const PART: usize = 8;

/// Time limit for loading a graph. A network needs some hundredths of it.
const INIT_DEADLINE: Duration = Duration::from_secs(8);
/// Additional time for starting two processes on a busy machine.
const STARTING: Duration = Duration::from_secs(60);

/// Numbers of outcomes for the files of one form.
#[derive(Debug, Default)]
struct Ends(Mutex<BTreeMap<&'static str, usize>>);

impl Ends {
    fn count(&self, end: &'static str) {
        *self.0.lock().unwrap().entry(end).or_default() += 1;
    }
}

/// Lock that lets one form at a time be tried: tests run in parallel, and these tests measure time.
static TURN: Mutex<()> = Mutex::new(());

/// Tries the listed number of files of a form, two at a time. `one` gets the number of each file.
fn each(form: &str, one: impl Fn(usize, &Ends) + Sync) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, count) = FILES
        .into_iter()
        .find(|(name, _)| *name == form)
        .expect("the form is listed");
    let count = extent::of(count / PART, count);
    let (next, ends, started) = (AtomicUsize::new(0), Ends::default(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count)
                {
                    one(index, &ends);
                }
            });
        }
    });
    let tried: usize = ends.0.lock().unwrap().values().sum();
    assert_eq!(tried, count, "each has one end");
    println!(
        "{form}: {count} files in {:.1?}: {:?}",
        started.elapsed(),
        ends.0.lock().unwrap()
    );
}

#[test]
fn they_are_a_thousand() {
    assert!(FILES.iter().map(|(_, count)| count).sum::<usize>() >= 1000);
}

/// Runs the check that `package` runs on its staged folder.
fn check(app: &App) -> Finished {
    let started = Instant::now();
    let sample = app.path().join("sample.json");
    let mut command = scorebox("check", app);
    if sample.exists() {
        command.arg("--sample").arg(sample);
    }
    let finished = run::finish(command.args(["--output", "json"]), b"");
    let limit = INIT_DEADLINE * 2 + STARTING;
    assert!(
        started.elapsed() < limit,
        "{:?} is longer than {limit:?}: {finished:?}",
        started.elapsed()
    );
    finished
}

/// Returns the outcome that a refusal reports. The message must name the file and contain a fix.
#[track_caller]
fn refusal(finished: &Finished, file: &str, what: &str) -> &'static str {
    let said = &finished.stderr;
    assert!(
        said.contains(file) && said.contains("fix: "),
        "{what}: {finished:?}"
    );
    let ends = [
        ("crashed the process that tried it", "crashed"),
        ("more memory than", "out of memory"),
        ("was not loaded and run within", "out of time"),
        ("as it should", "answers otherwise"),
    ];
    ends.iter()
        .find(|(part, _)| said.contains(part))
        .map_or("refused", |(_, end)| end)
}
