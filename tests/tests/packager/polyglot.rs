//! One scorer in four languages, written against the contract alone where a language allows it, and
//! built with the default settings.
//!
//! Owns the projects of these scorers, the comparison of their answers with those of the scorer in
//! Rust, and the components that toolchains make without the tool. Must not know the SDKs for
//! Python and JavaScript. A short run tries the scorers whose builds take seconds, and `cargo xtask
//! test --long` tries all.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use scorebox_tests::app::{App, copy};
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::packaging::unpack;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{cpu_time, extent, place, require};
use serde_json::json;
use tempfile::TempDir;

/// Timeout of a command, which may fetch a toolchain or compile the SDK.
const LIMIT: Duration = Duration::from_secs(1200);

/// Largest difference between two answers. The scorer in Rust computes with 32 bits.
const TOLERANCE: f64 = 1e-6;

/// One form of the scorer.
struct Form {
    /// Name of the scorer.
    name: &'static str,
    /// Folder of the source in `tests/data/polyglot`.
    folder: &'static str,
    /// Value of `scorer.component` in the manifest.
    component: &'static str,
    /// Texts that `build` prints about `init`.
    init: &'static [&'static str],
}

const RUST: Form = Form {
    name: "risk-rust",
    folder: "rust",
    component: "{ cargo = \".\" }",
    init: &["init done"],
};

const C: Form = Form {
    name: "risk-c",
    folder: "c",
    component: "{ command = [\"sh\", \"build.sh\"], output = \"risk.wasm\" }",
    init: &["init done"],
};

const QUICKJS: Form = Form {
    name: "risk-quickjs",
    folder: "javascript",
    component: "{ quickjs = \"risk-quickjs.js\" }",
    init: &[
        "init left to each start, because this component cannot be stored after init",
        "nested components",
    ],
};

const SPIDERMONKEY: Form = Form {
    name: "risk-spidermonkey",
    folder: "javascript",
    component: "{ componentize-js = \"risk.js\" }",
    init: &["init done"],
};

const PYTHON: Form = Form {
    name: "risk-python",
    folder: "python",
    component: "{ componentize-py = \"app.py\" }",
    init: &["init left to each start, because this component cannot be stored after init"],
};

/// World of a component that a toolchain makes without the tool.
const WORLD: &str = "package my:risk;

world risk {
    import scorebox:scoring/model@0.2.0;
    export scorebox:scoring/scorer@0.2.0;
}
";

/// Exit code of `check` for a component that is not a scorer of the app.
const COMPONENT: i32 = 4;

/// Largest CPU time of a program that refuses a component, in seconds.
const REFUSAL_SECONDS: f64 = 0.5;

/// The scorer in JavaScript on QuickJS, as it was built. Several tests use it.
static BUILT_QUICKJS: LazyLock<Built> = LazyLock::new(|| Built::of(&QUICKJS));

/// A component that a toolchain makes without the tool, and the flags that it needs.
struct Alone {
    /// Start of the name of the toolchain's folder.
    toolchain: &'static str,
    /// Program of the toolchain in its folder, which Node runs.
    program: &'static str,
    /// Arguments that make the component `made.wasm`.
    words: &'static [&'static str],
    /// Flags without which the host refuses the component.
    flags: &'static [&'static str],
    /// Texts of the refusal.
    said: &'static [&'static str],
}

/// A scorer, with the folder into which it is built.
struct Built {
    dir: TempDir,
    project: PathBuf,
    app: PathBuf,
}

impl Built {
    /// Creates the project of a scorer and builds it.
    #[track_caller]
    fn of(form: &Form) -> Self {
        let built = Self::laid(form);
        let mut build = built.command("build");
        finish(build.arg("--app").arg(&built.app)).said(form.init);
        built
    }

