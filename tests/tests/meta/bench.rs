//! `cargo xtask bench`: the output contains every figure, whatever its value.
//!
//! Owns the shape of the JSON. Must not know which times and ratios are good: a machine that runs
//! tests cannot measure them.

use std::process::Command;
use std::sync::{PoisonError, RwLockReadGuard};
use std::time::Duration;

use scorebox_tests::scripts::LIBRARIES;
use scorebox_tests::{extent, libraries, pack, place, programs, require, run};
use serde_json::Value;

use crate::TURN;

/// Timeout of a benchmark. Building the native reference program and the image's host from scratch
/// takes minutes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Waits until no soak test runs, and keeps the next one waiting.
fn turn() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn positive(value: &Value, what: &str) {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("{what} is no number: {value}"));
    assert!(number.is_finite() && number > 0.0, "{what} is {number}");
}

#[track_caller]
fn spread(value: &Value, what: &str) {
    for key in ["least", "median", "most"] {
        positive(&value[key], &format!("{what}.{key}"));
    }
    let [least, median, most] = ["least", "median", "most"].map(|key| value[key].as_f64());
    assert!(least <= median && median <= most, "{what}: {value}");
}

#[track_caller]
fn measured(row: &Value) {
    for name in [
        "requests_per_second",
        "p50_us",
        "p99_us",
        "cpu_us_per_request",
    ] {
        spread(&row[name], name);
    }
    for name in ["throughput", "p50", "p99", "cpu"] {
        positive(&row["over_ceiling"][name], name);
    }
}

#[test]
fn a_quick_run_has_every_figure() {
    require!("wrk");
    let _turn = turn();
    let mut bench = Command::new(place::trials());
    bench
        .args(["bench", "--quick", "--output", "json", "--no-steps"])
        .current_dir(place::workspace());
    let figures = run::finish_within(LIMIT, &mut bench, b"").ended(0).json();

    for name in ["cpu_warm", "cpu_call", "cold_start", "p99_over_p50_c64"] {
        positive(&figures["ratios"][name], name);
    }
    for name in ["cpu_warm", "cpu_call"] {
        positive(&figures["cpu_ratios_cores_may_sleep"][name], name);
    }
    positive(&figures["fairness_p50_rise"], "fairness_p50_rise");
    assert_eq!(
        figures["skipped"],
        Value::Array(vec![]),
        "every setting is known"
    );
    assert_eq!(
        (
            figures["rounds"].as_u64(),
            figures["round_seconds"].as_f64()
        ),
        (Some(1), Some(0.5))
    );

    let load = figures["load"].as_array().expect("a list of loads");
    let keys: Vec<_> = load
        .iter()
        .map(|row| (row["connections"].as_u64(), row["server"].as_str()))
        .collect();
    let expected = [1, 8, 64]
        .map(|connections| ["warm", "call", "ceiling"].map(|name| (Some(connections), Some(name))));
    assert_eq!(keys, expected.concat());
    let awake = figures["load_cores_awake"]
        .as_array()
        .expect("a list of loads");
    let servers: Vec<_> = awake
        .iter()
        .map(|row| (row["connections"].as_u64(), row["server"].as_str()))
        .collect();
    assert_eq!(
        servers,
        ["warm", "call", "ceiling"].map(|name| (Some(8), Some(name)))
    );
    load.iter().chain(awake).for_each(measured);
    for name in ["warm_ms", "ceiling_ms"] {
        spread(&figures["cold_start"][name], name);
    }
    for name in ["alone_p50_us", "beside_loop_p50_us"] {
        spread(&figures["fairness"][name], name);
    }
    for name in [
        "warm_idle",
        "call_idle",
        "ceiling_idle",
        "instances_1",
        "instances_8",
        "instances_64",
    ] {
        positive(&figures["pss_bytes"][name], name);
    }
}

