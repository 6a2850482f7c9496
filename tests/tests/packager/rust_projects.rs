//! Scorers in Rust and C outside of the repository.
//!
//! Owns the promise that a component does not depend on the folders of its builder, and the tests
//! of the templates for these languages and of the SDK as a package. Must not know the code of a
//! template.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use scorebox_tests::host::Host;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{extent, place, require};
use serde_json::json;

/// Timeout of a command that compiles the SDK.
const LIMIT: Duration = Duration::from_secs(900);

/// Path of the SDK in a new project, relative to the project.
const SDK_INSIDE: &str = "scorebox-guest";

/// Path of an SDK outside of the project, relative to the project.
const SDK_ELSEWHERE: &str = "../sdk";

/// Creates the project of a template in the folder `dir`, with the versions of the repository's
/// dependencies, which are on this machine.
#[track_caller]
fn created(template: &str, dir: &Path) {
    let mut command = Command::new(place::xtask());
    command.args(["new", "--template", template]).arg(dir);
    run::finish(&mut command, b"").ended(0);
    let lock = place::workspace().join("Cargo.lock");
    std::fs::copy(lock, dir.join("Cargo.lock")).unwrap();
}

/// Returns the command that builds a project into the folder `app`.
fn build(project: &Path, app: &Path) -> Command {
    let mut command = Command::new(place::xtask());
    command
        .args(["build", "--manifest"])
        .arg(project.join("scorebox.toml"))
        .arg("--app")
        .arg(app);
    command
}

#[track_caller]
fn built(command: &mut Command) -> Finished {
    run::finish_within(LIMIT, command, b"").ended(0)
}

/// Returns the folder of Cargo on this machine.
fn cargo_home() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("CARGO_HOME")
        .or_else(|| Some(folder("HOME")?.join(".cargo")))
        .expect("the folder of Cargo")
}

/// Fails if a file of an app contains one of the texts.
#[track_caller]
fn contains_none_of(app: &Path, texts: &[&Path]) {
    for name in ["component.wasm", "component.cwasm", "scorebox.toml"] {
        let bytes = std::fs::read(app.join(name)).unwrap();
        for text in texts {
            let text = text.as_os_str().as_encoded_bytes();
            let found = bytes.windows(text.len()).position(|window| window == text);
            if let Some(start) = found {
                let end = (start + 120).min(bytes.len());
                let shown = String::from_utf8_lossy(&bytes[start..end]).into_owned();
                panic!("{name}: {shown}");
            }
        }
    }
}

/// Creates a project in Rust in the folder `folder`, and returns its path. `sdk` is the path of the
/// SDK, relative to the project.
#[track_caller]
fn laid(folder: &Path, sdk: &str) -> PathBuf {
    let project = folder.join("risk");
    created("rust", &project);
    if sdk != SDK_INSIDE {
        std::fs::rename(project.join(SDK_INSIDE), project.join(sdk)).unwrap();
        let file = project.join("Cargo.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let inside = format!("path = \"{SDK_INSIDE}\"");
        let changed = text.replace(&inside, &format!("path = \"{sdk}\""));
        assert_ne!(changed, text);
        std::fs::write(&file, changed).unwrap();
    }
    project
}

/// Returns the component in an app, after checking that the app does not contain the folder `dir`,
/// in which it was built, nor a folder of this machine.
#[track_caller]
fn component_without_folders(app: &Path, dir: &Path) -> Vec<u8> {
    contains_none_of(app, &[dir, &cargo_home(), &place::workspace()]);
    std::fs::read(app.join("component.wasm")).unwrap()
}

/// Builds a project in Rust, and returns its component. `sdk` is the path of the SDK, relative to
/// the project.
#[track_caller]
fn built_here(sdk: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let app = dir.join("app");
    built(&mut build(&laid(&dir.join("here"), sdk), &app));
    component_without_folders(&app, &dir)
}

/// Returns the component of a project whose SDK is elsewhere. The first test that asks builds it.
fn component_with_sdk_elsewhere() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| built_here(SDK_ELSEWHERE))
}