    /// Creates the project of a scorer without building it.
    #[track_caller]
    fn laid(form: &Form) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        let (root, templates) = (place::workspace(), "xtask/packager/templates");
        copy(
            &root.join("tests/data/polyglot").join(form.folder),
            &project,
        );
        copy(
            &root.join(templates).join("rust/model"),
            &project.join("model"),
        );
        if form.folder == "c" {
            copy(
                &root.join(templates).join("c/bindings"),
                &project.join("bindings"),
            );
        }
        if form.folder == "rust" {
            name_the_sdk(&project);
        }
        let Form {
            name, component, ..
        } = form;
        let manifest =
            format!("[scorer]\nname = \"{name}\"\ncomponent = {component}\nmodel = \"model\"\n");
        std::fs::write(project.join("scorebox.toml"), manifest).unwrap();
        Self {
            app: dir.path().join("app"),
            dir,
            project,
        }
    }

    /// Returns a command of the tool on the project. It has the whole environment, because Cargo,
    /// pip and npm find their folders and indexes by it.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(place::xtask());
        command
            .args([name, "--manifest"])
            .arg(self.project.join("scorebox.toml"));
        command
    }

    /// Returns an app of a component as it came from its toolchain, without machine code.
    fn bare(&self, component: &Path) -> App {
        let component = std::fs::read(component).unwrap();
        let app = App::made("bare", &component, "model = \"model\"\n");
        copy(&self.project.join("model"), &app.join("model"));
        app
    }

    /// Packages the project, and serves the app of the image with the host of the image.
    #[track_caller]
    fn served_from_an_image(&self) -> Host {
        let layout = self.dir.path().join("image");
        let mut package = self.command("package");
        package.arg("--layout").arg(&layout);
        finish(package.arg("--host").arg(place::image_host()));
        let app = self.dir.path().join("unpacked");
        unpack(&layout, "home/site/wwwroot", &app);
        let mut serve = Command::new(place::image_host());
        serve.env_clear().args(["serve", "--port", "0", "--app"]);
        serve.arg(&app);
        let host = Host::spawn(serve);
        host.log.wait_for_message("ready");
        host
    }
}

/// Writes the `Cargo.toml` of the scorer in Rust, with the repository's versions of its
/// dependencies, which are on this machine.
#[track_caller]
fn name_the_sdk(project: &Path) {
    let root = place::workspace().canonicalize().unwrap();
    let package = std::fs::read_to_string(project.join("package.toml")).unwrap();
    let sdk = root.join("guest").display().to_string();
    std::fs::write(project.join("Cargo.toml"), package.replace("@sdk@", &sdk)).unwrap();
    std::fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
}

