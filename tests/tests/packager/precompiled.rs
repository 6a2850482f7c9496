//! Machine code: compiled by the packager, run by the image's host, and refused if the two do not
//! match.
//!
//! Owns each refusal and its text, and the parts that the image's host lacks. Must not know how
//! code is compiled.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{digits, place, programs, require};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Engine};

/// Returns a command that runs the image's host, with an empty environment.
fn image_host(command: &str, app: &Path) -> Command {
    let mut host = Command::new(place::image_host());
    host.env_clear().arg(command).arg("--app").arg(app);
    host
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[track_caller]
fn check(app: &Path) -> Finished {
    run::finish(image_host("check", app).args(["--output", "json"]), b"")
}

/// Returns the app `digits` with a changed manifest.
fn edited(edit: impl Fn(&mut toml::Table)) -> App {
    let app = App::example("digits", "");
    edit_manifest(&app, |manifest| {
        edit(
            manifest["precompiled"]
                .as_table_mut()
                .expect("an app has [precompiled]"),
        );
    });
    app
}

fn edit_manifest(app: &App, edit: impl Fn(&mut toml::Table)) {
    let path = app.path().join("scorebox.toml");
    let mut manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    edit(&mut manifest);
    app.write(
        "scorebox.toml",
        toml::to_string(&manifest).unwrap().as_bytes(),
    );
}

/// Builds an app for a CPU level.
fn built_for(cpu: &str) -> tempfile::TempDir {
    let output = tempfile::tempdir().unwrap();
    let mut command = Command::new(place::xtask());
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .args(["build", "--cpu", cpu, "--manifest"])
        .arg(place::example("digits").join("scorebox.toml"));
    run::finish(command.arg("--app").arg(output.path().join("app")), b"").ended(0);
    output
}

#[test]
fn the_images_host_runs_what_the_packager_compiled() {
    let report = check(&place::example("digits")).ended(0).json();
    assert_eq!(
        report["code"], "precompiled for x86-64, init done",
        "{report}"
    );
    let request = digits::request(digits::sample());
    let mut serve = image_host("serve", &place::example("digits"));
    serve.args(["--port", "0"]);
    let host = Host::spawn(serve);
    digits::check(digits::sample(), &host.score(&request).expect(200).json());
}

#[test]
fn the_images_host_has_no_compiler() {
    // Either text shows that the compiler is inside: its code names its crate in panics and errors.
    let names_the_compiler = |program: &Path| {
        let bytes = std::fs::read(program).unwrap();
        bytes
            .windows(18)
            .any(|window| window == b"cranelift-codegen-" || window == b"cranelift_codegen:")
    };
    assert!(
        names_the_compiler(&place::host()),
        "the test would find nothing"
    );
    assert!(!names_the_compiler(&place::image_host()));
    let size = std::fs::metadata(place::image_host()).unwrap().len();
    // The host is pulled at every cold start.
    assert!(size < 11_900_000, "{size} bytes");
    let refused = check(&App::of(programs::WAYWARD)).ended(4);
    refused.said(&[
        "component.wasm: is not compiled, and this host has no compiler",
        "scorebox build",
    ]);
}

/// Checks that the JSON reader of the image's host is the fast one.
///
/// A dependency that turns on `float_roundtrip` turns it on for the whole program, and reading a
/// body of numbers then takes a tenth of a call more. The codec rounds numbers itself.
#[test]
fn the_images_host_reads_numbers_by_the_fast_way() {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(place::workspace()).args([
        "tree",
        "--offline",
        "--locked",
        "--package=scorebox-host",
        "--no-default-features",
        "--edges=features,normal",
        "--invert=serde_json",
    ]);
    let tree = run::finish(&mut tree, b"").ended(0).stdout;
    assert!(tree.contains("serde_json feature \"raw_value\""), "{tree}");
    assert!(!tree.contains("float_roundtrip"), "{tree}");
}

/// Checks that the host does not contain a compilation date, which would change its digest each
/// day.
///
/// C's `__DATE__` has the form `Nov 23 2026`.
#[test]
fn the_images_host_does_not_tell_when_it_was_compiled() {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let is_date = |text: &[u8]| {
        let [a, b, c, b' ', tens, ones, b' ', b'2', b'0', decade, year] = text else {
            return false;
        };
        MONTHS.contains(&[*a, *b, *c].as_slice())
            && (*tens == b' ' || tens.is_ascii_digit())
            && [ones, decade, year]
                .iter()
                .all(|digit| digit.is_ascii_digit())
    };
    assert!(is_date(b"Nov 23 2026") && is_date(b"Feb  1 2027"));
    let bytes = std::fs::read(place::image_host()).unwrap();
    let found: Vec<_> = bytes
        .windows(11)
        .filter(|text| is_date(text))
        .map(String::from_utf8_lossy)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn tampered_code_is_refused() {
    let app = App::example("digits", "");
    let mut code = std::fs::read(app.path().join("component.cwasm")).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    app.write("component.cwasm", &code);
    check(&app).ended(4).said(&[
        "component.cwasm: was changed",
        "the manifest names sha256:",
        "do not run this app",
    ]);
    // Now the code is shorter, then empty, then missing.
    app.write("component.cwasm", &code[..middle]);
    check(&app).ended(4).said(&["was changed"]);
    app.write("component.cwasm", b"");
    check(&app).ended(4).said(&["was changed"]);
    app.remove("component.cwasm");
    check(&app)
        .ended(4)
        .said(&["component.cwasm: cannot be read"]);
    // Even with a matching digest these bytes are not code. The digest only says that the file is
    // the packager's.
    app.write("component.cwasm", b"\x7fELF");
    edit_manifest(&app, |manifest| {
        manifest["precompiled"]["digest"] = sha256(b"\x7fELF").into();
    });
    check(&app)
        .ended(4)
        .said(&["was compiled for another engine configuration"]);
}

#[test]
fn code_for_another_engine_is_refused() {
    let other = edited(|section| {
        drop(section.insert("engine".to_owned(), "wasmtime 1.0.0, scorebox 0".into()))
    });
    check(&other).ended(4).said(&[
        "component.cwasm: was compiled for another engine: `wasmtime 1.0.0, scorebox 0`, and this host has `wasmtime ",
        "build the app again",
    ]);
    // The version is right, but the settings are other ones: nothing could interrupt this code.
    let app = App::example("digits", "");
    let engine = Engine::new(Config::new().target("x86_64-unknown-linux-gnu").unwrap()).unwrap();
    let component = std::fs::read(app.path().join("component.wasm")).unwrap();
    let code = engine.precompile_component(&component).unwrap();
    app.write("component.cwasm", &code);
    edit_manifest(&app, |manifest| {
        manifest["precompiled"]["digest"] = sha256(&code).into();
    });
    check(&app).ended(4).said(&[
        "was compiled for another engine configuration",
        "build the app again",
    ]);
}

#[test]
fn code_for_another_cpu_is_refused() {
    require!("qemu-x86_64-static");
    let qemu = place::tool("qemu-x86_64-static").unwrap();
    // This is a CPU of 2008, with SSE4.2 and without AVX. Default builds run on it, and builds for
    // a newer CPU are refused.
    let on_nehalem = |app: &Path| {
        let mut command = Command::new(&qemu);
        command
            .env_clear()
            .args(["-cpu", "Nehalem"])
            .arg(place::image_host())
            .args(["check", "--app"])
            .arg(app);
        run::finish(&mut command, b"")
    };
    let report = on_nehalem(&place::example("digits")).ended(0);
    assert!(
        report.stdout.contains("precompiled for x86-64, init done"),
        "{}",
        report.stdout
    );
    let newer = built_for("x86-64-v3");
    on_nehalem(&newer.path().join("app")).ended(4).said(&[
        "component.cwasm: was compiled for another CPU: for x86-64-v3, and this machine lacks avx",
        "--cpu x86-64",
    ]);
    // If a manifest claims less than the code needs, the code is still refused, because it states
    // its needs itself.
    let path = newer.path().join("app/scorebox.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("x86-64-v3", "x86-64")).unwrap();
    on_nehalem(&newer.path().join("app"))
        .ended(4)
        .said(&["was compiled for another engine configuration", "has_avx"]);
}

#[test]
fn cpu_levels_are_named_and_recorded() {
    let native = built_for("native");
    let report = check(&native.path().join("app")).ended(0).json();
    assert!(
        report["code"]
            .as_str()
            .is_some_and(|code| code.starts_with("precompiled for x86-64")),
        "{report}"
    );
    let mut wrong = Command::new(place::xtask());
    wrong.args(["build", "--cpu", "pentium", "--manifest", "x"]);
    run::finish(&mut wrong, b"")
        .ended(2)
        .said(&["`pentium` is not a CPU level", "x86-64-v3"]);
    let unknown = edited(|section| drop(section.insert("cpu".to_owned(), "x86-64-v9".into())));
    check(&unknown)
        .ended(4)
        .said(&["`x86-64-v9` is not a CPU level"]);
}

#[test]
fn check_finds_what_was_changed_beside_the_code() {
    let component = App::example("digits", "");
    component.write(
        "component.wasm",
        &std::fs::read(place::program(programs::WAYWARD)).unwrap(),
    );
    check(&component)
        .ended(4)
        .said(&["was not made from the component next to it"]);
    let model = App::example("digits", "");
    model.write("model/extra.txt", b"more");
    check(&model)
        .ended(5)
        .said(&["changed since it was packaged", "scorebox build"]);
    let report: Value = check(&place::example("features")).ended(0).json();
    assert_eq!(report["name"], "features");
}
