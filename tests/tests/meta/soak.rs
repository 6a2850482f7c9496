//! `cargo xtask soak`: every path is called, every answer is compared, every host is sampled.
//!
//! Owns a run of some seconds. Must not know if memory leaks slowly: such a short run cannot show
//! drift.

use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use scorebox_tests::{place, require, run};

use crate::TURN;

/// Timeout of a run. Staging six apps takes a while if the examples were not built before.
const LIMIT: Duration = Duration::from_secs(15 * 60);

fn soak(arguments: &[&str]) -> Command {
    let mut soak = Command::new(place::trials());
    soak.arg("soak")
        .args(arguments)
        .current_dir(place::workspace());
    soak.arg("--host").arg(place::image_host());
    soak
}

#[test]
fn a_short_soak_has_no_wrong_answer_and_loses_no_call() {
    require!("redis-server");
    let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
    let mut soak = soak(&["--minutes", "0.2", "--output", "json"]);
    soak.arg("--graphs-host")
        .arg(place::image_host_with_graphs())
        .arg("--engine-library")
        .arg(place::engine_library());
    let figures = run::finish_within(LIMIT, &mut soak, b"").ended(0).json();

    let counts = ["wrong", "lost"].map(|name| figures[name].as_u64());
    assert_eq!(counts, [Some(0), Some(0)], "{figures}");
    assert!(figures["redis_restarts"].as_u64() >= Some(2), "{figures}");
    let paths = figures["paths"].as_array().expect("a list of paths");
    let names: Vec<_> = paths
        .iter()
        .map(|path| path["path"].as_str().expect("a name"))
        .collect();
    let expected = [
        "score",
        "infer-json",
        "infer-binary",
        "fresh-instances",
        "init-for-each-call",
        "prediction-cache",
        "prediction-cache-infer",
        "functions-request",
        "functions-blob",
        "functions-batch",
        "functions-park",
        "graph",
        "graph-infer",
    ];
    assert_eq!(names, expected);
    for path in paths {
        assert!(path["calls"].as_u64() > Some(10), "{path}");
    }
    let hosts = figures["hosts"].as_array().expect("a list of hosts");
    assert_eq!(hosts.len(), 6, "{figures}");
    for host in hosts {
        for name in ["rss_mib", "descriptors", "threads"] {
            assert!(
                host[name]["first"].as_f64() > Some(0.0) && host[name]["last"].as_f64() > Some(0.0),
                "{host}"
            );
        }
    }
}

#[test]
fn a_soak_that_compares_nothing_is_refused() {
    let refuse = |arguments: &[&str], part: &str| {
        run::finish(&mut soak(arguments), b"")
            .ended(2)
            .said(&[part]);
    };
    refuse(&["--minutes", "0"], "between 0.05 and 1440");
    refuse(&["--minutes", "soon"], "not a number of minutes");
    refuse(&[], "--minutes");
}