/// Builds a project in another folder, with other folders of Cargo and of what is built, and
/// compares the component with `here`. `sdk` is the path of the SDK, relative to the project.
#[track_caller]
fn is_built_equally_elsewhere(sdk: &str, here: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let there = laid(&dir.join("there/in my répo (x)"), sdk);
    let app = dir.join("other");

    // The same registry under another name.
    let home = dir.join("home of cargo");
    std::fs::create_dir(&home).unwrap();
    for name in ["registry", "git"] {
        std::os::unix::fs::symlink(cargo_home().join(name), home.join(name)).unwrap();
    }
    let mut command = build(&there, &app);
    command
        .env("CARGO_HOME", &home)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTFLAGS", "-C debuginfo=2 --cfg of_this_machine");
    built(&mut command).said(&["RUSTFLAGS is not used"]);

    assert!(
        component_without_folders(&app, &dir) == here,
        "the components differ"
    );
}

#[test]
fn a_component_does_not_depend_on_the_folders_of_its_builder() {
    // A short run builds the project whose SDK is elsewhere, which has more folders to leak.
    if extent::is_whole() {
        is_built_equally_elsewhere(SDK_INSIDE, &built_here(SDK_INSIDE));
    }
}

#[test]
fn a_component_does_not_depend_on_the_folder_of_an_sdk_elsewhere() {
    is_built_equally_elsewhere(SDK_ELSEWHERE, component_with_sdk_elsewhere());
}

#[test]
fn a_project_keeps_its_own_flags_and_symbols() {
    let dir = tempfile::tempdir().unwrap();
    let project = laid(&dir.path().join("here"), SDK_ELSEWHERE);
    let stripped = component_with_sdk_elsewhere().len();
    let file = project.join("Cargo.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("lto = true", "lto = true\nstrip = false"),
    )
    .unwrap();
    let config = project.join(".cargo/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let flags = text.replace("[\"-C\",", "[\"--cfg\", \"of_the_project\", \"-C\",");
    assert_ne!(flags, text);
    std::fs::write(&config, flags).unwrap();
    let scorer = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&scorer).unwrap();
    let guarded = "#[cfg(not(of_the_project))]\ncompile_error!(\"the flag is missing\");\n\n#[derive(Deserialize)]";
    let changed = text.replacen("#[derive(Deserialize)]", guarded, 1);
    std::fs::write(&scorer, changed).unwrap();
    let app = dir.path().join("named");
    built(&mut build(&project, &app));
    let named = std::fs::read(app.join("component.wasm")).unwrap().len();
    assert!(
        named > stripped,
        "{named} bytes with names, {stripped} without"
    );
}

#[test]
fn a_workspace_is_refused_with_the_way_to_a_member() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    let text = "[scorer]\nname = \"x\"\ncomponent = { cargo = \".\" }\n";
    std::fs::write(dir.path().join("scorebox.toml"), text).unwrap();
    let mut command = build(dir.path(), &dir.path().join("app"));
    run::finish(&mut command, b"").ended(3).said(&[
        "is a workspace, and not a package",
        "name the folder of the member",
    ]);
}

#[test]
fn tests_of_the_templates_for_rust_pass_without_a_host() {
    let dir = tempfile::tempdir().unwrap();
    for template in ["rust", "rust-tensors"] {
        let project = dir.path().join(template);
        created(template, &project);
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--offline", "--lib"])
            .env("CARGO_TARGET_DIR", dir.path().join("target"))
            .current_dir(&project);
        let tested = run::finish_within(LIMIT, &mut cargo, b"").ended(0);
        assert!(tested.stdout.contains(" 2 passed"), "{}", tested.stdout);
    }
}

#[test]
fn tests_of_the_template_for_c_pass_without_a_host() {
    require!("make", "cc");
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("c");
    let mut new = Command::new(place::xtask());
    run::finish(new.args(["new", "--template", "c"]).arg(&project), b"").ended(0);
    let mut make = run::tool("make");
    let tested = run::finish(make.arg("test").current_dir(&project), b"").ended(0);
    assert!(
        tested.stdout.contains("all tests passed"),
        "{}",
        tested.stdout
    );
}

