//! Programs that read the document `/openapi.json`: a generated client, and schemathesis, which
//! compares what the document says with what the host accepts.
//!
//! Owns how these programs are called. Their versions and scripts are in `tests/data/openapi`. Must not
//! know how the document is built.

use std::ffi::OsString;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::libraries;
use scorebox_tests::libraries::Libraries;
use scorebox_tests::onnx::{self, element};
use scorebox_tests::{extent, onnx_cases, run};

/// Maximum time for one comparison, which makes several thousand requests.
const MOST_TIME: Duration = Duration::from_secs(1800);

/// The programs, and what a generated client imports.
static LIBRARIES: LazyLock<Result<Libraries, String>> = LazyLock::new(|| Libraries::of("openapi"));

/// Returns a command that runs a module of the libraries as a program. The generator of clients finds
/// `ruff` in the path.
fn program(libraries: &Libraries, module: &str) -> Command {
    let mut path = OsString::from(libraries.programs());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = libraries.python();
    command.args(["-m", module]).env("PATH", path);
    command
}

fn columns() -> Host {
    Host::start(&App::graph("m.onnx", &onnx::person(), ""))
}

#[test]
fn a_generated_client_calls_every_route() {
    let libraries = libraries!(LIBRARIES);
    let host = columns();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let document = folder.path().join("openapi.json");
    let answer = host.get("/openapi.json").expect(200);
    std::fs::write(&document, &answer.body).expect("the document can be written");
    let mut generate = program(libraries, "openapi_python_client");
    generate
        .args(["generate", "--meta", "none", "--fail-on-warning", "--path"])
        .arg(&document)
        .arg("--output-path")
        .arg(folder.path().join("client"));
    run::finish(&mut generate, b"").ended(0);
    let arguments = [folder.path().display().to_string(), host.url("")];
    let called = libraries.run("client.py", &arguments);
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
fn agrees(libraries: &Libraries, host: &Host) {
    let mut schemathesis = program(libraries, "schemathesis.cli");
    // It keeps notes in the current folder.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let examples = extent::of("20", "400");
    let checks = "positive_data_acceptance,negative_data_rejection";
    schemathesis
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", "agreement")
        .args(["run", &host.url("/openapi.json"), "--checks", "all"])
        .args(["--exclude-checks", checks, "--max-examples", examples])
        .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
        .args(["--continue-on-failure", "--generation-database", "none"])
        .args(["--exclude-path-regex", "/versions/|/api/"]);
    // The short form makes the same requests each time, and the long form others.
    if !extent::is_whole() {
        schemathesis.args(["--seed", "1"]);
    }
    let found = run::finish_within(MOST_TIME, &mut schemathesis, b"");
    assert!(found.status.success(), "{}{}", found.stdout, found.stderr);
}

#[test]
fn the_document_says_what_columns_accept() {
    agrees(libraries!(LIBRARIES), &columns());
}

#[test]
fn the_document_says_what_may_be_left_out() {
    let graph = onnx_cases::defaulted(8);
    let host = Host::start(&App::graph("m.onnx", &graph, ""));
    agrees(libraries!(LIBRARIES), &host);
}

#[test]
fn the_document_says_what_a_matrix_accepts() {
    let manifest = "[inputs.x]\nmissing = true\ncolumns = [\"width\", \"age\"]\n";
    let graph = onnx::identity(element::FLOAT);
    let host = Host::start(&App::graph("m.onnx", &graph, manifest));
    agrees(libraries!(LIBRARIES), &host);
}