#[test]
fn a_quick_run_with_redis_has_every_figure() {
    require!("wrk", "redis-server");
    let _turn = turn();
    let mut bench = Command::new(place::trials());
    bench
        .args(["bench", "redis", "--quick", "--output", "json"])
        .current_dir(place::workspace());
    let figures = run::finish_within(LIMIT, &mut bench, b"").ended(0).json();

    for ratios in ["ratios", "cpu_ratios_cores_may_sleep"] {
        for name in ["cpu_hit", "cpu_miss"] {
            positive(&figures[ratios][name], name);
        }
    }
    for name in ["hit", "hit_in_memory", "miss"] {
        positive(&figures["p50_over_ceiling"][name], name);
    }
    assert_eq!(
        (
            figures["rounds"].as_u64(),
            figures["round_seconds"].as_f64()
        ),
        (Some(1), Some(0.5))
    );
    assert_eq!(
        (
            figures["connections"].as_u64(),
            figures["known_questions"].as_u64()
        ),
        (Some(8), Some(200))
    );
    for loads in ["load", "load_cores_awake"] {
        let load = figures[loads].as_array().expect("a list of loads");
        let keys: Vec<_> = load
            .iter()
            .map(|row| [&row["path"], &row["kind"]].map(Value::as_str))
            .collect();
        let expected = [
            ["hit", "scorebox"],
            ["hit", "ceiling"],
            ["hit_in_memory", "scorebox"],
            ["miss", "scorebox"],
            ["miss", "ceiling"],
        ];
        assert_eq!(keys, expected.map(|row| row.map(Some)), "{loads}");
        load.iter().for_each(measured);
    }
}

#[test]
fn a_short_run_with_idle_connections_has_every_figure() {
    require!("redis-server");
    let _turn = turn();
    let mut bench = Command::new(place::trials());
    bench.args(["bench", "idle", "--connections", "10", "--minutes", "0.03"]);
    bench.args(["--output", "json"]);
    let figures = run::finish_within(LIMIT, bench.current_dir(place::workspace()), b"")
        .ended(0)
        .json();
    assert_eq!(figures["connections"], 10, "{figures}");
    assert_eq!(figures["wrong"], 0, "{figures}");
    for kind in ["living", "forgotten", "fresh"] {
        positive(&figures[kind]["p50_us"], kind);
        positive(&figures[kind]["max_us"], kind);
    }
}

#[test]
fn a_quick_run_beside_attacks_has_every_figure() {
    require!("redis-server");
    let _turn = turn();
    let mut bench = Command::new(place::trials());
    // The attacked hosts serve this program. The benchmark builds it itself.
    assert!(place::program(programs::HOSTILE).is_file());
    bench
        .args(["bench", "hostile", "--quick", "--output", "json", "--host"])
        .arg(place::image_host());
    let figures = run::finish_within(LIMIT, bench.current_dir(place::workspace()), b"")
        .ended(0)
        .json();

    for name in ["worst_p50", "worst_p99", "peak_mib"] {
        positive(&figures["ratios"][name], name);
    }
    let attacks = figures["attacks"].as_array().expect("a list of attacks");
    let names: Vec<_> = attacks
        .iter()
        .map(|attack| attack["name"].as_str().expect("a name"))
        .collect();
    let expected = [
        "slow-bodies",
        "slow-headers",
        "silent",
        "large-bodies",
        "deep-json",
        "huge-tokens",
        "endless-guests",
        "log-floods",
        "memory-hogs",
        "cache-stampede",
        "unread-answers",
        "churn",
        "pipelined",
        "unread-log",
        "rapid-resets",
        "continuations",
        "settings-floods",
        "gzip-bombs",
        "deflate-bombs",
        "zstd-bombs",
    ];
    assert_eq!(names, expected);
    let lost: u64 = attacks
        .iter()
        .map(|attack| attack["lost"].as_u64().expect("a count"))
        .sum();
    assert_eq!(figures["ratios"]["lost"].as_u64(), Some(lost));
    for attack in attacks {
        for name in ["p50", "p99", "idle_mib", "peak_mib", "peak_over_idle"] {
            positive(&attack[name], &format!("{name} of {attack}"));
        }
        spread(&attack["p50_ms"], "p50_ms");
        // The rate is 200 requests per second for half a second. No request is left out, however
        // long the others take.
        assert_eq!(attack["calls"].as_u64(), Some(100), "{attack}");
        positive(
            &attack["attacker"]["opened"],
            &format!("connections of {attack}"),
        );
        assert!(attack["killed"].is_boolean(), "{attack}");
    }
    let pipelined = attacks
        .iter()
        .find(|attack| attack["name"] == "pipelined")
        .expect("it is listed");
    positive(
        &pipelined["attacker"]["answered"],
        "answers to pipelined requests",
    );
}