/// Writes the contract and a world of its own to the project of a scorer.
#[track_caller]
fn write_world(project: &Path) {
    let root = place::workspace();
    for (from, to) in [("wit", "wit/deps/scorebox"), ("wit/deps", "wit/deps")] {
        let to = project.join(to);
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(root.join(from)).unwrap().flatten() {
            if file.path().extension() == Some("wit".as_ref()) {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }
    std::fs::write(project.join("wit/world.wit"), WORLD).unwrap();
}

/// Returns the folder of a toolchain that a build has fetched. `start` is the start of its name.
#[track_caller]
fn toolchain(start: &str) -> PathBuf {
    let root = place::workspace();
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folders = std::fs::read_dir(root.join(target).join("toolchains")).unwrap();
    let mut folders = folders.flatten();
    let found = folders.find(|folder| folder.file_name().to_string_lossy().starts_with(start));
    found.expect("the toolchain was fetched").path()
}

/// Returns the command that checks an app. The machine code of its component is not kept, because
/// it is large and is not needed again.
fn check(app: &App) -> Command {
    let mut command = scorebox("check", app);
    command.env("SCOREBOX_CACHE", "");
    command
}

/// Makes the component of a scorer with the command line of its toolchain. Checks that the host
/// refuses the component with a text that names the flags, and accepts one that is made with them.
/// The toolchain was fetched already, and no other test uses the project in `built`.
#[track_caller]
fn is_refused_without_flags(built: &Built, alone: &Alone) {
    write_world(&built.project);
    let program = toolchain(alone.toolchain).join(alone.program);
    let made = |flags: &[&str]| {
        let mut node = run::tool("node");
        node.arg(&program).args(alone.words).args(flags);
        finish(node.current_dir(&built.project));
        built.bare(&built.project.join("made.wasm"))
    };
    let (refused, seconds) = cpu_time::measured(&check(&made(&[])), b"");
    refused.ended(COMPONENT).said(alone.said);
    assert!(seconds <= REFUSAL_SECONDS, "{seconds} s");
    finish(&mut check(&made(alone.flags)));
}

#[track_caller]
fn finish(command: &mut Command) -> Finished {
    run::finish_within(LIMIT, command, b"").ended(0)
}

/// Returns what a scorer answers to 100 inputs, after checking that it rejects what it must.
#[track_caller]
fn answers(host: &Host) -> Vec<f64> {
    let rejected = host.score(&json!({ "features": [-1, 2, 0.5] }));
    rejected.expect_error(422, "negative-income", &["the first feature is negative"]);
    let answer = |case: u32| {
        // Eighths are exact with 32 bits.
        let eighths = |factor: u32, count: u32| 0.125 * f64::from(case * factor % count);
        let features = [eighths(7, 40), eighths(13, 50) - 3.0, eighths(29, 30) - 2.0];
        let answer = host.score(&json!({ "features": features })).expect(200);
        answer.json()["probability"].as_f64().expect("a number")
    };
    (0..100).map(answer).collect()
}

/// Returns what the scorer in Rust answers. The first test that asks builds it.
fn answers_in_rust() -> &'static [f64] {
    static ANSWERS: OnceLock<Vec<f64>> = OnceLock::new();
    ANSWERS.get_or_init(|| answers(&Host::start(&Built::of(&RUST).app)))
}

/// Checks, serves and packages a scorer that was built, and compares its answers with those of the
/// scorer in Rust.
#[track_caller]
fn answers_as_in_rust(built: &Built) {
    finish(&mut scorebox("check", &built.app));
    let bare = built.bare(&built.app.join("component.wasm"));
    finish(&mut check(&bare));
    for host in [Host::start(&built.app), built.served_from_an_image()] {
        let (found, expected) = (answers(&host), answers_in_rust());
        for (case, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(
                difference < TOLERANCE,
                "{case}: {found}, and not {expected}"
            );
        }
    }
    // The answers differ, so a scorer that ignores its input would be found.
    let mut distinct = answers_in_rust().to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    assert!(distinct.len() > 50, "{distinct:?}");
}

#[test]
fn the_scorer_in_c_answers_as_the_one_in_rust() {
    require!("clang", "wasm-ld");
    answers_as_in_rust(&Built::of(&C));
}

#[test]
fn the_scorer_in_javascript_answers_as_the_one_in_rust_with_quickjs() {
    require!("node", "npm");
    answers_as_in_rust(&BUILT_QUICKJS);
}

#[test]
fn the_scorer_in_javascript_answers_as_the_one_in_rust_with_spidermonkey() {
    require!("node", "npm");
    if extent::is_whole() {
        answers_as_in_rust(&Built::of(&SPIDERMONKEY));
    }
}

#[test]
fn the_scorer_in_python_answers_as_the_one_in_rust() {
    require!("python3", "pip3");
    if extent::is_whole() {
        answers_as_in_rust(&Built::of(&PYTHON));
    }
}

#[test]
fn a_component_that_is_async_is_refused_with_the_flag_against_it() {
    require!("node", "npm");
    let alone = Alone {
        toolchain: "componentize-qjs-",
        program: "node_modules/componentize-qjs/bin/componentize-qjs",
        words: &[
            "--wit=wit",
            "--world=risk",
            "--js=risk-quickjs.js",
            "--output=made.wasm",
        ],
        flags: &["--sync"],
        said: &["async functions of the component model", "`--sync`"],
    };
    // That build fetches the toolchain.
    LazyLock::force(&BUILT_QUICKJS);
    is_refused_without_flags(&Built::laid(&QUICKJS), &alone);
}

#[test]
fn a_component_with_http_is_refused_with_the_flags_against_it() {
    require!("node", "npm");
    if !extent::is_whole() {
        return;
    }
    let alone = Alone {
        toolchain: "componentize-js-",
        program: "node_modules/@bytecodealliance/componentize-js/src/cli.js",
        words: &[
            "risk.js",
            "--wit=wit",
            "--world-name=risk",
            "--out=made.wasm",
        ],
        flags: &["-d", "http", "-d", "fetch-event"],
        said: &["wasi:http/", "`-d http -d fetch-event`"],
    };
    // This build fetches the toolchain.
    is_refused_without_flags(&Built::of(&SPIDERMONKEY), &alone);
}
