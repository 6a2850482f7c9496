//! A test with the real host: it builds the component and scores with `scorebox invoke`. Must not
//! know the scorer.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_component_answers_the_sample() {
    if Command::new("scorebox").arg("--version").output().is_err() {
        eprintln!("scorebox is not installed, so the component is not tested");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (app, request) = (folder.join("app"), folder.join("request.json"));
    let sample: Value = serde_json::from_str(include_str!("../sample.json")).unwrap();
    std::fs::write(&request, sample["inputs"].to_string()).unwrap();
    let mut build = Command::new("scorebox");
    build.arg("build").arg("--manifest").arg(root.join("scorebox.toml")).arg("--app").arg(&app);
    assert!(build.status().unwrap().success());
    let mut invoke = Command::new("scorebox");
    invoke.arg("invoke").arg("--app").arg(&app).arg("--input").arg(&request);
    let output = invoke.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [found, expected] = [&answer, &sample["outputs"]].map(|of| of["probability"].as_f64());
    assert!((found.unwrap() - expected.unwrap()).abs() < 1e-6, "{answer}");
}
