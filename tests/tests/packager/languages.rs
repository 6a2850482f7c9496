//! Scorers in Python and JavaScript, and components that a command makes.
//!
//! Owns the way from a script to an answer, through `cargo xtask new` and `build`, and the tests of
//! the packages for these languages. Must not know the toolchains.

mod capabilities;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scorebox_tests::host::Host;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{extent, place, require};
use serde_json::json;
use tempfile::TempDir;

/// A project of a template, and the outcome of its build.
struct Built {
    dir: TempDir,
    project: PathBuf,
    app: PathBuf,
    outcome: Finished,
}

impl Built {
    /// Creates the project of a template, changes it, and builds it.
    #[track_caller]
    fn of(template: &str, change: impl FnOnce(&Path)) -> Self {
        let (dir, project) = created(template);
        change(&project);
        let (outcome, app) = build(&project);
        Self {
            dir,
            project,
            app,
            outcome,
        }
    }

    /// Asserts that the build succeeded, and returns its outcome.
    #[track_caller]
    fn succeeded(&self) -> Finished {
        self.outcome.clone().ended(0)
    }

    /// Asserts that neither the component nor its machine code contains the folder in which it was
    /// built, or the folder of the repository.
    #[track_caller]
    fn contains_no_path_of_the_builder(&self) {
        let root = place::workspace();
        for path in [self.dir.path(), root.as_path()] {
            let path = path.to_str().unwrap().as_bytes();
            for file in ["component.wasm", "component.cwasm"] {
                let bytes = std::fs::read(self.app.join(file)).unwrap();
                let leaks = bytes.windows(path.len()).any(|window| window == path);
                assert!(!leaks, "{file}");
            }
        }
    }
}

/// Returns a command of `cargo xtask` with the whole environment, because pip and npm find their
/// indexes by it.
fn xtask() -> Command {
    Command::new(place::xtask())
}

/// Creates the project of a template, in a folder named `risk`.
#[track_caller]
fn created(template: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("risk");
    let mut command = xtask();
    command.arg("new").arg(&project);
    run::finish(command.args(["--template", template]), b"").ended(0);
    (dir, project)
}

/// Builds a project into the folder `app` of its parent.
fn build(project: &Path) -> (Finished, PathBuf) {
    let app = project.with_file_name("app");
    let mut command = xtask();
    command
        .args(["build", "--manifest"])
        .arg(project.join("scorebox.toml"));
    // The first build fetches the toolchain.
    let limit = Duration::from_secs(600);
    let built = run::finish_within(limit, command.arg("--app").arg(&app), b"");
    (built, app)
}

/// Changes a file of a project.
#[track_caller]
fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{}: {text}", file.display());
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Scores 100 inputs, and compares the answers with the arithmetic of the model.
#[track_caller]
fn answers_as_the_model(host: &Host) {
    for case in 0..100 {
        let features = [0.25 * f64::from(case), 2.0 - 0.125 * f64::from(case), 0.5];
        let weights = [0.8_f32, -0.4, 1.5].map(f64::from);
        let dot: f64 = features.iter().zip(weights).map(|(x, w)| x * w).sum();
        let expected = 1.0 / (1.0 + (1.0 - dot).exp());
        let answer = host.score(&json!({ "features": features })).expect(200);
        let found = answer.json()["probability"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-6, "{features:?}: {found}");
    }
}

/// Checks a scorer of the templates: its answers, what it rejects, and its errors. `source` is the
/// start of the place of an error, and `init` says when the scorer's `init` runs.
#[track_caller]
fn check(built: &Built, source: &str, init: &str) {
    built.succeeded().said(&[init]);
    let host = Host::start(&built.app);
    answers_as_the_model(&host);
    let score = |first: f64| host.score(&json!({"features": [first, 2, 0.5]}));
    score(-1.0).expect_error(422, "negative-income", &["is negative"]);
    // Neither the variables of this machine nor its files are in reach.
    let seen = score(66.0).expect(200).json();
    let variables = seen["variables"].as_array().unwrap();
    for name in ["HOME", "PATH", "CARGO_HOME", "SCOREBOX_REDIS_URL"] {
        assert!(!variables.contains(&json!(name)), "{seen}");
    }
    assert_eq!(seen["files"], "closed", "{seen}");
    // The host checks the schema.
    host.score(&json!({"features": [1, 2]})).expect(400);
    // The caller sees that the scorer failed, and the log has the place.
    let failed = score(77.0).expect_error(500, "exception", &["the scorer"]);
    assert!(!failed.text().contains(source), "{}", failed.text());
    host.log.wait_for_detail(&failed, source);
    // An instance goes on after an exception, and the host after an endless loop.
    score(88.0).expect_error(504, "timed-out", &[]);
    answers_as_the_model(&host);
    score(99.0).expect_error(500, "out-of-memory", &[]);
    answers_as_the_model(&host);
}

