//! Pushes to a registry with faults: recovery, errors in the other cases, and the states that must
//! never occur.
//!
//! Owns the faults. Must not know how a push retries.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use scorebox_tests::double::{Double, Fault, Request, Rules, User};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::place;
use scorebox_tests::run::{self, Finished};
use serde_json::Value;
use tempfile::TempDir;

/// OCI layout of a small image and the output of `package`, built once.
static IMAGE: LazyLock<(TempDir, Value)> = LazyLock::new(|| {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let image = packaged(&mut package(project.path(), &dir.path().join("layout")));
    (dir, image)
});

/// User name and password for registries that require a login.
const USER: (&str, &str) = ("ci", "s3cret");

fn push_of(layout: &Path, double: &Double) -> Command {
    let mut command = Command::new(place::xtask());
    command.env_clear().arg("push").arg(layout).args([
        "--plain-http",
        "--registry",
        &double.name,
        "--repository",
        "d",
    ]);
    command.envs([
        ("SCOREBOX_REGISTRY_USERNAME", USER.0),
        ("SCOREBOX_REGISTRY_PASSWORD", USER.1),
    ]);
    command
}

fn push(double: &Double) -> Finished {
    run::finish(&mut push_of(&IMAGE.0.path().join("layout"), double), b"")
}

#[track_caller]
fn is_pushed(double: &Double) {
    let digest = IMAGE.1["digest"].as_str().expect("a digest");
    assert_eq!(double.tag("d", "1.0.0").as_deref(), Some(digest));
    assert!(double.is_whole("d", digest));
    for attachment in IMAGE.1["attachments"].as_array().expect("a list") {
        assert!(
            double.is_whole("d", attachment["digest"].as_str().expect("a digest")),
            "{attachment}"
        );
    }
    assert_eq!(double.violations(), Vec::<String>::new());
}

/// Returns a plan that injects a fault into the first `times` requests of this kind.
fn first(
    method: &'static str,
    part: &'static str,
    mut times: u32,
    fault: Fault,
) -> impl FnMut(&Request) -> Option<Fault> {
    move |request| {
        let hit = times > 0 && request.method == method && request.path.contains(part);
        times -= u32::from(hit);
        hit.then_some(fault)
    }
}

#[test]
fn strict_registry_takes_an_image_and_a_second_push_only_asks() {
    let double = Double::start(Rules {
        least_chunk_bytes: Some(1 << 20),
        ..Rules::default()
    });
    push(&double).ended(0);
    is_pushed(&double);
    let digest = IMAGE.1["digest"].as_str().expect("a digest").to_owned();
    assert!(
        double.tag("d", &digest.replace(':', "-")).is_none(),
        "referrers are listed by the registry itself"
    );
    assert!(
        double
            .seen()
            .iter()
            .all(|seen| seen.status < 400 || seen.status == 404),
        "{:?}",
        double.seen()
    );
    double.forget_seen();
    push(&double).ended(0);
    let other: Vec<_> = double
        .seen()
        .into_iter()
        .filter(|seen| !seen.line.starts_with("HEAD "))
        .collect();
    // The list of referrers does not support HEAD.
    assert!(
        other
            .iter()
            .all(|seen| seen.line.starts_with("GET /v2/d/referrers/")),
        "{other:?}"
    );
    // A registry without such lists gets the list under a tag.
    let double = Double::start(Rules {
        lists_referrers: false,
        ..Rules::default()
    });
    push(&double).ended(0);
    is_pushed(&double);
    let list = double
        .tag("d", &digest.replace(':', "-"))
        .expect("the tag that stands for the list");
    let list = double.manifest("d", &list).expect("the list");
    assert_eq!(
        list["manifests"].as_array().map(Vec::len),
        Some(2),
        "{list}"
    );
    double.forget_seen();
    push(&double).ended(0);
    assert!(
        double
            .seen()
            .iter()
            .all(|seen| seen.line.starts_with("HEAD ")),
        "{:?}",
        double.seen()
    );
}

