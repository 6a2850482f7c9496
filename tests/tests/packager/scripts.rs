//! Packaging a script in Python: the example `tutorial` from its folder to a container.
//!
//! Owns what is in such an image, and the projects that the parts use. The parts try the proof with
//! a sample, packages, native answers and converted models. What a script answers is tested in the
//! area `models`.

mod accelerate;
mod native;
mod packages;
mod proof;

use std::collections::BTreeMap;
use std::path::Path;

use scorebox_tests::app::{App, copy};
use scorebox_tests::container::Container;
use scorebox_tests::digits::{request, sample};
use scorebox_tests::http::{self, Answer, Body};
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::registry::Registry;
use scorebox_tests::run::Finished;
use scorebox_tests::scripts::{LIBRARIES, native, packager, packager_command};
use scorebox_tests::{libraries, pack, place, require, run, skip};
use serde_json::Value;
use tempfile::TempDir;

/// Bound on the layers that belong to the tutorial alone, compressed, in bytes.
const OWN_LAYERS: u64 = 4 << 20;

/// Script that takes the sum of a list with NumPy, whose default integer has 32 bits in the engine.
const DOUBLED: &str = "import json\nimport numpy as np\n\n\ndef init():\n    pass\n\n\n\
                       def run(data):\n    return (np.array(json.loads(data)['data']) * 2).tolist()\n";

fn tutorial() -> TempDir {
    let project = tempfile::tempdir().unwrap();
    copy(
        &place::workspace().join("guest/examples/tutorial"),
        project.path(),
    );
    project
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

/// Returns the documents that are attached to an image in a layout, such as the list of its parts,
/// as one text.
fn documents(layout: &Path) -> String {
    std::fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|blob| std::fs::metadata(blob).unwrap().len() < 8 << 20)
        .filter_map(|blob| String::from_utf8(std::fs::read(blob).unwrap()).ok())
        .filter(|text| text.contains("CycloneDX") || text.contains("in-toto"))
        .collect()
}

/// Returns the sizes of an image's blobs by their digests.
fn blobs(report: &Value) -> BTreeMap<String, u64> {
    let blobs = report["blobs"].as_array().expect("blobs").iter();
    let pair = |blob: &Value| Some((blob["digest"].as_str()?.to_owned(), blob["size"].as_u64()?));
    blobs
        .map(|blob| pair(blob).expect("a digest and a size"))
        .collect()
}

/// Asserts that the image of the tutorial in the layout `first`, of which `report` is the report,
/// has small layers of its own next to the engine pack, and that its documents name its packages.
#[track_caller]
fn is_small_and_documented(pack: &Path, first: &Path, report: &Value) {
    let layers = report["blobs"].as_array().expect("blobs");
    let size = |name: &str| {
        let layer = layers.iter().find(|layer| layer["name"] == name);
        let layer = layer.unwrap_or_else(|| panic!("no layer {name} in {report}"));
        layer["size"].as_u64().expect("a size")
    };
    assert!(size("python") > OWN_LAYERS);
    assert!(size("model") + size("app") <= OWN_LAYERS, "{report}");
    let mut inspect = packager_command(pack);
    run::finish(inspect.arg("inspect").arg(first), b"").ended(0);
    let documents = documents(first);
    for part in ["redis", "inference-schema", "8.1.0", "scikit-learn"] {
        assert!(documents.contains(part), "no {part} in {documents}");
    }
}

#[test]
fn the_image_of_a_script_has_one_pack_for_all_and_small_layers_of_its_own() {
    let (pack, project, output) = (pack!(), tutorial(), tempfile::tempdir().unwrap());
    let layout = |name: &str| output.path().join(name);
    let first = package(pack, project.path(), &layout("first"), &[]).ended(0);
    // The state image is taken, and belongs to the app.
    assert!(!first.stderr.contains("init left"), "{}", first.stderr);
    let first = first.json();
    is_small_and_documented(pack, &layout("first"), &first);
    let again = package(pack, project.path(), &layout("again"), &[]);
    let again = again.ended(0).json();
    assert_eq!(
        first["digest"], again["digest"],
        "the same inputs give the same bytes"
    );

    let script = project.path().join("score.py");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, text.replace("ex=3600", "ex=7200")).unwrap();
    let changed = package(pack, project.path(), &layout("changed"), &[]);
    let changed = changed.ended(0).json();
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
fn running(pack: &Path, project: &Path, registry: &Registry, redis: &Redis) -> Container {
    let output = tempfile::tempdir().unwrap();
    let repository = format!("scorebox-test-{}/tutorial", std::process::id());
    let words = [
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        &repository,
    ];
    let report = package(pack, project, &output.path().join("image"), &words);
    let report = report.ended(0).json();
    let reference = report["reference"].as_str().expect("a reference");
    let container = Container::run("tutorial", reference, &redis.variables());
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
    let container = running(pack, project.path(), &registry, &redis);
    let all = request(sample());
    let three = request(&sample()[..3]);
    let bodies = [all.to_string(), three.to_string(), three.to_string()];
    let answers = native(libraries, project.path(), &bodies, Some(other.port()));
    assert_eq!(answers[0]["answer"].as_array().map(Vec::len), Some(200));
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