/// Adds bad behaviour to the scorer in Python.
fn misbehaving_python(project: &Path) {
    edit(
        &project.join("app.py"),
        "import math",
        "import math\nimport os",
    );
    edit(
        &project.join("app.py"),
        "        if income < 0:",
        "        if income == 66:\n            \
         try:\n                files = os.listdir(\"/\")\n            \
         except OSError:\n                files = \"closed\"\n            \
         return {\"variables\": sorted(os.environ), \"files\": files}\n        \
         if income == 77:\n            return {}[\"nothing\"]\n        \
         if income == 88:\n            while True:\n                pass\n        \
         if income == 99:\n            held = [bytearray(1 << 20) for _ in range(1 << 12)]\n            \
         return len(held)\n        if income < 0:",
    );
}

/// Adds bad behaviour to the scorer in JavaScript.
fn misbehaving_javascript(project: &Path) {
    edit(
        &project.join("app.js"),
        "    if (features[0] < 0) {",
        "    if (features[0] === 66) {\n      \
         const { env } = globalThis.process ?? { env: {} };\n      \
         return { variables: Object.keys(env), files: globalThis.std ?? 'closed' };\n    }\n    \
         if (features[0] === 77) {\n      return undefined.nothing;\n    }\n    \
         if (features[0] === 88) for (;;);\n    \
         if (features[0] === 99) {\n      \
         return Array.from({ length: 4096 }, () => new Uint8Array(1 << 20)).length;\n    }\n    \
         if (features[0] < 0) {",
    );
}

#[test]
fn a_scorer_in_python_answers_rejects_and_is_held() {
    require!("python3", "pip3");
    let built = Built::of("python", |project| {
        misbehaving_python(project);
        // The build does not import modules of the project in place of the standard library's.
        std::fs::write(project.join("tempfile.py"), "raise ImportError\n").unwrap();
    });
    check(&built, "File \"app.py\", line ", "init left to each start");
    for folder in ["__pycache__", "scorebox_guest/__pycache__"] {
        assert!(!built.project.join(folder).exists(), "{folder}");
    }
    // This is tried here, because each build in Python compiles a whole interpreter.
    built.contains_no_path_of_the_builder();
}

#[test]
fn a_scorer_in_javascript_answers_rejects_and_is_held_with_quickjs() {
    require!("node", "npm");
    let built = Built::of("javascript", misbehaving_javascript);
    check(&built, "app.js:", "init left to each start");
    built.contains_no_path_of_the_builder();
}

#[test]
fn a_scorer_in_javascript_answers_rejects_and_is_held_with_spidermonkey() {
    require!("node", "npm");
    let built = Built::of("javascript", |project| {
        misbehaving_javascript(project);
        let manifest = project.join("scorebox.toml");
        edit(
            &manifest,
            "component = { quickjs",
            "component = { componentize-js",
        );
        edit(&manifest, "snapshot = false", "snapshot = true");
        edit(&manifest, "memory = \"128MiB\"", "memory = \"256MiB\"");
    });
    check(&built, "app.js:", "init done");
}

#[test]
fn tracebacks_are_in_answers_if_the_settings_say_so() {
    require!("node", "npm");
    let built = Built::of("javascript", |project| {
        misbehaving_javascript(project);
        edit(
            &project.join("scorebox.toml"),
            "# [config]\n# scorebox-tracebacks",
            "[config]\nscorebox-tracebacks",
        );
    });
    built.succeeded();
    let host = Host::start(&built.app);
    let failed = host.score(&json!({"features": [77, 2, 0.5]})).expect(500);
    assert!(failed.text().contains("(app.js:"), "{}", failed.text());
}

