//! Random pipelines with missing values: none that converts answers otherwise than its library.
//!
//! Owns how many are tried, and how many have to convert. Must not know the pipelines.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorebox_tests::extent;
use scorebox_tests::gaps::GapCase;
use scorebox_tests::host::Host;
use scorebox_tests::models::Models;
use scorebox_tests::skip;

use super::{convert, finish, folder};

/// Number of pipelines that the short form of the test tries, and number that the whole test tries.
const SEEDS: (usize, usize) = (20, 200);

/// Names of everything that the library's own converters lose and this conversion keeps. The
/// pipelines of the whole test contain all of them.
const REPAIRS: [&str; 8] = [
    "directions",
    "missing-indicator",
    "number-as-missing",
    "number-indicator",
    "one-hot-missing",
    "ordinal-missing",
    "text-imputer",
    "text-indicator",
];

/// Libraries whose classes a refusal names.
const LIBRARIES: [&str; 3] = ["sklearn.", "xgboost.", "lightgbm."];

/// Outcome of one pipeline.
enum Outcome {
    /// The pipeline was converted, and the served answers are the library's.
    Agrees,
    /// The conversion failed, and named the part.
    Refused,
}

/// Converts a pipeline, and serves it if it converts.
fn convert_and_serve(case: &GapCase) -> Outcome {
    let folder = folder();
    let project = folder.path().join("project");
    let mut command = convert(&case.model, &project);
    command.args(["--output-format", "json"]);
    if let Some(sample) = &case.sample {
        command.arg("--sample").arg(sample);
    }
    let finished = finish(&mut command);
    if !finished.status.success() {
        let said = &finished.stderr;
        let is_named = LIBRARIES.iter().any(|library| said.contains(library));
        let code = finished.status.code();
        assert!(
            matches!(code, Some(1 | 3)) && is_named && said.contains("fix: "),
            "{}: {code:?}: {said}",
            case.name
        );
        return Outcome::Refused;
    }
    let report = finished.json();
    assert_eq!(report["verdict"], "agrees", "{}: {report}", case.name);
    let host = Host::start(&project);
    let asked = case.case(&report);
    asked.check(&host.score(&asked.call).expect(200).json());
    Outcome::Agrees
}

#[test]
fn random_pipelines_answer_as_their_libraries() {
    scorebox_tests::require!("python3", "pip3");
    let count = extent::of(SEEDS.0, SEEDS.1);
    let models = match Models::made_by("pipelines.py", &["0", &count.to_string()]) {
        Ok(models) => models,
        Err(reason) => return skip::skip(&reason),
    };
    let cases = GapCase::all(models.path());
    assert_eq!(cases.len(), count);
    let (next, agrees) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (repaired, failed) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match std::panic::catch_unwind(|| convert_and_serve(case)) {
                Ok(Outcome::Agrees) => {
                    agrees.fetch_add(1, Ordering::Relaxed);
                    let mut repaired = repaired.lock().expect("no thread panics here");
                    repaired.extend(case.repairs.iter().map(String::as_str));
                }
                Ok(Outcome::Refused) => {}
                Err(_) => failed
                    .lock()
                    .expect("no thread panics here")
                    .push(&case.name),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(4) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("no thread panics here");
    assert!(
        failed.is_empty(),
        "these pipelines do not answer as their libraries, see above: {failed:?}"
    );
    let agrees = agrees.into_inner();
    assert!(agrees * 4 >= count * 3, "{agrees} of {count} convert");
    let repaired = repaired.into_inner().expect("no thread panics here");
    let is_complete = REPAIRS.iter().all(|repair| repaired.contains(repair));
    assert!(!extent::is_whole() || is_complete, "{repaired:?}");
}
