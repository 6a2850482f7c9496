//! Components as toolchains of other languages make them: other patch versions of WASI, interpreters
//! that read clocks when they start, shapes that no snapshot can keep, and leftovers of a build.
//!
//! Owns these properties, which are added to programs in Rust. Must not know any toolchain.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, scorebox};
use scorebox_tests::packaging::build;
use scorebox_tests::programs::{self, Program};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{cpu_time, extent, place};
use serde_json::json;

/// Exit code for a component that is not a scorer of the app.
const COMPONENT: i32 = 4;

/// Exit code of `build` for a scorer that no host would run.
const PROJECT: i32 = 3;

/// Size of a component that holds an interpreter, in bytes.
const LARGE: usize = 12 << 20;

/// Largest CPU time of a program that refuses a component, in seconds.
const REFUSAL_SECONDS: f64 = 0.5;

fn bytes_of(program: Program) -> Vec<u8> {
    std::fs::read(place::program(program)).unwrap()
}

/// Replaces a text in a component by another text of the same length, so that no size changes.
fn replace(component: &mut [u8], from: &str, to: &str) -> usize {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for start in 0..component.len().saturating_sub(from.len()) {
        let part = &mut component[start..start + from.len()];
        if part == from.as_bytes() {
            part.copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    found
}

/// Appends a section to a component.
fn append(component: &mut Vec<u8>, id: u8, content: &[u8]) {
    component.push(id);
    component.extend(leb128(content.len()));
    component.extend_from_slice(content);
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Appends a custom section to a component.
fn append_custom(component: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut content = leb128(name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    append(component, 0, &content);
}

/// Appends a component that holds an empty module, which nothing instantiates.
fn append_nested(component: &mut Vec<u8>) {
    let mut nested = b"\0asm\x0d\0\x01\0".to_vec();
    append(&mut nested, 1, b"\0asm\x01\0\0\0");
    append(component, 4, &nested);
}

/// Returns a module with about `bytes` bytes of code, in functions of 2 KiB each.
fn module_of_code(bytes: usize) -> Vec<u8> {
    // The argument, which each step multiplies by 43 and combines with the argument again.
    let step: [u8; 6] = [0x41, 43, 0x6c, 0x20, 0, 0x73];
    let mut body: Vec<u8> = vec![0, 0x20, 0];
    body.extend(step.repeat(340));
    body.push(0x0b);
    let count = bytes / body.len();
    let mut function = leb128(body.len());
    function.extend(body);
    let mut code = leb128(count);
    code.extend(function.repeat(count));
    let mut types = leb128(count);
    types.resize(types.len() + count, 0);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    append(&mut module, 1, &[1, 0x60, 1, 0x7f, 1, 0x7f]);
    append(&mut module, 3, &types);
    append(&mut module, 10, &code);
    module
}

fn check(app: &Path) -> Finished {
    run::finish(&mut scorebox("check", app), b"")
}

#[test]
fn every_patch_version_of_wasi_is_served_with_a_snapshot_and_without() {
    let original = bytes_of(programs::TOURIST);
    for version in ["0.2.10", "0.2.11", "0.2.12", "0.2.99"] {
        let mut component = original.clone();
        let found = replace(&mut component, "@0.2.12", &format!("@{version}"));
        assert!(found > 0, "no import of 0.2.12");
        for snapshot in [true, false] {
            let manifest = format!("snapshot = {snapshot}\n");
            let app = App::made("tourist", &component, &manifest);
            check(&app).ended(0);
            let output = tempfile::tempdir().unwrap();
            let built = output.path().join("app");
            build(&app, &built).ended(0);
            let host = Host::start(&built);
            let ready = host.score(&json!({ "do": "poll", "ms": 1 })).expect(200);
            assert_eq!(ready.json()["ready"], json!([1]), "{version}");
        }
    }
}

#[test]
fn describe_sees_no_time_no_randomness_and_no_environment() {
    let app = App::of(programs::TIMEKEEPER);
    let title = || {
        let mut command = scorebox("check", &app);
        let report = run::finish(command.args(["--output", "json"]), b"").ended(0);
        let report = report.json();
        let title = report["signature"]["input"]["jsonSchema"]["title"].as_str();
        serde_json::from_str::<serde_json::Value>(title.unwrap()).unwrap()
    };
    let first = title();
    assert_eq!(first, title());
    assert_eq!(first["elapsed_ns"], 0, "{first}");
    assert_eq!(first["variables"], 0, "{first}");
    assert!(first["seconds"].as_u64() < Some(1 << 30), "{first}");
    // Calls see the real time.
    let host = Host::start(&app);
    let answer = host.score(&json!({})).expect(200).json();
    assert!(answer["seconds"].as_u64() > Some(1 << 30), "{answer}");
}

#[test]
fn wrong_imports_are_refused_before_anything_is_compiled() {
    // The compiler would refuse the body of the function, but it never sees it. The component is as
    // large as an interpreter.
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    append(&mut module, 1, &[1, 0x60, 0, 0]);
    append(&mut module, 3, &[1, 0]);
    append(&mut module, 10, &[1, 4, 0, 0xff, 0xff, 0xff]);
    append_custom(&mut module, "padding", &vec![0; LARGE]);
    let mut component = bytes_of(programs::IMPORTER);
    append(&mut component, 1, &module);
    let app = App::made("importer", &component, "");
    check(&app)
        .ended(COMPONENT)
        .said(&["intruder:host/secrets@0.1.0", "fix:"]);
    let output = tempfile::tempdir().unwrap();
    build(&app, &output.path().join("app"))
        .ended(PROJECT)
        .said(&["intruder:host/secrets@0.1.0", "component.wasm"]);
    // Without the wrong import the compiler reports the function.
    let mut component = bytes_of(programs::WAYWARD);
    append(&mut component, 1, &module);
    check(&App::made("wayward", &component, ""))
        .ended(COMPONENT)
        .said(&["is not a valid component"]);
}

#[test]
fn wrong_imports_of_a_large_component_are_refused_within_half_a_second_of_cpu_time() {
    let module = module_of_code(LARGE);
    let app = |program: Program| {
        let mut component = bytes_of(program);
        append(&mut component, 1, &module);
        App::made(program.name(), &component, "")
    };
    // Nothing is taken from the cache of compiled components, and nothing is put there.
    let checked = |app: &App| {
        let mut command = scorebox("check", app);
        cpu_time::measured(command.env("SCOREBOX_CACHE", ""), b"")
    };
    let refused = app(programs::IMPORTER);
    let output = tempfile::tempdir().unwrap();
    let mut build = Command::new(place::xtask());
    build.args(["build", "--manifest"]);
    build.arg(refused.join("scorebox.toml"));
    build.arg("--app").arg(output.path().join("app"));
    let built = cpu_time::measured(&build, b"");
    for ((finished, seconds), code) in [(checked(&refused), COMPONENT), (built, PROJECT)] {
        let finished = finished.ended(code).said(&["intruder:host/secrets@0.1.0"]);
        assert!(
            seconds <= REFUSAL_SECONDS,
            "{seconds} s: {}",
            finished.stderr
        );
    }
    if extent::is_whole() {
        // The code is compiled if nothing is wrong.
        let (finished, seconds) = checked(&app(programs::WAYWARD));
        finished.ended(0);
        assert!(seconds > 2.0 * REFUSAL_SECONDS, "{seconds} s");
    }
}

#[test]
fn all_reasons_are_said_at_once() {
    check(&App::of(programs::HOLDER)).ended(COMPONENT).said(&[
        "does not fit for 2 reasons:",
        "1. imports wasi:keyvalue/",
        "1. add `[stores.default]`",
        "2. imports scorebox:scoring/redis@0.2.0",
        "2. write `commands`",
    ]);
}

#[test]
fn a_component_that_no_snapshot_can_keep_is_built_without_one() {
    let mut component = bytes_of(programs::WAYWARD);
    append_nested(&mut component);
    let app = App::made("wayward", &component, "");
    let output = tempfile::tempdir().unwrap();
    let built = output.path().join("app");
    build(&app, &built).ended(0).said(&[
        "init left to each start, because this component cannot be stored after init",
        "nested components",
    ]);
    let host = Host::start(&built);
    let answer = host.score(&json!({ "do": "count" })).expect(200).json();
    assert_eq!(answer["count"], 1);
}

#[test]
fn an_interpreter_whose_init_a_snapshot_cannot_keep_is_built_without_one() {
    let mut component = bytes_of(programs::TOURIST);
    append_custom(&mut component, "producers", b"component-init-transform");
    for (deed, said) in [
        ("instant", "init done"),
        ("hash-map", "init left to each start"),
        ("resolve", "init left to each start"),
    ] {
        let app = App::made("tourist", &component, "model = \"model\"\n");
        app.write("model/deed", deed.as_bytes());
        let output = tempfile::tempdir().unwrap();
        let built = output.path().join("app");
        build(&app, &built).ended(0).said(&[said]);
        let host = Host::start(&built);
        let answer = host.score(&json!({ "do": "nothing" })).expect(200);
        assert!(answer.json().is_null(), "{deed}");
    }
}

#[test]
fn leftovers_of_a_build_are_named() {
    let mut component = bytes_of(programs::WAYWARD);
    append_custom(&mut component, ".debug_info", &[0; 10_000]);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    let path = "/home/anna/work/risk/src/lib.rs";
    // A memory, and one active segment with the path.
    append(&mut module, 5, &[1, 0, 1]);
    let mut data = vec![1, 0, 0x41, 0, 0x0b];
    data.extend(leb128(path.len()));
    data.extend_from_slice(path.as_bytes());
    append(&mut module, 11, &data);
    append(&mut component, 1, &module);
    check(&App::made("wayward", &component, ""))
        .ended(0)
        .said(&[
            "10 KiB of debug information",
            "cargo build --release",
            "/home/anna/work/risk",
            "remap-path-prefix",
        ]);
    let clean = check(&App::of(programs::WAYWARD)).ended(0);
    assert!(!clean.stderr.contains("WARN"), "{}", clean.stderr);
}

#[test]
fn a_trap_shows_the_frames_of_the_guest_alone() {
    let app = App::of(programs::WAYWARD);
    let mut command = scorebox("invoke", &app);
    let ended = run::finish(
        command.env("RUST_BACKTRACE", "1"),
        json!({ "do": "trap" }).to_string().as_bytes(),
    );
    let ended = ended.ended(23);
    assert!(
        ended.stderr.contains("wasm backtrace") && ended.stderr.contains("wasm trap"),
        "{}",
        ended.stderr
    );
    assert!(
        !ended.stderr.contains("Stack backtrace"),
        "{}",
        ended.stderr
    );
}