#[test]
fn a_scorer_in_c_is_built_without_tools_for_components() {
    require!("make", "clang", "wasm-ld");
    let dir = tempfile::tempdir().unwrap();
    let (project, app) = (dir.path().join("risk"), dir.path().join("app"));
    let mut new = Command::new(place::xtask());
    run::finish(new.args(["new", "--template", "c"]).arg(&project), b"").ended(0);
    built(&mut build(&project, &app));
    contains_none_of(&app, &[dir.path()]);
    let invoke = |body: &str| {
        let mut host = Command::new(place::host());
        host.args(["invoke", "--app"]).arg(&app);
        run::finish(&mut host, body.as_bytes())
    };
    let answer = invoke(r#"{"features": [1, 2, 0.5]}"#).ended(0).json();
    let probability = answer["probability"].as_f64().unwrap();
    assert!((probability - 0.437_823_504).abs() < 1e-6, "{answer}");
    invoke(r#"{"features": [-1, 2, 0.5]}"#)
        .ended(20)
        .said(&["negative-income"]);
}

#[test]
fn a_scorer_in_c_that_misbehaves_is_held() {
    require!("make", "clang", "wasm-ld");
    let dir = tempfile::tempdir().unwrap();
    let (project, app) = (dir.path().join("risk"), dir.path().join("app"));
    let mut new = Command::new(place::xtask());
    run::finish(new.args(["new", "--template", "c"]).arg(&project), b"").ended(0);
    let edit = |name: &str, from: &str, to: &str| {
        let file = project.join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    };
    edit(
        "risk.c",
        "    if (features[0] < 0) {",
        "    if (features[0] == 66) features[0] = getenv(\"PATH\") || fopen(\"/etc/passwd\", \"r\") ? 1000 : -1000;\n    \
         if (features[0] == 77) __builtin_trap();\n    \
         if (features[0] == 88) for (volatile int forever = 1; forever;) {}\n    \
         if (features[0] == 99) for (;;) {\n        char *volatile held = malloc(1 << 20);\n        if (!held) abort();\n        memset(held, 1, 1 << 20);\n    }\n    \
         if (features[0] < 0 && features[0] > -1000) {",
    );
    // The standard library opens its streams in `init` if the scorer can open files.
    edit("scorebox.toml", "[scorer]", "[scorer]\nsnapshot = false");
    built(&mut build(&project, &app));
    let host = Host::start(&app);
    let score = |first: f64| host.score(&json!({"features": [first, 2, 0.5]}));
    let answers = || {
        let answer = score(1.0).expect(200).json();
        let probability = answer["probability"].as_f64().unwrap();
        assert!((probability - 0.437_823_504).abs() < 1e-6, "{answer}");
    };
    // Neither the variables of this machine nor its files are in reach.
    let closed = score(66.0).expect(200).json()["probability"].as_f64();
    assert!(closed < Some(0.5), "{closed:?}");
    for (first, status, code) in [
        (77.0, 500, "trapped"),
        (88.0, 504, "timed-out"),
        (99.0, 500, "out-of-memory"),
    ] {
        score(first).expect_error(status, code, &[]);
        answers();
    }
}

#[test]
fn the_sdk_for_rust_can_be_published() {
    let dir = tempfile::tempdir().unwrap();
    let mut cargo = Command::new("cargo");
    cargo
        .args(["package", "--allow-dirty", "--offline", "--target-dir"])
        .arg(dir.path())
        .current_dir(place::workspace().join("guest"));
    // The package is unpacked and compiled by itself.
    run::finish_within(LIMIT, &mut cargo, b"").ended(0);
    let unpacked = dir.path().join("package/scorebox-guest-0.1.0");
    for name in [
        "wit/world.wit",
        "wit/deps/wasi-nn.wit",
        "LICENSE",
        "README.md",
    ] {
        let file = unpacked.join(name);
        assert!(file.is_file() && !file.is_symlink(), "{name}");
    }
}
