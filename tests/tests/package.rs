//! `cargo xtask package`: the same bytes from the same inputs, read by other programs, pushed to a
//! real registry.
//!
//! Owns the properties of an image, seen from outside. Must not know how an image is built.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use scorebox_tests::app::App;
use scorebox_tests::packaging::{blob, json, package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::{place, require, run};
use serde_json::Value;

const SECRET: &str = "s3cr3t-of-the-builder";

#[track_caller]
fn digest(project: &Path) -> String {
    let output = tempfile::tempdir().unwrap();
    let image = packaged(&mut package(project, &output.path().join("image")));
    image["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn two_builds_at_two_places_and_times_give_one_digest() {
    let (first, second) = (project(), project());
    let expected = digest(first.path());

    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in [
        "component.wasm",
        "scorebox.toml",
        "model/logreg.safetensors",
    ] {
        std::fs::File::options()
            .write(true)
            .open(second.path().join(name))
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    let output = tempfile::tempdir().unwrap();
    let packaging = package(second.path(), &output.path().join("elsewhere"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(packaging.get_program())
        .args(packaging.get_args());
    command.envs([
        ("TZ", "Asia/Kathmandu"),
        ("LANG", "tr_TR.UTF-8"),
        ("HOSTNAME", "other"),
        ("USER", "nobody"),
    ]);
    command.env("SECRET", SECRET).current_dir("/");
    let image = packaged(&mut command);
    assert_eq!(image["digest"], expected.as_str());

    // The build also runs as another user with few rights.
    if rustix::process::geteuid().is_root() && place::tool("setpriv").is_some() {
        let open = |path: &Path| {
            let mut change = Command::new("chmod");
            assert!(
                change
                    .args(["--recursive", "a+rwX"])
                    .arg(path)
                    .status()
                    .expect("chmod runs")
                    .success()
            );
        };
        let theirs = tempfile::tempdir().unwrap();
        for name in ["target", "out"] {
            std::fs::create_dir(theirs.path().join(name)).unwrap();
        }
        open(theirs.path());
        open(first.path());
        let packaging = package(first.path(), &theirs.path().join("out/image"));
        let mut command = run::tool("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(packaging.get_program())
            .args(packaging.get_args());
        command
            .env("CARGO_TARGET_DIR", theirs.path().join("target"))
            .current_dir("/");
        assert_eq!(packaged(&mut command)["digest"], expected.as_str());
    }
}

#[test]
fn every_input_changes_the_digest() {
    let project = project();
    let mut seen = vec![digest(project.path())];
    let mut changed = |what: &str, digest: String| {
        assert!(!seen.contains(&digest), "{what} changes nothing");
        seen.push(digest);
    };
    let change = |name: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let file = project.path().join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        edit(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        digest(project.path())
    };
    changed(
        "the model",
        change("model/logreg.safetensors", &|bytes| {
            *bytes.last_mut().unwrap() ^= 1
        }),
    );
    // An empty custom section with the name `x` makes another component with the same behaviour.
    changed(
        "the component",
        change("component.wasm", &|bytes| bytes.extend([0, 2, 1, b'x'])),
    );
    changed(
        "the manifest",
        change("scorebox.toml", &|bytes| {
            bytes.extend(b"\n[config]\na = \"b\"\n")
        }),
    );

    let other = tempfile::tempdir().unwrap();
    let host = other.path().join("scorebox");
    let mut bytes = std::fs::read(place::image_host()).unwrap();
    bytes.push(0);
    std::fs::write(&host, bytes).unwrap();
    let mut command = package(project.path(), &other.path().join("image"));
    let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let at = arguments
        .iter()
        .position(|argument| argument == "--host")
        .expect("it is given");
    let mut with_other_host = Command::new(command.get_program());
    with_other_host
        .args(&arguments[..at])
        .arg("--host")
        .arg(&host);
    changed(
        "the host",
        packaged(&mut with_other_host)["digest"].to_string(),
    );
    let dated = packaged(command.env("SOURCE_DATE_EPOCH", "1700000000"));
    changed("the time", dated["digest"].to_string());
}

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
    refuse(&App::of("importer"), &["intruder:host/secrets", "fix:"]);
    refuse(&App::of("stranger"), &["scorebox:scoring/scorer", "fix:"]);
    refuse(
        &App::with("weights", "model = \"none\"\n"),
        &["none", "scorer.model"],
    );
    refuse(
        &App::with("wayward", "[limits]\nqueues = 1\n"),
        &["limits.queue"],
    );
    refuse(
        &App::with(
            "wayward",
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
    assert_eq!(seen["RepoTags"], serde_json::json!(["1.0.0", list]));

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
