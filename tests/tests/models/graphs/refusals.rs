//! Graphs that cannot be served: each refusal names its fix.
//!
//! Owns the wrong manifests, libraries and files.

use std::path::Path;
use std::process::Command;

use scorebox_tests::app::App;
use scorebox_tests::host::{invoke, refused, scorebox, scorebox_alone};
use scorebox_tests::{onnx, place, programs, run};

#[test]
fn what_cannot_be_served_is_refused_with_its_fix() {
    let logreg = onnx::trained("logreg");
    let served = |manifest: &str| App::graph("a.onnx", &logreg, manifest);
    #[track_caller]
    fn check(app: &App, code: i32, parts: &[&str]) {
        refused(app, &[]).ended(code).said(parts).said(&["fix:"]);
    }
    check(
        &served("[batching]\nmax_rows = 8\n"),
        5,
        &["cannot be batched", "[batching]"],
    );
    check(&served("graph = \"b\"\n"), 5, &["no graph `b`", "`a.onnx`"]);
    check(
        &App::graph("labels.txt", b"a", ""),
        5,
        &["holds no graph", "scorer.component"],
    );
    let two = served("");
    two.write("model/b.onnx", &onnx::identity(onnx::element::FLOAT));
    check(&two, 5, &["`a.onnx`, `b.onnx`", "graph = "]);
    let chosen = served("graph = \"b\"\n");
    chosen.write("model/b.onnx", &onnx::identity(onnx::element::FLOAT));
    assert_eq!(
        invoke(&chosen, "application/json", b"{\"x\": [[1, 2]]}")
            .ended(0)
            .stdout,
        "[[1.0,2.0]]"
    );

    let app = served("");
    let library = |path: &Path| {
        refused(
            &app,
            &[("SCOREBOX_ENGINE_LIBRARY", path.to_str().expect("UTF-8"))],
        )
    };
    let fix = [
        "fix:",
        "cargo xtask setup --graphs",
        "SCOREBOX_ENGINE_LIBRARY",
    ];
    library(Path::new("/nowhere/lib.so"))
        .ended(11)
        .said(&["/nowhere/lib.so", "no such file"])
        .said(&fix);
    app.write("lib.so", b"no library");
    library(&app.path().join("lib.so"))
        .ended(11)
        .said(&["cannot be loaded"])
        .said(&fix);
    let component = App::with(programs::MIRROR, "model = \"model\"\ngraph = \"a\"\n");
    check(&component, 3, &["`scorer.graph`", "`scorer.component`"]);
    let neither = served("");
    neither.write("scorebox.toml", b"[scorer]\nname = \"x\"\n");
    check(
        &neither,
        3,
        &[
            "none of `scorer.component`, `scorer.script` and `scorer.model`",
            "model = ",
        ],
    );
    // A host without an engine reports that.
    let mut command = Command::new(place::image_host());
    command.env_clear().args(["check", "--app"]).arg(app.path());
    run::finish(&mut command, b"")
        .ended(5)
        .said(&["no engine for graphs", "fix:"]);
}

#[test]
fn the_command_graph_answers_a_damaged_file_with_json() {
    let app = App::graph("m.onnx", b"not a graph at all", "");
    let mut graph = scorebox_alone("graph");
    graph
        .arg(app.path().join("model/m.onnx"))
        .env("SCOREBOX_ENGINE_LIBRARY", place::engine_library());
    let refused = run::finish(&mut graph, b"")
        .ended(5)
        .said(&["m.onnx: cannot be loaded", "fix:"]);
    let answer = refused.json();
    let error = &answer["error"];
    assert_eq!(error["exit_code"], 5, "{error}");
    for (key, part) in [("problem", "m.onnx: cannot be loaded"), ("fix", "convert")] {
        let text = error[key].as_str().unwrap_or_default();
        assert!(text.contains(part), "{error}");
    }
}

#[test]
fn damaged_files_end_in_an_error_or_answer_all_the_same() {
    let whole = onnx::trained("logreg");
    let app = App::graph("m.onnx", &whole, "");
    let check = |bytes: &[u8]| {
        app.write("model/m.onnx", bytes);
        run::finish(&mut scorebox("check", &app), b"")
    };
    check(&whole).ended(0);
    check(b"").ended(5).said(&["m.onnx", "fix:"]);
    check(b"not a graph at all")
        .ended(5)
        .said(&["m.onnx: cannot be loaded", "fix:"]);
    for part in 1..12 {
        check(&whole[..whole.len() * part / 12])
            .ended(5)
            .said(&["m.onnx", "fix:"]);
    }
    // Nearly all of the file is weights, in which any bit is valid. Its structure is at both ends.
    let ends = (0..300).step_by(6).chain(whole.len() - 300..whole.len());
    for (index, place) in ends.step_by(5).enumerate() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (index % 8);
        let finished = check(&changed);
        let code = finished.status.code();
        assert!(
            code == Some(0) || code == Some(5),
            "byte {place}: {finished:?}"
        );
    }
}
