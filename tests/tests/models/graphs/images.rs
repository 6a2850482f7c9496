//! Images of graphs: they hold the engine, and score in a container.
//!
//! Owns what is in such an image.

use std::process::Command;

use scorebox_tests::app::copy;
use scorebox_tests::container::Container;
use scorebox_tests::http::{self, Body};
use scorebox_tests::packaging::{documents, package, package_with_engine, packaged};
use scorebox_tests::registry::Registry;
use scorebox_tests::{onnx, place, require, run, skip};
use serde_json::Value;

use super::{all_digits, check};

fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    copy(
        &place::workspace().join("host/examples/digits-mlp"),
        project.path(),
    );
    project
}

#[test]
fn an_image_holds_the_engine_and_what_it_needs() {
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let image = packaged(&mut package_with_engine(project.path(), &layout));
    let again = packaged(&mut package_with_engine(
        project.path(),
        &output.path().join("again"),
    ));
    assert_eq!(image["digest"], again["digest"]);
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
    assert_eq!(
        config["config"]["Labels"]["dev.scorebox.world"],
        "tensor-scoring"
    );
    assert_eq!(
        config["config"]["Labels"]["dev.scorebox.component.digest"],
        Value::Null
    );

    let mut inspect = Command::new(place::xtask());
    run::finish(inspect.env_clear().arg("inspect").arg(&layout), b"").ended(0);

    let static_host = package(project.path(), &layout)
        .arg("--engine-library")
        .arg(place::engine_library())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&static_host.stderr).into_owned();
    assert!(
        static_host.status.code() == Some(4) && said.contains("linked statically"),
        "{said}"
    );

    std::fs::write(
        project.path().join("model/mlp.onnx"),
        &onnx::trained("mlp")[..200_000],
    )
    .unwrap();
    let refused = run::finish(&mut package_with_engine(project.path(), &layout), b"").ended(3);
    refused.said(&["mlp.onnx: was cut: it has 200000 bytes of", "fix:"]);
}

#[test]
fn an_image_scores_in_a_container() {
    require!("podman", "runc", "docker-registry");
    if !rustix::process::geteuid().is_root() {
        return skip::skip("containers with these limits need root");
    }
    let (project, output, registry) = (project(), tempfile::tempdir().unwrap(), Registry::start());
    let mut command = package_with_engine(project.path(), &output.path().join("image"));
    let repository = format!("scorebox-test-{}/digits-mlp", std::process::id());
    command.args([
        "--push",
        "--plain-http",
        "--registry",
        &registry.name,
        "--repository",
        &repository,
    ]);
    let reference = run::finish(&mut command, b"")
        .ended(0)
        .stdout
        .trim_end()
        .to_owned();
    let container = Container::run("digits-mlp", &reference, &[]);
    let send = |method: &str, path: &str, body: String| {
        let url = format!("http://127.0.0.1:{}{path}", container.port);
        http::try_send(
            method,
            &url,
            &[("content-type", "application/json")],
            Body::Sized(body.into_bytes()),
        )
        .ok()
    };
    container.until("readiness", || {
        send("GET", "/readyz", String::new()).filter(|answer| answer.status == 200)
    });
    let answer = send("POST", "/score", all_digits().to_string())
        .expect("an answer")
        .expect(200);
    check("mlp", &answer.json(), ["label", "probabilities"]);
    let (code, _) = container.stop();
    assert_eq!(code, 0, "{}", container.logs());
}
