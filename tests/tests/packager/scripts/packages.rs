//! Packages of a script: pure-Python wheels are found with pip and packaged, and everything else is
//! refused by name. Nothing of a package runs, and no secret is shown.
//!
//! Owns what is asked for. `tests/data/scripts/wheels.py` writes the index, so no network is used.

use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::run;
use scorebox_tests::scripts::{build, packager_command, start};
use scorebox_tests::{pack, place, require};
use serde_json::json;
use tempfile::TempDir;

use super::documents;

/// Script that says which packages it has.
const SCRIPT: &str = "import own, helping, extra_part\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    \
                      return [own.VERSION, helping.VERSION, extra_part.VERSION]\n";

/// Index with a password, which does not answer.
const SECRET: &str = "--extra-index-url http://me:hush@127.0.0.1:9/simple\n";

/// Writes an index of wheels.
fn index() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut python = run::tool("python3");
    python.arg(place::workspace().join("tests/data/scripts/wheels.py"));
    run::finish(python.arg(folder.path()), b"").ended(0);
    folder
}

/// Returns a project that asks for packages, with the index `index`.
fn asking(index: &Path, packages: &str) -> App {
    let manifest = "requirements = \"requirements.txt\"\n";
    let app = App::script("asking", SCRIPT, manifest);
    let address = format!("--index-url file://{}/simple\n", index.display());
    app.write(
        "requirements.txt",
        format!("{address}{packages}").as_bytes(),
    );
    app
}

/// Asserts that packages are refused with an exit code and these texts.
#[track_caller]
fn refused(pack: &Path, app: &App, code: i32, parts: &[&str]) {
    let to = app.path().join("built");
    let finished = build(pack, app.path(), &to, &[]).ended(code);
    assert!(!to.exists() && !finished.stderr.contains("hush"));
    finished.said(parts).said(&["fix: "]);
}

#[test]
fn pure_packages_are_packaged_with_what_they_need() {
    require!("python3", "pip3");
    let (pack, index, output) = (pack!(), index(), tempfile::tempdir().unwrap());
    let packages = format!(
        "{SECRET}own\nhelping[more]\nazureml-defaults\npywin32; sys_platform == 'win32'\nscikit-learn==0.22\n"
    );
    let app = asking(index.path(), &packages);
    let layout = output.path().join("image");
    let mut command = packager_command(pack);
    // The second index is asked once for each package.
    command
        .env("PIP_RETRIES", "0")
        .arg("package")
        .arg("--manifest");
    command.arg(app.path().join("scorebox.toml"));
    command.args(["--without-proof", "--layout"]).arg(&layout);
    command.arg("--host").arg(place::image_host_with_scripts());
    let packaged = run::finish(&mut command, b"").ended(0).said(&[
        "packages: extra-part 2.0, helping 1.0, own 1.1",
        "extra-part==2.0",
        "warning: own 1.1: asks for numpy<2, and the script gets numpy ",
        "asks for scikit-learn==0.22, and the script gets scikit-learn ",
    ]);
    let documents = documents(&layout);
    for part in ["pkg:pypi/own@1.1", "own licence", "pkg:pypi/extra-part@2.0"] {
        assert!(documents.contains(part), "no {part} in {documents}");
    }
    for text in [&packaged.stderr, &packaged.stdout, &documents] {
        assert!(!text.contains("hush"), "{text}");
    }
    // The packages are kept, so pip is not asked again, not even with another password.
    let other = packages.replace("hush", "hushed");
    let app = asking(index.path(), &other);
    let to = output.path().join("app");
    let built = build(pack, &app, &to, &[]).ended(0);
    assert!(!built.stderr.contains("looking for"), "{}", built.stderr);
    let host = start(pack, &to);
    let found = host.score(&json!({})).expect(200).json();
    assert_eq!(found, json!(["1.1", "1.0", "2.0"]));
}

#[test]
fn packages_that_cannot_run_are_refused_by_name() {
    require!("python3", "pip3");
    let (pack, index) = (pack!(), index());
    let check = |packages: &str, code: i32, parts: &[&str]| {
        refused(pack, &asking(index.path(), packages), code, parts);
    };
    check(
        "compiled",
        3,
        &[
            "requirements.txt:2: `compiled`",
            "native code (compiled-1.0-cp312",
        ],
    );
    check("hidden", 3, &["`hidden`", "native code"]);
    check("older", 3, &["`older`", "Python of the engine"]);
    check("absent", 3, &["`absent`", "no pure-Python wheel"]);
    check(
        "own\nendless",
        3,
        &["endless 1.0: `own==1.0`", "1.1 was chosen"],
    );
    // A build of these packages, or their address, would be code or data of this machine.
    check(
        "building",
        3,
        &["building 1.0: `evil @ ", "not fetched as a wheel"],
    );
    check(
        "telling",
        3,
        &["telling 1.0: `evil @ ", "not fetched as a wheel"],
    );
    let zeros = "0".repeat(64);
    let hashed = format!("own==1.0 --hash=sha256:{zeros}");
    check(&hashed, 7, &["`own==1.0`", "another digest"]);
    check(&format!("{hashed}\nhelping==1.0"), 7, &["another digest"]);
    check(
        "--require-hashes\nown==1.0",
        3,
        &["`own==1.0`", "no digest"],
    );
    check(
        "https://me:hush@127.0.0.1:9/own.zip",
        3,
        &["`https://****@127.0.0.1:9/own.zip`"],
    );
    check("outside", 3, &["outside-1.0", "../outside.py"]);
    let app = asking(
        index.path(),
        "./wheels/own-1.0-py3-none-any.whl --hash=sha256:",
    );
    let wheel = std::fs::read(index.path().join("wheels/own-1.0-py3-none-any.whl")).unwrap();
    app.write("wheels/own-1.0-py3-none-any.whl", &wheel);
    let line = format!("./wheels/own-1.0-py3-none-any.whl --hash=sha256:{zeros}\n");
    app.write("requirements.txt", line.as_bytes());
    refused(
        pack,
        &app,
        7,
        &["own-1.0-py3-none-any.whl`", "another digest"],
    );

    let conda = "name: env\ndependencies:\n  - python=3.11\n  - pip:\n    - xgboost @ https://127.0.0.1:9/x.tar.gz\n";
    let app = App::script("asking", SCRIPT, "requirements = \"conda.yml\"\n");
    app.write("conda.yml", conda.as_bytes());
    refused(pack, &app, 3, &["conda.yml:5: `xgboost @ ", "source code"]);
}

#[test]
fn an_index_that_does_not_answer_is_named_without_its_password() {
    require!("python3", "pip3");
    let (pack, app) = (
        pack!(),
        App::script("asking", SCRIPT, "requirements = \"requirements.txt\"\n"),
    );
    let text = SECRET.replace("--extra-index-url", "--index-url") + "own\n";
    app.write("requirements.txt", text.as_bytes());
    let mut command = packager_command(pack);
    command
        .env("PIP_RETRIES", "1")
        .arg("build")
        .arg("--manifest");
    command.arg(app.path().join("scorebox.toml"));
    let finished = run::finish(&mut command, b"").ended(6);
    assert!(!finished.stderr.contains("hush"), "{}", finished.stderr);
    finished.said(&["requirements.txt:2: `own`", "fix: "]);
}
