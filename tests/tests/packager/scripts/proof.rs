//! The proof of a script: its samples with native answers, without which it is not packaged.
//!
//! Owns what is refused before there is an image, and the state image of what is accepted.

use std::path::Path;

use scorebox_tests::digits::{request, sample};
use scorebox_tests::scripts::{LIBRARIES, assert_close, build, built, native, start, start_with};
use scorebox_tests::{libraries, pack, require};
use serde_json::json;

use super::{DOUBLED, package, project, tutorial};

/// Largest difference between a probability in an answer and the native one.
const TOLERANCE: f64 = 1e-12;

#[test]
fn a_script_is_packaged_only_with_a_proof() {
    let (pack, output) = (pack!(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let without = project(DOUBLED, "", None);
    package(pack, &without, &layout, &[])
        .ended(3)
        .said(&["sample", "fix:", "--without-proof"]);
    let no_answer = json!({"inputs": {"data": [1, 2]}});
    package(pack, &project(DOUBLED, "", Some(no_answer)), &layout, &[])
        .ended(3)
        .said(&["has no `outputs`", "fix:"]);
    let wrong = json!({"inputs": {"data": [1, 2]}, "outputs": [2, 5]});
    package(pack, &project(DOUBLED, "", Some(wrong)), &layout, &[])
        .ended(3)
        .said(&["/1 is 4", "says 5", "fix:"]);
    assert!(!layout.exists(), "nothing is written");
    package(pack, &without, &layout, &["--without-proof"])
        .ended(0)
        .said(&["warning: this script is packaged without a proof"]);
}

#[test]
fn an_integer_that_overflows_is_native_or_refused() {
    let (pack, to) = (pack!(), tempfile::tempdir().unwrap());
    // The engine's own integers have 32 bits, and its world widens most of them.
    for kind in ["int", "np.intp", "np.long", "np.int_"] {
        let script = DOUBLED.replace("['data'])", &format!("['data'], dtype={kind})"));
        assert_ne!(script, DOUBLED);
        let native =
            json!({"inputs": {"data": [3_000_000_000_u64]}, "outputs": [6_000_000_000_u64]});
        let built = build(pack, &project(&script, "", Some(native)), to.path(), &[]);
        if built.status.code() != Some(0) {
            built.ended(3).said(&["sample.json", "fix:"]);
        }
    }
}

#[test]
fn the_probabilities_of_the_tutorials_model_are_the_native_ones() {
    require!("redis-server");
    let (pack, libraries, project) = (pack!(), libraries!(LIBRARIES), tutorial());
    let script = project.path().join("score.py");
    let text = std::fs::read_to_string(&script).unwrap();
    let changed = text.replace("model.predict(", "model.predict_proba(");
    assert_ne!(text, changed);
    std::fs::write(&script, changed).unwrap();
    without_sample(project.path());
    let app = built(pack, project.path());
    let redis = scorebox_tests::redis::Redis::start(scorebox_tests::redis::Kind::Plain);
    let host = start_with(pack, app.path(), &[("SCOREBOX_REDIS_URL", &redis.url())]);
    let all = request(sample());
    let bodies = [all.to_string()];
    let expected = &native(libraries, project.path(), &bodies, Some(redis.port()))[0];
    assert_eq!(expected["answer"].as_array().map(Vec::len), Some(200));
    let found = host.score(&all).expect(200).json();
    assert_close("probabilities", &found, &expected["answer"], TOLERANCE);
}

/// Removes the section `[package]` of a project, which names the sample.
fn without_sample(project: &Path) {
    let manifest = project.join("scorebox.toml");
    let settings = std::fs::read_to_string(&manifest).unwrap();
    let (settings, _) = settings.split_once("[package]").expect("a section");
    std::fs::write(&manifest, settings).unwrap();
}

#[test]
fn a_pickle_of_another_version_is_named() {
    let (pack, project, app) = (pack!(), tutorial(), tempfile::tempdir().unwrap());
    let file = project.path().join("model/sklearn_mnist_model.pkl");
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes
        .windows(5)
        .position(|five| five == b"1.9.1")
        .expect("a pickle names its version");
    bytes[place..place + 5].copy_from_slice(b"1.5.2");
    std::fs::write(&file, bytes).unwrap();
    build(pack, project.path(), app.path(), &[])
        .ended(0)
        .said(&["written by scikit-learn 1.5.2", "1.9.1"]);
}

/// Script whose `init` is counted, and that gives a random number for each call.
const COUNTED: &str = "import os, random, time\nimport numpy as np\n\ncalls = 0\n\n\ndef init():\n    global born, generator\n    \
                       born = time.time()\n    generator = np.random.default_rng(7)\n\n\ndef run(data):\n    global calls\n    \
                       calls += 1\n    return {'calls': calls, 'born': born, 'random': random.random(), 'numpy': np.random.rand(),\n            \
                       'fixed': generator.random(), 'now': time.time(), 'config': os.environ['KIND']}\n";

#[test]
fn instances_start_from_the_state_after_init() {
    let pack = pack!();
    let script = project(COUNTED, "[config]\nKIND = \"seven\"\n", None);
    let app = built(pack, script.path());
    let image = app.path().join("app.state");
    assert!(image.is_file());
    let settings = std::fs::read_to_string(app.path().join("scorebox.toml")).unwrap();
    assert!(settings.contains("state = \"app.state\""), "{settings}");

    // Two starts have one `init`, but other random numbers and the time of today.
    let ask = || {
        let host = start(pack, app.path());
        host.score(&json!({})).expect(200).json()
    };
    let (first, second) = (ask(), ask());
    for same in ["calls", "born", "fixed", "config"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    for other in ["random", "numpy", "now"] {
        assert_ne!(first[other], second[other], "{other}");
    }
    assert!(first["now"].as_f64() > Some(1.7e9), "{first}");
    assert_eq!(first["calls"], 1, "no call was made without a sample");

    // The same inputs give the same bytes.
    let again = built(pack, script.path());
    let of = |app: &Path| std::fs::read(app.join("app.state")).unwrap();
    assert!(of(app.path()) == of(again.path()), "the images differ");

    // One changed bit of the memory is refused.
    let good = of(app.path());
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&image, changed).unwrap();
    let refused = scorebox_tests::scripts::check(pack, app.path());
    assert_ne!(refused.status.code(), Some(0), "{}", refused.stdout);
    refused.said(&["app.state", "changed since it was packaged", "fix:"]);
    std::fs::write(&image, good).unwrap();

    // The image of another script or of other settings is refused.
    let changed = settings.replace("KIND = \"seven\"", "KIND = \"eight\"");
    assert_ne!(settings, changed);
    std::fs::write(app.path().join("scorebox.toml"), changed).unwrap();
    let refused = scorebox_tests::scripts::check(pack, app.path());
    assert_ne!(refused.status.code(), Some(0), "{}", refused.stdout);
    refused.said(&["app.state", "fix:"]);
}

#[test]
fn a_script_that_cannot_be_stored_runs_init_at_each_start() {
    let (pack, app) = (pack!(), tempfile::tempdir().unwrap());
    let open = "import os\n\n\ndef init():\n    global file\n    file = open(os.path.join(os.environ['AZUREML_MODEL_DIR'], \
                'labels.txt'))\n\n\ndef run(data):\n    file.seek(0)\n    return file.read()\n";
    let manifest = "model = \"model\"\n";
    let project = project(open, manifest, None);
    project.write("model/labels.txt", b"one");
    build(pack, project.path(), app.path(), &[])
        .ended(0)
        .said(&["init left to each start", "keeps files open"]);
    assert!(!app.path().join("app.state").exists());
    let host = start(pack, app.path());
    assert_eq!(host.score(&json!({})).expect(200).json(), "one");
}
