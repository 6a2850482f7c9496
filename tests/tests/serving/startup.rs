//! Apps that must not be served: each ends with its exit code and a message that says what to do.
//!
//! Owns the list of them, for `serve` and `check`. Must not know how the host finds a fault.

use std::net::TcpListener;
use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::host::{refused, scorebox};
use scorebox_tests::place;
use scorebox_tests::programs;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::safetensors::{self, Dtype};

const MANIFEST: i32 = 3;
const COMPONENT: i32 = 4;
const MODEL: i32 = 5;
const INIT: i32 = 6;
const LISTEN: i32 = 7;
const ENVIRONMENT: i32 = 8;

/// Asserts that `serve` and `check` refuse an app, and that both give the same reason.
#[track_caller]
fn refuses(app: &Path, code: i32, parts: &[&str]) {
    let served = refused(app, &[]).ended(code).said(parts);
    is_logged(&served);
    check(app).ended(code).said(parts);
}

/// Asserts that the log contains the reason, too, because a platform keeps only the log.
#[track_caller]
fn is_logged(served: &Finished) {
    let problem = served.stderr.lines().next().unwrap_or_default();
    let words = problem
        .split_once(": ")
        .map_or(problem, |(_, words)| words)
        .split('`')
        .next()
        .unwrap_or_default();
    let logged = served
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let errors: Vec<_> = logged.filter(|line| line["level"] == "ERROR").collect();
    assert!(
        !errors.is_empty(),
        "no ERROR line in the log: {}",
        served.stdout
    );
    assert!(
        errors
            .iter()
            .any(|line| line.to_string().contains(words.trim())),
        "`{words}` is not in {errors:?}"
    );
    assert!(
        !served.stdout.contains("\"listening\"") || !served.stdout.contains("\"ready\""),
        "{}",
        served.stdout
    );
}

fn check(app: &Path) -> Finished {
    run::finish(&mut scorebox("check", app), b"")
}

#[test]
fn an_import_that_no_host_lends_is_named() {
    refuses(
        &App::of(programs::IMPORTER),
        COMPONENT,
        &["intruder:host/secrets", "fix:"],
    );
}

#[test]
fn a_component_of_another_world_is_told_which_worlds_there_are() {
    let parts = [
        "scorebox:scoring/scorer@0.2.0",
        "scorebox:scoring/tensor-scorer@0.2.0",
        "fix:",
    ];
    refuses(&App::of(programs::STRANGER), COMPONENT, &parts);
}

#[test]
fn describe_may_not_use_a_capability() {
    let app = App::with(programs::IMPURE, "model = \"model\"\n");
    app.write_digits_model();
    refuses(&app, COMPONENT, &["describe", "model", "fix:"]);
}

#[test]
fn what_is_no_component_is_told_apart() {
    let core_module = b"\0asm\x01\0\0\0";
    refuses(
        &App::made("core", core_module, ""),
        COMPONENT,
        &["module", "wasm32-wasip2"],
    );
    refuses(
        &App::made("garbage", b"#!/bin/sh\n", ""),
        COMPONENT,
        &["component.wasm", "fix:"],
    );
    refuses(
        &App::made("empty", b"", ""),
        COMPONENT,
        &["component.wasm", "fix:"],
    );
    let mut cut_off = std::fs::read(place::program(programs::WAYWARD)).unwrap();
    cut_off.truncate(cut_off.len() / 2);
    refuses(
        &App::made("cut-off", &cut_off, ""),
        COMPONENT,
        &["component.wasm", "fix:"],
    );
    let app = App::of(programs::WAYWARD);
    app.remove("component.wasm");
    refuses(&app, COMPONENT, &["component.wasm", "scorebox build"]);
}

