//! Images in real containers: as an unprivileged user, with a read-only root and without
//! capabilities.
//!
//! Owns the whole way: package, push, pull, run, score, stop. Must not know more of podman than the
//! harness offers.

use std::path::Path;
use std::process::Command;

use scorebox_tests::container::Container;
use scorebox_tests::digits::{self, sample};
use scorebox_tests::http::{self, Answer, Body};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::registry::Registry;
use scorebox_tests::{place, require, run, skip};
use serde_json::{Value, json};

/// Packages an example's app folder and pushes it. Returns the reference from standard output.
fn push(example: &str, registry: &Registry, output: &Path) -> String {
    let mut package = Command::new(place::xtask());
    package.env_clear().args([
        "package",
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
    ]);
    package
        .arg("--manifest")
        .arg(place::example(example).join("scorebox.toml"));
    package
        .arg("--layout")
        .arg(output.join(example))
        .arg("--host")
        .arg(place::image_host());
    // The repository's name is unique to this run, because the container's image is removed by its
    // name.
    let repository = format!("scorebox-test-{}/{example}", std::process::id());
    run::finish(package.args(["--repository", &repository]), b"")
        .ended(0)
        .stdout
        .trim_end()
        .to_owned()
}

fn send(container: &Container, method: &str, path: &str, body: &Value) -> Option<Answer> {
    let url = format!("http://127.0.0.1:{}{path}", container.port);
    let headers = [("content-type", "application/json")];
    http::try_send(
        method,
        &url,
        &headers,
        Body::Sized(body.to_string().into_bytes()),
    )
    .ok()
}

fn wait_until_ready(container: &Container) {
    container.until("readiness", || {
        send(container, "GET", "/readyz", &Value::Null).filter(|answer| answer.status == 200)
    });
}

#[track_caller]
fn score(container: &Container, body: &Value) -> Answer {
    send(container, "POST", "/score", body)
        .unwrap_or_else(|| panic!("no answer: {}", container.logs()))
}

/// Returns the value of a line in `/proc/<pid>/status`.
fn status(pid: u32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("the kernel says so");
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Asserts that the process runs as an unprivileged user, cannot gain rights, and can write only to
/// `/tmp`.
fn is_locked_down(container: &Container) {
    let pid = container.pid();
    assert_eq!(status(pid, "Uid"), "65532");
    assert_eq!(status(pid, "CapEff"), "0000000000000000");
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    let mounts =
        std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("the process runs");
    let options = |place: &str| {
        let fields = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields.into_iter().find(|fields| fields[4] == place);
        mount.unwrap_or_else(|| panic!("no mount at {place}: {mounts}"))[5].to_owned()
    };
    assert!(
        options("/").split(',').any(|option| option == "ro"),
        "{mounts}"
    );
    assert!(
        options("/tmp").split(',').any(|option| option == "rw"),
        "{mounts}"
    );
}

fn stops_promptly(container: &Container) {
    // A container that does not stop by itself within 10 s is killed, and has another exit code.
    let (code, _) = container.stop();
    assert_eq!(code, 0, "{}", container.logs());
}

#[test]
fn images_score_in_containers() {
    require!("podman", "runc", "docker-registry", "redis-server");
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (registry, redis, output) = (
        Registry::start(),
        Redis::start(Kind::Password),
        tempfile::tempdir().unwrap(),
    );

    let container = Container::run("digits", &push("digits", &registry, output.path()), &[]);
    wait_until_ready(&container);
    is_locked_down(&container);
    let answer = score(&container, &digits::request(sample())).expect(200);
    digits::check(sample(), &answer.json());
    for digit in sample() {
        let answer = score(&container, &json!({ "data": [digit.row()] })).expect(200);
        digits::check(std::slice::from_ref(digit), &answer.json());
    }
    stops_promptly(&container);
    drop(container);

    let container = Container::run(
        "features",
        &push("features", &registry, output.path()),
        &redis.variables(),
    );
    wait_until_ready(&container);
    is_locked_down(&container);
    redis.command::<()>(&["SET", "features:digit:7", &sample()[7].stored()]);
    let key = json!({"key": "digit:7"});
    let first = score(&container, &key).expect(200).json();
    sample()[7].check(&first["label"], &first["probabilities"]);
    assert_eq!(first["cached"], false);
    assert_eq!(redis.command::<i64>(&["DEL", "features:digit:7"]), 1);
    let second = score(&container, &key).expect(200).json();
    assert_eq!(
        (&second["cached"], &second["probabilities"]),
        (&json!(true), &first["probabilities"])
    );
    score(&container, &json!({"key": "digit:8"})).expect_error(422, "unknown-key", &["digit:8"]);
    assert!(!container.logs().contains(scorebox_tests::redis::PASSWORD));
    stops_promptly(&container);
}