#[test]
fn an_error_in_a_script_ends_the_build_with_its_place() {
    require!("node", "npm", "python3", "pip3");
    let check = |template: &str, file: &str, text: &str, parts: &[&str]| {
        let (_dir, project) = created(template);
        std::fs::write(project.join(file), text).unwrap();
        build(&project).0.ended(3).said(parts).said(&["fix: "]);
    };
    check("python", "app.py", "def x(:\n", &["app.py, line 1"]);
    check("python", "app.py", "import numpy_x\n", &["numpy_x"]);
    // This message comes from the package for Python, whose own tests have it. A short run sees by
    // the missing module above that an error inside of the component reaches the user.
    if extent::is_whole() {
        check("python", "app.py", "x = 1\n", &["JsonScorer"]);
    }
    check("javascript", "app.js", "let x = ;\n", &["app.js:1"]);
    check(
        "javascript",
        "app.js",
        "export const x = 1;\n",
        &["jsonScorer"],
    );
    check("javascript", "app.js", "import 'no-such';\n", &["no-such"]);
    check(
        "javascript",
        "app.js",
        "import 'scorebox:scoring/model@0.1.0';\n",
        &["app.js:1", "model@0.1.0", "it has", "model@0.2.0"],
    );
}

#[test]
fn a_missing_runtime_ends_in_a_line_that_says_what_to_install() {
    let check = |template: &str, parts: &[&str]| {
        let (dir, project) = created(template);
        let mut command = xtask();
        command
            .args(["build", "--manifest"])
            .arg(project.join("scorebox.toml"))
            .env("PATH", dir.path());
        run::finish(&mut command, b"").ended(4).said(parts);
    };
    check(
        "python",
        &["`python3` cannot be run", "apt-get install python3"],
    );
    check(
        "javascript",
        &["`node` cannot be run", "apt-get install nodejs"],
    );
}

#[test]
fn a_command_makes_the_component() {
    let dir = tempfile::tempdir().unwrap();
    let component = place::example("echo").join("component.wasm");
    let text = format!(
        "[scorer]\nname = \"made\"\ncomponent = {{ command = [\"cp\", \"{}\", \"made.wasm\"], output = \
         \"made.wasm\" }}\n",
        component.display()
    );
    std::fs::write(dir.path().join("scorebox.toml"), text).unwrap();
    let app = dir.path().join("app");
    let built = |manifest: &Path| {
        let mut command = xtask();
        command.args(["build", "--manifest"]).arg(manifest);
        run::finish(command.arg("--app").arg(&app), b"")
    };
    built(&dir.path().join("scorebox.toml")).ended(0);
    assert!(app.join("component.wasm").is_file());
}

#[test]
fn the_package_for_python_keeps_its_promises_on_the_native_interpreter() {
    require!("python3");
    let tests = place::workspace().join("guest/python/tests/test_guest.py");
    let mut python = run::tool("python3");
    python.arg(tests).env("PYTHONDONTWRITEBYTECODE", "1");
    run::finish(&mut python, b"").ended(0);
}

#[test]
fn the_package_for_javascript_keeps_its_promises_on_node() {
    require!("node");
    let mut node = run::tool("node");
    // Node 20 takes a folder here, and Node 22 takes only files.
    node.args(["--test", "tests/guest.test.mjs"])
        .current_dir(place::workspace().join("guest/javascript"));
    run::finish(&mut node, b"").ended(0);
}

#[test]
fn tests_of_the_templates_pass_without_a_host() {
    require!("python3", "node", "npm");
    let (_dir, project) = created("python");
    let mut python = run::tool("python3");
    python
        .args(["-m", "unittest", "tests.test_app"])
        .current_dir(&project);
    run::finish(&mut python, b"").ended(0);
    let (_dir, project) = created("javascript");
    let mut npm = run::tool("npm");
    npm.args(["install", "--offline", "--no-audit", "--no-fund"])
        .current_dir(&project);
    run::finish(&mut npm, b"").ended(0);
    let mut node = run::tool("node");
    node.args(["--test", "tests/app.test.mjs"])
        .current_dir(&project);
    run::finish(&mut node, b"").ended(0);
}