#[test]
fn a_fact_about_an_input_that_does_not_fit_the_scorer_is_named() {
    let of_tensors = |section: &str| App::with(programs::MISFIT, section);
    refuses(
        &of_tensors("[inputs.y]\nmissing = true\n"),
        MANIFEST,
        &[
            "scorebox.toml",
            "`inputs.y`",
            "no input of this name",
            "nearest is `x`",
        ],
    );
    refuses(
        &of_tensors("[inputs.x]\ncolumns = [\"a\", \"b\", \"c\"]\n"),
        MANIFEST,
        &["`inputs.x.columns`", "3 names", "[N, 2]"],
    );
    let whole = App::with(programs::DTYPES, "[inputs.i64]\nmissing = true\n");
    refuses(&whole, MANIFEST, &["`inputs.i64.missing`", "f32 or f64"]);
    let of_payloads = App::with(programs::WAYWARD, "[requests]\nnan_literals = true\n");
    refuses(
        &of_payloads,
        MANIFEST,
        &["`requests`", "payloads", "tensor-scoring"],
    );
}

#[test]
fn a_source_must_be_built_first() {
    let app = App::of(programs::WAYWARD);
    app.write(
        "scorebox.toml",
        b"[scorer]\nname = \"x\"\ncomponent = { cargo = \".\" }\n",
    );
    refuses(&app, COMPONENT, &["scorebox build"]);
}

#[test]
fn a_model_that_is_missing_or_damaged_is_named() {
    let app = App::with(programs::WEIGHTS, "model = \"model\"\n");
    refuses(&app, MODEL, &["model", "fix:"]);

    let whole =
        safetensors::file(&[("w", Dtype::F32, &[2], scorebox_tests::bytes!(f32: 1.0, 2.0))]);
    app.write("model/w.safetensors", &whole[..whole.len() - 3]);
    refuses(&app, MODEL, &["w.safetensors", "fix:"]);

    app.write("model/w.safetensors", b"not a model");
    refuses(&app, MODEL, &["w.safetensors", "fix:"]);

    app.write("model/w.safetensors", &whole);
    check(&app).ended(0);

    app.write("model/v.safetensors", &whole);
    refuses(&app, MODEL, &["`w`", "fix:"]);
}

#[test]
fn a_manifest_that_is_missing_or_wrong_is_explained() {
    let empty = tempfile::tempdir().unwrap();
    refuses(empty.path(), MANIFEST, &["scorebox.toml", "scorebox build"]);
    refuses(&empty.path().join("none"), MANIFEST, &["none", "fix:"]);
    let with = |manifest: &str| App::with(programs::WAYWARD, manifest);
    refuses(
        &with("[limits]\ndeadlin = \"1s\"\n"),
        MANIFEST,
        &["limits.deadlin", "limits.deadline"],
    );
    refuses(
        &with("[limits]\ndeadline = \"soon\"\n"),
        MANIFEST,
        &["limits.deadline", "soon", "5s"],
    );
    refuses(&with("[limits\n"), MANIFEST, &["invalid TOML"]);
    let app = App::of(programs::WAYWARD);
    app.write("scorebox.toml", b"[scorer]\nname = \"x\"\n");
    refuses(&app, MANIFEST, &["component"]);
}

#[test]
fn an_unknown_section_is_refused_even_if_it_is_empty() {
    refuses(
        &App::with(programs::WAYWARD, "[limit]\n"),
        MANIFEST,
        &["`limit`"],
    );
}

#[test]
fn init_that_fails_panics_or_never_ends_is_explained() {
    let with = |how: &str| {
        App::with(
            programs::WAYWARD,
            &format!("[limits]\ninit_deadline = \"1s\"\n[config]\ninit = \"{how}\"\n"),
        )
    };
    refuses(
        &with("fail"),
        INIT,
        &[
            "told-to-fail",
            "init fails as told",
            "the setting `init` says so",
        ],
    );
    refuses(&with("panic"), INIT, &["init", "fix:"]);
    refuses(&with("loop"), INIT, &["limits.init_deadline", "fix:"]);
    let served = refused(&with("panic"), &[]);
    let output = format!("{}{}", served.stdout, served.stderr);
    assert!(
        output.contains("init panics as told") && output.contains("wayward.rs:"),
        "{output}"
    );
}

