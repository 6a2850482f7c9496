//! Packaging a script in Python: the example `tutorial` from its folder to a container, the proof
//! with a sample, and packages.
//!
//! Owns what is in such an image, and what is refused before there is one. What a script answers is
//! tested in the area `models`.

use std::collections::BTreeMap;
use std::path::Path;

use scorebox_tests::app::{App, copy};
use scorebox_tests::container::Container;
use scorebox_tests::digits::{request, sample};
use scorebox_tests::http::{self, Answer, Body};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::Finished;
use scorebox_tests::scripts::{LIBRARIES, assert_close, native, packager, packager_command};
use scorebox_tests::{libraries, pack, place, require, run, skip};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Bound on the layers that belong to the tutorial alone, compressed, in bytes.
const OWN_LAYERS: u64 = 4 << 20;

/// Largest difference between a probability in an answer and the native one.
const TOLERANCE: f64 = 1e-12;

fn tutorial() -> TempDir {
    let project = tempfile::tempdir().unwrap();
    copy(
        &place::workspace().join("guest/examples/tutorial"),
        project.path(),
    );
    project
}

/// Packages a project with the host program for scripts, and returns the report. `words` are more
/// flags.
#[track_caller]
fn package(pack: &Path, project: &Path, layout: &Path, words: &[&str]) -> Finished {
    let (host, layout) = (place::image_host_with_scripts(), layout.to_string_lossy());
    let host = host.to_string_lossy();
    let first = [
        "package", "--layout", &layout, "--host", &host, "--output", "json",
    ];
    packager(pack, project, &[&first[..], words].concat())
}

/// Sizes of an image's blobs by their digests.
fn blobs(report: &Value) -> BTreeMap<String, u64> {
    let blobs = report["blobs"].as_array().expect("blobs").iter();
    let pair = |blob: &Value| Some((blob["digest"].as_str()?.to_owned(), blob["size"].as_u64()?));
    blobs
        .map(|blob| pair(blob).expect("a digest and a size"))
        .collect()
}

#[test]
fn the_image_of_a_script_has_one_pack_for_all_and_small_layers_of_its_own() {
    let (pack, project, output) = (pack!(), tutorial(), tempfile::tempdir().unwrap());
    let layout = |name: &str| output.path().join(name);
    let first = package(pack, project.path(), &layout("first"), &[])
        .ended(0)
        .json();
    let again = package(pack, project.path(), &layout("again"), &[])
        .ended(0)
        .json();
    assert_eq!(
        first["digest"], again["digest"],
        "the same inputs give the same bytes"
    );

    let layers = first["blobs"].as_array().expect("blobs");
    let size = |name: &str| {
        let layer = layers.iter().find(|layer| layer["name"] == name);
        let layer = layer.unwrap_or_else(|| panic!("no layer {name} in {first}"));
        layer["size"].as_u64().expect("a size")
    };
    assert!(size("python") > OWN_LAYERS);
    assert!(size("model") + size("app") <= OWN_LAYERS, "{first}");

    let script = project.path().join("score.py");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, text.replace("ex=3600", "ex=7200")).unwrap();
    let changed = package(pack, project.path(), &layout("changed"), &[])
        .ended(0)
        .json();
    let known = blobs(&first);
    let sent: u64 = blobs(&changed)
        .iter()
        .filter(|(digest, _)| !known.contains_key(*digest))
        .map(|(_, size)| size)
        .sum();
    assert!(
        sent > 0 && sent <= OWN_LAYERS,
        "{sent} bytes are sent again"
    );

    let mut inspect = packager_command(pack);
    run::finish(inspect.arg("inspect").arg(layout("first")), b"").ended(0);
}

/// Sends a request to a container.
fn send(container: &Container, method: &str, path: &str, body: &Value) -> Option<Answer> {
    let url = format!("http://127.0.0.1:{}{path}", container.port);
    let headers = [("content-type", "application/json")];
    http::try_send(
        method,
        &url,
        &headers,
        Body::Sized(body.to_string().into_bytes()),
    )
    .ok()
}

