//! The first image on a machine that has only Debian's base, Python and pip: the wheel installed by
//! pip, a new scorer, its image, and an answer of that image in a container.
//!
//! Owns the bound on the CPU time from `new` to the first answer. Runs only in `cargo xtask test
//! --long`, because the root file system and the toolchains are fetched.

use std::path::Path;
use std::time::Instant;

use scorebox_tests::container::Container;
use scorebox_tests::debian::Debian;
use scorebox_tests::http::{self, Answer, Body};
use scorebox_tests::registry::Registry;
use scorebox_tests::release::Release;
use scorebox_tests::{cpu_time, extent, require, skip};
use serde_json::Value;

use crate::templates::CPU_SECONDS;

/// Exit code of the tool if a package index does not answer.
const NO_NETWORK: i32 = 6;

/// Fails if a compiler or a linker can be found, and prints its path.
const WITHOUT_COMPILER: &str = "
for program in cc gcc c++ g++ clang tcc ld as rustc cargo go node; do
    ! command -v \"$program\" || exit 1
done";

/// A way from a template to an image.
struct Way {
    template: &'static str,
    /// Script that fetches toolchains, and makes what a user has before the first command.
    before: &'static str,
    /// Script between `new` and `package`, in the folder of the new scorer.
    between: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        template: "python",
        before: "scorebox new before --template python && cd before && scorebox build",
        between: "",
    },
    Way {
        template: "onnx",
        before: "",
        between: "",
    },
    Way {
        template: "sklearn",
        // A dictionary is not a model, but the libraries of the conversion are fetched for it. The
        // pickle is then made with these libraries.
        before: "
python3 -c 'import pickle; pickle.dump({}, open(\"none.pkl\", \"wb\"))'
code=0
scorebox convert none.pkl --output none || code=$?
[ \"$code\" = 3 ] || exit \"$code\"
scorebox new trained --template sklearn
cd trained
PYTHONPATH=$(echo ~/.cache/scorebox/convert-env/*-py*) python3 train.py",
        between: "
cp ../trained/model.pkl ../trained/rows.json ../trained/sample.json .
scorebox convert model.pkl --output converted --name model --sample rows.json --force",
    },
];

#[test]
fn a_first_image_takes_a_minute_of_cpu_time_where_only_python_and_pip_are() {
    if !extent::is_whole() {
        return;
    }
    require!(
        "debootstrap",
        "unshare",
        "podman",
        "runc",
        "docker-registry",
        "openssl",
        "python3"
    );
    if !rustix::process::geteuid().is_root() {
        return skip::skip("a root file system of its own takes root");
    }
    let debian = match Debian::start() {
        Ok(debian) => debian,
        Err(reason) => return skip::skip(&reason),
    };
    let wheel = Release::of_the_tests().file(".whl");
    let name = wheel.file_name().expect("a file");
    std::fs::copy(&wheel, debian.work().join(name)).expect("a file can be copied");
    // Debian protects its own Python, and this root file system has no other purpose.
    let install = "pip3 install --no-index --break-system-packages *.whl\nscorebox --version";
    let installed = debian.run(install).ended(0);
    assert!(installed.stdout.contains("scorebox "), "{installed:?}");
    debian.run(WITHOUT_COMPILER).ended(0);
    let registry = Registry::start();
    for way in &WAYS {
        scores(&debian, way, &registry);
    }
}

/// Makes the image of a template, and runs it until it answers the sample.
#[track_caller]
fn scores(debian: &Debian, way: &Way, registry: &Registry) {
    let template = way.template;
    let prepared = debian.run(way.before);
    if prepared.status.code() == Some(NO_NETWORK) {
        return skip::skip(&format!("{template}: {}", prepared.stderr.trim()));
    }
    prepared.ended(0);

    let started = Instant::now();
    let folder = format!("risk-{template}");
    // The repository's name is unique to this run, because the container's image is removed by its
    // name.
    let repository = format!("scorebox-test-{}/{folder}", std::process::id());
    let script = format!(
        "scorebox new {folder} --template {template} >&2
        cd {folder}
        exec 3>&1 >&2
        {}
        exec >&3
        scorebox package --push --plain-http --registry {} --repository {repository}
        times",
        way.between, registry.name
    );
    let made = debian.run(&script).ended(0);
    let lines: Vec<_> = made.stdout.lines().collect();
    // `times` prints the times of the shell, and then those of its children: user and system.
    let [reference, _, children] = lines.as_slice() else {
        panic!("{made:?}");
    };
    let sample = std::fs::read(debian.work().join(&folder).join("sample.json"));
    let sample: Value = serde_json::from_slice(&sample.expect("a sample")).expect("JSON");
    let container = Container::run(&folder, reference, &[]);
    let answer = container.until("an answer", || answered(&container, &sample["inputs"]));
    let answer = answer.expect(200).json();
    let wall = started.elapsed().as_secs_f64();
    let host = used(container.pid());
    let tool = cpu_time::of_children(children);
    eprintln!(
        "{template}: {:.1} s of CPU time, {host:.1} s of them in the container; {wall:.1} s of wall time",
        tool + host
    );
    let tolerance = sample["tolerance"].as_f64().expect("a number");
    assert!(
        agrees(&answer, &sample["outputs"], tolerance),
        "{answer}, and not {}",
        sample["outputs"]
    );
    assert!(tool > 0.0 && tool + host <= CPU_SECONDS, "{template}");
    let (code, _) = container.stop();
    assert_eq!(code, 0, "{}", container.logs());
}

/// Returns the answer of a container to a request. Returns `None` if the container is not ready.
fn answered(container: &Container, inputs: &Value) -> Option<Answer> {
    let send = |method: &str, path: &str, body: String| {
        let url = format!("http://127.0.0.1:{}{path}", container.port);
        let headers = [("content-type", "application/json")];
        http::try_send(method, &url, &headers, Body::Sized(body.into_bytes())).ok()
    };
    let ready = send("GET", "/readyz", String::new())?;
    (ready.status == 200).then(|| send("POST", "/score", inputs.to_string()))?
}

/// Returns the CPU time that a process has used so far, in seconds.
fn used(pid: u32) -> f64 {
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    let text = std::fs::read_to_string(stat).expect("the process runs");
    let (_, fields) = text.rsplit_once(") ").expect("the kernel says so");
    // Time in user mode and in the kernel, in ticks of 10 ms, after eleven other fields.
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: f64 = ticks
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum();
    ticks / 100.0
}

/// Returns true if an answer is the expected one, with numbers that differ by at most `tolerance`.
fn agrees(answer: &Value, expected: &Value, tolerance: f64) -> bool {
    match (answer, expected) {
        (Value::Array(answer), Value::Array(expected)) => {
            let mut pairs = answer.iter().zip(expected);
            answer.len() == expected.len() && pairs.all(|(a, b)| agrees(a, b, tolerance))
        }
        (Value::Object(_), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| agrees(&answer[key], value, tolerance)),
        _ => match (answer.as_f64(), expected.as_f64()) {
            (Some(answer), Some(expected)) => (answer - expected).abs() <= tolerance,
            _ => answer == expected,
        },
    }
}