#[test]
fn a_bad_redis_url_is_named_and_not_shown() {
    let app = App::with(programs::KEYS, "[stores.default]\n");
    for url in [
        "hunter2@cache.example:6380",
        "http://:hunter2@cache.example",
        "redis://:hunter2@:notaport",
    ] {
        let served = refused(&app, &[("SCOREBOX_REDIS_URL", url)]).ended(ENVIRONMENT);
        let served = served.said(&["SCOREBOX_REDIS_URL", "redis://", "fix:"]);
        is_logged(&served);
        let output = format!("{}{}", served.stdout, served.stderr);
        assert!(
            !output.contains("hunter2") && !output.contains("cache.example"),
            "{output}"
        );
    }
}

#[test]
fn stores_that_the_manifest_does_not_name_are_asked_for() {
    refuses(
        &App::of(programs::KEYS),
        COMPONENT,
        &["wasi:keyvalue", "[stores.", "fix:"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let app = App::of(programs::WAYWARD);
    let serve = |command: &mut std::process::Command| run::finish(command, b"");
    let served = serve(scorebox("serve", &app).args(["--port", &port])).ended(LISTEN);
    is_logged(&served.said(&[&port, "--port"]));
    let by_variable =
        serve(scorebox("serve", &app).env("FUNCTIONS_CUSTOMHANDLER_PORT", &port)).ended(LISTEN);
    by_variable.said(&[&port]);
}

#[test]
fn a_port_variable_that_is_no_number_is_named() {
    let app = App::of(programs::WAYWARD);
    let mut serve = scorebox("serve", &app);
    let served =
        run::finish(serve.env("FUNCTIONS_CUSTOMHANDLER_PORT", "many"), b"").ended(ENVIRONMENT);
    is_logged(&served.said(&["FUNCTIONS_CUSTOMHANDLER_PORT", "fix:"]));
}

#[test]
fn the_command_line_is_checked() {
    let mut command = std::process::Command::new(place::host());
    run::finish(command.env_clear().arg("serve"), b"")
        .ended(2)
        .said(&["--app"]);
    let mut command = std::process::Command::new(place::host());
    run::finish(
        command
            .env_clear()
            .args(["serve", "--app", ".", "--port", "70000"]),
        b"",
    )
    .ended(2)
    .said(&["--port"]);
    let mut command = std::process::Command::new(place::host());
    let help = run::finish(command.env_clear().arg("--help"), b"").ended(0);
    for word in ["serve", "invoke", "check"] {
        assert!(help.stdout.contains(word), "{}", help.stdout);
    }
}

#[test]
fn check_says_what_is_served_and_explains_every_setting() {
    let app = place::example("digits");
    let report = run::finish(scorebox("check", &app).args(["--output", "json"]), b"")
        .ended(0)
        .json();
    assert_eq!(
        (report["name"].as_str(), report["world"].as_str()),
        (Some("digits"), Some("tensor-scoring"))
    );
    for digest in ["component_digest", "model_digest"] {
        let digest = report[digest]
            .as_str()
            .unwrap_or_else(|| panic!("no {digest} in {report}"));
        assert!(
            digest.starts_with("sha256:") && digest.len() == 71,
            "{digest}"
        );
    }
    let text = check(&app).ended(0).stdout;
    for part in [
        "digits",
        "tensor-scoring",
        "sha256:",
        "data",
        "784",
        "probabilities",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    let explained = run::finish(scorebox("check", &app).arg("--explain"), b"")
        .ended(0)
        .stdout;
    for setting in scorebox_host::manifest::settings::SETTINGS {
        assert!(
            explained.contains(setting.key),
            "no `{}` in: {explained}",
            setting.key
        );
        assert!(
            explained.contains(setting.default),
            "no default of `{}` in: {explained}",
            setting.key
        );
    }
}
