//! Native answers: `sample --python` runs a script in its author's environment, and its samples are
//! the proof with which the script is packaged.
//!
//! Owns the scripts. The form of a request and of an answer is tested next to the code.

use std::ffi::OsStr;
use std::path::Path;

use scorebox_tests::app::App;
use scorebox_tests::libraries::Libraries;
use scorebox_tests::run::{self, Finished};
use scorebox_tests::scripts::{LIBRARIES, build, packager_command};
use scorebox_tests::{libraries, pack};
use serde_json::{Value, json};

use super::tutorial;

/// Runs `sample --python` on a project with the native libraries.
#[track_caller]
fn recorded(libraries: &Libraries, pack: &Path, project: &Path, more: &[&OsStr]) -> Finished {
    let mut command = packager_command(pack);
    let folder = libraries.programs();
    let folder = folder
        .parent()
        .expect("it is in the folder of the libraries");
    command.env("PYTHONPATH", folder).current_dir(project);
    command.args(["sample", "--python", "python3"]).args(more);
    run::finish(&mut command, b"")
}

#[test]
fn native_answers_are_the_proof_of_a_script() {
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    let script = "import json\nimport numpy as np\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    \
                  return {'sum': int(np.arange(json.loads(data)['n']).sum()), 'half': 1 / 3}\n";
    let app = App::script("summed", script, "[package]\nsample = \"sample.json\"\n");
    for (name, n) in [("small", 3), ("large", 100_000)] {
        let body = json!({ "n": n }).to_string();
        app.write(&format!("{name}.json"), body.as_bytes());
    }
    let words = ["--input", "small.json", "--input", "large.json"].map(OsStr::new);
    recorded(libraries, pack, app.path(), &words)
        .ended(0)
        .said(&["answers of Python 3", "numpy "]);
    let text = std::fs::read_to_string(app.path().join("sample.json")).unwrap();
    let samples: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sums: Vec<_> = samples.iter().map(|one| &one["outputs"]["sum"]).collect();
    assert_eq!(sums, [&json!(3), &json!(4_999_950_000_u64)], "{text}");
    assert_eq!(samples[1]["inputs"], json!({"n": 100_000}));
    assert_eq!(samples[0]["tolerance"], 1e-9);
    let built = tempfile::tempdir().unwrap();
    build(pack, app.path(), built.path(), &[])
        .ended(0)
        .said(&["sample.json is answered as it should be"]);

    let words = ["--app", "."].map(OsStr::new);
    recorded(libraries, pack, app.path(), &words)
        .ended(2)
        .said(&["cannot be used with"]);
    app.write("score.py", b"def run(data):\n    return 1\n");
    let words = ["--input", "small.json"].map(OsStr::new);
    recorded(libraries, pack, app.path(), &words)
        .ended(3)
        .said(&["no function `init`", "fix:"]);
    // The samples of before are still there.
    let kept = std::fs::read_to_string(app.path().join("sample.json")).unwrap();
    assert_eq!(kept, text);
}

#[test]
fn the_tutorial_is_recorded_with_a_store_in_memory() {
    let (pack, libraries, project) = (pack!(), libraries!(LIBRARIES), tutorial());
    let before = std::fs::read_to_string(project.path().join("sample.json")).unwrap();
    let before: Value = serde_json::from_str(before.lines().next().unwrap()).unwrap();
    let body = before["inputs"].to_string();
    std::fs::write(project.path().join("request.json"), body).unwrap();
    let words = ["--input", "request.json", "--output", "new.json"].map(OsStr::new);
    recorded(libraries, pack, project.path(), &words)
        .ended(0)
        .said(&["redis: the script gets an empty store in memory"]);
    let text = std::fs::read_to_string(project.path().join("new.json")).unwrap();
    let after: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(after["outputs"], before["outputs"]);
}
