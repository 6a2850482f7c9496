//! Pushes of packaged images to a real registry.
//!
//! Owns what is sent, and what is printed.

use std::path::Path;
use std::process::Command;

use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::{require, run};
use serde_json::Value;

fn push(project: &Path, output: &Path, registry: &Registry, repository: &str) -> Command {
    let mut command = package(project, output);
    command.args([
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        repository,
    ]);
    command
}

#[test]
fn a_push_sends_what_is_new_and_nothing_else() {
    require!("docker-registry", "skopeo");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let sent = |image: &Value| -> Vec<bool> {
        let blobs = image["blobs"].as_array().expect("blobs");
        blobs
            .iter()
            .map(|blob| blob["sent"].as_bool().expect("it was pushed"))
            .collect()
    };
    let first = packaged(&mut push(
        project.path(),
        &output.path().join("a"),
        &registry,
        "scoring/digits",
    ));
    assert!(sent(&first).iter().all(|sent| *sent), "{first}");
    let uploads = registry.uploads();
    assert!(uploads >= sent(&first).len(), "{}", registry.log.text());

    let second = packaged(&mut push(
        project.path(),
        &output.path().join("b"),
        &registry,
        "scoring/digits",
    ));
    assert!(!sent(&second).iter().any(|sent| *sent), "{second}");
    assert_eq!(registry.uploads(), uploads);
    assert_eq!(second["reference"], first["reference"]);

    let name = format!(
        "docker://{}",
        first["reference"].as_str().expect("a reference")
    );
    let seen = run::finish(
        run::tool("skopeo").args(["inspect", "--tls-verify=false", &name]),
        b"",
    )
    .ended(0)
    .json();
    assert_eq!(seen["Digest"], first["digest"]);
    // The other tag is the list of the image's attachments. This registry does not keep such lists
    // by itself.
    let list = first["digest"]
        .as_str()
        .expect("a digest")
        .replace(':', "-");
    // A registry on a file system lists tags in the order of the folder's entries.
    let mut tags: Vec<&str> = seen["RepoTags"]
        .as_array()
        .expect("a list of tags")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1.0.0", list.as_str()]);

    // Another component changes only its layer and the documents that name it.
    let component = project.path().join("component.wasm");
    let mut bytes = std::fs::read(&component).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    std::fs::write(&component, bytes).unwrap();
    let third = packaged(&mut push(
        project.path(),
        &output.path().join("c"),
        &registry,
        "scoring/digits",
    ));
    let names = third["blobs"]
        .as_array()
        .expect("blobs")
        .iter()
        .filter(|blob| blob["sent"] == true);
    assert_eq!(
        names.map(|blob| blob["name"].clone()).collect::<Vec<_>>(),
        ["app", "config"]
    );
}

#[test]
fn standard_output_is_the_reference_alone() {
    require!("docker-registry");
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let finished = run::finish(
        &mut push(
            project.path(),
            &output.path().join("image"),
            &registry,
            "digits",
        ),
        b"",
    );
    let finished = finished.ended(0).said(&["sent", "bytes", "pushed:"]);
    let reference = finished.stdout.trim_end();
    let start = format!("{}/digits@sha256:", registry.name);
    assert!(
        reference
            .strip_prefix(&start)
            .is_some_and(|hex| hex.len() == 64),
        "{reference}"
    );
    assert_eq!(finished.stdout.lines().count(), 1);
}

#[test]
fn a_registry_that_is_not_there_is_a_fault_of_the_network() {
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let nobody = format!("127.0.0.1:{}", scorebox_tests::redis::free_port());
    let mut command = package(project.path(), &output.path().join("image"));
    let failed = run::finish(
        command.args(["--push", "--plain-http", "--registry", &nobody]),
        b"",
    )
    .ended(6);
    assert_eq!(failed.said(&[&nobody, "fix:"]).stdout, "");
}
