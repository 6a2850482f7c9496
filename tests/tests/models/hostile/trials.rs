//! ONNX files made on purpose, and the process that tries a file.
//!
//! Owns what the packager says about each outcome of a trial, and the end of the process.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal};
use scorebox_tests::app::App;
use scorebox_tests::host::scorebox;
use scorebox_tests::onnx_hostile::{self, Hostile};
use scorebox_tests::{bytes, onnx, place, run, wait};

use super::{check, refusal};

#[test]
fn graphs_made_on_purpose_are_refused_for_what_they_do() {
    let limits = "[limits]\ninit_deadline = \"4s\"\n";
    let mut wrong = Vec::new();
    for Hostile { name, file, said } in onnx_hostile::all() {
        let app = App::graph("m.onnx", &file, limits);
        let finished = check(&app);
        let code = finished.status.code();
        match said {
            Some(said) if code == Some(5) && finished.stderr.contains(said) => {
                println!("{name}: {}", refusal(&finished, "m.onnx", name));
            }
            None if code == Some(0) => println!("{name}: loads"),
            _ => wrong.push((name, finished)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn weights_outside_of_the_models_folder_are_not_read() {
    let floats = bytes!(f32: 1.0, 2.0, 3.0, 4.0);
    let app = App::graph("m.onnx", &onnx_hostile::external("w.bin"), "");
    app.write("model/w.bin", &floats);
    app.write("secret.bin", &floats);
    check(&app).ended(0);
    let absolute = app.path().join("secret.bin");
    for location in [
        "../secret.bin",
        "../../../../../../../../etc/passwd",
        "x/../../secret.bin",
        absolute.to_str().unwrap(),
    ] {
        app.write("model/m.onnx", &onnx_hostile::external(location));
        let finished = check(&app);
        println!("{location}: {}", finished.stderr.trim());
        finished.ended(5).said(&["m.onnx", "fix: "]);
    }
}

/// Checks the packager's own message and exit code for each outcome of a trial.
#[test]
fn the_packager_tells_how_a_trial_ended_and_stays_alive() {
    let package = |app: &App| {
        let mut command = Command::new(place::xtask());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .args(["package", "--manifest"])
            .arg(app.path().join("scorebox.toml"));
        command
            .arg("--layout")
            .arg(app.path().join("image"))
            .arg("--host")
            .arg(place::host());
        command.arg("--engine-library").arg(place::engine_library());
        run::finish(&mut command, b"")
    };
    let limits = "[limits]\ninit_deadline = \"3s\"\n[package]\nsample = \"sample.json\"\n";
    let app = App::graph("m.onnx", &onnx::identity(onnx::element::FLOAT), limits);
    let sample =
        |outputs: &str| format!("{{\"inputs\": {{\"x\": [[1, 2]]}}, \"outputs\": {outputs}}}");
    app.write("sample.json", sample("[[1, 2.00001]]").as_bytes());
    package(&app).ended(0);
    app.write("sample.json", sample("[[1, 2.1]]").as_bytes());
    let otherwise = "does not answer";
    package(&app).ended(3).said(&[
        "m.onnx",
        otherwise,
        "sample.json as it should: /0/1 is 2.0",
        "2.1",
        "fix: convert",
    ]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [[1, 2, 3]]}}");
    package(&app)
        .ended(3)
        .said(&["m.onnx", otherwise, "[N, 2]"]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [[1, 2]]}}");
    package(&app).ended(0);
    app.write("sample.json", b"no sample");
    package(&app)
        .ended(3)
        .said(&["sample.json: is not a sample", "fix: write {\"inputs\""]);
    app.remove("sample.json");
    package(&app)
        .ended(3)
        .said(&["sample.json", "No such file"]);
    app.write("sample.json", b"{\"inputs\": {\"x\": [1]}}");
    for Hostile { name, file, said } in onnx_hostile::all() {
        let Some(said) = said else { continue };
        app.write("model/m.onnx", &file);
        let finished = package(&app);
        assert_eq!(finished.status.code(), Some(3), "{name}: {finished:?}");
        finished.said(&["m.onnx", said, "fix: "]);
    }
}

/// Returns the process that tries a file, started by this `check`.
fn trial_of(check: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", check.id());
    wait::until("a trial", || {
        let children = std::fs::read_to_string(&path).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    })
}

#[test]
fn a_crash_is_told_and_no_trial_outlives_the_one_who_waits() {
    let app = App::graph(
        "m.onnx",
        &onnx_hostile::endless(),
        "[limits]\ninit_deadline = \"60s\"\n",
    );
    let start = || {
        scorebox("check", &app)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for signal in [Signal::SEGV, Signal::ABORT] {
        let mut check = start();
        let trial = rustix::process::pidfd_open(trial_of(&check), PidfdFlags::empty()).unwrap();
        // Rust's own SEGV handler returns from the first signal, because a real fault would repeat.
        // A signal that was sent does not repeat, so it is sent again.
        wait::until("the end", || {
            let _ = rustix::process::pidfd_send_signal(&trial, signal);
            check.try_wait().unwrap()
        });
        let ended = check.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(5), "{said}");
        let parts = [
            "m.onnx: crashed the process that tried it",
            &format!("signal: {}", signal.as_raw()),
            "fix: convert",
        ];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let mut check = start();
    let trial = trial_of(&check);
    check.kill().unwrap();
    check.wait().unwrap();
    // The process that inherits the trial may take a moment to notice its end.
    let stat = format!("/proc/{}/stat", trial.as_raw_nonzero());
    let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    wait::until("the trial's end", || (!runs()).then_some(()));
}
