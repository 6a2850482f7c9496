//! `cargo xtask package`: the same bytes from the same inputs, read by other programs, pushed to a
//! real registry.
//!
//! Owns the contents of an image, seen from outside, and what is not packaged. Must not know how an
//! image is built.

mod digests;
mod pushes;

use std::io::Read as _;
use std::path::PathBuf;

use scorebox_tests::app::App;
use scorebox_tests::packaging::{blob, json, package, packaged, project};
use scorebox_tests::{place, programs, require, run};

const SECRET: &str = "s3cr3t-of-the-builder";

#[test]
fn an_image_is_locked_down_and_holds_no_secret() {
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let mut command = package(project.path(), &layout);
    let variables = [
        ("SCOREBOX_REDIS_URL", format!("redis://:{SECRET}@cache")),
        ("SECRET", SECRET.to_owned()),
    ];
    run::finish(command.envs(variables), b"").ended(0);
    let index = json(&std::fs::read(layout.join("index.json")).unwrap());
    let manifest = json(&blob(&layout, &index["manifests"][0]["digest"]));
    let config = blob(&layout, &manifest["config"]["digest"]);
    assert!(!String::from_utf8_lossy(&config).contains(SECRET));
    let config = json(&config);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        (config["os"].as_str(), config["architecture"].as_str()),
        (Some("linux"), Some("amd64"))
    );

    let mut names = Vec::new();
    for layer in manifest["layers"].as_array().expect("layers") {
        let stored = blob(&layout, &layer["digest"]);
        let mut bytes = Vec::new();
        match layer["mediaType"].as_str() {
            Some("application/vnd.oci.image.layer.v1.tar") => bytes = stored,
            Some("application/vnd.oci.image.layer.v1.tar+gzip") => {
                flate2::read::GzDecoder::new(stored.as_slice())
                    .read_to_end(&mut bytes)
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert!(
            !bytes
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes())
        );
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            names.push((
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
                header.uid().unwrap(),
            ));
        }
    }
    let find = |name: &str| {
        let found = names
            .iter()
            .find(|(found, ..)| found.trim_end_matches('/') == name);
        found.unwrap_or_else(|| panic!("no {name} in {names:?}"))
    };
    assert_eq!(find("usr/bin/scorebox").1 & 0o777, 0o755);
    assert_eq!(find("tmp").1 & 0o7777, 0o1777);
    for name in ["etc/passwd", "etc/ssl/certs/ca-certificates.crt"] {
        assert_eq!(find(name).1 & 0o777, 0o644, "{name}");
    }
    for name in [
        "component.wasm",
        "scorebox.toml",
        "host.json",
        "score/function.json",
        "model/logreg.safetensors",
    ] {
        assert_eq!(
            find(&format!("home/site/wwwroot/{name}")).1 & 0o777,
            0o644,
            "{name}"
        );
    }
    assert!(
        names
            .iter()
            .all(|(_, mode, uid)| *uid == 0 && mode & 0o6000 == 0),
        "{names:?}"
    );
}

#[test]
fn pickles_are_refused_with_the_way_to_convert_them() {
    let project = project();
    let refuse = |name: &str, bytes: &[u8]| {
        let file = project.path().join("model").join(name);
        std::fs::write(&file, bytes).unwrap();
        let output = project.path().join("image");
        let refused = run::finish(&mut package(project.path(), &output), b"").ended(3);
        let refused = refused.said(&[name, "Pickles are programs", "safetensors", "save_file"]);
        assert!(
            refused.stdout.is_empty() && !output.exists(),
            "{}",
            refused.stdout
        );
        std::fs::remove_file(file).unwrap();
    };
    refuse("model.pkl", b"anything");
    refuse("model.joblib", b"anything");
    refuse("model.pt", b"anything");
    refuse(
        "weights.bin",
        b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x07.",
    );
}

#[test]
fn what_the_host_would_not_serve_is_not_packaged() {
    let refuse = |app: &App, parts: &[&str]| {
        let output = app.path().join("image");
        run::finish(&mut package(app, &output), b"")
            .ended(3)
            .said(parts);
        assert!(!output.exists());
    };
    refuse(
        &App::of(programs::IMPORTER),
        &["intruder:host/secrets", "fix:"],
    );
    refuse(
        &App::of(programs::STRANGER),
        &["scorebox:scoring/scorer", "fix:"],
    );
    refuse(
        &App::with(programs::WEIGHTS, "model = \"none\"\n"),
        &["none", "scorer.model"],
    );
    refuse(
        &App::with(programs::WAYWARD, "[limits]\nqueues = 1\n"),
        &["limits.queue"],
    );
    refuse(
        &App::with(
            programs::WAYWARD,
            "[limits]\ninit_deadline = \"1s\"\n[config]\ninit = \"fail\"\n",
        ),
        &["told-to-fail"],
    );
}

#[test]
fn other_programs_accept_the_layout() {
    require!("skopeo", "umoci");
    let (project, output) = (project(), tempfile::tempdir().unwrap());
    let layout = output.path().join("image");
    let image = packaged(package(project.path(), &layout).args(["--tag", "tried"]));
    let name = format!("oci:{}:tried", layout.display());
    let seen = run::finish(run::tool("skopeo").args(["inspect", &name]), b"")
        .ended(0)
        .json();
    assert_eq!(seen["Digest"], image["digest"]);
    assert_eq!(seen["Labels"]["dev.scorebox.scorer.name"], "digits");

    let bundle = output.path().join("bundle");
    let mut unpack = run::tool("umoci");
    if !rustix::process::geteuid().is_root() {
        unpack.arg("--rootless");
    }
    let source = format!("{}:tried", layout.display());
    run::finish(
        unpack.args(["unpack", "--image", &source]).arg(&bundle),
        b"",
    )
    .ended(0);
    let root = bundle.join("rootfs");
    let same = |inside: &str, file: PathBuf| {
        assert!(
            std::fs::read(root.join(inside)).unwrap() == std::fs::read(file).unwrap(),
            "{inside}"
        );
    };
    same("usr/bin/scorebox", place::image_host());
    same(
        "home/site/wwwroot/component.wasm",
        project.path().join("component.wasm"),
    );
    same(
        "home/site/wwwroot/model/logreg.safetensors",
        project.path().join("model/logreg.safetensors"),
    );
}