#[test]
fn large_layers_go_in_chunks_that_the_registry_takes() {
    let (project, dir) = (project(), tempfile::tempdir().expect("a folder"));
    let mut random = Random(7);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.below(u64::MAX).to_le_bytes())
        .take(5 << 20)
        .flatten()
        .collect();
    std::fs::write(project.path().join("model/noise.bin"), noise).expect("a file");
    let layout = dir.path().join("layout");
    let image = packaged(&mut package(project.path(), &layout));
    for least in [None, Some(18 << 20)] {
        // The registry refuses requests of more than 20 MB, and with `least` also smaller chunks,
        // except for the last one.
        let double = Double::start(Rules {
            least_chunk_bytes: least,
            ..Rules::default()
        });
        run::finish(&mut push_of(&layout, &double), b"").ended(0);
        let digest = double.tag("d", "1.0.0").expect("the tag is there");
        assert_eq!(image["digest"], digest.as_str());
        assert!(double.is_whole("d", &digest));
        let chunks = double
            .seen()
            .into_iter()
            .filter(|seen| seen.line.starts_with("PATCH"))
            .map(|seen| seen.body_bytes);
        let largest = least.map_or(16 << 20, |least| usize::try_from(least).expect("it fits"));
        let whole: Vec<_> = chunks.filter(|bytes| *bytes == largest).collect();
        assert_eq!(
            whole.len(),
            2,
            "40 MB in two chunks of {largest} and a rest"
        );
    }
}

#[test]
fn each_fault_is_recovered_from() {
    let cases = [
        ("HEAD", "/blobs/", Fault::Status(500)),
        ("HEAD", "/blobs/", Fault::CutBefore),
        ("POST", "/uploads/", Fault::Status(503)),
        ("POST", "/uploads/", Fault::CutAfter),
        ("PATCH", "/uploads/", Fault::Status(429)),
        ("PATCH", "/uploads/", Fault::Status(500)),
        ("PATCH", "/uploads/", Fault::CutBefore),
        ("PATCH", "/uploads/", Fault::CutInside),
        ("PATCH", "/uploads/", Fault::CutAfter),
        ("PATCH", "/uploads/", Fault::Forget),
        ("PUT", "/uploads/", Fault::Status(500)),
        ("PUT", "/uploads/", Fault::CutAfter),
        ("PUT", "/uploads/", Fault::Forget),
        ("PUT", "/manifests/", Fault::Status(429)),
        ("PUT", "/manifests/", Fault::Status(500)),
        ("PUT", "/manifests/", Fault::CutAfter),
        ("HEAD", "/manifests/", Fault::CutBefore),
    ];
    for (method, part, fault) in cases {
        let double = Double::start(Rules {
            checks_manifests: false,
            ..Rules::default()
        });
        double.plan(first(method, part, 2, fault));
        let outcome = push(&double);
        assert_eq!(
            outcome.status.code(),
            Some(0),
            "{method} {part} {fault:?}: {}",
            outcome.stderr
        );
        is_pushed(&double);
    }
}

#[test]
fn a_busy_registry_is_given_the_time_that_it_asks_for() {
    let double = Double::start(Rules::default());
    double.plan(first("PUT", "/manifests/", 1, Fault::Status(429)));
    push(&double).ended(0);
    let seen = double.seen();
    let refused = seen
        .iter()
        .position(|seen| seen.status == 429)
        .expect("it was refused");
    let pause = seen[refused + 1].at - seen[refused].at;
    assert!(
        pause >= Duration::from_millis(950),
        "{pause:?} after Retry-After: 1"
    );
}