#[track_caller]
fn score(container: &Container, body: &Value) -> Value {
    let answer = send(container, "POST", "/score", body);
    let answer = answer.unwrap_or_else(|| panic!("no answer: {}", container.logs()));
    assert_eq!(answer.status, 200, "{} {}", answer.text(), container.logs());
    answer.json()
}

/// Packages a project, pushes the image, and runs it in a container until it is ready.
fn running(
    pack: &Path,
    project: &Path,
    registry: &Registry,
    name: &str,
    redis: &Redis,
) -> Container {
    let output = tempfile::tempdir().unwrap();
    let repository = format!("scorebox-test-{}/{name}", std::process::id());
    let words = [
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        &repository,
        "--without-proof",
    ];
    let report = package(pack, project, &output.path().join("image"), &words)
        .ended(0)
        .json();
    let reference = report["reference"]
        .as_str()
        .expect("a reference")
        .to_owned();
    let container = Container::run(name, &reference, &redis.variables());
    container.until("readiness", || {
        send(&container, "GET", "/readyz", &Value::Null).filter(|answer| answer.status == 200)
    });
    container
}

#[test]
fn the_tutorial_scores_200_digits_in_a_container_as_natively() {
    require!("podman", "runc", "docker-registry", "redis-server");
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (registry, project) = (Registry::start(), tutorial());
    let (mut redis, mut other) = (Redis::start(Kind::Plain), Redis::start(Kind::Plain));
    let container = running(pack, project.path(), &registry, "tutorial", &redis);
    let all = request(sample());
    let three = request(&sample()[..3]);
    let bodies = [all.to_string(), three.to_string(), three.to_string()];
    let answers = native(libraries, project.path(), &bodies, Some(other.port()));
    for (body, expected) in [&all, &three, &three].into_iter().zip(&answers) {
        assert_eq!(score(&container, body), expected["answer"]);
    }
    // Both stores hold the same values now. The host's store has a prefix.
    let keys = |redis: &Redis| -> Vec<String> {
        let mut keys: Vec<String> = redis.command(&["KEYS", "*"]);
        keys.sort();
        keys
    };
    let expected: Vec<_> = keys(&other)
        .iter()
        .map(|key| format!("tutorial:{key}"))
        .collect();
    assert_eq!(keys(&redis), expected);
    assert_eq!(expected.len(), 2);

    redis.stop();
    other.stop();
    let expected = &native(libraries, project.path(), &bodies[1..2], Some(other.port()))[0];
    let found = score(&container, &three);
    assert!(
        found.is_string() && expected["answer"].is_string(),
        "{found} {expected}"
    );
    redis.restart();
    container.until("the store", || {
        (score(&container, &three) == answers[1]["answer"]).then_some(())
    });
    let (code, _) = container.stop();
    assert_eq!(code, 0, "{}", container.logs());
}

#[test]
fn the_probabilities_of_the_tutorials_model_are_the_native_ones() {
    require!("podman", "runc", "docker-registry", "redis-server");
    let (pack, libraries) = (pack!(), libraries!(LIBRARIES));
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (registry, project) = (Registry::start(), tutorial());
    let script = project.path().join("score.py");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(
        &script,
        text.replace("model.predict(", "model.predict_proba("),
    )
    .unwrap();
    // The sample has the labels.
    let manifest = project.path().join("scorebox.toml");
    let settings = std::fs::read_to_string(&manifest).unwrap();
    let (settings, _) = settings.split_once("[package]").expect("a section");
    std::fs::write(&manifest, settings).unwrap();
    let redis = Redis::start(Kind::Plain);
    let container = running(pack, project.path(), &registry, "probabilities", &redis);
    let all = request(sample());
    let other = Redis::start(Kind::Plain);
    let bodies = [all.to_string()];
    let expected = &native(libraries, project.path(), &bodies, Some(other.port()))[0];
    assert_eq!(expected["answer"].as_array().map(Vec::len), Some(200));
    assert_close(
        "probabilities",
        &score(&container, &all),
        &expected["answer"],
        TOLERANCE,
    );
}

