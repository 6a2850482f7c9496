//! Programs that read the document `/openapi.json`: a generated client, and schemathesis, which
//! compares what the document says with what the host accepts.
//!
//! Owns the versions of these programs. Their scripts are in `tests/data/openapi`. Must not know how
//! the document is built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::onnx::{self, element};
use scorebox_tests::{extent, place, python, require, run, skip};

/// PyPI packages of the programs, with their versions. The client needs `ruff` in the path, and
/// `httpx` and `attrs`, which the generator brings along.
const PACKAGES: [&str; 3] = [
    "openapi-python-client==0.29.1",
    "schemathesis==4.32.5",
    "openapi-spec-validator==0.7.2",
];

/// Maximum time for one comparison, which makes several thousand requests.
const MOST_TIME: Duration = Duration::from_secs(1800);

/// Python interpreter with the programs.
static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let imports = "openapi_python_client, schemathesis, openapi_spec_validator";
    python::environment("openapi-clients", &PACKAGES, imports)
});

/// Expands to the Python interpreter with the programs, or skips the test with a reason.
macro_rules! python {
    () => {{
        require!("python3");
        match PYTHON.as_ref() {
            Ok(python) => python,
            Err(reason) => return skip::skip(reason),
        }
    }};
}

/// Returns a command of the environment of `python`, with its programs in the path.
fn program(python: &Path, name: &str) -> Command {
    let folder = python.parent().expect("the interpreter is in a folder");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut command = Command::new(folder.join(name));
    command.env("PATH", path);
    // The scripts are in the source tree, which stays as it is.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns the path of a script in the folder `tests/data/openapi`.
fn script(name: &str) -> PathBuf {
    place::workspace().join("tests/data/openapi").join(name)
}

fn columns() -> Host {
    Host::start(&App::graph("m.onnx", &onnx::person(), ""))
}

#[test]
fn a_generated_client_calls_every_route() {
    let python = python!();
    let host = columns();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let document = folder.path().join("openapi.json");
    let answer = host.get("/openapi.json").expect(200);
    std::fs::write(&document, &answer.body).expect("the document can be written");
    let mut generate = program(python, "openapi-python-client");
    generate
        .args(["generate", "--meta", "none", "--fail-on-warning", "--path"])
        .arg(&document)
        .arg("--output-path")
        .arg(folder.path().join("client"));
    run::finish(&mut generate, b"").ended(0);
    let mut client = program(python, "python");
    client
        .arg(script("client.py"))
        .arg(folder.path())
        .arg(host.url(""));
    let called = run::finish(&mut client, b"");
    let operations: usize = answer.json()["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|path| path.as_object().map_or(0, serde_json::Map::len))
        .sum();
    assert_eq!(
        (called.stderr.as_str(), called.stdout.trim()),
        ("", operations.to_string().as_str())
    );
}

/// Compares the document of a host with what the host accepts, by random requests.
fn agrees(python: &Path, host: &Host) {
    let mut schemathesis = program(python, "schemathesis");
    let examples = extent::of("20", "400");
    let checks = "positive_data_acceptance,negative_data_rejection";
    schemathesis
        .env("SCHEMATHESIS_HOOKS", "agreement")
        .env("PYTHONPATH", script(""))
        .args(["run", &host.url("/openapi.json"), "--checks", "all"])
        .args(["--exclude-checks", checks, "--max-examples", examples])
        .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
        .args(["--continue-on-failure", "--generation-database", "none"])
        .args(["--exclude-path-regex", "/versions/|/api/"]);
    let found = run::finish_within(MOST_TIME, &mut schemathesis, b"");
    assert!(found.status.success(), "{}{}", found.stdout, found.stderr);
}

#[test]
fn the_document_says_what_columns_accept() {
    agrees(python!(), &columns());
}

#[test]
fn the_document_says_what_a_matrix_accepts() {
    let manifest = "[inputs.x]\nmissing = true\ncolumns = [\"width\", \"age\"]\n";
    let graph = onnx::identity(element::FLOAT);
    let host = Host::start(&App::graph("m.onnx", &graph, manifest));
    agrees(python!(), &host);
}