#[test]
fn a_quick_run_of_the_languages_has_every_figure() {
    require!("wrk");
    let _turn = turn();
    let all = "c,quickjs,componentize-js,componentize-py";
    let mut bench = Command::new(place::trials());
    bench.args(["bench", "languages", "--quick", "--output", "json"]);
    bench.args(["--languages", extent::of("c", all)]);
    let figures = run::finish_within(LIMIT, bench.current_dir(place::workspace()), b"")
        .ended(0)
        .json();
    let rows = figures["languages"].as_array().expect("a list");
    assert_eq!(rows[0]["language"], "rust", "{figures}");
    let skipped = figures["skipped"].as_array().expect("a list");
    let wanted = extent::of(2, 5);
    assert_eq!(rows.len() + skipped.len(), wanted, "{figures}");
    for row in rows {
        for name in ["component_bytes", "image_bytes", "build_ms", "package_ms"] {
            positive(&row[name], name);
        }
        for name in ["cold_start_ms", "warm_p50_us", "call_p50_us"] {
            spread(&row[name], name);
        }
        for name in ["instances_1", "instances_8"] {
            positive(&row["pss_bytes"][name], name);
        }
        for name in ["cold_start", "warm_p50", "call_p50"] {
            positive(&row["over_rust"][name], name);
        }
    }
    for ratio in ["cold_start", "warm_p50", "call_p50"] {
        assert_eq!(rows[0]["over_rust"][ratio], 1.0, "{ratio}");
    }
}

#[test]
fn a_quick_run_beside_azure_mls_server_has_every_figure() {
    require!("wrk");
    // The bench builds the image's host with Python, which takes minutes.
    if !extent::is_whole() {
        return;
    }
    // Both servers need packages from the network. The reason for a skip says what was missing.
    let _pack = pack!();
    let _libraries = libraries!(LIBRARIES);
    let _turn = turn();
    let mut bench = Command::new(place::trials());
    bench.args(["bench", "python", "--quick", "--output", "json"]);
    let figures = run::finish_within(LIMIT, bench.current_dir(place::workspace()), b"")
        .ended(0)
        .json();
    for name in ["cpu", "rps_8", "cold_start", "memory_2"] {
        positive(&figures["ratios"][name], name);
    }
    for server in ["scorebox", "azure_ml"] {
        for name in [
            "requests_per_second",
            "p50_us",
            "p99_us",
            "cpu_us_per_request",
            "cold_start_ms",
        ] {
            spread(&figures[server][name], name);
        }
        positive(&figures[server]["pss_bytes"], "pss_bytes");
    }
}

#[test]
fn only_loopback_addresses_can_be_attacked() {
    let sender = [
        "bench",
        "hostile-sender",
        "--attack",
        "silent",
        "--seconds",
        "1",
        "--address",
        "10.0.0.1:80",
    ];
    run::finish(Command::new(place::trials()).args(sender), b"")
        .ended(2)
        .said(&["loopback"]);
}

#[test]
fn a_missing_redis_server_is_named_before_anything_is_built() {
    let empty = tempfile::tempdir().expect("a folder can be made");
    let mut bench = Command::new(place::trials());
    bench
        .args(["bench", "redis", "--quick"])
        .current_dir(place::workspace())
        .env("PATH", empty.path());
    run::finish(&mut bench, b"")
        .ended(4)
        .said(&["redis-server", "apt-get install"]);
}

#[test]
fn arguments_that_measure_nothing_are_refused() {
    let refuse = |arguments: &[&str], part: &str| {
        run::finish(
            Command::new(place::trials()).arg("bench").args(arguments),
            b"",
        )
        .ended(2)
        .said(&[part]);
    };
    refuse(&["--seconds", "0"], "between 0.2 and 600");
    refuse(&["--connections", "0"], "connections");
    refuse(&["--steps", "--no-steps"], "cannot be used with");
    refuse(&["redis", "--seconds", "0"], "between 0.2 and 600");
    refuse(
        &["redis", "--quick", "--rounds", "2"],
        "cannot be used with",
    );
    refuse(&["--quick", "redis"], "cannot be used with");
    refuse(
        &["hostile", "--quick", "--rounds", "2"],
        "cannot be used with",
    );
    refuse(&["hostile", "--attack", "kind"], "possible values");
    refuse(&["idle", "--minutes", "0"], "between 0.03 and 1440");
    refuse(&["languages", "--languages", "go"], "possible values");
    refuse(
        &["python", "--quick", "--rounds", "2"],
        "cannot be used with",
    );
}
