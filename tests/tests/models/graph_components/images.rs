//! Apps and images of components that call graphs.
//!
//! Owns what `build`, `check` and `package` do with the graphs of a component.

use std::process::Command;

use scorebox_tests::app::{App, copy};
use scorebox_tests::host::{Host, refused, scorebox};
use scorebox_tests::packaging::{build, documents, package, package_with_engine, packaged};
use scorebox_tests::{onnx, place, programs, run};
use serde_json::json;

use super::{app, op};

#[test]
fn init_calls_no_graph_where_an_image_is_built_and_may_at_each_start() {
    for (told, interface) in [
        ("nn floats", "wasi:nn/graph"),
        ("graphs floats", "scorebox:scoring/graphs"),
    ] {
        let project = |manifest: &str| {
            let app = app(
                programs::GRAPHER,
                &[("floats", onnx::identity(onnx::element::FLOAT))],
                manifest,
            );
            app.write("model/init", told.as_bytes());
            app
        };
        let output = tempfile::tempdir().unwrap();
        let refused = build(project("").path(), &output.path().join("app")).ended(3);
        refused.said(&[
            "used a graph",
            interface,
            "Graph::lazy",
            "scorer.snapshot",
            "snapshot = false",
        ]);
        let app = project("snapshot = false\n");
        let host = Host::start(&app);
        assert_eq!(
            op(&host, json!({ "op": "open", "graph": "floats" })),
            json!({ "ok": 1 })
        );
    }
}

#[test]
fn graphs_are_loaded_for_who_calls_them_and_refused_where_nothing_runs_them() {
    // These files belong to a component that calls no graphs. A host without an engine serves it,
    // whatever the files contain.
    let output = tempfile::tempdir().unwrap();
    let place = output.path().join("app");
    build(
        app(programs::WEIGHTS, &[("broken", b"no graph".to_vec())], "").path(),
        &place,
    )
    .ended(0);
    let mut command = Command::new(place::image_host());
    command
        .env_clear()
        .args(["check", "--output", "json", "--app"])
        .arg(&place);
    let report = run::finish(&mut command, b"").ended(0).json();
    assert_eq!(
        report["code"], "precompiled for x86-64, init done",
        "{report}"
    );

    let mut command = Command::new(place::image_host());
    command
        .env_clear()
        .args(["check", "--app"])
        .arg(place::example("picture"));
    run::finish(&mut command, b"")
        .ended(4)
        .said(&["wasi:nn/", "no engine for graphs", "fix:"]);

    let logreg = onnx::trained("logreg");
    let cut = app(
        programs::CLASSIFIER,
        &[
            ("good", logreg.clone()),
            ("text/cut", logreg[..3000].to_vec()),
        ],
        "",
    );
    refused(&cut, &[])
        .ended(5)
        .said(&["text/cut.onnx: cannot be loaded", "fix:"]);
    run::finish(&mut scorebox("check", &cut), b"")
        .ended(5)
        .said(&["text/cut.onnx: cannot be loaded", "fix:"]);
    refused(&App::of(programs::CLASSIFIER), &[])
        .ended(4)
        .said(&["the model holds no graph", "scorer.model", "fix:"]);
    let elsewhere = [("SCOREBOX_ENGINE_LIBRARY", "/nowhere/lib.so")];
    refused(
        &app(programs::CLASSIFIER, &[("m", logreg.clone())], ""),
        &elsewhere,
    )
    .ended(11)
    .said(&["/nowhere/lib.so"]);

    let app = app(
        programs::CLASSIFIER,
        &[("b", logreg.clone()), ("a", logreg)],
        "",
    );
    let report = run::finish(scorebox("check", &app).args(["--output", "json"]), b"")
        .ended(0)
        .json();
    assert!(
        report["code"]
            .as_str()
            .is_some_and(|code| code.contains("graphs a, b, run by ONNX Runtime")),
        "{report}"
    );
}

#[test]
fn an_image_of_a_component_that_calls_graphs_holds_the_engine() {
    let (project, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(&place::example("picture"), project.path());
    let layout = output.path().join("image");
    let image = packaged(&mut package_with_engine(project.path(), &layout));
    let names: Vec<_> = image["blobs"]
        .as_array()
        .expect("blobs")
        .iter()
        .map(|blob| blob["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "system",
            "libraries",
            "host",
            "engine",
            "model",
            "app",
            "config"
        ]
    );
    let (_, config) = documents(&layout);
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["dev.scorebox.world"], "scoring");
    assert!(
        labels["dev.scorebox.component.digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );
    let mut inspect = Command::new(place::xtask());
    run::finish(inspect.env_clear().arg("inspect").arg(&layout), b"").ended(0);

    let mut by_static_host = package(project.path(), &layout);
    by_static_host
        .arg("--engine-library")
        .arg(place::engine_library());
    run::finish(&mut by_static_host, b"")
        .ended(4)
        .said(&["linked statically", "fix:"]);
    std::fs::write(
        project.path().join("model/mlp.onnx"),
        &onnx::trained("mlp")[..200_000],
    )
    .unwrap();
    let refused = run::finish(&mut package_with_engine(project.path(), &layout), b"").ended(3);
    refused.said(&["mlp.onnx: was cut: it has 200000 bytes of", "fix:"]);
}