/// Writes a project with a script, and with a sample if there is one.
fn project(script: &str, manifest: &str, sample: Option<Value>) -> App {
    let section = sample
        .as_ref()
        .map_or("", |_| "[package]\nsample = \"sample.json\"\n");
    let app = App::script("proved", script, &format!("{manifest}{section}"));
    if let Some(sample) = sample {
        app.write("sample.json", sample.to_string().as_bytes());
    }
    app
}

const DOUBLED: &str = "import json\nimport numpy as np\n\n\ndef init():\n    pass\n\n\n\
                       def run(data):\n    return (np.array(json.loads(data)['data']) * 2).tolist()\n";

#[test]
fn a_script_is_packaged_only_with_a_proof() {
    let (pack, output) = (pack!(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let without = project(DOUBLED, "", None);
    package(pack, &without, &layout, &[])
        .ended(3)
        .said(&["sample", "fix:", "--without-proof"]);
    package(pack, &without, &layout, &["--without-proof"]).ended(0);

    let right = json!({"inputs": {"data": [1, 2]}, "outputs": [2, 4]});
    package(pack, &project(DOUBLED, "", Some(right)), &layout, &[]).ended(0);
    let wrong = json!({"inputs": {"data": [1, 2]}, "outputs": [2, 5]});
    package(pack, &project(DOUBLED, "", Some(wrong)), &layout, &[])
        .ended(3)
        .said(&["/1 is 4", "says 5", "fix:"]);
}

#[test]
fn a_script_whose_integers_overflow_is_refused_by_the_proof() {
    let (pack, output) = (pack!(), tempfile::tempdir().unwrap());
    let script = DOUBLED.replace("['data']) * 2", "['data']).astype(np.intp) * 2");
    let native = json!({"inputs": {"data": [3_000_000_000_u64]}, "outputs": [6_000_000_000_u64]});
    let refused = package(
        pack,
        &project(&script, "", Some(native)),
        &output.path().join("image"),
        &[],
    );
    assert_ne!(refused.status.code(), Some(0), "{}", refused.stdout);
    refused.said(&["sample.json", "fix:"]);
    assert!(!output.path().join("image/index.json").exists());
}

#[test]
fn packages_that_cannot_run_are_refused_by_name() {
    let (pack, output) = (pack!(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let check = |file: &str, text: &str, parts: &[&str]| {
        let app = project(DOUBLED, &format!("requirements = \"{file}\"\n"), None);
        app.write(file, text.as_bytes());
        package(pack, &app, &layout, &["--without-proof"])
            .ended(3)
            .said(parts);
    };
    check(
        "requirements.txt",
        "lightgbm==4.6.0\n",
        &["lightgbm", "fix:", "convert"],
    );
    let conda = "name: env\ndependencies:\n  - python=3.11\n  - pip:\n    - xgboost==3.0.0\n";
    check("conda.yml", conda, &["xgboost", "fix:", "convert"]);
}

#[test]
fn a_pickle_of_another_version_is_named() {
    let (pack, project, output) = (pack!(), tutorial(), tempfile::tempdir().unwrap());
    let file = project.path().join("model/sklearn_mnist_model.pkl");
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes
        .windows(5)
        .position(|five| five == b"1.9.1")
        .expect("a pickle names its version");
    bytes[place..place + 5].copy_from_slice(b"1.5.2");
    std::fs::write(&file, bytes).unwrap();
    package(pack, project.path(), &output.path().join("image"), &[]).said(&["1.5.2", "1.9.1"]);
}

#[test]
fn the_documents_of_an_image_name_its_packages() {
    let (pack, project, output) = (pack!(), tutorial(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    package(pack, project.path(), &layout, &[]).ended(0);
    let documents: String = std::fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| text.contains("CycloneDX"))
        .collect();
    for part in ["redis", "inference-schema", "8.1.0", "scikit-learn"] {
        assert!(documents.contains(part), "no {part} in {documents}");
    }
}