#[test]
fn what_lasts_is_said_in_the_registrys_own_words() {
    for (method, part, fault) in [
        ("PATCH", "/uploads/", Fault::Status(413)),
        ("PUT", "/manifests/", Fault::Status(500)),
        ("POST", "/uploads/", Fault::Status(403)),
        ("HEAD", "/blobs/", Fault::Status(502)),
    ] {
        let double = Double::start(Rules {
            checks_manifests: false,
            ..Rules::default()
        });
        double.plan(first(method, part, u32::MAX, fault));
        let Fault::Status(status) = fault else {
            continue;
        };
        let refused = push(&double).ended(5).said(&[&status.to_string(), "fix:"]);
        // The answer to a HEAD request has no body with a message.
        assert!(
            method == "HEAD"
                || refused
                    .stderr
                    .contains("INJECTED this one goes wrong on purpose"),
            "{}",
            refused.stderr
        );
        assert!(double.tag("d", "1.0.0").is_none());
        assert_eq!(double.violations(), Vec::<String>::new());
    }
    // If a registry refuses chunks of the usual size, its error says so.
    let double = Double::start(Rules {
        largest_body_bytes: 100_000,
        ..Rules::default()
    });
    push(&double).ended(5).said(&[
        "413",
        "SIZE_INVALID",
        "larger than this registry takes",
        "16 MiB",
    ]);
    let cut = Double::start(Rules::default());
    cut.plan(first("PUT", "/manifests/", u32::MAX, Fault::CutBefore));
    push(&cut)
        .ended(6)
        .said(&["upload of the manifest", "fix:"]);
    assert!(cut.tag("d", "1.0.0").is_none());
}

/// A pseudorandom generator of numbers (xorshift64*). Equal seeds give equal numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// Checks random sequences of faults: a tag never leads to missing content, success means that
/// everything was pushed, and a failure has a reason.
///
/// The fake registry accepts every manifest, so that only the order of the push keeps tags valid.
#[test]
fn no_sequence_of_faults_leaves_a_tag_without_its_content() {
    const SEQUENCES: u64 = 160;
    const AT_A_TIME: u64 = 8;
    LazyLock::force(&IMAGE);
    let one = |seed: u64| {
        let user = User {
            name: USER.0,
            password: USER.1,
            rights: vec![("d", "pull,push")],
        };
        let double = Double::start(Rules {
            users: if seed.is_multiple_of(3) {
                vec![user]
            } else {
                Vec::new()
            },
            checks_manifests: false,
            lists_referrers: seed.is_multiple_of(2),
            pause_seconds: 0,
            ..Rules::default()
        });
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // Some sequences have few faults, and others have many.
        let percent = [3, 10, 25, 60][usize::try_from(seed % 4).unwrap_or(0)];
        double.plan(move |_| {
            if random.below(100) >= percent {
                return None;
            }
            let faults = [
                Fault::Status(429),
                Fault::Status(500),
                Fault::Status(503),
                Fault::Status(413),
                Fault::CutBefore,
                Fault::CutInside,
                Fault::CutAfter,
                Fault::Forget,
                Fault::Expire,
            ];
            Some(faults[usize::try_from(random.below(9)).unwrap_or(0)])
        });
        let outcome = push(&double);
        assert_eq!(double.violations(), Vec::<String>::new(), "seed {seed}");
        match outcome.status.code() {
            Some(0) => is_pushed(&double),
            Some(5 | 6) => assert!(
                outcome.stderr.contains("fix:"),
                "seed {seed}: {}",
                outcome.stderr
            ),
            other => panic!("seed {seed}: {other:?}: {}", outcome.stderr),
        }
        // Without faults, the same command completes the push.
        double.plan(|_| None);
        push(&double).ended(0);
        is_pushed(&double);
        outcome.status.success()
    };
    let succeeded = std::thread::scope(|scope| {
        let workers = (0..AT_A_TIME).map(|worker| {
            scope.spawn(move || {
                (worker..SEQUENCES)
                    .step_by(8)
                    .filter(|seed| one(*seed))
                    .count()
            })
        });
        let workers: Vec<_> = workers.collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no sequence fails"))
            .sum::<usize>()
    });
    // If all sequences or none succeeded, they would prove nothing.
    assert!(
        (20..=140).contains(&succeeded),
        "{succeeded} of {SEQUENCES} succeeded"
    );
}
