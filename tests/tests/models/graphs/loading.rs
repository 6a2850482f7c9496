//! Files that the engine does not load: each has its own reason, and a fix that works.
//!
//! Owns the comparison of reasons with the engine's words, and the fixes that a test can follow. Also
//! owns files that change after the start.

use scorebox_tests::app::App;
use scorebox_tests::host::{Host, invoke, scorebox};
use scorebox_tests::onnx_cases;
use scorebox_tests::onnx_refused::{NEWEST_IR, NEWEST_OPERATORS, Refused, refused};
use scorebox_tests::run::{self, Finished};
use scorebox_tests::{bytes, onnx, onnx_hostile};
use serde_json::json;

fn check(app: &App) -> Finished {
    run::finish(&mut scorebox("check", app), b"")
}

#[test]
fn each_reason_has_its_own_fix() {
    let app = App::graph("m.onnx", b"", "");
    let mut fixes = Vec::new();
    for Refused {
        name,
        file,
        problem,
        fix,
    } in refused()
    {
        app.write("model/m.onnx", &file);
        let finished = check(&app);
        println!("{name}: {}", finished.stderr);
        let finished = finished.ended(5).said(&["m.onnx", problem]);
        let given = finished.stderr.split_once("  fix: ");
        let given = given.unwrap_or_else(|| panic!("{name}: {finished:?}")).1;
        assert!(given.contains(fix), "{name}: {given}");
        // Nothing of the engine's own code is told.
        assert!(!given.contains("onnxruntime_src"), "{name}: {given}");
        fixes.push(given.to_owned());
    }
    fixes.sort();
    fixes.dedup();
    assert!(fixes.len() > 15, "{fixes:#?}");
}

#[test]
fn versions_that_the_fixes_name_are_loaded() {
    let app = App::graph("m.onnx", b"", "");
    let loads = |ir, operators| {
        app.write("model/m.onnx", &onnx_cases::versioned(ir, operators));
        check(&app)
    };
    loads(NEWEST_IR, NEWEST_OPERATORS).ended(0);
    loads(NEWEST_IR + 1, NEWEST_OPERATORS)
        .ended(5)
        .said(&[&format!("takes versions up to {NEWEST_IR}")]);
    loads(NEWEST_IR, NEWEST_OPERATORS + 1)
        .ended(5)
        .said(&[&format!("takes versions up to {NEWEST_OPERATORS}")]);
}

#[test]
fn missing_weights_are_named_and_found_once_they_are_there() {
    let app = App::graph("m.onnx", &onnx_hostile::external("weights.bin"), "");
    check(&app).ended(5).said(&[
        "m.onnx: cannot be loaded: its weights are in `weights.bin`, and there is no such file",
        "fix: put `weights.bin` into the folder of the graph",
    ]);
    app.write("model/weights.bin", b"1234");
    check(&app)
        .ended(5)
        .said(&["fix: copy or download the file with the weights again"]);
    app.write("model/weights.bin", &bytes!(f32: 1.0, 2.0, 3.0, 4.0));
    check(&app).ended(0);
    let answer = invoke(&app, "application/json", b"{\"x\": [1, 1, 1, 1]}");
    assert_eq!(answer.ended(0).stdout, "[2.0,3.0,4.0,5.0]");
    for location in ["../weights.bin", "/etc/passwd"] {
        app.write("model/m.onnx", &onnx_hostile::external(location));
        check(&app)
            .ended(5)
            .said(&["fix: keep the weights in the folder of the graph"]);
    }
}

#[test]
fn a_file_that_is_removed_or_replaced_stays_that_of_the_start() {
    let settings = "[limits]\ninstances = 4\n";
    for replaced in [None, Some(onnx::zeros())] {
        let app = App::graph("m.onnx", &onnx::counting(), settings);
        let host = Host::start(&app);
        app.remove("model/m.onnx");
        if let Some(other) = &replaced {
            app.write("model/m.onnx", other);
        }
        // Calls that run at the same time need sessions that do not exist yet.
        let counted = || host.score(&json!({ "n": 300_000, "x": [1.0] }));
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(counted)).collect();
            for call in calls {
                let answer = call.join().expect("the call returns").expect(200);
                assert_eq!(answer.json(), json!([300_001.0]));
            }
        });
    }
}
